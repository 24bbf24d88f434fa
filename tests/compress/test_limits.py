from __future__ import annotations

import pytest

from attar.compress import Budget
from attar.compress.attempts import Attempt
from attar.compress.limits import Limits


def attempt(size=1, ms=None, quality=1.0):
    return Attempt(name="", bytes=size, latency_ms=ms, quality=quality, macs=1, file="")


def attempts(of_4000):
    """The network before in front; those of 2,000, 900 and 4,000 bytes after it."""
    figures = ((8000, 1.0, 0.95), (2000, 1.0, 0.85), (900, 0.4, 0.6), (4000, 1.0, of_4000))
    return [attempt(*one) for one in figures]


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (Budget(bytes=2000, accuracy_drop=0.05), "the best within 2.0 KB has 2.0 KB and 85.0% accuracy: allow more"),
        (Budget(bytes=1000, accuracy_drop=0.05), "the best within 1,000 B has 900 B and 60.0% accuracy: allow more"),
        (Budget(bytes=800, accuracy_drop=0.05), "the smallest has 900 B and 60.0% accuracy: allow more"),
        (Budget(2000, 0.5, 0.05), "the best within 2.0 KB, 0.5 ms has 900 B and 60.0% accuracy: allow more"),
        (Budget(2000, 0.3), "the smallest has 900 B and 60.0% accuracy, and the fastest takes 0.40 ms: allow more"),
    ],
)
def test_of_what_is_small_enough_the_best_is_named(budget, says) -> None:
    tried = attempts(of_4000=0.94)
    limits = Limits(budget, dense=tried[0])
    assert limits.best(tried) is None
    assert says in str(limits.refusal(tried, "accuracy", "allow more"))


def test_a_share_that_may_be_lost_may_be_lost_to_the_sample() -> None:
    for n in (100, 300):
        for right in range(1, n + 1):
            dense = attempt(quality=right / n)
            for lost in range(min(right - 1, 6 * n // 100) + 1):
                limits = Limits(Budget(accuracy_drop=lost / n or 1e-9), dense)
                same, worse = (attempt(quality=(right - k) / n) for k in (lost, lost + 1))
                assert limits.keeps(same)
                assert not limits.keeps(worse)


@pytest.mark.parametrize(
    ("budget", "size"),
    [
        (Budget(latency_ms=2), 4000),  # the best, and of equals the smallest
        (Budget(latency_ms=0.5), 900),
        (Budget(bytes=10**6, latency_ms=2), 4000),
        (Budget(latency_ms=2, accuracy_drop=0.12), 2000),
        (Budget(accuracy_drop=0.12), 2000),
        (Budget(bytes=10**6, accuracy_drop=0.12), 4000),
    ],
)
def test_a_time_asks_for_the_best_and_a_loss_alone_for_the_smallest(budget, size) -> None:
    tried = attempts(of_4000=0.95)
    assert Limits(budget, dense=tried[0]).best(tried).bytes == size


@pytest.mark.parametrize(
    ("budget", "met"),
    [
        (Budget(accuracy_drop=0.5), False),  # of files, a smaller one is asked for
        (Budget(bytes=2000), False),  # what is small enough loses too much to be had without training
        (Budget(bytes=2000, accuracy_drop=0.12), True),
        (Budget(latency_ms=2), True),
    ],
)
def test_training_is_needed_where_nothing_within_the_budget_keeps_enough(budget, met) -> None:
    tried = attempts(of_4000=0.95)
    assert Limits(budget, dense=tried[0]).are_met(tried) is met
