"""NPZ and NPY files; nothing is ever unpickled."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from attar.data import graphs
from attar.data.dataset import Array
from attar.data.labels import whole
from attar.data.raw import Raw, join
from attar.errors import DataError, LabelError, first_line, listed


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
    """Read an NPZ file: `x_train, y_train, x_test, y_test` keep their split, else `x` and `y`, else the only array.

    With an array `edge_index` it is a graph, see `graphs.from_npz`.

    An array `class_names` or `classes` names integer labels by position; others are not used, and noted.

    Arguments:
        path: of the file.
        groups: an array of one group per sample, of a split file also without its endings `_train` and `_test`; None:
            one called groups, if any.

    Raises:
        DataError: not an NPZ file, truncated, with Python objects, or without samples.
        LabelError: labels of another number than samples.
    """
    with path.open("rb") as file:
        if file.read(4)[:2] != b"PK":
            raise DataError(f"{path}: not an NPZ file; write it with numpy.savez")
    try:
        # Given a name, numpy leaves a corrupt file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            keys = list(archive.files)
            if graphs.EDGES in keys:
                if groups is not None:
                    raise LabelError(f"{path}: a group column is part of a table; give a file of groups for a graph")
                return graphs.from_npz({key: np.asarray(archive[key]) for key in keys}, path)
            wanted = _keys(keys, path)
            wanted |= _groups(keys, groups, "x_test" in wanted, path)
            arrays = {role: np.asarray(archive[key]) for role, key in wanted.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, MemoryError, NotImplementedError) as error:
        raise DataError(
            f"{path}: truncated or corrupt NPZ file ({first_line(error)}); copy or write it again"
        ) from None
    except (ValueError, SyntaxError, TypeError, tokenize.TokenError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: {_numpy_complaint(error)}") from None
    for role, array in arrays.items():
        if array.dtype == object:  # what `read_array` returns where a member is no NPY file
            raise DataError(f"{path}: '{wanted[role]}' is not an array; write the file with numpy.savez")
        if array.dtype.kind == "S" and array.ndim == 0:
            raise DataError(f"{path}: '{wanted[role]}' is not an array; write the file with numpy.savez")
    ignored = sorted(set(keys) - set(wanted.values()))
    notes = (f"arrays of {path.name} that are not used: {', '.join(ignored)}",) if ignored else ()
    names = arrays.get("names")
    train = _named(arrays["x"], arrays.get("y"), names, notes)
    if "x_test" not in arrays:
        return replace(train, groups=arrays.get("groups"))
    test = _named(arrays["x_test"], arrays.get("y_test"), names, ())
    if train.exact != test.exact and test.y is not None and train.y is not None:
        train, test = (
            _named(arrays["x"], arrays.get("y"), None, notes),
            _named(arrays["x_test"], arrays.get("y_test"), None, ()),
        )
    train, test = replace(train, groups=arrays.get("groups")), replace(test, groups=arrays.get("groups_test"))
    for part, raw in (("train", train), ("test", test)):
        if raw.groups is not None and (shape := np.asarray(raw.groups).shape) != (len(raw.x),):
            raise DataError(f"{path}: {len(raw.x)} samples in x_{part} but groups of shape {shape}; give one for each")
        if raw.y is not None and len(raw.y) != len(raw.x):
            raise LabelError(
                f"{path}: {len(raw.x)} samples in x_{part} but {len(raw.y)} labels in y_{part}; give one for each"
            )
    if isinstance(train.x, np.ndarray) and isinstance(test.x, np.ndarray) and train.x.shape[1:] != test.x.shape[1:]:
        raise DataError(f"{path}: x_train is {train.x.shape}, x_test {test.x.shape}; samples must have one shape")
    return join(train, test)


def _keys(keys: Sequence[str], path: Path) -> dict[str, str]:
    """Which array of the file plays which role."""
    wanted = {
        role: key
        for role, key in (("x", "x_train"), ("y", "y_train"), ("x_test", "x_test"), ("y_test", "y_test"))
        if key in keys
    }
    if "x" not in wanted:
        wanted = {}
        x = next((key for key in ("x", "X") if key in keys), None)
        y = next((key for key in ("y", "Y") if key in keys), None)
        if x is None and len(keys) == 1:
            x, y = keys[0], None
        if x is None:
            held = ", ".join(keys[:8]) or "none"
            raise DataError(f"{path}: no array x, X or x_train (it holds {held}); name the samples x and the labels y")
        wanted = {"x": x} | ({"y": y} if y else {})
    names = next((key for key in ("class_names", "classes") if key in keys and key not in wanted.values()), None)
    return wanted | ({"names": names} if names else {})


def _groups(keys: Sequence[str], wanted: str | None, split: bool, path: Path) -> dict[str, str]:
    """Which arrays hold groups, of the only or the training part and of the test part."""
    name = wanted or "groups"
    base = name.removesuffix("_train").removesuffix("_test")
    parts = {"groups": f"{base}_train", "groups_test": f"{base}_test"} if split else {"groups": name}
    found = {role: key for role, key in parts.items() if key in keys}
    if wanted is not None and not found:
        raise LabelError(f"{path}: no array is called {' or '.join(parts.values())}; it holds {listed(list(keys))}")
    return found


def _named(x: Array, y: Array | None, names: Array | None, notes: tuple[str, ...]) -> Raw:
    """Give integer labels the names at their positions, where the file has some."""
    if y is None or names is None or names.ndim != 1 or y.dtype.kind not in "iu" or not len(y):
        return Raw(x, y, notes=notes)
    if y.min() < -1 or y.max() >= len(names):
        return Raw(x, y, notes=notes)
    texts = whole([str(name) for name in names.tolist()])
    return Raw(x, [None if code < 0 else texts[code] for code in y.ravel().tolist()], exact=True, notes=notes)


def _numpy_complaint(error: Exception) -> str:
    if "pickle" in str(error) or "Object arrays" in str(error):
        return "holds pickled Python objects, which attar never loads; save plain arrays of numbers"
    return f"truncated or corrupt ({first_line(error)}); copy or write it again"
