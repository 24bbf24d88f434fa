import numpy as np
import pytest
import torch

from attar.kinds.series import Series
from attar.represent.byol import BYOL

SERIES = np.random.default_rng(0).normal(size=(40, 2, 30)).astype(np.float32)


def _made(**options):
    byol = BYOL(**({"dim": 6, "width": 2, "hidden": 8, "projection": 4, "random_state": 0} | options))
    byol.n_samples_, byol.dim_ = len(SERIES), byol.dim
    kind = Series.learn(SERIES)
    torch.manual_seed(0)
    networks = byol._networks(kind).double().train()
    return byol, kind, networks, kind.preprocess()(torch.from_numpy(SERIES)).double()


def test_the_loss_is_two_minus_two_cosines_both_ways():
    byol, kind, networks, x = _made()
    views = kind.view(torch.cat([x, x]), torch.Generator().manual_seed(3))
    p = networks["predictor"](networks["projector"](networks["encoder"](views))).detach()
    t = networks["target"](views)
    loss = byol._loss(networks, kind, x, torch.Generator().manual_seed(3)).item()
    total, n = 0.0, len(x)
    for i in range(n):
        for a, b in ((p[i], t[n + i]), (p[n + i], t[i])):
            # ‖a/‖a‖ − b/‖b‖‖² = 2 − 2 cos
            total += float((a / a.norm() - b / b.norm()).square().sum()) / n
    assert loss == pytest.approx(total, rel=1e-10)
    assert 0 <= loss <= 8


def test_no_gradient_reaches_the_target():
    byol, kind, networks, x = _made()
    byol._loss(networks, kind, x, torch.Generator()).backward()
    assert all(p.grad is None for p in networks["target"].parameters())
    for name in ("encoder", "projector", "predictor"):
        assert all(p.grad.abs().sum() > 0 for p in networks[name].parameters() if p.ndim > 1)


def test_the_momentum_goes_from_its_first_value_to_one_along_a_cosine():
    byol = BYOL(epochs=10, batch_size=8, momentum=0.9)
    byol.n_samples_ = 43  # 5 steps an epoch
    assert byol._momentum_at(0, 0.97) == pytest.approx(0.9)
    assert byol._momentum_at(25, 0.97) == pytest.approx(0.95)
    assert byol._momentum_at(50, 0.97) == pytest.approx(1.0)


def test_the_momentum_reaches_one_with_the_last_step_of_several_processes(monkeypatch):
    byol = BYOL(epochs=10, batch_size=9, momentum=0.9)
    byol.n_samples_ = 70  # 8 steps an epoch, for two processes take 4 samples each
    monkeypatch.setattr("attar.training.processes.processes", lambda: 2)
    assert byol._momentum_at(40, 0.97) == pytest.approx(0.95)
    assert byol._momentum_at(80, 0.97) == pytest.approx(1.0)


def test_the_target_moves_once_a_step():
    byol, kind, networks, x = _made()
    for step in range(3):
        assert networks["target"].followed == step
        byol._loss(networks, kind, x, torch.Generator())


def test_in_half_precision_views_that_nearly_agree_are_told_apart():
    byol, kind, networks, x = _made(strength=0.0)
    networks, x = networks.float(), x.float()
    networks["predictor"] = torch.nn.Identity()
    networks["encoder"].requires_grad_(False)
    with torch.no_grad():
        for p in networks["target"].parameters():
            p.mul_(1 + 0.005 * torch.randn(p.shape))
    byol.momentum = 1.0
    with torch.autocast("cpu", torch.bfloat16):
        loss = byol._loss(networks, kind, x, torch.Generator()).item()
        both = torch.cat([x, x])
        p, t = (networks["projector"](networks["encoder"](both)), networks["target"](both))
    expected = 4 * (1 - torch.nn.functional.cosine_similarity(p.double(), t.double(), dim=1)).mean().item()
    assert 1e-4 < expected < 2e-2
    assert loss == pytest.approx(expected, rel=1e-3)


def test_what_all_samples_have_in_common_is_no_part_of_what_is_compared():
    _, kind, networks, x = _made()
    views = kind.view(torch.cat([x, x]), torch.Generator().manual_seed(3))
    for answer in (networks["projector"](networks["encoder"](views)), networks["target"](views)):
        torch.testing.assert_close(answer.mean(dim=0), torch.zeros(4, dtype=torch.float64), atol=1e-9, rtol=0)
        torch.testing.assert_close(
            answer.var(dim=0, correction=0), torch.ones(4, dtype=torch.float64), atol=1e-2, rtol=0
        )


@pytest.mark.parametrize(("epochs", "first"), [(1, 0.34), (8, 0.9175), (22, 0.97), (2000, 0.97)])
def test_the_first_momentum_suits_the_number_of_steps(epochs, first):
    byol = BYOL(epochs=epochs, batch_size=8)
    byol.n_samples_ = 43  # 5 steps an epoch
    assert byol._momentum_at(0, 0.97) == pytest.approx(first, abs=1e-4)
    assert byol._momentum_at(0, 0.0) == 0.0
    assert byol._momentum_at(5 * epochs, 0.97) == pytest.approx(1.0)
