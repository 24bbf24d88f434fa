"""The parts of a loss, for each test sample, as functions of how much each draw of a training set counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import entr

from attar.data.dataset import Doubles

# Of shares of the draws `(d,)`, and of what the variance among them is to be multiplied by: for each part's name its
# values `(n_test,)`.
Parts = Callable[[Doubles, float], dict[str, Doubles]]

# No probability is taken to be smaller: one wrong certainty is no infinite loss.
_FLOOR = 1e-6


def squared(answers: Doubles, targets: Doubles, truth: Doubles | None, noise: float | None) -> Parts:
    """E‖f̂ − y‖² = ‖E f̂ − f‖² + E‖f̂ − E f̂‖² + E‖y − f‖².

    Arguments:
        answers: predictions `(d, n_test, m)`.
        targets: `(n_test, r, m)`.
        truth: expected targets `(n_test, m)`, if they are known.
        noise: the last part, if it is known.
    """
    r, mean_target = targets.shape[1], targets.mean(1)
    within = np.square(targets - mean_target[:, None]).sum(2).mean(1)
    avoided: Doubles | None = None
    if noise is not None:
        avoided = np.full(len(targets), noise)
    elif truth is not None:
        avoided = np.square(targets - truth[:, None]).sum(2).mean(1)
    elif r > 1:
        avoided = within * r / (r - 1)

    # About their mean, so that the difference below is none of large numbers.
    centre = answers.mean(0)
    away = answers - centre
    squares = np.square(away).sum(2)

    def parts(shares: Doubles, factor: float) -> dict[str, Doubles]:
        moved = np.tensordot(shares, away, 1)
        mean = centre + moved
        spread = np.maximum(shares @ squares - np.square(moved).sum(1), 0)
        variance = factor * spread
        risk = np.square(mean - mean_target).sum(1) + within + spread
        if truth is not None:
            bias2 = np.square(mean - truth).sum(1) + spread - variance
        else:
            bias2 = risk - variance - (0.0 if avoided is None else avoided)
        return _named(risk, bias2, variance, avoided)

    return parts


def cross_entropy(answers: Doubles, targets: Doubles, truth: Doubles | None, noise: float | None) -> Parts:
    """E[−log p̂(y)] = KL(f ‖ p̄) + E KL(p̄ ‖ p̂) + H(f), with p̄ = exp(E log p̂) / Z, so that E KL(p̄ ‖ p̂) = −log Z.

    Arguments as in `squared`; answers and truth are probabilities, targets are 0 or 1.
    """
    clipped = np.maximum(answers, _FLOOR)
    logs = np.log(clipped / clipped.sum(2, keepdims=True))
    mean_target = targets.mean(1)
    avoided: Doubles | None = None
    if noise is not None:
        avoided = np.full(len(targets), noise)
    elif truth is not None:
        avoided = entr(truth).sum(1)

    def parts(shares: Doubles, factor: float) -> dict[str, Doubles]:
        mean = np.tensordot(shares, logs, 1)
        variance = -factor * np.log(np.exp(mean).sum(1))
        risk = -(mean_target * mean).sum(1)
        expected = risk if truth is None else -(truth * mean).sum(1)
        return _named(risk, expected - variance - (0.0 if avoided is None else avoided), variance, avoided)

    return parts


def zero_one(answers: Doubles, targets: Doubles, truth: Doubles | None, noise: None) -> Parts:  # noqa: ARG001
    """P(ŷ ≠ y) = P(ŷₘ ≠ y*) + V_unbiased − V_biased + what noise adds.

    Arguments as in `squared`; answers and targets are 0 or 1, truth probabilities. Noise is what `truth` says of it.
    """
    mean_target = targets.mean(1)
    at = np.arange(len(targets))
    best = (mean_target if truth is None else truth).argmax(1)

    def parts(shares: Doubles, factor: float) -> dict[str, Doubles]:  # noqa: ARG001
        votes = np.tensordot(shares, answers, 1)
        main = votes.argmax(1)
        biased = main != best
        adds = np.where(biased, 0.0, 1 - votes[at, main])
        takes = np.where(biased, votes[at, best], 0.0)
        # What targets other than the best class add to P(ŷ ≠ y*).
        added = None if truth is None else votes[at, best] - (votes * truth).sum(1)
        named = _named(1 - (votes * mean_target).sum(1), biased.astype(np.float64), adds - takes, added)
        return named | {"unbiased_variance": adds, "biased_variance": takes}

    return parts


def _named(risk: Doubles, bias2: Doubles, variance: Doubles, noise: Doubles | None) -> dict[str, Doubles]:
    named = {"risk": risk, "bias2": bias2, "variance": variance}
    return named if noise is None else named | {"noise": noise}


LOSSES: dict[str, Callable[[Doubles, Doubles, Doubles | None, Any], Parts]] = {
    "squared": squared,
    "cross-entropy": cross_entropy,
    "zero-one": zero_one,
}
