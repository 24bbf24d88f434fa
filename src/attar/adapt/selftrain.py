"""A linear head that learns from its own answers on the samples without a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import validate_data

from attar._fitted import unchanged_on_failure
from attar._settings import check_counts
from attar.adapt.axes import PRINCIPAL, among_groups, local_axes, principal
from attar.adapt.calibration import temperature
from attar.adapt.labels import known_classes
from attar.adapt.probe import LinearProbe, left_out, one_against_others
from attar.adapt.propagate import Frame
from attar.data.dataset import UNLABELLED, Doubles, Floats
from attar.data.held import plain

# Ridge penalties, in units of the mean squared length of a centred sample.
_PENALTIES = np.logspace(-5, 1, 13)


@dataclass(frozen=True)
class Pool:
    """Samples, labelled or not, on axes of their own on which every ridge regression is cheap.

    Arguments:
        mean: of the representations `(dim,)`.
        axes: of most spread `(dim, k)`, the widest first.
        points: coordinates `(n, k)`; their covariance is diagonal.
    """

    mean: Floats | Doubles
    axes: Floats
    points: Doubles

    @classmethod
    def learn(cls, z: npt.ArrayLike, together: npt.NDArray[np.integer] | None = None) -> Pool:
        """The principal axes of representations `(n, dim)`.

        Where it is known which samples belong together `(n,)`, the axes lie among those, but are of most spread for
        what there is within a group (`local_axes`): a weight costs the less, the less it tells what is alike apart.
        """
        mean, axes, widest = principal(z, PRINCIPAL)
        points = widest.astype(np.float64)
        found = None if together is None else local_axes(points, among_groups(points, together), axes.shape[1])
        if found is not None:
            axes, points = np.asarray(axes @ found, np.float32), points @ found
        return cls(mean, axes, points)

    def frame(self, max_axes: int = 64) -> Frame:
        """The subspace in which samples are placed, for a neighbour graph."""
        return Frame.among(self.mean, self.axes, self.points, max_axes)


class SelfTrainedProbe(LinearProbe):
    """Linear classifier that is fitted to its own answers: labels y where known, the probe's answers ŷ elsewhere.

        W ← argmin_W Σ_{i known} ‖t(y_i) − W z_i‖² + Σ_{i unknown} ‖t(ŷ_i) − W z_i‖² + λ‖W‖²,   ŷ_i = argmax W z_i

    over a few rounds, t the ±1 targets of a class, beginning with a `LinearProbe` on the known labels; λ by the
    leave-one-out error. The unlabelled samples decide which directions a weight may use: what few labels leave open is
    settled by where the samples lie. In principal axes ZᵀZ is diagonal, so a round costs one matrix product.

    References:
        Lee, Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method, 2013,
        https://www.kaggle.com/blobs/download/forum-message-attachment-files/746/pseudo_label_final.pdf
        Wei et al., Theoretical Analysis of Self-Training with Deep Networks on Unlabeled Data, 2021,
        https://arxiv.org/abs/2010.03622

    Arguments:
        rounds: of answering and fitting.
        random_state: nothing is drawn, whatever it is.

    Attributes:
        classes_, coef_, intercept_: as of `LinearProbe`.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> known = np.where(np.arange(len(y)) < 100, y, -1)
        >>> SelfTrainedProbe().fit(X, known).score(X[100:], y[100:]) > 0.8
        True
    """

    def __init__(self, rounds: int = 3, random_state: int | None = 0) -> None:
        self.rounds = rounds
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn.

        Arguments:
            X: representations `(n, dim)` of labelled and unlabelled samples.
            y: integer labels `(n,)`, -1 where unlabelled.

        Raises:
            LabelError: labels are no whole numbers, or those known are of fewer than two classes.
            DataError: `rounds` is below 1.
        """
        check_counts(self, "rounds")
        with unchanged_on_failure(self):
            z, labels = validate_data(self, plain(X), plain(y), dtype=[np.float64, np.float32])
            return self.fit_pool(Pool.learn(z), labels)

    def fit_pool(self, pool: Pool, y: npt.NDArray[np.integer]) -> Self:
        """Learn from a pool and its labels `(n,)`, -1 where unlabelled."""
        known = np.flatnonzero(y != UNLABELLED)
        self.classes_ = known_classes(y)
        codes = np.searchsorted(self.classes_, y[known])
        points = pool.points
        first = LinearProbe("squared").fit(points[known], codes)
        answers = first.predict_proba(points).argmax(1)
        for _ in range(self.rounds):
            answers[known] = codes
            w, offset, fitted, held_out = _ridge(points, answers, len(self.classes_))
            answers = fitted.argmax(1)
        t = temperature(held_out[known], codes)
        self.n_features_in_ = len(pool.mean)
        self.coef_ = t * (w.T @ pool.axes.T.astype(np.float64))
        self.intercept_ = t * offset - self.coef_ @ pool.mean
        return self


def _ridge(points: Doubles, answers: npt.NDArray[np.intp], n_classes: int) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """W `(k, n_classes)`, b, and the scores of the samples, fitted and leave-one-out, at the best penalty."""
    targets = one_against_others(answers, n_classes)
    offset = targets.mean(0)
    squares = points * points
    values = squares.sum(0)
    unit = float(values.sum()) / len(points) or 1.0
    aligned = points.T @ (targets - offset)
    lowest, best = np.inf, (aligned, offset, targets, targets)
    for penalty in _PENALTIES[::-1]:
        shrink = 1 / (values + penalty * unit)
        w = shrink[:, None] * aligned
        fitted = offset + points @ w
        leverage = 1 / len(points) + squares @ shrink
        held_out = left_out(targets, fitted, leverage)
        error = float(np.mean((targets - held_out) ** 2))
        if error < lowest:
            lowest, best = error, (w, offset, fitted, held_out)
    return best
