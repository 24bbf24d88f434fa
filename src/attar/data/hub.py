"""Sets of the Hugging Face hub, or a local folder of the same form, through `datasets`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attar._files import at_home
from attar.data.asked import ASKED, Asked
from attar.data.columns import LABEL_NAMES, from_table, groups_in, label_of
from attar.data.dataset import Array, ArrowTable
from attar.data.images import read_images
from attar.data.labels import words_for_none
from attar.data.marks import Marks
from attar.data.rates import at_one_rate
from attar.data.raw import Raw, held_out
from attar.data.wav import read_wav
from attar.errors import DataError, MissingExtraError, first_line


def read_hub(name: str, asked: Asked = ASKED) -> Raw:
    """Read `owner/name` of the hub or a local folder; its split "test", else one for validation, stays the test part.

    Images make images; audio (as WAV) and lists of numbers make series; single numbers and texts make a table.

    Raises:
        DataError: the set cannot be had, or has no column that attar reads, or none that is marked.
        LabelError: there is no such label column or group column.
        MissingExtraError: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(f"hf:{name}: needs datasets; pip install 'attar[hub]'") from None
    where = f"hf:{name}"
    splits = _load(datasets, name, where)
    parts = sorted(splits, key=lambda split: (split == "test", split != "train", split))
    data = datasets.concatenate_datasets([splits[part] for part in parts])
    if not len(data):
        raise DataError(f"{where}: no rows; give a set with samples")
    told, table, marks = _told(data, asked, where)
    if len(parts) > 1:
        shown = ", ".join(f"{part} {len(splits[part])}" for part in parts)
        test, said = held_out([part for part in parts for _ in range(len(splits[part]))])
        told = replace(told, test=test, notes=(*told.notes, f"splits: {shown}", *said))
    features = {column: data.features[column] for column in table.column_names if column not in marks.ignore}
    of_type = {type(feature).__name__: column for column, feature in reversed(features.items())}
    lists = [column for column, feature in features.items() if _is_list(feature)]
    if lists or not {"Image", "Audio"}.isdisjoint(of_type):
        marks.without_categories(where, "its samples are no table")
        told = replace(told, ignored=marks.ignore, notes=(*told.notes, *marks.said()))
    if "Image" in of_type:
        return _images(told, table.column(of_type["Image"]).to_pylist(), where, asked)
    if "Audio" in of_type:
        return _sounds(told, table.column(of_type["Audio"]).to_pylist(), where)
    if lists:
        rows = zip(*(table.column(column) for column in lists))
        x = [_series([cell.as_py() for cell in cells], f"{where}, row {i}") for i, cells in enumerate(rows)]
        return replace(told, x=x, kind="series")
    table = _in_words(table, data.features)
    raw = from_table(table, None, replace(asked, label_column=None, group_column=None, marks=marks), where=where)
    own = raw.test if told.test is None else told.test
    return replace(raw, y=told.y, exact=told.exact, test=own, groups=told.groups, notes=(*told.notes, *raw.notes))


def _told(data: Any, asked: Asked, where: str) -> tuple[Raw, ArrowTable, Marks]:
    """What a set says of its samples, which are still to come, the table of all other columns, and what is marked."""
    label, table = _label(data.features, asked.label_column, where), data.with_format("arrow")[:]
    groups = groups_in(table, asked.group_column, label, where)
    notes, y, exact = list[str](), None, False
    if label is not None:
        feature = data.features[label]
        y, exact = _labels(table.column(label).to_pylist(), feature), hasattr(feature, "names")
        notes += [] if asked.label_column else [f"column '{label}' is taken for the labels"]
        notes += [] if exact else words_for_none(y)
    holding = {label: "holds the labels", asked.group_column: "holds the groups"}
    taken = {name: holds for name, holds in holding.items() if name is not None}
    marks = asked.marks.among(list(data.features), where, taken)
    return Raw(np.empty(0), y, exact, notes=tuple(notes), groups=groups), table.drop_columns([*taken]), marks


def _is_list(feature: Any) -> bool:
    name = type(feature).__name__
    return name in ("List", "LargeList", "Sequence", "list") or name.startswith("Array")


def _in_words(table: ArrowTable, features: Mapping[str, Any]) -> ArrowTable:
    """The table, with the names of classes where columns hold their codes."""
    import pyarrow as pa

    for j, column in enumerate(table.column_names):
        if hasattr(features[column], "names"):
            words = pa.array(_labels(table.column(column).to_pylist(), features[column]), pa.string())
            table = table.set_column(j, column, words)
    return table


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


def _label(features: Mapping[str, Any], wanted: str | None, where: str) -> str | None:
    if wanted is not None:
        return label_of(list(features), wanted, where)
    of_classes = next((column for column, feature in features.items() if hasattr(feature, "names")), None)
    lower = {column.lower(): column for column in reversed(list(features))}
    return of_classes or next((lower[name] for name in LABEL_NAMES if name in lower), None)


def _labels(values: Sequence[Any], feature: Any) -> list[Any]:
    names = getattr(feature, "names", None)
    if names is None:
        return list(values)
    return [None if value is None or value < 0 else names[value] for value in values]


def _images(told: Raw, cells: Sequence[dict[str, Any] | None], where: str, asked: Asked) -> Raw:
    sources = [b"" if cell is None else cell["bytes"] or cell["path"] or b"" for cell in cells]
    names = [f"{where}, row {i}" for i in range(len(cells))]
    x, kept, more = read_images(sources, names, strict=asked.strict, shape=asked.shape, side=asked.side)
    place = {old: new for new, old in enumerate(kept)}
    test = told.test
    return replace(
        told,
        x=x,
        y=None if told.y is None else [told.y[i] for i in kept],
        ids=[str(i) for i in kept],
        kind="image",
        test=None if test is None else np.array([place[i] for i in test.tolist() if i in place], dtype=np.int64),
        notes=(*told.notes, *more),
        groups=None if told.groups is None else [told.groups[i] for i in kept],
    )


def _sounds(told: Raw, cells: Sequence[dict[str, Any] | None], where: str) -> Raw:
    sounds = [_sound(cell, f"{where}, row {i}") for i, cell in enumerate(cells)]
    x, rate, more, _ = at_one_rate([sound for sound, _ in sounds], [rate for _, rate in sounds])
    return replace(told, x=x, kind="series", notes=(*told.notes, *more), rate=rate)


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
