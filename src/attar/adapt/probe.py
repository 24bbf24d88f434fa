"""A linear head on a representation, its regularisation chosen by cross-validation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from attar._fitted import unchanged_on_failure
from attar.adapt.calibration import temperature
from attar.adapt.folds import stratified_folds
from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.errors import LabelError
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    from torch import nn


# Ridge penalties, in units of the mean squared length of a centred sample. Stronger ones only look at the means of the
# classes: with few labels they are chosen by chance, and with many never.
_PENALTIES = np.logspace(-7, 0, 22)
# Inverse penalties of logistic regression on standardised values.
_INVERSE = np.logspace(-3, 3, 7)
# Weaker penalties in a row that are no better, after which none is: the weakest take the longest to fit.
_WORSE = 2
# Folds that choose the penalty; of more labels than this the first alone does, which then has hundreds.
_FOLDS, _MANY = 5, 2000
# Numbers in the training data up to which logistic regression takes seconds.
_LOGISTIC = 2_000_000
# A spread of a column below this share of its mean is rounding of what was given, and no signal.
_NOISE = {np.float32: 1e-6, np.float64: 1e-12}
# An axis along which samples lie closer together than by this share of the widest is rounding, and no weight on it
# that the penalties allow moves a score.
_NARROW = 1e-7
# Two scores that differ by less are equal: the stronger penalty wins.
_TIE = 1e-9


class LinearProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Linear classifier g_φ(z) = softmax(t (W z + b)).

    With more than four values a label, W is ridge regression on ±1 targets, the penalty chosen by its exact
    leave-one-out error at the best scale; where a model can fit any labels, squared loss needs fewer of them than
    logistic loss. Else it is multinomial logistic regression, the penalty chosen by stratified cross-validation (of
    more than 2 000 labels by one fold of it; on very large data it is ridge regression again, for its speed). The scale
    t makes the probabilities of held-out labels likely (temperature scaling).

    References:
        Golub, Heath, Wahba, Generalized cross-validation as a method for choosing a good ridge parameter, 1979,
        https://doi.org/10.1080/00401706.1979.10489751 (leave-one-out in closed form)
        Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599

    Arguments:
        loss: "squared", "logistic", or "auto" as above.
        random_state: seed of the folds of logistic regression.

    Attributes:
        classes_: labels, sorted.
        coef_: t W, `(n_classes, n_features)`, for z as given.
        intercept_: t b, `(n_classes,)`.
        loss_: the one used.
        penalty_: the one chosen, in units of the mean squared length of a centred sample; of logistic regression, on
            values of variance one in the mean, its inverse (C).

    Example:
        >>> from sklearn.datasets import load_wine
        >>> X, y = load_wine(return_X_y=True)
        >>> X = (X - X.mean(0)) / X.std(0)
        >>> LinearProbe().fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
        True
    """

    def __init__(self, loss: str = "auto", random_state: int | None = 0) -> None:
        self.loss = loss
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Learn from representations `(n, dim)` and labels `(n,)`.

        Raises:
            ValueError: not numeric, not finite, or fewer than two classes.
        """
        with unchanged_on_failure(self):
            self._fit(X, y)
        return self

    def _fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> None:
        z, labels = validate_data(self, plain(X), plain(y), dtype=[np.float64, np.float32])
        noise, z = _NOISE[z.dtype.type], z.astype(np.float64)
        with warnings.catch_warnings():  # on many classes of few samples: whoever gave them knows
            warnings.simplefilter("ignore", UserWarning)
            check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise LabelError(f"y holds one class only ({self.classes_[0]!r}); label samples of at least two classes")
        centre = z.mean(0)
        z -= centre
        # In units of a power of two, which moves no digit, squares are neither infinite nor zero.
        power = -int(np.frexp(np.abs(z).max())[1])
        z = np.ldexp(z, power)
        seen = z.std(0) > noise * np.ldexp(np.abs(centre), power)
        z[:, ~seen] = 0.0
        small = z.shape[1] <= 4 * len(z) and z.size <= _LOGISTIC
        self.loss_ = self.loss if self.loss != "auto" else ("logistic" if small else "squared")
        if self.loss_ == "squared":
            self.penalty_, w, offset, held_out = _ridge(z, codes, len(self.classes_))
        elif self.loss_ == "logistic":
            # One unit for all columns: in a representation the narrow ones are narrow for a reason.
            spread = float(np.sqrt(z.var(0).sum() / max(seen.sum(), 1)))
            scale = 1 / spread if spread else 0.0
            folds = stratified_folds(codes, _FOLDS, np.random.default_rng(self.random_state))
            folds = folds if len(z) <= _MANY else folds[:1]
            self.penalty_, w, offset, held_out, codes = _logistic(z * scale, codes, len(self.classes_), folds)
            w = w * scale
        else:
            raise LabelError(f"loss is {self.loss!r}; use 'auto', 'squared' or 'logistic'")
        t = temperature(held_out, codes)
        self.coef_ = np.where(seen, np.ldexp(t * w, power), 0.0)
        self.intercept_ = t * offset - self.coef_ @ centre

    def decision_function(self, X: npt.ArrayLike) -> Doubles:
        """Scores: `(n, n_classes)`, or for two classes `(n,)`, the log-odds of the second."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: npt.ArrayLike) -> Doubles:
        """Probability of each class `(n, n_classes)`."""
        probabilities: Doubles = softmax(self._scores(X), axis=1)
        return probabilities

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """The most probable label of each sample `(n,)`."""
        best = self._scores(X).argmax(1)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels

    @usual_defaults()
    def to_module(self) -> nn.Module:
        """The head as a module from `(n, dim)` to logits `(n, n_classes)`."""
        from attar.adapt.heads import linear_head

        check_is_fitted(self)
        return linear_head(self.coef_, self.intercept_)

    def _scores(self, X: npt.ArrayLike) -> Doubles:
        check_is_fitted(self)
        z = validate_data(self, plain(X), dtype=np.float64, reset=False)
        scores: Doubles = z @ self.coef_.T + self.intercept_
        return scores


def one_against_others(codes: npt.NDArray[np.integer], n_classes: int) -> Doubles:
    """Targets `(n, n_classes)`: 1 for the class of a sample, and −1 for the others."""
    targets: Doubles = np.where(codes[:, None] == np.arange(n_classes), 1.0, -1.0)
    return targets


def left_out(targets: Doubles, fitted: Doubles, leverage: Doubles) -> Doubles:
    """Scores of a ridge regression fitted without each sample, by its leave-one-out residual (y_i − ŷ_i) / (1 − H_ii).

    Arguments:
        targets: y `(n, n_classes)`.
        fitted: ŷ = H y.
        leverage: the diagonal of H `(n,)`.
    """
    scores: Doubles = targets - (targets - fitted) / np.maximum(1 - leverage, 1e-9)[:, None]
    return scores


def _ridge(z: Doubles, codes: npt.NDArray[np.intp], n_classes: int) -> tuple[float, Doubles, Doubles, Doubles]:
    """Ridge regression: penalty, W, b, and the leave-one-out scores `(n, n_classes)`.

    With Z = U diag(√s) Vᵀ and the intercept as the mean of the targets, H = 1/n + U diag(s / (s + λ)) Uᵀ in `left_out`.
    """
    n = len(z)
    targets = one_against_others(codes, n_classes)
    mean = targets.mean(0)
    if n <= z.shape[1]:
        values, vectors = np.linalg.eigh(z @ z.T)
    else:
        values, axes = np.linalg.eigh(z.T @ z)
        vectors = z @ axes / np.sqrt(np.maximum(values, np.finfo(float).tiny))
        vectors[:, values <= _TIE * values[-1]] = 0.0
    values = np.maximum(values, 0.0)
    # Any unit will do where all samples are the same.
    unit = values.sum() / n or 1.0
    rotated = vectors.T @ (targets - mean)
    lowest, best, held_out = np.inf, 0.0, targets
    for penalty in _PENALTIES[::-1].tolist():
        shrink = values / (values + penalty * unit)
        fitted = mean + vectors @ (shrink[:, None] * rotated)
        leverage = 1 / n + np.einsum("ij,j,ij->i", vectors, shrink, vectors)
        scores = left_out(targets, fitted, leverage)
        # The scale is chosen afterwards: a strong penalty is not to blame for short scores.
        scale = max(float((targets * scores).sum()), 0.0) / max(float((scores * scores).sum()), np.finfo(float).tiny)
        error = float(np.mean((targets - scale * scores) ** 2))
        if error < lowest * (1 - _TIE):
            lowest, best, held_out = error, penalty, scores
    dual = vectors @ (rotated / (values + best * unit)[:, None])
    return best, dual.T @ z, mean, held_out


def _logistic(
    z: Doubles, codes: npt.NDArray[np.intp], n_classes: int, folds: list[npt.NDArray[np.intp]]
) -> tuple[float, Doubles, Doubles, Doubles, npt.NDArray[np.intp]]:
    """Multinomial logistic regression: inverse penalty, W, b, and of what is held out the scores and the codes.

    The rows of W lie in the span of the samples, so they are searched for on its axes: of 512 random features of a few
    columns these are some thirty.
    """
    left, lengths, axes = np.linalg.svd(z, full_matrices=False)
    wide = lengths > _NARROW * lengths[0]
    z, axes = left[:, wide] * lengths[wide], axes[wide]
    ones = (codes[:, None] == np.arange(n_classes)).astype(np.float64)
    everything, judged = np.arange(len(z)), np.concatenate([np.empty(0, np.intp), *folds])
    fits = [(np.zeros((n_classes, z.shape[1])), np.zeros(n_classes)) for _ in folds]
    best, best_loss, best_held_out = 0, np.inf, np.zeros((len(judged), n_classes))
    for i, inverse in enumerate(_INVERSE):
        # From the strongest penalty to the weakest, each from where the one before ended.
        held_out = [np.empty((0, n_classes))]
        for f, fold in enumerate(folds):
            rest = np.setdiff1d(everything, fold)
            fits[f] = _fit_logistic(z[rest], ones[rest], float(inverse), *fits[f])
            held_out.append(z[fold] @ fits[f][0].T + fits[f][1])
        scores = np.concatenate(held_out)
        loss = -float((log_softmax(scores, axis=1) * ones[judged]).sum())
        if loss < best_loss * (1 - _TIE):
            best, best_loss, best_held_out = i, loss, scores
        elif i - best == _WORSE:
            break
    w, b = _fit_logistic(z, ones, float(_INVERSE[best]), np.zeros((n_classes, z.shape[1])), np.zeros(n_classes))
    return float(_INVERSE[best]), w @ axes, b, best_held_out, codes[judged]


def _fit_logistic(z: Doubles, ones: Doubles, inverse: float, w: Doubles, b: Doubles) -> tuple[Doubles, Doubles]:
    """Minimum of Σ cross-entropy + ‖W‖² / (2 · inverse), searched for from W and b on.

    Not by scikit-learn: on a handful of labels its checks of the input take longer than the search, and
    cross-validation searches thousands of times.
    """
    n, size = len(z), w.size

    def objective(flat: Doubles) -> tuple[float, Doubles]:
        weights = flat[:size].reshape(w.shape)
        scores = z @ weights.T + flat[size:]
        scores -= scores.max(1, keepdims=True)
        powers = np.exp(scores)
        total = powers.sum(1, keepdims=True)
        loss = np.log(total).sum() - (ones * scores).sum() + (weights * weights).sum() / (2 * inverse)
        error = powers / total - ones
        gradient = np.concatenate([(error.T @ z + weights / inverse).ravel(), error.sum(0)])
        return float(loss / n), gradient / n

    found: Doubles = minimize(
        objective,
        np.concatenate([w.ravel(), b]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "gtol": 1e-5, "ftol": 64 * np.finfo(float).eps},
    ).x
    return found[:size].reshape(w.shape), found[size:]
