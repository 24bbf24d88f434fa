"""How frequent classes are, and class probabilities as they would be if all were equally so."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from attar.data.dataset import Doubles, Ints

# Labels of each class that are seen beside those that there are, from one (Laplace's) to so many that none counts.
_BESIDE = np.append(np.geomspace(1, 256, 17), np.inf)
# A class that a model expects less often than this is not made up for any further.
_LEAST = 1e-6


def frequencies(counts: Ints) -> Doubles:
    """How frequent each class is taken to be, by so many labels of each `(n_classes,)`; in the mean 1.

    π_c ∝ n_c + a, the mean of a symmetric Dirichlet distribution after n_c labels, with a from 1, Laplace's, to ∞, as
    the labels are most likely under it. So classes of five and seven labels are equally frequent, and those of five and
    fifty are not.

    References:
        Minka, Estimating a Dirichlet distribution, 2000, https://tminka.github.io/papers/dirichlet/, equation 53

    Example:
        >>> frequencies(np.array([5, 7])), frequencies(np.array([5, 50])).round(2)
        (array([1., 1.]), array([0.21, 1.79]))
    """
    n, k, a = counts.sum(), len(counts), _BESIDE[:-1, None]
    likely = gammaln(k * a[:, 0]) - gammaln(n + k * a[:, 0]) + (gammaln(counts + a) - gammaln(a)).sum(1)
    beside = _BESIDE[int(np.argmax([*likely, -n * np.log(k)]))]
    pi: Doubles = np.ones(k) if np.isinf(beside) else (counts + beside) * k / (n + k * beside)
    return pi


def class_weights(p: Doubles, codes: npt.NDArray[np.integer]) -> Doubles:
    """What makes up for how often a model expects each class, by its answers to the samples that it learnt from.

    w_c = 1 / (K p̄_c), with p̄ the mean of the answers, and 1 for a class without a label, of K classes with any. A model
    that fits its labels, or is calibrated, expects each class as often as it is among them; one that is neither is
    corrected by what it expects.

    Arguments:
        p: class probabilities `(n, n_classes)`.
        codes: classes `(n,)`.

    Example:
        >>> class_weights(np.eye(3)[[0, 0, 0, 2]], np.array([0, 0, 0, 2])).round(2)
        array([0.67, 1.  , 2.  ])
    """
    known = np.bincount(codes, minlength=p.shape[1]) > 0
    w: Doubles = np.where(known, 1 / (max(1, np.count_nonzero(known)) * np.maximum(p.mean(0), _LEAST)), 1.0)
    return w


def weighted(p: Doubles, w: Doubles) -> Doubles:
    """p'(c | x) ∝ w_c p(c | x): by its `class_weights`, what a model would say of classes of one frequency.

    The largest of these is the answer that is right most often in the mean over the classes.

    References:
        Saerens, Latinne, Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, 2002,
        https://doi.org/10.1162/089976602753284446, equation 2.4
        Menon et al., Long-tail learning via logit adjustment, 2021, https://arxiv.org/abs/2007.07314, section 4

    Arguments:
        p: class probabilities `(…, n_classes)`.
        w: `(n_classes,)`.

    Example:
        >>> weighted(np.array([[0.7, 0.3]]), np.array([2 / 3, 2]))
        array([[0.4375, 0.5625]])
    """
    raised = p * w
    total: Doubles = raised.sum(-1, keepdims=True)
    return raised / total
