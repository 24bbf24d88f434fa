"""Class probabilities as they would be if every class were as frequent as any other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles


def weights(codes: npt.NDArray[np.integer], n_classes: int) -> Doubles:
    """What makes up for how often each class is among the labels that were learnt from `(n_classes,)`.

    w_c = n / (K n_c), and 1 for a class without a label, of K classes that have n_c each.

    >>> weights(np.array([0, 0, 0, 2]), 3).round(2)
    array([0.67, 1.  , 2.  ])
    """
    n = np.bincount(codes, minlength=n_classes).astype(np.float64)
    w: Doubles = np.where(n > 0, len(codes) / (np.maximum(n, 1) * max(1, np.count_nonzero(n))), 1.0)
    return w


def weighted(p: Doubles, w: Doubles) -> Doubles:
    """p'(c | x) ∝ w_c p(c | x): by the `weights` of the labels, what a model would say of classes of one frequency.

    The largest of these is the answer that is right most often in the mean over the classes.

    References:
        Saerens, Latinne, Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, 2002,
        https://doi.org/10.1162/089976602753284446, equation 2.4
        Menon et al., Long-tail learning via logit adjustment, 2021, https://arxiv.org/abs/2007.07314, section 4

    Arguments:
        p: class probabilities `(…, n_classes)`.
        w: `(n_classes,)`.

    Example:
        >>> weighted(np.array([[0.7, 0.3]]), weights(np.array([0, 0, 0, 1]), 2))
        array([[0.4375, 0.5625]])
    """
    raised = p * w
    total: Doubles = raised.sum(-1, keepdims=True)
    return raised / total
