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


def test_the_loss_equals_a_naive_loop_in_float64():
    moco, kind, networks, x = _made()
    x = x[:8]
    negatives = networks["queue"].vectors.clone()
    generator = torch.Generator().manual_seed(3)
    q = networks["projector"](networks["encoder"](kind.view(x, generator))).detach()
    k = networks["key"](kind.view(x, generator))
    loss = moco._loss(networks, kind, x, torch.Generator().manual_seed(3)).item()
    total = 0.0
    for i in range(8):
        a, b = q[i] / q[i].norm(), k[i] / k[i].norm()
        positive = math.exp(float(a @ b) / 0.2)
        others = sum(math.exp(float(a @ negative) / 0.2) for negative in negatives)
        total -= math.log(positive / (positive + others)) / 8
    assert loss == pytest.approx(total, rel=1e-10)


def test_keys_enter_the_queue_after_they_were_compared():
    moco, kind, networks, x = _made()
    generator = torch.Generator().manual_seed(3)
    kind.view(x[:8], generator)
    k = networks["key"](kind.view(x[:8], generator))
    moco._loss(networks, kind, x[:8], torch.Generator().manual_seed(3))
    torch.testing.assert_close(networks["queue"].vectors[-8:], k / k.norm(dim=1, keepdim=True))


def test_keys_receive_no_gradient_and_the_query_does():
    moco, kind, networks, x = _made()
    moco._loss(networks, kind, x, torch.Generator()).backward()
    assert all(p.grad is None for p in networks["key"].parameters())
    for name in ("encoder", "projector"):
        assert all(p.grad.abs().sum() > 0 for p in networks[name].parameters() if p.ndim > 1)


@pytest.mark.parametrize(("n", "queue", "length"), [(1, 4096, 1), (40, 4096, 20), (40, 7, 7)])
def test_the_queue_never_holds_more_than_half_of_the_samples(n, queue, length):
    moco = MoCo(6, width=2, epochs=1, batch_size=32, queue=queue, random_state=0)
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
