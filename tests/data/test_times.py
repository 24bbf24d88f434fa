"""The time is told from channels, and tells the rate however coarse, uneven or broken its clock is."""

import numpy as np
import pytest

from attar.data.times import Timing, breaks, called_time, counts, in_order, is_time, rate_of

RNG = np.random.default_rng(0)
T = np.arange(400) / 50


@pytest.mark.parametrize(
    ("when", "rate"),
    [
        (T, 50),
        (T[::-1] + 1e9, 50),
        (T + 0.004 * RNG.standard_normal(400), 50),  # a clock that trembles
        (np.round(np.arange(400) / 60, 3), 60),  # steps of 16 and 17 ms
        (np.delete(T, RNG.integers(1, 399, 30)), 50),  # rows that were lost
        (T + 100 * (np.arange(400) // 100), 50),  # pauses
        (np.where(np.arange(400) % 50 == 7, np.nan, T), 50),
        (np.arange(400) * 60.0, 0.0167),
        (np.arange(400) * 0.08, 12.5),
        (np.arange(400) // 50, None),  # whole seconds
        (RNG.exponential(1, 400).cumsum(), None),  # events
        (np.full(400, np.nan), None),
        (T[:5], None),
    ],
)
def test_rate(when: np.ndarray, rate: float | None) -> None:
    found = rate_of(when)
    assert found == (None if rate is None else pytest.approx(rate, rel=0.01))


def test_the_time_is_told_by_its_name_and_how_it_goes() -> None:
    meter = RNG.exponential(1, 400).cumsum()
    assert not is_time("x", [T])
    assert is_time("elapsed_ms", [meter, T[:3]])
    assert is_time("time_s", [T, T[::-1], RNG.permutation(T)])
    assert not is_time("t", [RNG.standard_normal(400)])
    assert not is_time("time_s", [RNG.permutation(meter)])
    trembling = np.sort(T + 0.004 * RNG.standard_normal(400)).round(4)
    assert is_time("time_s", [np.tile(trembling, 3)])
    assert is_time("s", [T])
    assert not is_time("s", [np.tile(T, 2)])


def test_a_time_of_day_without_a_value_does_not_stand_for_another_one() -> None:
    empty, day, seconds = np.full(400, np.nan), np.full(400, 86_400.0), 3600 + T
    assert Timing.of(400, [empty, day, seconds], {}).rate == Timing.of(400, [day, seconds, empty], {}).rate == 50


@pytest.mark.parametrize("micro", ["\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}"])
def test_either_sign_of_the_micro_is_one(micro: str) -> None:
    assert Timing.of(400, [], {f"time [{micro}s]": 1e6 * T}).rate == 50


@pytest.mark.parametrize(
    "name",
    ["epoch", "unixtime", "unix_time_ms", "Timestamp_utc", "time_stamp", "minutes", "h", "time [min]", "tMs", "TIME"],
)
def test_names_of_the_time(name: str) -> None:
    assert called_time(name)


@pytest.mark.parametrize("name", ["T", "T1", "T [ms]", "s1", "t2", "position_s", "v_m_s", "T_in", "time_1", "temp", ""])
def test_names_of_what_else_there_is(name: str) -> None:
    assert not called_time(name)


def test_what_counts_rows_rises_by_the_same_step_everywhere() -> None:
    rows = np.arange(400)
    assert counts([rows, rows[:50] + 7, rows[:3]])
    for parts in ([rows, 1.5 * rows], [-rows], [rows, -rows], [rows % 20], [rows[:5]]):
        assert not counts(parts)
    assert not counts([np.cumsum(0.014 + 0.0003 * RNG.standard_normal(400))])  # of a car at one speed


@pytest.mark.parametrize(
    "when", [np.repeat(T, 1 + (np.arange(400) % 20 == 3)), T - 3.1 * 0.02 * (T > 4), np.r_[T, T], np.r_[T, T + 1000]]
)
def test_times_that_repeat_and_steps_back_are_not_in_the_rate(when: np.ndarray) -> None:
    assert rate_of(when) == pytest.approx(50, rel=0.002)


@pytest.mark.parametrize("rows", [np.arange(400)[::-1], RNG.permutation(400)])
def test_rows_are_put_in_order_where_the_newest_is_first_or_they_are_shuffled(rows: np.ndarray) -> None:
    assert (T[rows][in_order(T[rows])] == T).all()


@pytest.mark.parametrize("n", [12, 20])
def test_few_rows_are_put_in_order_too_though_chance_leaves_more_or_fewer_steps_that_go_down(n: int) -> None:
    drawn = [T[:n][np.random.default_rng(seed).permutation(n)] for seed in range(100)]
    assert sum((when[in_order(when)] == T[:n]).all() for when in drawn) >= 95


@pytest.mark.parametrize(
    "when",
    [
        T,
        T // 1,
        np.where(T % 1, np.nan, T),
        np.full(400, np.nan),
        T[:1],
        T[:0],
        T[np.r_[:7, 8, 7, 9:400]],
        np.tile(T[:16], 25),
        np.tile(T[:2], 200),
        RNG.integers(0, 20, 400) * 86_400.0,  # days of birth
        T % 3,
        np.r_[T[200:], T[:200]],
    ],
)
def test_else_they_stay(when: np.ndarray) -> None:
    assert in_order(when).tolist() == list(range(len(when)))


def test_rows_that_restart_are_not_mixed_where_the_newest_is_first() -> None:
    twice = np.r_[T[:200], T[:150]]
    timing = Timing.of(350, [], {"time_s": twice[::-1]})
    assert (twice[::-1][timing.order] == twice).all()
    assert (timing.breaks.tolist(), timing.rate) == ([200], 50)


def test_breaks_are_those_of_a_loop() -> None:
    when = np.cumsum(np.where(RNG.random(400) < 0.02, RNG.choice([-40, 40, 5, -5], 400), 1.0))
    expected = [i for i in range(1, 400) if abs(when[i] - when[i - 1]) >= 10]
    assert 0 < len(expected) < 20
    assert breaks(when).tolist() == expected
    assert breaks(np.where(np.arange(400) % 9 == 4, np.nan, T)).tolist() == []
    assert [len(breaks(one)) for one in (np.full(5, np.nan), T[:1], T[:0], np.ones(5))] == [0] * 4


def test_a_rate_that_changes_at_a_break_is_none() -> None:
    assert Timing.of(300, [], {"time_s": np.r_[T[:200], 2 * T[:100]]}).rate is None
    assert Timing.of(300, [], {"time": T[:300]}).rate is None
    assert Timing.of(0, [np.empty(0)], {}).rate is None


@pytest.mark.parametrize("unit", [1, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("name", ["timestamp", "epoch"])
def test_the_unit_of_times_since_1970_is_told_by_their_size(unit: float, name: str) -> None:
    assert Timing.of(400, [], {name: (1.7e9 + T) / unit}).rate == 50


def test_a_day_and_a_time_of_day_are_one_clock() -> None:
    minutes = 60.0 * np.arange(3 * 1440) + 19_000 * 86_400
    day, of_day = minutes // 86_400 * 86_400, minutes % 86_400
    for dated in ([day, of_day], [of_day, day], [of_day], [minutes]):
        for rows in (slice(None), slice(None, None, -1)):
            timing = Timing.of(len(minutes), [one[rows] for one in dated], {})
            assert (minutes[rows][timing.order] == minutes).all()
            assert (timing.breaks.tolist(), timing.rate) == ([], 0.0167)


def test_digits_that_spell_a_date_do_not_pause_at_each_month() -> None:
    days = np.arange("2024-01-01", "2025-01-01", dtype="datetime64[D]")
    spelt = np.array([int(str(day).replace("-", "")) for day in days], dtype=np.float64)
    timing = Timing.of(len(spelt), [], {"date": spelt})
    assert (timing.breaks.tolist(), timing.rate) == ([], None)
    again = Timing.of(2 * len(spelt), [], {"date": np.tile(spelt, 2)})
    assert again.breaks.tolist() == [len(spelt)]
