"""Which samples are unlike the others, and how surely."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import _num_samples, check_array, check_is_fitted, validate_data

from attar._fitted import unchanged_on_failure
from attar._settings import is_positive
from attar.data.dataset import Ints
from attar.data.held import plain
from attar.density._ensemble import Ensemble
from attar.density.base import AnyFloats
from attar.errors import DataError
from attar.kinds.samples import hold_shape

FOLDS = 5
FEWEST = 5
# Of more samples, so many drawn at random are learnt from.
MOST = 10_000
# Scores that differ by less, in standard deviations, are those of equal samples, up to rounding.
SAME = 1e-9


@dataclass(frozen=True)
class Fold:
    """An ensemble, on a representation if any, and how normal it finds samples that neither has seen, ascending."""

    representation: Any
    ensemble: Ensemble
    unseen: AnyFloats

    @classmethod
    def learn(cls, representation: Any, seen: Any, unseen: Any, seed: int) -> Self:
        """From samples, at least four, and others, at least one; the representation has not seen these."""
        ensemble = Ensemble.learn(_represented(representation, seen), seed)
        return cls(representation, ensemble, np.sort(_normality(ensemble, _represented(representation, unseen))))

    def __call__(self, x: Any) -> tuple[AnyFloats, npt.NDArray[np.intp]]:
        """How normal each sample is `(n,)`, and how many of the unseen ones are at least as odd `(n,)`."""
        normality = _normality(self.ensemble, _represented(self.representation, x))
        return normality, np.searchsorted(self.unseen, normality, side="right")


def _represented(representation: Any, x: Any) -> AnyFloats:
    if representation is not None:
        x = check_array(representation.transform(x), dtype=np.float64, input_name="representation.transform(X)")
    vectors: AnyFloats = x
    return vectors


def _normality(ensemble: Ensemble, x: AnyFloats) -> AnyFloats:
    normality: AnyFloats = np.round(-ensemble(x) / SAME) * SAME
    return normality


class AnomalyDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    r"""Samples unlike the others, found by density, neighbours, reconstruction and isolation together, without labels.

    An ensemble s is the mean of three families of scores, seven in all, each as the normal quantile of its rank; all
    but one of them learn from the half of the samples that a first round finds most normal. Nothing in it is set by
    hand, by a label or for a data set. There are five, each learnt without a fifth of the samples, which it is then
    compared with; so is the representation, if there is one, which is fitted five times.

    The p-value of a sample x is that of "x comes from the distribution of the samples in `fit`":

    .. math:: p(x) = \frac{1 + |\{i : s_{-k(i)}(x_i) \leq s_{-k(i)}(x)\}|}{n + 1}

    where s is higher for more normal samples and :math:`s_{-k(i)}` has not seen the fifth that holds x_i. So every
    sample is both learnt from and compared with, and x and x_i are judged by the same ensemble, which knows neither. Of
    a sample from that distribution p is uniform up to what five ensembles differ by; what is guaranteed is that it is
    at most α with a probability of at most about 2α. Where samples are equal, p comes in steps. Where the samples in
    `fit` hold anomalies, p-values are too large rather than too small.

    What `predict` calls an anomaly is a p-value of at most `alpha`: of samples like those in `fit`, that share is
    called so in the mean, by default 1 in 20. Nothing is supposed about how many anomalies there are, unless
    `contamination` is given: then it is the oddest share of the samples in `fit`.

    References:
        Testing for outliers with conformal p-values (Bates, Candès, Lei, Romano, Sesia, 2023).
        https://doi.org/10.1214/22-AOS2244
        Cross-conformal predictors (Vovk, 2015). https://doi.org/10.1007/s10472-013-9368-4
        Predictive inference with the jackknife+ (Barber, Candès, Ramdas, Tibshirani, 2021), for 2α.
        https://doi.org/10.1214/20-AOS1965
        ADBench: Anomaly Detection Benchmark (Han, Hu, Huang, Jiang, Zhao, 2022). https://arxiv.org/abs/2206.09426

    Arguments:
        alpha: rate of false alarms of `predict`, between 0 and 1. With n samples no p-value is below 1 / (n + 1), so
            that below this nothing is an anomaly.
        contamination: share of the samples in `fit` that `predict` calls anomalies, up to 0.5, in place of `alpha`.
        representation: transformer from samples to vectors, which are judged in their place; clones of it are fitted.
            `sklearn.frozen.FrozenEstimator` keeps one that is fitted already; p-values are right only where it was
            fitted on other samples.
        random_state: seed of the folds, of isolation and of the mixture.

    Attributes:
        offset_: what `decision_function` takes off the score; −∞ where `alpha` is below 1 / (n + 1).
        folds_: ensembles, each with its representation and what it says of the samples that it has not seen.
        n_calibration_: n, the samples that were learnt from.
        shape_: shape of one sample, where there is no representation.
        n_features_in_: number of values in one sample, where there is no representation.

    Example:
        >>> X = np.random.default_rng(0).standard_normal((200, 2))
        >>> detector = AnomalyDetector(alpha=0.01, random_state=0).fit(X)
        >>> detector.predict([[0.0, 0.0], [6.0, -6.0]])
        array([ 1, -1])
        >>> detector.p_values([[0.0, 0.0], [6.0, -6.0]]).round(3) < 0.01
        array([False,  True])
    """

    def __init__(
        self,
        alpha: float = 0.05,
        *,
        contamination: float | None = None,
        representation: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
        self.contamination = contamination
        self.representation = representation
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn what samples look like.

        Arguments:
            X: samples `(n, ...)`, flattened, NaN where a value is missing; or what the representation takes.
            y: not used, but for a representation that wants it.

        Returns:
            The estimator itself.

        Raises:
            ValueError: fewer than 5 samples, infinite or non-numeric values, or a rate outside of its range.
        """
        self._check_parameters()
        with unchanged_on_failure(self):
            self._fit(X, y)
        return self

    def _fit(self, X: Any, y: object) -> None:
        x = self._samples(X, reset=True)
        n = _num_samples(x)
        if n < FEWEST:
            raise DataError(f"AnomalyDetector needs at least {FEWEST} samples; got n_samples = {n}")
        generator = check_random_state(self.random_state)
        seed = int(generator.randint(2**31 - 1))
        order = generator.permutation(n)[:MOST]
        self.folds_ = tuple(self._fold(x, y, order, order[fold::FOLDS], seed) for fold in range(FOLDS))
        self.n_calibration_ = len(order)
        self.offset_ = self._offset(x)

    def score_samples(self, X: Any) -> AnyFloats:
        """How normal samples are: log p(x), told apart also where p is the same, by how far out they are.

        Arguments:
            X: samples as in `fit`. One copy of a sample among those learnt from does not make it more normal, so that
                samples from `fit` are scored as if each had been left out of its own neighbours.

        Returns:
            Scores `(n,)`, higher for more normal samples; at most 0.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: samples of another shape than in `fit`, or values that `fit` would not accept.
        """
        check_is_fitted(self)
        return self._scores(self._samples(X, reset=False))

    def decision_function(self, X: Any) -> AnyFloats:
        """The score minus `offset_`: negative for anomalies; as `score_samples` otherwise.

        Arguments:
            X: samples as in `fit`.

        Returns:
            `(n,)`.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """Call samples anomalies or not, by `alpha` or `contamination`.

        Arguments:
            X: samples as in `fit`.

        Returns:
            −1 for anomalies, 1 for others `(n,)`; with a `UserWarning` where `alpha` is too small for any to be found.
        """
        anomalous = self.decision_function(X) < 0
        if self.offset_ == -np.inf:
            warnings.warn(
                f"nothing is an anomaly at alpha={self.alpha:g}: of {self.n_calibration_} samples learnt from, no "
                f"p-value is below {1 / (self.n_calibration_ + 1):.2g}; raise alpha or give contamination",
                stacklevel=2,
            )
        return np.where(anomalous, -1, 1)

    def p_values(self, X: Any) -> AnyFloats:
        """How probable it is that a sample from the distribution of those in `fit` is at least as odd.

        Arguments:
            X: samples as in `fit`, and not among these.

        Returns:
            Between 1 / (n + 1) and 1 `(n,)`.
        """
        return self.p_of_scores(self.score_samples(X))

    def p_of_scores(self, scores: AnyFloats) -> AnyFloats:
        """`p_values` of samples whose `score_samples` `(n,)` are there already."""
        as_odd: AnyFloats = np.floor(np.exp(scores) * (self.n_calibration_ + 1))
        return (1 + as_odd) / (1 + self.n_calibration_)

    def _scores(self, x: Any) -> AnyFloats:
        judged = [fold(x) for fold in self.folds_]
        as_odd = np.sum([counts for _, counts in judged], axis=0)
        # Above 0 and below 1: it tells those apart that as many are as odd as.
        within = expit(np.mean([normality for normality, _ in judged], axis=0))
        scores: AnyFloats = np.log((as_odd + within) / (self.n_calibration_ + 1))
        return scores

    def _offset(self, x: Any) -> float:
        if self.contamination is not None:
            return float(np.quantile(self._scores(x), self.contamination))
        # p ≤ α exactly where fewer than `flagged` samples are as odd.
        possible = np.arange(1, self.n_calibration_ + 2) / (self.n_calibration_ + 1)
        flagged = int(np.searchsorted(possible, self.alpha, side="right"))
        return float(np.log(possible[flagged - 1])) if flagged else -np.inf

    def _fold(self, x: Any, y: Any, order: Ints, unseen: Ints, seed: int) -> Fold:
        representation = self.representation
        if representation is not None:
            # All that are not compared with, be they more than ensembles learn from.
            others = np.setdiff1d(np.arange(_num_samples(x)), unseen)
            labels = None if y is None else _safe_indexing(y, others)
            representation = clone(representation).fit(_safe_indexing(x, others), labels)
        seen = order[~np.isin(order, unseen)]
        return Fold.learn(representation, _safe_indexing(x, seen), _safe_indexing(x, unseen), seed)

    def _samples(self, X: Any, *, reset: bool) -> Any:
        """What a fold takes: X as it is where there is a representation, else vectors `(n, d)`."""
        if self.representation is not None:
            return X
        X = plain(X)
        x: AnyFloats
        options = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
        if (np.ndim(X) if isinstance(X, list | tuple) else getattr(X, "ndim", 2)) <= 2:
            x = validate_data(self, X, reset=reset, **options)
        else:
            x = check_array(X, allow_nd=True, estimator=self, input_name="X", **options)
        hold_shape(self, x, reset=reset)
        flat = x.reshape(len(x), -1)
        if x.ndim > 2:
            validate_data(self, flat, reset=reset, skip_check_array=True)
        return flat

    def _check_parameters(self) -> None:
        if not is_positive(self.alpha) or self.alpha >= 1:
            raise DataError(f"AnomalyDetector needs alpha between 0 and 1; got alpha={self.alpha!r}")
        share = 0.5 if self.contamination is None else self.contamination
        if not is_positive(share) or share > 0.5:
            raise DataError(
                f"AnomalyDetector needs contamination above 0 and at most 0.5; got contamination={self.contamination!r}"
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags
