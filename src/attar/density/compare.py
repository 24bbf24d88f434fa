"""How far two sets of samples are apart: the Fréchet distance and the classifier two-sample test."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array

from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.density.base import RandomState
from attar.errors import DataError

_FOLDS = 2


def frechet_distance(X: npt.ArrayLike, Y: npt.ArrayLike) -> float:
    r"""Squared distance of Wasserstein between the normal distributions with the moments of two sets of samples.

    .. math:: \|\mu_X - \mu_Y\|^2 + \mathrm{tr}\left(\Sigma_X + \Sigma_Y - 2 (\Sigma_X \Sigma_Y)^{1/2}\right)

    In the features of a classifier it is what is known as the Fréchet inception distance.

    References:
        Dowson and Landau, The Fréchet Distance between Multivariate Normal Distributions, 1982,
        https://doi.org/10.1016/0047-259X(82)90077-X
        Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, 2017,
        https://arxiv.org/abs/1706.08500

    Arguments:
        X: samples `(n, d)`, at least 2.
        Y: samples `(m, d)`, at least 2.

    Returns:
        0 for equal moments; in squared units of the columns.

    Raises:
        ValueError: fewer than 2 samples, NaN or infinite values, or sets of different width.

    Example:
        >>> X = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
        >>> round(frechet_distance(X, X + [3.0, 4.0]), 6)
        25.0
    """
    x, y = _pair(X, Y)
    # RᵀR = Σ, without a matrix of columns by columns where samples are fewer.
    roots = [np.linalg.qr(a - a.mean(axis=0), mode="r") / np.sqrt(len(a) - 1) for a in (x, y)]
    # Of the product of two roots, rather than of the product of the covariances, which is not symmetric.
    overlap = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    shift = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    return max(float(shift + np.square(roots[0]).sum() + np.square(roots[1]).sum() - 2 * overlap), 0.0)


def two_sample_accuracy(
    X: npt.ArrayLike, Y: npt.ArrayLike, *, classifier: ClassifierMixin | None = None, random_state: RandomState = None
) -> float:
    """How often a classifier tells on samples that it has not seen which of two sets they come from.

    As many are drawn of the larger set as the smaller has, so that 0.5 means that it cannot tell: it would answer with
    the larger one otherwise, however far they are apart. Two-fold cross-validated. Where X and Y are of one
    distribution, n samples in all that it is shown vary it by about 0.5 / √n.

    References:
        Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, 2017, https://arxiv.org/abs/1610.06545

    Arguments:
        X: samples `(n, d)`, at least 2.
        Y: samples `(m, d)`, at least 2.
        classifier: of scikit-learn; None: gradient boosting.
        random_state: seed of what is drawn, of folds, and of the classifier where it is None.

    Returns:
        Balanced accuracy, from 0 to 1.

    Raises:
        ValueError: fewer than 2 samples, NaN or infinite values, or sets of different width.

    Example:
        >>> X = np.random.default_rng(0).standard_normal((400, 2))
        >>> round(two_sample_accuracy(X, X + 9, random_state=0), 1)
        1.0
    """
    x, y = _pair(X, Y)
    n, random = min(len(x), len(y)), check_random_state(random_state)
    x, y = (a if len(a) == n else a[random.permutation(len(a))[:n]] for a in (x, y))
    model: Any = HistGradientBoostingClassifier(random_state=random_state) if classifier is None else clone(classifier)
    label = np.repeat([0, 1], n)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=random_state)
    scores = cross_val_score(model, np.concatenate([x, y]), label, scoring="balanced_accuracy", cv=folds)
    return float(scores.mean())


def _pair(X: npt.ArrayLike, Y: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    x, y = (
        check_array(plain(a), dtype=np.float64, ensure_min_samples=2, input_name=name)
        for a, name in ((X, "X"), (Y, "Y"))
    )
    if x.shape[1] != y.shape[1]:
        raise DataError(f"X has {x.shape[1]} columns and Y has {y.shape[1]}; give two sets of samples of one kind")
    return x, y
