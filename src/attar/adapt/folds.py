"""Folds for cross-validation on very few labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def stratified_folds(
    codes: npt.NDArray[np.integer],
    n_folds: int,
    rng: np.random.Generator,
    together: npt.NDArray[np.integer] | None = None,
) -> list[npt.NDArray[np.intp]]:
    """Held-out indices of each fold, every class spread over the folds as evenly as can be.

    There are never more folds than labels in the largest class. A class with a single label is never held out: it
    cannot be predicted by a model that has not seen it, so it would measure nothing. Samples that belong together are
    held out in one fold, and count as one.

    Arguments:
        codes: class of each labelled sample `(n,)`.
        n_folds: at most so many, at least 2.
        rng: draws the order.
        together: which samples belong together, by a number `(n,)`; None: none do.

    Returns:
        Disjoint index arrays.

    Example:
        >>> folds = stratified_folds(np.array([0, 0, 1, 1, 2]), 5, np.random.default_rng(0))
        >>> sorted(np.concatenate(folds).tolist())
        [0, 1, 2, 3]
    """
    unit = np.arange(len(codes)) if together is None else together
    members = [np.flatnonzero(codes == c) for c in np.unique(codes)]
    members = [rng.permutation(m) for m in members if len(np.unique(unit[m])) > 1]
    if not members:
        return []
    n_folds = max(2, min(n_folds, max(len(np.unique(unit[m])) for m in members)))
    folds: list[list[int]] = [[] for _ in range(n_folds)]
    fold_of: dict[int, int] = {}
    # Dealt out like cards, one class after the other, so that the folds are of equal size too.
    for m in members:
        for index in m:
            place = fold_of.setdefault(int(unit[index]), len(fold_of) % n_folds)
            folds[place].append(int(index))
    sets = [np.sort(np.array(fold, dtype=np.intp)) for fold in folds]
    # What belongs together may hold all labels of a class: these stay.
    kept = [fold[np.isin(codes[fold], np.delete(codes, fold))] for fold in sets]
    return [fold for fold in kept if len(fold)]
