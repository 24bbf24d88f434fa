import math

import numpy as np
import pytest
import torch

from attar.kinds.series import Series
from attar.represent.moco import MoCo

SERIES = np.random.default_rng(0).normal(size=(40, 2, 30)).astype(np.float32)


def _made(**options):
    moco = MoCo(**({"dim": 6, "width": 2, "projection": 4, "random_state": 0} | options))
    moco.n_samples_, moco.dim_ = len(SERIES), moco.dim
    kind = Series.learn(SERIES)
    torch.manual_seed(0)
    networks = moco._networks(kind).double().train()
    x = kind.preprocess()(torch.from_numpy(SERIES)).double()
    return moco, kind, networks, x


def _answers(networks, kind, x):
    """Queries and keys of both views, of length one."""
    views = kind.view(torch.cat([x, x]), torch.Generator().manual_seed(3))
    answers = networks["projector"](networks["encoder"](views)).detach(), networks["key"](views)
    return [(z / z.norm(dim=1, keepdim=True)).chunk(2) for z in answers]


@pytest.mark.parametrize("queue", [0, 20])
def test_the_loss_equals_a_naive_loop_in_float64(queue):
    moco, kind, networks, x = _made(queue=queue)
    x = x[:8]
    old = networks["queue"].vectors.clone()
    assert len(old) == queue
    q, k = _answers(networks, kind, x)
    loss = moco._loss(networks, kind, x, torch.Generator().manual_seed(3)).item()
    total = 0.0
    for queries, keys in ((q[0], k[1]), (q[1], k[0])):
        for i, query in enumerate(queries):
            compared = [math.exp(float(query @ key) / 0.2) for key in [*keys, *old]]
            total -= math.log(compared[i] / sum(compared)) / 16
    assert loss == pytest.approx(total, rel=1e-10)


def test_keys_enter_the_queue_after_they_were_compared():
    moco, kind, networks, x = _made()
    _, keys = _answers(networks, kind, x[:8])
    moco._loss(networks, kind, x[:8], torch.Generator().manual_seed(3))
    torch.testing.assert_close(networks["queue"].vectors[-16:], torch.cat(keys))


def test_keys_receive_no_gradient_and_the_query_does():
    moco, kind, networks, x = _made()
    moco._loss(networks, kind, x, torch.Generator()).backward()
    assert all(p.grad is None for p in networks["key"].parameters())
    for name in ("encoder", "projector"):
        assert all(p.grad.abs().sum() > 0 for p in networks[name].parameters() if p.ndim > 1)


@pytest.mark.parametrize(
    ("n", "queue", "length"), [(2, 4096, 1), (40, 4096, 20), (40, 7, 7), (40, 0, 0), (40, None, 16)]
)
def test_the_queue_never_holds_more_than_half_of_the_samples(n, queue, length):
    moco = MoCo(6, width=2, epochs=1, batch_size=8, queue=queue, random_state=0)
    seen = []
    original = moco._networks
    moco._networks = lambda kind: seen.append(original(kind)) or seen[0]
    moco.fit(SERIES[:n])
    assert len(seen[0]["queue"].vectors) == length


def test_keys_have_length_one_in_half_precision_too():
    moco, kind, networks, x = _made()
    with torch.autocast("cpu", torch.bfloat16):
        moco._loss(networks.float(), kind, x[:8].float(), torch.Generator())
    torch.testing.assert_close(networks["queue"].vectors.norm(dim=1), torch.ones(20))
