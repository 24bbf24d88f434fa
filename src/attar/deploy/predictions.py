"""Predictions for a whole source, as a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from attar._files import write_whole
from attar.data.sources import read_for_prediction
from attar.deploy.session import load
from attar.errors import DataError
from attar.training.progress import Progress


def write_predictions(
    model: Path, source: str, out: Path, *, strict: bool, progress: Progress
) -> tuple[int, tuple[str, ...]]:
    """Predict the samples of a source and write id, label and probability of each.

    Arguments:
        model: a file that attar wrote.
        source: samples, as on the command line.
        out: CSV file; written beside and renamed.
        strict: refuse an unreadable sample rather than skip it.
        progress: where to report.

    Returns:
        How many there are, and notes on what was found on reading.

    Raises:
        ModelError: not a model of attar's.
        DataError: the samples cannot be used, or the file cannot be written, or is the model or among the samples.
    """
    given = Path(source).expanduser()
    # Of a folder, only those files that a graph is in.
    for kept in (model, given, *([given / out.name] if out.stem in ("nodes", "edges") else [])):
        if _same(kept, out):
            raise DataError(f"{out}: is {kept}, which would be overwritten; choose another file with --out")
    loaded = load(model)
    dataset = read_for_prediction(
        source,
        kind=loaded.kind,
        shape=loaded.shape,
        columns=loaded.columns,
        rate=loaded.rate,
        stride=loaded.stride,
        strict=strict,
    )
    with progress.task("predict", len(dataset)) as task:
        probabilities = loaded.predict_proba(dataset.x, task.advance)
    notes = (*dataset.notes, *loaded.doubts(dataset.x))
    best = probabilities.argmax(1)
    labels, certain = loaded.classes[best].tolist(), probabilities.max(1).tolist()
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "label", "probability"])
    rows.writerows(zip(dataset.ids.tolist(), labels, (f"{p:.6f}" for p in certain)))
    try:
        write_whole(out, text.getvalue())
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror}); choose another file with --out") from None
    return len(dataset), notes


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return False
