from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from attar.represent import RandomConvolutions
from attar.represent._channels import STILL, Correlations, Levels


def series(channels, steps, n=5):
    walk = np.random.default_rng(channels * steps).standard_normal((n, channels, steps)).cumsum(axis=2)
    return torch.tensor(walk / walk.std(), dtype=torch.float32)


@pytest.mark.parametrize(
    ("channels", "steps", "lags"), [(3, 30, [1, 2, 4, 8]), (2, 9, [1, 2, 4]), (4, 2, [1]), (3, 1, [])]
)
def test_correlations_equal_a_naive_loop(channels, steps, lags) -> None:
    x = series(channels, steps)
    module = Correlations(channels, steps, 1000)
    assert module.lags == lags
    found = module(x)
    for sample, features in zip(x.double().numpy(), found.double().numpy()):
        away = [values - values.mean() for values in sample]
        spread = [np.sqrt((values**2).mean() + STILL**2) for values in away]
        expected = [
            sum(away[i][t] * away[j][t + lag] for t in range(steps - lag)) / steps / spread[i] / spread[j]
            for lag in [0, *lags]
            for i, j in (
                itertools.product(range(channels), repeat=2) if lag else itertools.combinations(range(channels), 2)
            )
        ]
        np.testing.assert_allclose(features, expected, atol=1e-5)


def test_levels_equal_numpy() -> None:
    x = series(3, 20).numpy()
    expected = np.hstack([x.mean(2), np.log(x.var(2) + STILL**2)])
    np.testing.assert_allclose(Levels()(torch.tensor(x)), expected, atol=1e-5)


def test_correlations_are_those_of_numpy_and_see_neither_height_nor_reach() -> None:
    x = series(4, 60)
    module = Correlations(4, 60, 6)
    expected = [np.corrcoef(sample)[np.triu_indices(4, 1)] for sample in x]
    np.testing.assert_allclose(module(x), expected, atol=1e-4)
    np.testing.assert_allclose(module(4 * x + 2), module(x), atol=1e-4)


@pytest.mark.parametrize(("most", "lags", "size"), [(3 + 18, [1, 2], 21), (3 + 17, [1], 12), (3, [], 3), (2, [], 0)])
def test_no_more_than_there_is_room_for(most, lags, size) -> None:
    module = Correlations(3, 40, most)
    assert module.lags == lags
    assert module(series(3, 40)).shape == (5, size)


def test_of_too_many_channels_only_levels_are_kept() -> None:
    x = np.random.default_rng(0).standard_normal((10, 40, 30)).astype(np.float32)
    representation = RandomConvolutions(8, kind="series", random_state=0).fit(x)
    (levels,) = representation.module_[-1].between
    assert isinstance(levels, Levels)
    z = representation.transform(x)
    assert z.shape[1] == representation.module_[-1].sizes[0] + 80
    assert np.isfinite(z).all()


def test_what_stands_still_has_no_relations() -> None:
    x = torch.zeros(2, 3, 20)
    x[:, 1] = 5
    assert Correlations(3, 20, 100)(x).abs().max() == 0
    assert torch.isfinite(Levels()(x)).all()


def test_either_part_has_an_eighth_of_the_variance_of_all_convolutions() -> None:
    x = series(4, 50, 200).numpy()
    bank = RandomConvolutions(32, kind="series", random_state=0).fit(x)
    total = [
        float(part.var(0).sum()) for part in np.split(bank.transform(x), np.cumsum(bank.module_[-1].sizes)[:2], axis=1)
    ]
    assert total[1:] == pytest.approx([total[0] / 8] * 2, rel=0.03)


def test_of_images_and_of_one_channel_there_are_none() -> None:
    for shape, kind in (((1, 40), "series"), ((8, 8, 3), "image")):
        x = np.random.default_rng(0).standard_normal((10, *shape)).astype(np.float32)
        assert not RandomConvolutions(8, kind=kind, random_state=0).fit(x).module_[-1].between
