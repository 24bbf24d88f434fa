"""The time is told from channels, and tells the rate however coarse, uneven or broken its clock is."""

import numpy as np
import pytest

from attar.data.times import in_order, is_time, rate_of

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


def test_what_only_rises_is_no_time_unless_it_is_even_or_called_so() -> None:
    meter = RNG.exponential(1, 400).cumsum()
    assert is_time("x", [T + 1000, T[::2], T[:3]])
    assert not is_time("x", [meter])
    assert not is_time("x", [T, meter])
    assert is_time("elapsed_ms", [meter])
    assert not is_time("t", [RNG.standard_normal(400)])


@pytest.mark.parametrize("rows", [np.arange(400)[::-1], RNG.permutation(400), np.r_[:7, 8, 7, 9:400]])
def test_rows_are_sorted(rows: np.ndarray) -> None:
    (order,), moved = in_order(T[rows])
    assert moved
    assert (T[rows][order] == T).all()
    assert is_time("time", [T[rows]])


@pytest.mark.parametrize("when", [T, T // 1, np.where(T % 1, np.nan, T), np.full(400, np.nan), T[:1], T[:0]])
def test_rows_in_order_stay(when: np.ndarray) -> None:
    (order,), moved = in_order(when)
    assert not moved
    assert order.tolist() == list(range(len(when)))


def test_a_pause_or_a_new_beginning_parts_and_packets_do_not() -> None:
    paused, again = np.where(T < 3, T, T + 5), np.where(T < 3, T, T - 3)
    for when in (paused, again):
        assert [len(part) for part in in_order(when)[0]] == [150, 250]
    assert [len(part) for part in in_order(paused[::-1])[0]] == [150, 250]
    assert len(in_order(np.repeat(T[::10], 10) + 1e-4 * np.tile(np.arange(10), 40))[0]) == 1
