"""Which of many attempts a budget allows, and which of these it asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from attar.compress.attempts import Attempt
from attar.compress.budget import Budget, milliseconds, readable
from attar.errors import BudgetError

# What may be lost without training: where a budget says nothing of accuracy, more is worth the training.
_FREE = 0.003
# Of the difference of two shares of samples: 0.95 − 0.94 is more than 0.01.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Limits:
    """A budget, and the network before, by which it is judged what is lost.

    Arguments:
        budget: what was asked for.
        dense: the network as it is given, in float32.
    """

    budget: Budget
    dense: Attempt

    def keeps(self, one: Attempt) -> bool:
        """Whether no more is lost than may be."""
        may_lose = _FREE if self.budget.accuracy_drop is None else self.budget.accuracy_drop
        return self.dense.quality - one.quality <= may_lose + _ROUNDING

    def are_met(self, tried: Sequence[Attempt]) -> bool:
        """Whether training could gain nothing that was asked for."""
        if self.budget.bytes is None and self.budget.latency_ms is None:
            return False
        return any(self._fits(one) and self.keeps(one) for one in tried)

    def best(self, tried: Sequence[Attempt]) -> Attempt | None:
        """What the budget asks for most, of what is within it; None where nothing is."""
        fit = [one for one in tried if self._fits(one)]
        if self.budget.accuracy_drop is not None:
            fit = [one for one in fit if self.keeps(one)]
            # A time alone asks for nothing small: of all that is fast enough, the smallest may be useless.
            if self.budget.bytes is None:
                return min(fit, key=lambda a: (a.bytes, -a.quality), default=None)
        return max(fit, key=quality_then_bytes, default=None)

    def refusal(self, tried: Sequence[Attempt], measure: str, advice: str) -> BudgetError:
        """The error that says how near what was tried comes, where nothing is within the budget."""
        closest, which, fastest = min(tried, key=lambda a: a.bytes), "the smallest", ""
        cheap = [one for one in tried if self._fits(one)]
        times = [one.latency_ms for one in tried if one.latency_ms is not None]
        if cheap:
            closest = max(cheap, key=quality_then_bytes)
            which = f"the best within {replace(self.budget, accuracy_drop=None)}"
        elif self.budget.latency_ms is not None and times:
            fastest = f", and the fastest takes {milliseconds(min(times))}"
        return BudgetError(
            f"nothing that was tried fits the budget of {self.budget}; {which} has {readable(closest.bytes)} "
            f"and {closest.quality:.1%} {measure}{fastest}: {advice}"
        )

    def _fits(self, one: Attempt) -> bool:
        return self.budget.allows(one.bytes, math.inf if one.latency_ms is None else one.latency_ms)


def quality_then_bytes(attempt: Attempt) -> tuple[float, int]:
    """What the best has most of: quality, and of equals the fewest bytes."""
    return attempt.quality, -attempt.bytes
