"""Bias, variance and noise, by fitting a model to many training sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from attar._settings import check_count, is_amount
from attar.errors import DataError
from attar.risk._parts import LOSSES, Parts
from attar.risk._training_sets import Draw, fitted, known_truth, training_sets
from attar.risk.curve import Curve
from attar.risk.task import one_hot

# Times that draws and test samples are drawn again for the intervals.
_REPLICATES = 200


@dataclass(frozen=True)
class Decomposition:
    """What a risk is made of.

    Arguments:
        loss: "squared", "cross-entropy" or "zero-one".
        draws: training sets that the model was fitted to.
        risk: mean loss of the test samples, over draws.
        train_risk: mean loss of each draw's own training samples.
        bias2: squared bias (of zero-one loss: bias), with the noise in it where that is not known.
        variance: net variance.
        noise: what no model can avoid, or None: not known.
        unbiased_variance: of zero-one loss, what variance adds where the main prediction is right, or None.
        biased_variance: what it takes off where the main prediction is wrong, or None.
        intervals: of each of these but `train_risk`, the ends of its 90 % interval.
    """

    loss: str
    draws: int
    risk: float
    train_risk: float
    bias2: float
    variance: float
    noise: float | None = None
    unbiased_variance: float | None = None
    biased_variance: float | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


def decompose(
    model: Any,
    X: npt.ArrayLike | Draw,
    y: npt.ArrayLike | None,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    *,
    draws: int = 20,
    loss: str = "squared",
    sampling: str = "bootstrap",
    noise: float | None = None,
    f_test: npt.ArrayLike | None = None,
    random_state: int = 0,
) -> Decomposition:
    """Split the risk of a model into bias², variance and noise.

        squared        E‖f̂ − y‖² = ‖E f̂ − f‖² + E‖f̂ − E f̂‖² + E‖y − f‖²
        cross-entropy  E[−log p̂(y)] = KL(f ‖ p̄) + E KL(p̄ ‖ p̂) + H(f),   p̄ ∝ exp(E log p̂)
        zero-one       P(ŷ ≠ y) = P(ŷₘ ≠ y*) + V_unbiased − V_biased + what noise adds,   ŷₘ = the mode of ŷ

    with expectations over training sets and test samples. Of d training sets the variance is unbiased for squared
    error, and what d averages leave of it is taken off the bias; of cross-entropy both hold to first order in 1/d. Of
    zero-one loss V_unbiased = P(ŷ ≠ ŷₘ) where the main prediction ŷₘ is the best class y*, and V_biased = P(ŷ = y*)
    where it is not; the mode of few draws is uncertain, and nothing corrects for that: give 50 or more. Intervals are
    those of a bootstrap over draws and test samples. They cannot know what is the same in all training sets: where
    these are bootstrapped from one, they understate how far a new one would move the model.

    References:
        Geman, Bienenstock, Doursat, Neural networks and the bias/variance dilemma, 1992,
        https://doi.org/10.1162/neco.1992.4.1.1
        Domingos, A unified bias-variance decomposition for zero-one and squared loss, 2000,
        https://homes.cs.washington.edu/~pedrod/papers/aaai00.pdf
        Yang, Yu, You, Steinhardt, Ma, Rethinking bias-variance trade-off for generalization of neural networks, 2020,
        https://arxiv.org/abs/2002.11328

    Arguments:
        model: any estimator of scikit-learn's habits; cloned, with another `random_state` for each draw where that is
            None. Of classes, squared error and cross-entropy take `predict_proba`, whose probabilities are kept above
            1e-6 for the latter; zero-one loss takes `predict`.
        X: training samples `(n, p)`; or a function that draws a training set `(X, y)` by a `numpy.random.Generator`.
        y: `(n,)` classes or numbers, or `(n, m)` numbers; None where X draws them.
        X_test: test samples `(n_test, p)`.
        y_test: `(n_test,)` or `(n_test, m)`; or, where y is `(n,)`, several targets of each sample `(n_test, r)`, from
            which noise is estimated, for squared error alone.
        draws: training sets, at least 2.
        loss: "squared", "cross-entropy" or "zero-one".
        sampling: how training sets are made of X: "bootstrap", n samples with replacement, or "disjoint", parts of it.
        noise: the mean loss of f itself, where it is known; not for zero-one loss.
        f_test: what is true of the test samples, where it is known: expected targets, of classes their probabilities
            `(n_test, classes)`.
        random_state: seed.

    Returns:
        The parts, each with an interval.

    Raises:
        DataError: not numeric or not finite, shapes that do not fit, fewer than 2 draws, an unknown loss or sampling, a
            model without the method needed, noise that the loss cannot use.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> def draw(rng):
        ...     x = rng.normal(size=(20, 3))
        ...     return x, x[:, 0] + rng.normal(size=20)
        >>> T, t = draw(np.random.default_rng(1))
        >>> parts = decompose(LinearRegression(), draw, None, T, t, f_test=T[:, 0], noise=1.0)
        >>> parts.noise, parts.variance > parts.bias2
        (1.0, True)
    """
    if loss not in LOSSES:
        raise DataError(f"loss is {loss!r}: give one of {', '.join(map(repr, LOSSES))}")
    check_count("draws", draws, 2)
    check_count("random_state", random_state, 0)
    rng = np.random.default_rng(random_state)
    sets, (x_test, targets), classes = training_sets(X, y, X_test, y_test, draws, sampling, rng)
    truth = known_truth(f_test, targets, classes)
    if loss != "squared" and classes is None:
        raise DataError(f"{loss} loss is for classes, and y holds numbers: use loss='squared'")
    if loss != "squared" and targets.shape[1] > 1:
        raise DataError(f"several targets of a sample tell the noise of squared error alone: of {loss} give f_test")
    if noise is not None and (loss == "zero-one" or not is_amount(noise)):
        raise DataError(f"noise is {noise}: give a number of at least 0, and none for zero-one loss, but f_test")
    answers, losses = [], []
    for train, labels in sets:
        answer = fitted(model, train, labels, classes, loss, int(rng.integers(2**31)))
        answers.append(answer(x_test))
        own = labels.reshape(len(labels), -1) if classes is None else one_hot(classes, labels)
        fit = LOSSES[loss](answer(train)[None], own[:, None], None, None)
        losses.append(fit(np.ones(1), 1.0)["risk"].mean())
    parts = LOSSES[loss](np.array(answers), targets, truth, noise)
    return Decomposition(loss, draws, train_risk=float(np.mean(losses)), **_estimated(parts, draws, rng))


def decomposition_curve(
    models: Mapping[float, Any],
    X: npt.ArrayLike | Draw,
    y: npt.ArrayLike | None,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    *,
    over: str = "capacity",
    **settings: Any,
) -> Curve:
    """The curve of models of growing capacity, with bias² and variance.

    Arguments:
        models: for each place on the axis its model.
        X: as in `decompose`, like all that follows.
        y: likewise.
        X_test: likewise.
        y_test: likewise.
        over: name of the axis.
        settings: further arguments of `decompose`.

    Raises:
        DataError: no model, no mapping, or what `decompose` refuses.

    Example:
        >>> from sklearn.neighbors import KNeighborsRegressor
        >>> X = np.linspace(0, 1, 40)[:, None]
        >>> models = {1 / k: KNeighborsRegressor(k) for k in (20, 5, 1)}
        >>> curve = decomposition_curve(models, X, np.sin(9 * X[:, 0]), X, np.sin(9 * X[:, 0]), over="1 / k")
        >>> bool((np.diff(curve.bias2) < 0).all())
        True
    """
    if not isinstance(models, Mapping):
        raise DataError(f"models is a {type(models).__name__}: give a dict, {{place on the axis: model}}")
    if not models:
        raise DataError("there is no model: give at least one")
    keys: list[Any] = list(models)
    if wrong := [key for key in keys if not isinstance(key, Real)]:
        raise DataError(f"models has the key {wrong[0]!r}: give numbers, the places on the axis")
    places = sorted(models)
    parts = [decompose(models[place], X, y, X_test, y_test, **settings) for place in places]
    noises = [part.noise for part in parts if part.noise is not None]
    return Curve(
        np.array(places, dtype=np.float64),
        np.array([part.train_risk for part in parts]),
        np.array([part.risk for part in parts]),
        over=over,
        loss={"squared": "squared error", "zero-one": "zero-one loss"}.get(parts[0].loss, parts[0].loss),
        bias2=np.array([part.bias2 for part in parts]),
        variance=np.array([part.variance for part in parts]),
        noise=float(np.mean(noises)) if noises else None,
    )


def _estimated(parts: Parts, draws: int, rng: np.random.Generator) -> dict[str, Any]:
    """Means over test samples, and their intervals."""
    unbiased = draws / (draws - 1)
    means = {name: float(values.mean()) for name, values in parts(np.full(draws, 1 / draws), unbiased).items()}
    replicates: dict[str, list[float]] = {name: [] for name in means}
    for _ in range(_REPLICATES):
        shares = rng.multinomial(draws, np.full(draws, 1 / draws)) / draws
        # What is drawn again from d draws varies by (d − 1) / d less than they do.
        again = parts(shares, unbiased**2)
        n = len(again["risk"])
        counts = rng.multinomial(n, np.full(n, 1 / n)) / n
        for name, values in again.items():
            replicates[name].append(float(values @ counts))
    ends = {name: np.quantile(values, [0.05, 0.95]).tolist() for name, values in replicates.items()}
    return means | {"intervals": {name: (low, high) for name, (low, high) in ends.items()}}
