"""Labels of which only some are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets

from attar.data.dataset import UNLABELLED
from attar.errors import LabelError


def known_classes(y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The classes, sorted, of labels `(n,)`: whole numbers, -1 where unlabelled.

    Raises:
        LabelError: they are no whole numbers, or those known are of fewer than two classes.

    Example:
        >>> known_classes(np.array([5, -1, 3, 5]))
        array([3, 5])
    """
    if y.dtype.kind not in "biuf":
        raise LabelError(f"y has labels of type {y.dtype}; number the classes from 0, with -1 where unlabelled")
    try:
        check_classification_targets(y)
    except ValueError as error:
        raise LabelError(f"y: {error}") from None
    classes: npt.NDArray[Any] = np.unique(y[y != UNLABELLED])
    if len(classes) < 2:
        raise LabelError("y has labels of fewer than two classes; label samples of at least two")
    return classes
