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
    held out in one fold, and count as one; those of a class that no others have stay.

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
    members = {c: np.flatnonzero(codes == c) for c in np.unique(codes).tolist()}
    members = {c: rng.permutation(m) for c, m in members.items() if len(np.unique(unit[m])) > 1}
    if not members:
        return []
    n_folds = max(2, min(n_folds, max(len(np.unique(unit[m])) for m in members.values())))
    if together is None:
        # Dealt out like cards, one class after the other, so that the folds are of equal size too.
        dealt = np.concatenate(list(members.values()))
        return [np.sort(dealt[fold::n_folds]) for fold in range(min(n_folds, len(dealt)))]
    _, unit = np.unique(unit, return_inverse=True)
    counts = np.zeros((int(unit.max()) + 1, int(codes.max()) + 1))
    np.add.at(counts, (unit, codes), 1)
    held, fold_of = np.zeros((n_folds, counts.shape[1])), np.full(len(counts), -1)
    for c, m in members.items():
        for group in unit[m].tolist():
            if fold_of[group] < 0:
                # To the fold with the fewest of the class, and of these to the smallest.
                fold_of[group] = np.lexsort((held.sum(1), held[:, c]))[0]
                held[fold_of[group]] += counts[group]
    judged = np.concatenate(list(members.values()))
    folds = [np.sort(judged[fold_of[unit[judged]] == fold]) for fold in range(n_folds)]
    # What belongs together may hold all labels of a class: these stay.
    kept = [fold[np.isin(codes[fold], np.delete(codes, fold))] for fold in folds]
    return [fold for fold in kept if len(fold)]
