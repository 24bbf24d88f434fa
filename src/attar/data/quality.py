"""What may be wrong with the samples: copies, near-copies, values that are missing or never change, and leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attar.data.checks import extremes, is_blurred, lengths, name_of, percent
from attar.data.dataset import LEFT_OUT, Column, Dataset, Floats, Ints, on_column
from attar.data.marks import leaving_out
from attar.errors import inflected

Doubles = npt.NDArray[np.floating]

# Chance that a data set without near-copies is said to have any.
_ERROR = 0.01
# Samples that a column is judged on, columns that are judged, and how many samples of a class make that worth it.
_JUDGED, _COLUMNS, _FOLDS = 4000, 300, 5
# A single column that is right on so many samples, where the most common class is on fewer than the second number.
_TELLING, _COMMON = 0.98, 0.9
# Pairs that are shown of a kind of copies.
_PAIRS = 12
# Whole numbers that are all different, of a range less than so many times their number, count something.
_DENSE = 2


@dataclass(frozen=True)
class Finding:
    """What was looked for, and what was found.

    Arguments:
        name: of what was looked for.
        said: one sentence on what was found.
        fine: False where a person should look.
        pairs: indices of samples that show it.
    """

    name: str
    said: str
    fine: bool
    pairs: tuple[tuple[int, int], ...] = ()


def intrinsic_dimension(distance: Doubles) -> float:
    """How many directions samples vary in locally: the maximum of the likelihood of their neighbours' distances.

    1 / m = 1 / (n (k − 1)) · Σᵢ Σ_{j<k} ln(r_ik / r_ij)

    References:
        Levina and Bickel, Maximum Likelihood Estimation of Intrinsic Dimension, 2004,
        https://papers.nips.cc/paper/2577
        MacKay and Ghahramani, Comments on the above, 2005, https://www.inference.org.uk/mackay/dimension/

    Arguments:
        distance: from each sample to its k nearest others, ascending, `(n, k)`.

    Returns:
        m; infinity where the distances do not grow, NaN where there are too few.
    """
    if distance.shape[1] < 3 or not (distance[:, 0] > 0).any():
        return float("nan")
    far, known = distance[:, -1:], distance[:, 0] > 0
    spread = float(np.log(far[known] / distance[known, :-1]).mean())
    return 1 / spread if spread > 0 else float("inf")


def near_copies(distance: Doubles, index: Ints) -> list[tuple[int, int]]:
    """Pairs of samples that lie closer together than chance explains, the closest for their place first.

    Around each sample, k neighbours fall into a ball of radius r_k. Were they spread evenly in it, the nearest would
    be within r of it with probability 1 − (1 − (r / r_k)^m)^(k−1), m being the intrinsic dimension. Pairs are those
    where this is below 0.01 / n, and which are no farther apart than neighbours usually are.

    Arguments:
        distance: from each sample to its k nearest others that differ from it, ascending, `(n, k)`.
        index: which these are, `(n, k)`.

    >>> places = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0000001])
    >>> gaps = np.abs(places[:, None] - places)
    >>> order = np.argsort(gaps, axis=1, kind="stable")[:, 1:6]
    >>> near_copies(np.take_along_axis(gaps, order, 1), order)
    [(6, 7)]
    """
    n, k = distance.shape
    m = intrinsic_dimension(distance)
    if not np.isfinite(m):
        return []
    nearest, far = distance[:, 0].astype(np.float64), distance[:, -1].astype(np.float64)
    share = np.where(far > 0, nearest / np.where(far > 0, far, 1), 1.0) ** m
    chance = -np.expm1((k - 1) * np.log1p(-np.minimum(share, 1 - 1e-12)))
    found = np.flatnonzero((chance < _ERROR / n) & (nearest <= np.median(nearest)))
    pairs = {
        (min(i, j), max(i, j)): None for i, j in ((int(i), int(index[i, 0])) for i in found[np.argsort(share[found])])
    }
    return list(pairs)


def findings(dataset: Dataset, first: Ints, near: Sequence[tuple[int, int]]) -> list[Finding]:
    """Look for everything that this file knows.

    Arguments:
        dataset: all samples.
        first: of `copies`.
        near: of `near_copies`, as indices of samples.
    """
    found = [_copied(first), _near(near, len(dataset)), *_values(dataset)]
    if dataset.test is not None:
        found.append(_leaked(dataset, first, near))
    return found + suspects(dataset, first)


def suspects(dataset: Dataset, first: Ints) -> list[Finding]:
    """Look for what makes labels doubtful, or easier to tell than they will be; arguments as of `findings`."""
    # Samples that only float32 makes equal contradict nothing.
    blurred = dataset.kind == "table" and is_blurred(dataset.x, dataset.columns)
    found = [_contradicted(dataset, first)] if len(dataset.labelled) and not blurred else []
    return found + (_columns(dataset, np.unique(first)) if dataset.kind == "table" else [])


def _copied(first: Ints) -> Finding:
    again = np.flatnonzero(first != np.arange(len(first)))
    said = "No sample is an exact copy of another."
    if len(again):
        are = inflected(len(again), "is an exact copy", "are exact copies")
        said = f"{len(again):,} of {len(first):,} samples {are} of an earlier one."
    return Finding("Exact copies", said, not len(again), tuple((int(first[i]), int(i)) for i in again[:_PAIRS]))


def _near(near: Sequence[tuple[int, int]], n: int) -> Finding:
    said = "No two samples lie closer together than chance explains."
    if near:
        members = len({i for pair in near for i in pair})
        said = f"{members:,} of {n:,} samples lie closer to another one than chance explains."
    return Finding("Near-copies", said, not near, tuple(near[:_PAIRS]))


def _values(dataset: Dataset) -> list[Finding]:
    """Values that never change, and values that are missing."""
    if dataset.kind == "text":
        empty = int(np.isnan(dataset.x).all(axis=1).sum())
        said = f"{empty:,} {inflected(empty, 'text is', 'texts are')} empty." if empty else "No text is empty."
        return [Finding("Empty texts", said, not empty)]
    columns = dataset.columns or tuple(map(Column, dataset.channels))
    return [_constant(dataset.x, dataset.kind, columns), _missing(dataset.x, dataset.kind, columns)]


def _constant(x: Floats, kind: str, columns: Sequence[Column]) -> Finding:
    low, high = (np.ravel(side) for side in extremes(x, kind))
    same = np.flatnonzero((low == high) | np.isnan(low))
    parts = {"image": "pixel values", "series": "channels"}.get(kind, "columns")
    names = "" if kind == "image" else f" ({_listed([name_of(int(i), kind, columns) for i in same])})"
    are = inflected(len(same), "is", "are")
    how = leaving_out([columns[i].name for i in same]) if columns else ""
    said = f"{len(same):,} of {low.size:,} {parts} {are} the same in every sample{names if len(same) else ''}{how}."
    # The dark border of an image is no reason to look.
    return Finding("Constant", said, not len(same) or (kind == "image" and len(same) < low.size))


def _missing(x: Floats, kind: str, columns: Sequence[Column]) -> Finding:
    missing: npt.NDArray[np.bool_] = np.isnan(x)
    empty = int(missing.reshape(len(x), -1).all(axis=1).sum())
    axes: tuple[int, ...] = (0,)
    cells = len(x)
    if kind == "series":
        # Nothing is missing beyond the end of a recording.
        length = lengths(missing)
        missing &= np.arange(x.shape[2]) < length[:, None, None]
        axes, cells = (0, 2), int(length.sum())
    lines = []
    if count := int(missing.sum()):
        shares = np.ravel(missing.sum(axis=axes)) / cells
        worst = int(np.argmax(shares))
        place = f"pixel value {worst}" if kind == "image" else name_of(worst, kind, columns)
        are = inflected(count, "is", "are")
        lines.append(
            f"{count:,} of {cells * shares.size:,} values {are} missing ({percent(shares.mean())}), "
            f"most in {place} ({percent(shares[worst])})."
        )
    if empty:
        lines.append(f"{empty:,} of {len(x):,} samples {inflected(empty, 'holds', 'hold')} no value at all.")
    return Finding("Missing", " ".join(lines) or "No value is missing.", not lines)


def _leaked(dataset: Dataset, first: Ints, near: Sequence[tuple[int, int]]) -> Finding:
    """Test samples that training has seen, exactly or nearly."""
    test = np.zeros(len(dataset), dtype=bool)
    test[dataset.test] = True
    seen = np.zeros(len(dataset), dtype=bool)
    seen[first[~test]] = True
    exact = np.flatnonzero(test & seen[first])
    twin = {int(f): int(i) for i, f in reversed(list(enumerate(first))) if not test[i]}
    across = [(i, j) for i, j in near if test[i] != test[j]]
    pairs = [(twin[int(first[i])], int(i)) for i in exact[:_PAIRS]] + across
    said = "No sample of the test part occurs in the training part."
    if pairs:
        said = (
            f"Of {int(test.sum()):,} samples of the test part, {len(exact):,} occur in the training part too, "
            f"and {len({i if test[i] else j for i, j in across}):,} nearly."
        )
    return Finding("Test samples seen in training", said, not pairs, tuple(pairs[:_PAIRS]))


def _contradicted(dataset: Dataset, first: Ints) -> Finding:
    """Copies that have different labels."""
    known = dataset.labelled
    _, start, copied = np.unique(first[known], return_index=True, return_inverse=True)
    # Of equal samples, the first that has a label.
    one = known[start[copied]]
    wrong = dataset.y[known] != dataset.y[one]
    said = "No copies have different labels."
    if wrong.any():
        have = inflected(int(wrong.sum()), "exact copy has", "exact copies have")
        of = inflected(int(wrong.sum()), "it is a copy", "they are copies")
        said = f"{wrong.sum():,} {have} another label than the sample that {of} of."
    pairs = tuple((int(i), int(j)) for i, j in zip(one[wrong], known[wrong]))
    return Finding("Contradicting labels", said, not len(pairs), pairs[:_PAIRS])


def _columns(dataset: Dataset, rows: Ints) -> list[Finding]:
    """Columns that number or name the rows, those that are no copies, and columns that give the label away."""
    x, names = dataset.x, [column.name for column in dataset.columns]
    coded = [bool(column.categories) for column in dataset.columns]
    naming = [name for name, column, code in zip(names, x[rows].T, coded) if _names_rows(column, code)]
    out = [f"'{name}'" for note in dataset.notes if (name := on_column(note, LEFT_OUT)) is not None]
    said = f"No {'other ' if out else ''}column is like an id."
    if naming:
        said = f"{_quoted(naming)}: another value in every row, like an id{leaving_out(naming)}."
    if out:
        said = f"{_listed(out)}: another text in every row, and left out. {said}"
    found = [Finding("Ids among the columns", said, not naming)]
    telling = [names[j] for j in _telling(dataset)]
    if len(dataset.classes) > 1:
        said = "No column alone tells the label."
        if telling:
            said = f"{_quoted(telling)}: alone tells nearly every label. Is it known before the label is?"
            if how := leaving_out(telling, " If not, "):
                said += f"{how}."
        found.append(Finding("Labels among the columns", said, not telling))
    return found


def _names_rows(column: Floats, coded: bool) -> bool:
    """Whether values are all different and either codes of categories or whole numbers that count, in any order."""
    if len(column) < 10 or np.isnan(column).any() or (column != np.rint(column)).any():
        return False
    if len(np.unique(column)) < len(column):
        return False
    step = np.diff(column)
    one_way = bool((step > 0).all() or (step < 0).all())
    return coded or one_way or float(np.ptp(column)) < _DENSE * len(column)


def _telling(dataset: Dataset) -> list[int]:
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    labelled = np.random.default_rng(0).permutation(dataset.labelled)[:_JUDGED]
    x, y = dataset.x[labelled], dataset.y[labelled]
    counts = np.bincount(y, minlength=1) if len(y) else np.zeros(1)
    if (counts >= _FOLDS).sum() < 2 or counts.max() > _COMMON * len(y):
        return []
    frequent = counts[y] >= _FOLDS
    x, y = x[frequent], y[frequent]
    tree = DecisionTreeClassifier(max_leaf_nodes=4 * int((counts >= _FOLDS).sum()), random_state=0)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)

    def tells(column: Floats) -> bool:
        # What does not tell the labels that it learns from tells no others.
        learnt = tree.fit(column, y).score(column, y) >= _TELLING
        return bool(learnt and cross_val_score(tree, column, y, cv=folds).mean() >= _TELLING)

    return [j for j in range(min(x.shape[1], _COLUMNS)) if tells(x[:, [j]])]


def _quoted(names: Sequence[str]) -> str:
    return _listed([f"'{name}'" for name in names])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
