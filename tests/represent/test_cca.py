from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits

from attar.kinds.table import Table
from attar.represent import CCASSG
from attar.represent.cca import correlation_loss


def two(n: int = 50, dim: int = 4):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(n, dim, generator=generator, dtype=torch.double) for _ in range(2))


def test_equals_a_loop_over_directions() -> None:
    a, b = (z.numpy() for z in two())
    a, b = ((z - z.mean(0)) / (z.std(0) + 1e-6) for z in (a, b))
    n, dim = a.shape
    expected = sum(np.sum((a[:, k] - b[:, k]) ** 2) / n for k in range(dim))
    for z in (a, b):
        expected += 0.3 * sum((z[:, j] @ z[:, k] / n - (j == k)) ** 2 for j in range(dim) for k in range(dim))
    assert abs(float(correlation_loss(*two(), 0.3)) - expected) < 1e-10


def test_scale_shift_and_order_make_no_difference() -> None:
    a, b = two()
    loss = correlation_loss(a, b, 0.3)
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(correlation_loss(3 * a + 5, 7 * b - 2, 0.3), loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(correlation_loss(a[order], b[order], 0.3), loss)
    torch.testing.assert_close(correlation_loss(b, a, 0.3), loss)


def test_zero_only_where_views_agree_in_uncorrelated_directions() -> None:
    a, _ = two()
    apart = torch.linalg.qr(a - a.mean(0))[0]
    assert correlation_loss(apart, apart, 1.0) < 1e-5
    copied = torch.cat([apart, apart], dim=1)
    # Each direction has one other that equals it, in both views.
    torch.testing.assert_close(
        correlation_loss(copied, copied, 1.0), torch.tensor(16.0, dtype=torch.double), rtol=1e-3, atol=1e-3
    )


def test_a_direction_that_is_the_same_for_all_is_no_division_by_zero() -> None:
    a, b = two()
    a = torch.cat([a, torch.ones(len(a), 1, dtype=a.dtype)], dim=1).requires_grad_()
    b = torch.cat([b, torch.ones(len(b), 1, dtype=b.dtype)], dim=1)
    correlation_loss(a, b, 0.3).backward()
    assert torch.isfinite(a.grad).all()


def test_same_seed_same_encoder() -> None:
    x = np.random.default_rng(0).standard_normal((40, 6))
    z = [CCASSG(4, width=2, epochs=2, batch_size=20, random_state=3).fit(x).transform(x) for _ in range(2)]
    np.testing.assert_array_equal(*z)


def test_in_half_precision_the_loss_is_that_of_what_was_encoded() -> None:
    x = np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32)
    kind = Table.learn(x)
    z = 10 + torch.randn(128, 4, generator=torch.Generator().manual_seed(0))
    z[64:] = z[:64] + 0.1 * z[64:].sub(10)
    networks = torch.nn.ModuleDict({"encoder": _Answers(z.bfloat16())})
    with torch.autocast("cpu", torch.bfloat16):
        loss = CCASSG(4, decorrelation=1e-3)._loss(networks, kind, torch.from_numpy(x), torch.Generator())
    expected = correlation_loss(*z.bfloat16().double().chunk(2), 1e-3)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-3, atol=0.0)


def test_small_batches_of_images_keep_directions_apart() -> None:
    """With the weight that suits whole graphs, a mean correlation of 0.55 to 0.6."""
    x = load_digits().images[:320].astype(np.float32)
    z = CCASSG(16, width=4, epochs=12, batch_size=64, lr=4e-3, kind="image", random_state=0).fit(x).transform(x)
    assert np.abs(np.corrcoef(z.T)[~np.eye(16, dtype=bool)]).mean() < 0.4


class _Answers(torch.nn.Module):
    def __init__(self, z: torch.Tensor) -> None:
        super().__init__()
        self.z = z

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.z
