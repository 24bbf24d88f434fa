from itertools import pairwise

import numpy as np
import pytest

from attar.data.rates import at_one_rate, by_stretch, nearest, resampled
from attar.errors import DataError

RNG = np.random.default_rng(0)


def tones(rate: int, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(round(rate * seconds)) / rate
    return np.stack([np.cos(2 * np.pi * 40 * t) + 3, np.cos(2 * np.pi * 110 * t)])


@pytest.mark.parametrize(("old", "new"), [(2000, 1000), (1000, 2000), (1000, 300), (441, 480), (480, 441)])
def test_what_is_below_both_rates_stays(old: int, new: int) -> None:
    found = resampled(tones(old), old, new)
    expected = tones(new)
    assert found.dtype == np.float32
    assert abs(found.shape[1] - expected.shape[1]) <= 1
    inner = slice(new // 50, min(found.shape[1], expected.shape[1]) - new // 50)
    np.testing.assert_allclose(found[:, inner], expected[:, inner], atol=0.02)


def test_what_is_above_is_lost_and_not_folded_back() -> None:
    t = np.arange(4000) / 4000
    found = resampled(np.cos(2 * np.pi * 1500 * t)[None], 4000, 1000)
    assert np.abs(found[:, 20:-20]).max() < 0.02
    assert np.abs(np.cos(2 * np.pi * 1500 * t)[::4]).max() > 0.9


def test_constants_offsets_and_single_steps() -> None:
    np.testing.assert_allclose(resampled(np.full((2, 37), 1e6), 100, 44), 1e6, rtol=1e-6)
    np.testing.assert_allclose(resampled(np.full((1, 1), 5.0), 8000, 100), 5)
    assert resampled(np.full((1, 1), 5.0), 100, 800).shape == (1, 8)
    rising = resampled(np.linspace(0, 1, 400)[None], 400, 100)[0]
    assert np.diff(rising).min() > 0  # ends do not ring
    assert 0 <= rising[0] < rising[-1] <= 1


def test_the_rate_of_most_the_lowest_of_several_or_the_one_that_is_wanted() -> None:
    x = [np.ones((1, 80)), np.ones((1, 40)), np.ones((1, 80)), np.ones((2, 7))]
    found, rate, notes, _ = at_one_rate(x, [8, 4, 8, None])
    assert ([one.shape for one in found], rate) == ([(1, 80), (1, 80), (1, 80), (2, 7)], 8)
    assert notes == ["1 recording is sampled at 4 Hz, and brought to 8 Hz, at which steps are counted"]
    assert at_one_rate(x[:2], [8, 4])[1] == 4
    assert at_one_rate(x[:2], [8, 4], wanted=2)[2][0].startswith(
        "2 recordings are sampled at 4 to 8 Hz, and brought to 2"
    )
    found, rate, notes, _ = at_one_rate(x[:1], [None], wanted=2)
    assert (found[0] is x[0], rate, notes) == (True, None, [])
    assert at_one_rate([], [])[1] is None


def test_clocks_differ_a_little_and_units_by_far() -> None:
    x = [np.ones((1, 80)), np.ones((1, 80)), np.ones((1, 80)), np.ones((1, 40))]
    found, rate, notes, _ = at_one_rate(x, [50.1, 49.9, 50.0, 25.0])
    assert (rate, [one.shape[1] for one in found]) == (49.9, [80, 80, 80, 80])
    assert notes == ["1 recording is sampled at 25 Hz, and brought to 49.9 Hz, at which steps are counted"]
    with pytest.raises(DataError, match=r"at 0.05 Hz where others, .* 50 Hz: mend the unit"):
        at_one_rate(x[:1], [0.05], wanted=50)


def test_stretches_are_resampled_each_by_itself() -> None:
    x, ends = RNG.standard_normal((2, 100)), [0, 31, 77, 100]
    parts = [x[:, begin:end] for begin, end in pairwise(ends)]
    for new in (20, 35, 80):
        (found,), _, _, (steps,) = at_one_rate([x], [50], wanted=new, breaks=[np.array(ends[1:-1])])
        alone = [resampled(part, 50, new) for part in parts]
        assert np.array_equal(found, np.concatenate(alone, axis=1))
        assert len(steps) == found.shape[1]
        lengths = [one.shape[1] for one in alone]
        assert np.searchsorted(steps, ends[1:-1]).tolist() == np.cumsum(lengths)[:-1].tolist()
        for number, (begin, end) in enumerate(pairwise(ends)):
            within = steps[np.repeat(range(3), lengths) == number]
            assert begin <= within.min() <= within.max() < end
    assert at_one_rate([x], [50])[3][0].tolist() == list(range(100))


def test_gaps_stay_where_they_were() -> None:
    x = tones(1000)
    x[0, 100:150], x[1] = np.nan, np.nan
    found = resampled(x, 1000, 12.5 * 40)
    assert np.flatnonzero(np.isnan(found[0])).tolist() == list(range(50, 75))
    assert np.isnan(found[1]).all()
    far = np.r_[5:40, 85 : found.shape[1] - 5]
    np.testing.assert_allclose(found[0, far], tones(500)[0, far], atol=0.05)


def test_a_step_is_nearest_to_where_it_stands() -> None:
    rng = np.random.default_rng(0)
    for old, new in rng.integers(1, 50, (100, 2)).tolist():
        place = np.arange(new) * old / new
        away = np.abs(place - nearest(old, new))
        np.testing.assert_allclose(away, np.abs(place[:, None] - np.arange(old)).min(axis=1))


def test_a_recording_of_no_steps_has_none_at_another_rate() -> None:
    assert resampled(np.zeros((2, 0)), 50, 25).shape == (2, 0)
    x, steps = by_stretch(np.ones((1, 6)), np.array([0]), 50, 25)
    assert x.shape == (1, 3)
    assert steps.tolist() == [0, 2, 4]
