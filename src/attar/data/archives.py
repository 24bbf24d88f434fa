"""NPZ and NPY files; nothing is ever unpickled."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attar.data import graphs
from attar.data.dataset import Array
from attar.data.labels import as_text, whole
from attar.data.raw import Raw, RawLabels, join
from attar.errors import DataError, LabelError, first_line, listed

# What samples, labels and names of classes are called, the likeliest first, and the parts of a split.
_SAMPLES = ("x", "images", "data", "samples", "features", "signals")
_LABELS = ("y", "labels", "label", "targets", "target")
# What an array of edges may be called elsewhere.
_LIKE_EDGES = ("edges", "edge_list", "edgelist", "adj", "adjacency")
_CLASSES = ("class_names", "classes")
_PARTS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


def read_npy(path: Path) -> Array:
    """Read an NPY file; one with Python objects is refused, as unpickling it would run code of its author."""
    with path.open("rb") as file:
        magic = file.read(6)
    if magic != b"\x93NUMPY":
        raise DataError(f"{path}: not an NPY file; write it with numpy.save")
    try:
        with path.open("rb") as file:
            return np.asarray(np.load(file, allow_pickle=False))
    except (ValueError, EOFError, OSError, MemoryError, SyntaxError, TypeError, tokenize.TokenError) as error:
        raise DataError(f"{path}: {_numpy_complaint(error)}") from None


def read_npz(path: Path, groups: str | None = None) -> Raw:
    """Read an NPZ file: `x` and `y`, or its own split as in `x_train, y_train, x_test, y_test`, or the only array.

    Samples may also be called images, data, samples, features or signals, and labels label, labels, target or targets,
    in small letters or large; what part of a split they are stands behind that or before, as in `train_images`. A part
    for validation belongs to the training part unless there is no test part.

    With an array `edge_index` it is a graph, see `graphs.from_npz`.

    An array `class_names` or `classes` names integer labels by position; others are not used, and noted.

    Arguments:
        path: of the file.
        groups: an array of one group per sample, of a split file without what says the part; None: one called groups,
            if any.

    Raises:
        DataError: not an NPZ file, truncated, with Python objects, or without samples.
        LabelError: labels of another number than samples.
    """
    with path.open("rb") as file:
        if file.read(4)[:2] != b"PK":
            raise DataError(f"{path}: not an NPZ file; write it with numpy.savez")
    with _opened(path) as archive:
        keys = list(archive.files)
        if graphs.EDGES in keys:
            if groups is not None:
                raise LabelError(f"{path}: a group column is part of a table; give a file of groups for a graph")
            return graphs.from_npz({key: np.asarray(archive[key]) for key in keys}, path)
        wanted = _keys(keys, groups, path)
        arrays = {key: np.asarray(archive[key]) for part in wanted.values() for key in part.values()}
        of_classes = next((key for key in _CLASSES if key in keys and key not in arrays), None)
        classes = None if of_classes is None else np.asarray(archive[of_classes])
    _refuse_no_samples(arrays, wanted, path)
    parts = _named({part: {role: arrays[key] for role, key in of.items()} for part, of in wanted.items()}, classes)
    first, *others = parts.values()
    used = {*arrays, of_classes} if first.exact else {*arrays}
    notes = _unused(sorted({*keys} - used), path)
    if not others:
        return replace(first, notes=notes)
    _refuse_unlike(parts, wanted, path)
    joined = join(parts)
    return replace(joined, notes=(*notes, *joined.notes))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The arrays of an NPZ file, by name; what is wrong with it, or with one of them, is an error that names it."""
    try:
        # Given a name, numpy leaves a corrupt file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            yield archive
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, MemoryError, NotImplementedError) as error:
        raise DataError(
            f"{path}: truncated or corrupt NPZ file ({first_line(error)}); copy or write it again"
        ) from None
    except (ValueError, SyntaxError, TypeError, tokenize.TokenError) as error:
        raise DataError(f"{path}: {_numpy_complaint(error)}") from None


def _refuse_no_samples(arrays: Mapping[str, Array], wanted: Mapping[str, Mapping[str, str]], path: Path) -> None:
    """Refuse arrays that cannot hold a value for each sample; the shape of groups is checked with their number."""
    roles = {key: role for of in wanted.values() for role, key in of.items()}
    for key, array in arrays.items():
        # What `read_array` returns where a member is no NPY file.
        if array.dtype == object or (array.dtype.kind == "S" and array.ndim == 0):
            raise DataError(f"{path}: '{key}' is not an array; write the file with numpy.savez")
        if array.ndim == 0 and roles[key] != "groups":
            raise DataError(f"{path}: '{key}' is a single number; give one for each sample")


def _unused(keys: Sequence[str], path: Path) -> tuple[str, ...]:
    if not keys:
        return ()
    edges = next((key for key in keys if key.lower() in _LIKE_EDGES), None)
    hint = f"; if '{edges}' holds the edges of a graph, call it {graphs.EDGES}, (2, edges)" if edges else ""
    return (f"arrays of {path.name} that are not used: {', '.join(keys)}{hint}",)


def _refuse_unlike(parts: Mapping[str, Raw], wanted: Mapping[str, Mapping[str, str]], path: Path) -> None:
    """Refuse parts of a split with other numbers of labels or groups than samples, or samples of several shapes."""
    first = next(iter(parts))
    for part, raw in parts.items():
        key, n, shape = wanted[part]["x"], len(raw.x), np.shape(raw.x)
        if raw.groups is not None and (given := np.asarray(raw.groups).shape) != (n,):
            raise DataError(f"{path}: {n} samples in {key} but groups of shape {given}; give one for each")
        if raw.y is not None and len(raw.y) != n:
            labels = f"{len(raw.y)} labels in {wanted[part]['y']}"
            raise LabelError(f"{path}: {n} samples in {key} but {labels}; give one for each")
        if shape[1:] != (other := np.shape(parts[first].x))[1:]:
            raise DataError(f"{path}: {wanted[first]['x']} is {other}, {key} {shape}; samples must have one shape")


def _keys(keys: Sequence[str], groups: str | None, path: Path) -> dict[str, dict[str, str]]:
    """What the arrays for each role are called, by part of the split; all are for training where there is none."""
    wanted = groups or "groups"
    base = _base(wanted)
    roles = {"x": _SAMPLES, "y": _LABELS, "groups": (wanted, base)}
    lower = {key.lower(): key for key in reversed(keys)}

    def of_forms(*forms: str) -> dict[str, str]:
        """The likeliest array of each role whose name has one of the forms."""
        spelt = {role: [form.format(name.lower()) for name in names for form in forms] for role, names in roles.items()}
        present = {role: [lower[key] for key in keys if key in lower] for role, keys in spelt.items()}
        return {role: keys[0] for role, keys in present.items() if keys}

    parts = {
        part: of_forms(*(form for word in words for form in (f"{{}}_{word}", f"{word}_{{}}")))
        for part, words in _PARTS.items()
    }
    parts = {part: of for part, of in parts.items() if part == "train" or "x" in of}
    if "x" not in parts["train"] or len(parts) == 1:
        parts["train"] = of_forms("{}") | parts["train"]
    if "x" not in parts["train"]:
        del parts["train"]
    if not parts:
        if len(keys) != 1:
            held = ", ".join(keys[:8]) or "none"
            raise DataError(f"{path}: no array x, X or x_train (it holds {held}); name the samples x and the labels y")
        parts = {"train": {"x": keys[0]}}
    if groups is not None and not any("groups" in of for of in parts.values()):
        called = f"{base}_train" if len(parts) > 1 else groups
        raise LabelError(f"{path}: no array is called {called}; it holds {listed(list(keys))}")
    return parts


def _base(name: str) -> str:
    """Without what says which part of a split an array is of.

    >>> _base("subject_train"), _base("test_subject"), _base("subject")
    ('subject', 'subject', 'subject')
    """
    for word in (word for words in _PARTS.values() for word in words):
        name = name.removeprefix(f"{word}_").removesuffix(f"_{word}")
    return name


def _named(parts: Mapping[str, Mapping[str, Array]], classes: Array | None) -> dict[str, Raw]:
    """The parts, with integer labels given the names at their positions where the file has one for each."""
    codes = {part: _column(of["y"]) for part, of in parts.items() if "y" in of}
    labels: dict[str, RawLabels] = dict(codes)
    exact = False
    if classes is not None and classes.ndim == 1 and codes:
        texts = whole([as_text(name) for name in classes.tolist()])
        exact = len(set(texts)) == len(texts) and all(_are_positions(y, len(texts)) for y in codes.values())
    if exact:
        labels = {part: [None if code < 0 else texts[code] for code in y.tolist()] for part, y in codes.items()}
    groups = {part: _column(of["groups"]) for part, of in parts.items() if "groups" in of}
    return {part: Raw(of["x"], labels.get(part), exact, groups=groups.get(part)) for part, of in parts.items()}


def _column(values: Array) -> Array:
    """Values `(n,)` of what may be `(n, 1)`."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _are_positions(y: Array, n: int) -> bool:
    return y.dtype.kind in "iu" and y.ndim == 1 and (not len(y) or bool(y.min() >= -1 and y.max() < n))


def _numpy_complaint(error: Exception) -> str:
    if "pickle" in str(error) or "Object arrays" in str(error):
        return "holds pickled Python objects, which attar never loads; save plain arrays of numbers"
    return f"truncated or corrupt ({first_line(error)}); copy or write it again"
