"""Predictions for a whole source, as a CSV, JSON or Parquet file."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from attar._files import at_home, write_whole
from attar.data.cut import of_recordings
from attar.data.dataset import Floats
from attar.data.sources import read_for_prediction
from attar.deploy.session import load
from attar.errors import DataError
from attar.training.progress import Progress

Columns: TypeAlias = Mapping[str, Sequence[Any]]

STDOUT = Path("-")


def write_predictions(
    model: Path,
    source: str,
    out: Path,
    *,
    strict: bool,
    progress: Progress,
    probabilities: bool = False,
    per_recording: bool = False,
) -> tuple[int, tuple[str, ...]]:
    """Predict the samples of a source and write id, label and probability of each.

    Arguments:
        model: a file that attar wrote.
        source: samples, as on the command line.
        out: file, whose name says how: .csv or .txt, .tsv, .json, .jsonl, .parquet; without any of these CSV. Written
            beside and renamed; `STDOUT` is the standard output.
        strict: refuse an unreadable sample rather than skip it.
        progress: where to report.
        probabilities: whether to write those of all classes too, a column each.
        per_recording: whether a recording has one answer, the mean of those of the windows that it is cut into.

    Returns:
        How many there are, and notes on what was found on reading.

    Raises:
        ModelError: not a model of attar's.
        DataError: the samples cannot be used, or the file cannot be written, or has another name, or is the model or
            among the samples.
    """
    given = at_home(source)
    # Of a folder, only those files that a graph is in.
    for kept in (model, given, *([given / out.name] if out.stem in ("nodes", "edges") else [])):
        if _same(kept, out):
            raise DataError(f"{out}: is {kept}, which would be overwritten; choose another file with --out")
    rendered = _FORMATS.get(out.suffix.lower())
    if rendered is None:
        raise DataError(f"{out}: predictions are written to {', '.join(filter(None, _FORMATS))}; name --out so")
    loaded = load(model)
    dataset = read_for_prediction(source, loaded.form, strict=strict)
    with progress.task("predict", len(dataset)) as task:
        found = loaded.predict_proba(dataset.x, task.advance)
    notes = (*dataset.notes, *loaded.doubts(dataset.x))
    if per_recording:
        dataset, found = of_recordings(dataset, found)
    columns = {
        "id": dataset.ids.tolist(),
        "label": loaded.classes[found.argmax(1)].tolist(),
        "probability": _rounded(found.max(1)),
    }
    if probabilities:
        columns |= {f"probability of {name}": _rounded(p) for name, p in zip(loaded.meta.classes, found.T)}
    data = rendered(columns)
    try:
        if out == STDOUT:
            # As a file has them, whatever encoding the terminal has.
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        else:
            write_whole(out, data)
    except BrokenPipeError:
        raise  # who reads has seen enough
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror}); choose another file with --out") from None
    return len(dataset), notes


def _rounded(probabilities: Floats) -> list[float]:
    return [round(p, 6) for p in probabilities.tolist()]


def _delimited(columns: Columns, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n", delimiter=delimiter)
    rows.writerow(columns)
    rows.writerows([f"{one:.6f}" if isinstance(one, float) else one for one in row] for row in zip(*columns.values()))
    return text.getvalue().encode()


def _json_lines(columns: Columns) -> list[str]:
    return [json.dumps(dict(zip(columns, row)), ensure_ascii=False) for row in zip(*columns.values())]


def _parquet(columns: Columns) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(columns)), file)
    data: bytes = file.getvalue().to_pybytes()
    return data


_FORMATS: dict[str, Callable[[Columns], bytes]] = {
    "": _delimited,
    ".csv": _delimited,
    ".txt": _delimited,
    ".tsv": lambda columns: _delimited(columns, "\t"),
    ".json": lambda columns: ("[" + ",\n ".join(_json_lines(columns)) + "]\n").encode(),
    ".jsonl": lambda columns: "".join(f"{line}\n" for line in _json_lines(columns)).encode(),
    ".parquet": _parquet,
}


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return False
