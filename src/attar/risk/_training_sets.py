"""Training sets drawn again and again, and a model fitted to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.errors import DataError
from attar.risk._regression import numbers
from attar.risk.task import Task, one_hot

Set = tuple[npt.NDArray[Any], npt.NDArray[Any]]
Draw = Callable[[np.random.Generator], tuple[npt.ArrayLike, npt.ArrayLike]]


def training_sets(
    X: npt.ArrayLike | Draw,
    y: npt.ArrayLike | None,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    draws: int,
    sampling: str,
    rng: np.random.Generator,
) -> tuple[list[Set], Set, npt.NDArray[Any] | None]:
    """Training sets; test samples and targets `(n_test, r, m)`; classes."""
    expected = np.asarray(plain(y_test))
    if callable(X):
        pairs = [X(rng) for _ in range(draws)]
        sets = [(np.asarray(plain(a)), np.asarray(plain(b))) for a, b in pairs]
    elif y is None:
        raise DataError("y is missing: give targets, or a function for X that draws both")
    else:
        sets = [(np.asarray(plain(X)), np.asarray(plain(y)))]
    repeated = expected.ndim == 2 and sets[0][1].ndim == 1
    columns = expected.T if repeated else [expected]
    if not len(columns):
        raise DataError("y_test has no column: give a target for each sample")
    tasks = [Task.of(a, b, X_test, column) for a, b in sets for column in columns]
    classes = None
    if tasks[0].classes is not None:
        classes = np.unique(np.concatenate([task.classes for task in tasks if task.classes is not None]))
        targets = np.stack([one_hot(classes, column) for column in columns], axis=1)
    else:
        targets = np.stack([task.y_test for task in tasks[: len(columns)]], axis=1)
    sets = [(a, _typed(b, classes is None)) for a, b in sets]
    if not callable(X):
        sets = [(sets[0][0][rows], sets[0][1][rows]) for rows in _rows(len(sets[0][0]), draws, sampling, rng)]
    return sets, (tasks[0].x_test, targets), classes


def _typed(y: npt.NDArray[Any], numeric: bool) -> npt.NDArray[Any]:
    """Targets that are held as objects, as numbers or names, since models know no classes that are objects."""
    if y.dtype != object:
        return y
    return y.astype(np.float64) if numeric else np.array(y.tolist())


def _rows(n: int, draws: int, sampling: str, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    if sampling == "bootstrap":
        return [rng.integers(n, size=n) for _ in range(draws)]
    if sampling != "disjoint":
        raise DataError(f"sampling is {sampling!r}: give 'bootstrap' or 'disjoint'")
    if n < draws:
        raise DataError(f"{n} samples are too few for {draws} disjoint training sets: draw fewer, or by bootstrap")
    return np.split(rng.permutation(n)[: n // draws * draws], draws)


def known_truth(f_test: npt.ArrayLike | None, targets: Doubles, classes: npt.NDArray[Any] | None) -> Doubles | None:
    """As `(n_test, m)`.

    Raises:
        DataError: another shape, not finite, or of classes no probabilities.
    """
    if f_test is None:
        return None
    truth = numbers("f_test", f_test)
    truth = truth[:, None] if truth.ndim == 1 else truth
    wanted = len(targets), targets.shape[2]
    if truth.shape != wanted:
        raise DataError(f"f_test has shape {truth.shape}: give numbers {wanted}, what to expect of test samples")
    if classes is not None and ((truth < 0).any() or not np.allclose(truth.sum(1), 1)):
        raise DataError("f_test holds no probabilities: of classes, give those of all, which add up to 1")
    return truth


def fitted(
    model: Any, x: npt.NDArray[Any], y: npt.NDArray[Any], classes: npt.NDArray[Any] | None, loss: str, seed: int
) -> Callable[[npt.NDArray[Any]], Doubles]:
    """A function from samples to predictions `(n, m)`, of classes probabilities or a one in one column.

    Raises:
        DataError: the model is none, or lacks the method that the loss needs.
    """
    if isinstance(model, type) or not all(hasattr(model, name) for name in ("get_params", "fit")):
        given = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
        raise DataError(f"model is {given}: give an estimator of scikit-learn's habits, with get_params and fit")
    if classes is not None and (y == y[0]).all():
        # Some models refuse to learn a single class.
        only = one_hot(classes, y[:1])
        return lambda samples: np.repeat(only, len(samples), axis=0)
    estimator = clone(model)
    # Those of the steps of a pipeline too.
    seeds = [name for name, value in estimator.get_params().items() if name.endswith("random_state") and value is None]
    estimator.set_params(**dict.fromkeys(seeds, seed))
    estimator.fit(x, y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y)
    method = "predict" if classes is None or loss == "zero-one" else "predict_proba"
    if not hasattr(estimator, method):
        remedy = "give another model" if method == "predict" else "use loss='zero-one', or another model"
        raise DataError(f"{type(estimator).__name__} has no {method}: {remedy}")

    def answer(samples: npt.NDArray[Any]) -> Doubles:
        answers = getattr(estimator, method)(samples)
        if classes is None:
            return np.asarray(answers, dtype=np.float64).reshape(len(samples), -1)
        if method == "predict":
            return one_hot(classes, np.ravel(answers))  # some, as of CatBoost, answer with a column
        probabilities = np.zeros((len(samples), len(classes)))
        probabilities[:, np.searchsorted(classes, estimator.classes_)] = answers
        return probabilities

    return answer
