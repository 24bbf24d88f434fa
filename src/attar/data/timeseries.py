"""Series in the `.ts` form of the UCR and UEA archives, read by aeon."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from attar.data.raw import Raw, RawLabels
from attar.errors import DataError, LabelError, MissingExtraError, first_line


def read_ts(path: Path) -> Raw:
    """Read a `.ts` file of the UCR and UEA archives through aeon."""
    header = _ts_header(path)
    try:
        from aeon.datasets import load_from_ts_file
    except ImportError:
        raise MissingExtraError(f"{path}: .ts files need aeon; pip install 'attar[series]'") from None
    try:
        x, y, meta = load_from_ts_file(str(path), return_meta_data=True)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise DataError(f"{path}: not a readable .ts file ({first_line(error)}); download it again") from None
    if not len(x):
        raise DataError(f"{path}: no series after @data; download the file again")
    samples = x if isinstance(x, np.ndarray) else [np.asarray(item) for item in x]
    labels: RawLabels | None = None
    if meta["targetlabel"]:
        raise LabelError(f"{path}: its target is a number to regress on (@targetlabel); attar predicts classes")
    if meta["classlabel"]:
        # aeon reads labels in lower case, and "nan" and "?" in them as missing values: the header has them as written.
        written = {name.lower().replace("nan", "NaN").replace("?", "NaN"): name for name in header}
        if len(written) < len({*header}):
            like = next(name for name in header if name not in written.values())
            raise DataError(
                f"{path}: class '{like}' of @classLabel differs from another in upper and lower case alone, which aeon "
                "does not tell apart; rename one"
            )
        labels = [written.get(str(value).strip()) for value in y]
        odd = next((str(v) for v, name in zip(y, labels) if name is None and str(v).strip() not in ("NaN", "")), None)
        if odd is not None:
            raise DataError(f"{path}: label '{odd}' is not among those of @classLabel; mend the header or the line")
    return Raw(samples, labels, exact=True, kind="series")


def _ts_header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as file:
            lines = []
            for line in file:
                lines.append(line.strip())
                if lines[-1].lower().startswith("@data"):
                    break
            else:
                raise DataError(f"{path}: not a .ts file, it has no @data line; download it again")
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a .ts file, it is no UTF-8 text; download it again") from None
    tags = {words[0].lower(): words[1:] for words in map(str.split, lines) if words}
    if [v.lower() for v in tags.get("@timestamps", [])] == ["true"]:
        # aeon's reader drops the signs of the values in such files.
        raise DataError(f"{path}: .ts files with time stamps are not read; write the values alone, or as NPZ")
    return tags.get("@classlabel", ["false"])[1:]
