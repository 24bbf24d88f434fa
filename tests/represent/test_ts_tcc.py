import numpy as np
import pytest
import torch

from attar.errors import DataError
from attar.kinds.series import Series
from attar.represent.ts_tcc import TSTCC, _context

SERIES = np.random.default_rng(0).normal(size=(12, 2, 40)).astype(np.float32)


def _made(**options):
    tcc = TSTCC(**({"dim": 6, "width": 2, "context": 8, "random_state": 0} | options))
    kind = Series.learn(SERIES)
    torch.manual_seed(0)
    networks = tcc._networks(kind).double().train()
    return tcc, kind, networks, kind.preprocess()(torch.from_numpy(SERIES)).double()


def _unit(v):
    return v / v.norm(dim=-1, keepdim=True).clamp(min=1e-12)  # where all of a step is zero, so it stays


def test_the_loss_equals_the_papers_equations_in_a_naive_loop():
    tcc, kind, networks, x = _made(temporal=0.8, contextual=0.6)
    generator = torch.Generator().manual_seed(5)
    views = torch.cat([kind.strong_view(x, generator), kind.view(x, generator, 0.5)])
    z = _unit(kind.sequence(networks["encoder"], views)).detach()
    n, steps, horizon = len(x), z.shape[1], len(networks["predictors"])
    t = int(torch.randint(steps - horizon, (), generator=generator))
    c = _context(networks, z[:, : t + 1]).detach()
    g = _unit(networks["projector"](c)).detach()
    temporal = 0.0
    for own, other in ((0, n), (n, 0)):  # from the strong view to the weak one, and back
        for k in range(1, horizon + 1):
            for i in range(n):
                predicted = networks["predictors"][k - 1](c[own + i]).detach()
                scores = [float(predicted @ z[other + j, t + k]) for j in range(n)]
                temporal -= np.log(np.exp(scores[i]) / np.exp(scores).sum()) / (n * horizon)
    contextual = 0.0
    for i in range(2 * n):
        scores = {j: float(g[i] @ g[j]) / 0.2 for j in range(2 * n) if j != i}
        contextual -= (scores[(i + n) % (2 * n)] - np.log(np.exp(list(scores.values())).sum())) / (2 * n)
    loss = tcc._loss(networks, kind, x, torch.Generator().manual_seed(5)).item()
    assert loss == pytest.approx(0.8 * temporal + 0.6 * contextual, rel=1e-10)


def test_a_context_knows_its_past_alone():
    _, kind, networks, x = _made()
    z = kind.sequence(networks["encoder"], x).detach()
    later = z.clone()
    later[:, 4:] += 1
    torch.testing.assert_close(_context(networks, z[:, :4]), _context(networks, later[:, :4]))
    assert not torch.allclose(_context(networks, z), _context(networks, later))


def test_every_network_is_trained():
    tcc, kind, networks, x = _made()
    tcc._loss(networks, kind, x, torch.Generator()).backward()
    for name, p in networks.named_parameters():
        assert p.grad is not None, name


def test_the_representation_pools_what_was_contrasted():
    tcc = TSTCC(6, width=2, context=8, epochs=1, random_state=0).fit(SERIES)
    x = tcc.kind_.preprocess()(torch.from_numpy(SERIES))
    with torch.no_grad():
        sequence = tcc.kind_.sequence(tcc.encoder_, x)
    pooled = torch.cat([sequence.mean(dim=1), sequence.amax(dim=1)], dim=1)
    np.testing.assert_allclose(tcc.transform(SERIES), pooled, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 9])
def test_short_series_are_no_trouble(steps):
    x = SERIES[:, :, :steps]
    assert TSTCC(6, width=2, context=8, epochs=1, kind="series", random_state=0).fit_transform(x).shape == (12, 6)


@pytest.mark.parametrize("x", [SERIES[:, 0], SERIES[:, :, :2]])
def test_what_has_no_time_is_refused(x):
    with pytest.raises(DataError, match=r"of kind (table|image) have no order in time"):
        TSTCC(6, width=2, epochs=1).fit(x)
