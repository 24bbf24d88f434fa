"""Sets of the Hugging Face hub, or a local folder of the same form, through `datasets`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attar._files import at_home
from attar.data.dataset import Array
from attar.data.files import LABEL_NAMES, from_table, named_column
from attar.data.images import read_images
from attar.data.labels import words_for_none
from attar.data.rates import at_one_rate
from attar.data.raw import Raw, RawLabels, held_out
from attar.data.wav import read_wav
from attar.errors import DataError, LabelError, MissingExtraError, first_line


def read_hub(
    name: str,
    *,
    label_column: str | None = None,
    group_column: str | None = None,
    strict: bool = False,
    shape: tuple[int, ...] | None = None,
    side: int | None = None,
    text: Collection[str] = (),
    kind: str | None = None,
    known: Collection[str] = (),
) -> Raw:
    """Read `owner/name` of the hub or a local folder; its split "test", else one for validation, stays the test part.

    Images make images; audio (as WAV) and lists of numbers make series; single numbers and texts make a table.

    Arguments:
        name: `owner/name`, or the path of a folder.
        label_column: None takes the first column of class labels, else one called label, target, class or y;
            "" takes none.
        group_column: that says which samples belong together.
        strict: refuse an unreadable image rather than skip it.
        shape: of the images, `(h, w)` or `(h, w, c)`; the median size where None.
        side: longest side that the median size of images is shrunk to.
        text: columns of a table that are categories even where they look like numbers.
        kind: "text" where a table holds texts, another where it does not; None: as its columns say.
        known: columns of a table that a model needs, and that are features however odd they look.

    Raises:
        DataError: the set cannot be had, or has no column that attar reads.
        LabelError: there is no such label column or group column.
        MissingExtraError: `datasets` is not installed.
    """
    try:
        import datasets
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError(f"hf:{name}: needs datasets; pip install 'attar[hub]'") from None
    where = f"hf:{name}"
    splits = _load(datasets, name, where)
    parts = sorted(splits, key=lambda split: (split == "test", split != "train", split))
    data = datasets.concatenate_datasets([splits[part] for part in parts])
    if not len(data):
        raise DataError(f"{where}: no rows; give a set with samples")
    sizes = {part: len(splits[part]) for part in parts}
    of_test, said = held_out(sizes)
    test = None if of_test is None else np.flatnonzero(np.repeat(parts, [*sizes.values()]) == of_test)
    features = data.features
    label = _label(features, label_column, where)
    table = data.with_format("arrow")[:]
    notes = [] if label is None or label_column else [f"column '{label}' is taken for the labels"]
    y: RawLabels | None = None
    if label is not None:
        y = _labels(table.column(label).to_pylist(), features[label])
        notes += [] if hasattr(features[label], "names") else words_for_none(y)
        table = table.drop_columns([label])
    groups: RawLabels | None = None
    if group_column is not None:
        groups = table.column(named_column(table.column_names, group_column, where)).to_pylist()
        table = table.drop_columns([group_column])
    if len(parts) > 1:
        notes += [f"splits: {', '.join(f'{part} {n}' for part, n in sizes.items())}", *said]
    exact = label is not None and hasattr(features[label], "names")
    form = {column: type(features[column]).__name__ for column in table.column_names}
    image = next((column for column, kind in form.items() if kind == "Image"), None)
    if image is not None:
        found = _images(table.column(image).to_pylist(), y, exact, test, notes, where, strict, shape, side)
        return found if groups is None else replace(found, groups=[groups[int(i)] for i in found.ids or ()])
    audio = next((column for column, kind in form.items() if kind == "Audio"), None)
    if audio is not None:
        sounds = [_sound(item, f"{where}, row {i}") for i, item in enumerate(table.column(audio).to_pylist())]
        x, rate, said, _ = at_one_rate([sound for sound, _ in sounds], [rate for _, rate in sounds])
        return Raw(x, y, exact, None, (), "series", test, (*notes, *said), groups=groups, rate=rate)
    lists = [
        column
        for column, kind in form.items()
        if kind in ("List", "LargeList", "Sequence", "list") or kind.startswith("Array")
    ]
    if lists:
        series = [
            _series([table.column(column)[i].as_py() for column in lists], f"{where}, row {i}")
            for i in range(len(data))
        ]
        return Raw(series, y, exact, None, (), "series", test, tuple(notes), groups=groups)
    for column in [column for column in table.column_names if hasattr(features[column], "names")]:
        words = pa.array(_labels(table.column(column).to_pylist(), features[column]), pa.string())
        table = table.set_column(table.column_names.index(column), column, words)
    raw = from_table(table, None, where=where, notes=notes, text=text, kind=kind, known=known)
    return replace(raw, y=y, exact=exact, test=raw.test if test is None else test, groups=groups)


def _load(datasets: Any, name: str, where: str) -> dict[str, Any]:
    local = at_home(name)
    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        return dict(datasets.load_dataset(str(local.resolve()) if local.is_dir() else name))
    except Exception as error:  # network, hub, cache and parsers each raise their own
        raise DataError(
            f"{where}: cannot be loaded ({first_line(error)}); "
            "check the name and the connection, or download it and give hf:FOLDER"
        ) from None
    finally:
        if not shown:
            datasets.enable_progress_bars()


def _label(features: Any, wanted: str | None, where: str) -> str | None:
    if wanted == "":
        return None
    if wanted is not None:
        if wanted not in features:
            raise LabelError(f"{where}: no column is called '{wanted}'; it has {', '.join(features)}")
        return wanted
    named = (column for column, feature in features.items() if hasattr(feature, "names"))
    lower = {column.lower(): column for column in reversed(list(features))}
    return next(named, None) or next((lower[name] for name in LABEL_NAMES if name in lower), None)


def _labels(values: Sequence[Any], feature: Any) -> list[Any]:
    names = getattr(feature, "names", None)
    if names is None:
        return list(values)
    return [None if value is None or value < 0 else names[value] for value in values]


def _images(
    cells: Sequence[dict[str, Any] | None],
    y: RawLabels | None,
    exact: bool,
    test: Array | None,
    notes: list[str],
    where: str,
    strict: bool,
    shape: tuple[int, ...] | None,
    side: int | None,
) -> Raw:
    sources = [b"" if cell is None else cell["bytes"] or cell["path"] or b"" for cell in cells]
    names = [f"{where}, row {i}" for i in range(len(cells))]
    x, kept, found = read_images(sources, names, strict=strict, shape=shape, side=side)
    labels = None if y is None else [y[i] for i in kept]
    place = {old: new for new, old in enumerate(kept)}
    left = None if test is None else np.array([place[i] for i in test.tolist() if i in place], dtype=np.int64)
    return Raw(x, labels, exact, [str(i) for i in kept], (), "image", left, (*notes, *found))


def _sound(cell: dict[str, Any] | None, where: str) -> tuple[Array, int]:
    if cell is None or not (cell["bytes"] or cell["path"]):
        raise DataError(f"{where}: no sound; remove the row")
    return read_wav(cell["bytes"] or Path(cell["path"]), where)


def _series(cells: Sequence[Any], where: str) -> Array:
    """Lists of numbers to `(channels, steps)`: several columns are channels, and so are nested lists."""
    try:
        x = np.array([[] if cell is None else cell for cell in cells], dtype=np.float64)
    except (ValueError, TypeError):
        raise DataError(f"{where}: lists of different lengths, or not of numbers; give one length per row") from None
    if x.ndim == 3 and len(cells) == 1:
        return np.asarray(x[0])
    if x.ndim != 2:
        raise DataError(f"{where}: lists nested too deep, of shape {x.shape[1:]}; give (steps,) or (channels, steps)")
    return x
