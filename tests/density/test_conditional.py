"""The linear estimate against that of a normal distribution whose covariance is written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attar.density._conditional import Conditional
from attar.kinds import kind_of

N, SIDE, SIGMA = 40, 4, 0.7


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((SIDE**2, SIDE**2))
    return (rng.standard_normal((1500, SIDE**2)) @ mixing).reshape(-1, SIDE, SIDE).astype(np.float32)


@pytest.mark.parametrize("damage", ["noise", "holes", "both", "blocks"])
def test_it_is_the_mean_of_a_normal_distribution_given_what_is_seen(images, damage):
    kind = kind_of("image", images)
    x = kind.preprocess()(torch.from_numpy(images))
    first = Conditional.learn(x)
    directions = first.directions.flatten(1).double()
    covariance = directions.T @ directions + first.rest * torch.eye(SIDE**2)
    few, mean = x[:N], first.mean.flatten().double()
    noisy = damage in ("noise", "both")
    level = torch.full((1, 1, 1, 1), SIGMA * noisy)
    share = torch.ones_like(few)
    if damage in ("holes", "both"):
        share = (torch.rand(few.shape, generator=torch.Generator().manual_seed(0)) < 0.6).float()
    y = (few + level * torch.randn(few.shape, generator=torch.Generator().manual_seed(1))) * share
    if damage == "blocks":
        share, y = 0.5 * share, kind.spread(kind.halved(few))
    found = first(kind, y, share, level).flatten(1).double()
    for i in range(N):
        if damage == "blocks":
            seen = torch.eye(SIDE**2).reshape(-1, 1, SIDE, SIDE)
            seen = kind.halved(seen).flatten(1).T.double()
            value = kind.halved(few[i : i + 1]).flatten().double()
        else:
            known = share[i].flatten() > 0
            seen, value = torch.eye(SIDE**2).double()[known], y[i].flatten().double()[known]
        inner = seen @ covariance @ seen.T + SIGMA**2 * noisy * torch.eye(len(seen))
        exact = mean + covariance @ seen.T @ torch.linalg.solve(inner, value - seen @ mean)
        torch.testing.assert_close(found[i], exact, rtol=1e-2, atol=1e-2)


def test_what_is_not_damaged_stays(images):
    kind = kind_of("image", images)
    x = kind.preprocess()(torch.from_numpy(images))
    found = Conditional.learn(x)(kind, x, torch.ones_like(x), torch.zeros(1))
    torch.testing.assert_close(found, x, rtol=0, atol=1e-4)


@pytest.mark.parametrize("x", [np.ones((1, 3)), np.ones((9, 1)), np.full((9, 4, 4), 7.0)])
def test_one_sample_one_value_and_constants(x):
    x = x.astype(np.float32)
    kind = kind_of(None, x)
    normalised = kind.preprocess()(torch.from_numpy(x))
    found = Conditional.learn(normalised)(kind, normalised, torch.ones_like(normalised), torch.ones(1))
    assert torch.isfinite(found).all()
