"""The report of a run that was kept on disk."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from attar._files import write_whole
from attar.errors import RunError
from attar.report.explored import Explored
from attar.report.exploring import render_explored
from attar.report.facts import Facts
from attar.report.page import render
from attar.report.risks import Risks, render_risks
from attar.report.shrunk import Shrunk, render_shrunk

FACTS, REPORT = "facts.json", "report.html"
EXPLORED, SHRUNK, RISKS = "explore.html", "compress.html", "risk.html"
# Commands whose runs have other pages, and whose these are.
_OTHERS = {
    "explore": (EXPLORED, "an exploration; its"),
    "compress": (SHRUNK, "a compression; its"),
    "risk": (RISKS, "risk curves; their"),
}


def write_report(folder: Path, facts: Facts) -> Path:
    """Write the facts and the page that shows them into a run folder, each whole or not at all."""
    _write(folder / FACTS, json.dumps(facts.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")
    return _write(folder / REPORT, render(facts))


def write_explored(folder: Path, facts: Explored) -> Path:
    """Write the page of an exploration into its run folder, whole or not at all."""
    return _write(folder / EXPLORED, render_explored(facts))


def write_shrunk(folder: Path, facts: Shrunk) -> Path:
    """Write the page of a compression into its run folder, whole or not at all."""
    return _write(folder / SHRUNK, render_shrunk(facts))


def write_risks(folder: Path, facts: Risks) -> Path:
    """Write the page of risk curves into its run folder, whole or not at all."""
    return _write(folder / RISKS, render_risks(facts))


def render_run(folder: Path, out: Path | None = None) -> Path:
    """Write the page of a finished run again.

    Arguments:
        folder: of the run.
        out: where to write it; None: into the run folder.

    Raises:
        RunError: the folder is missing, is no finished run, or its facts are corrupt.
    """
    file = folder / FACTS
    if not folder.is_dir():
        raise RunError(f"{folder}: no such run folder; name one that `attar fit` wrote")
    if not (folder / "run.json").is_file():
        raise RunError(f"{folder}: not a run folder (it has no run.json); name one that `attar fit` wrote")
    for command, (page, whose) in _OTHERS.items():
        if (folder / page).is_file():
            raise RunError(f"{folder}: {whose} page is {page}, and `attar {command}` writes it again")
    if not file.is_file():
        raise RunError(f"{folder}: the run is not finished; start its `attar {_command(folder)}` again, and it goes on")
    try:
        facts = Facts.model_validate_json(file.read_bytes())
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the file"
        raise RunError(f"{file}: is corrupt at {where}; start the `attar fit` of this run again") from None
    return _write(folder / REPORT if out is None else out, render(facts))


def _command(folder: Path) -> str:
    """The command that began a run; fit where that cannot be read, for it is the one whose runs are asked for."""
    try:
        settings = json.loads((folder / "run.json").read_bytes())["asked"]["settings"]
        return next((command for command in _OTHERS if command in settings), "fit")
    except (ValueError, KeyError, TypeError):
        return "fit"


def _write(path: Path, text: str) -> Path:
    try:
        # Of a file whose name is no UTF-8, the name has no UTF-8 here either.
        write_whole(path, text.encode(errors="replace"))
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
    return path
