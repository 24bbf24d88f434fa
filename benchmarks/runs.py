"""What the benchmarks share: where the data is, and one fit that leaves nothing behind."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from attar.fit import fit_source
from attar.preparation import Options
from attar.report.facts import Facts


def data(name: str) -> str:
    """Path of a data file under $ATTAR_DATA, or under ../shared/data; a built-in name as it is."""
    if not name.endswith((".npz", ".parquet")):
        return name
    root = Path(os.environ.get("ATTAR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    path = root / name
    if not path.exists():
        sys.exit(f"{path}: not there; set ATTAR_DATA to the folder that holds it")
    return str(path)


def fit(source: str, **options: Any) -> Facts:
    """The facts of one run."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        facts = fit_source(
            data(source),
            Options(out=Path(folder, "run"), **options),
            command="benchmark",
        ).facts
    print(f"  [{source} {time.perf_counter() - start:.0f} s]", file=sys.stderr, flush=True)
    return facts


def chosen(facts: Facts) -> str:
    """Name of the chosen candidate."""
    return next(row.name for row in facts.leaderboard if row.chosen)
