"""Folds for cross-validation on very few labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def stratified_folds(
    codes: npt.NDArray[np.integer], n_folds: int, rng: np.random.Generator
) -> list[npt.NDArray[np.intp]]:
    """Held-out indices of each fold, every class spread over the folds as evenly as can be.

    There are never more folds than labels in the largest class. A class with a single label is never held out: it
    cannot be predicted by a model that has not seen it, so it would measure nothing.

    Arguments:
        codes: class of each labelled sample `(n,)`.
        n_folds: at most so many, at least 2.
        rng: draws the order.

    Returns:
        Disjoint index arrays.

    Example:
        >>> folds = stratified_folds(np.array([0, 0, 1, 1, 2]), 5, np.random.default_rng(0))
        >>> sorted(np.concatenate(folds).tolist())
        [0, 1, 2, 3]
    """
    members = [np.flatnonzero(codes == c) for c in np.unique(codes)]
    members = [rng.permutation(m) for m in members if len(m) > 1]
    if not members:
        return []
    n_folds = max(2, min(n_folds, max(len(m) for m in members)))
    folds: list[list[int]] = [[] for _ in range(n_folds)]
    place = 0
    # Dealt out like cards, one class after the other, so that the folds are of equal size too.
    for m in members:
        for index in m:
            folds[place % n_folds].append(int(index))
            place += 1
    return [np.sort(np.array(fold, dtype=np.intp)) for fold in folds if fold]
