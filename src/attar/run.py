"""A run on disk: what was asked, one folder per stage, and what came out; killed at any moment, it goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from attar._files import SEAL, beside, is_whole, sealed, write_whole
from attar._fingerprint import fingerprint
from attar.errors import RunError

FILE = "run.json"
FORMAT = 1
MODEL = "model.onnx"
# What a stage that is under way keeps there; no part of what it leaves.
CHECKPOINT = "checkpoint.safetensors"
_RESULT, _LOCK = "result.safetensors", ".lock"
# What the commands write into a run folder; others of them take the name of such a file as --out.
_OF_FILES = (".onnx", ".attar", ".html", ".json", ".csv")

Json = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Result:
    """What a finished stage leaves: arrays, and facts as JSON values."""

    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    facts: Json = field(default_factory=dict)


class Run:
    """A run folder that is open for work.

    `run.json` holds what was asked, `stages/NAME/` what a stage needs while it is under way (its checkpoint) and,
    once it is finished, its result. A result is written beside and renamed, so it is whole or not there.

    Arguments:
        folder: created where it does not exist.
        asked: everything that decides the outcome: source, settings, fingerprint of the data, seeds.
        versions: of what the run is made with; a run that goes on keeps those it was begun with.

    Attributes:
        seconds: since it was opened, and those that the stages took that were found finished.

    Raises:
        RunError: the folder holds something else, is corrupt, belongs to another command, or is in use.
    """

    def __init__(self, folder: Path, asked: Json, versions: dict[str, str]) -> None:
        self.folder = folder
        self.asked = json.loads(json.dumps(asked))
        self._since, self._met = time.perf_counter(), set[str]()
        if not folder.exists():
            if folder.suffix.lower() in _OF_FILES:
                raise RunError(
                    f"{folder}: would be a folder with the name of a file; give {folder.with_suffix('')}, in "
                    "which it is written"
                )
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RunError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from None
        if not _is_new(folder):
            # What is no run, or another's, is left as it is.
            self._begun()
        self._lock = _locked(folder)
        try:
            # Of two commands that begin at once, the one that holds the folder writes down what it was asked.
            if _is_new(folder):
                write_json(folder / FILE, {"format": FORMAT, "asked": self.asked, "versions": versions})
            self.versions: dict[str, str] = self._begun()["versions"]
        except BaseException:
            self.close()
            raise

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.perf_counter() - self._since

    def _begun(self) -> Json:
        """What `run.json` says, where it was written by this very command."""
        found = read_run(self.folder)
        if found["asked"] != self.asked:
            raise RunError(
                f"{self.folder}: belongs to another command ({_difference(found['asked'], self.asked)}); "
                "choose another folder, or delete this one"
            )
        return found

    def close(self) -> None:
        """Let other processes use the folder."""
        with suppress(OSError):
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def stage(self, name: str, compute: Callable[[Path], Result]) -> Result:
        """The result of a stage: read where it is finished, else computed and kept.

        Arguments:
            name: of the stage, a folder name.
            compute: gets the stage's folder, for checkpoints and files of its own.
        """
        folder = self.folder / "stages" / name
        file = folder / _RESULT
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._met.add(name)
            started = time.perf_counter()
            result = compute(folder)
            _write(file, result, _files_of(folder), time.perf_counter() - started)
            (folder / CHECKPOINT).unlink(missing_ok=True)
            # Read back also what was just computed, so that a run that was killed here sees the very same.
            return _read(file)[0]
        result, files, seconds = _read(file)
        # Of one that was killed right after it had finished.
        (folder / CHECKPOINT).unlink(missing_ok=True)
        if name not in self._met:
            self._met.add(name)
            self._since -= seconds
        there = _files_of(folder)
        for left, hashed in files.items():
            if there.get(left) != hashed:
                raise _corrupt(folder / left)
        return result

    def place(self, source: Path, name: str) -> Path:
        """Copy a file of a stage into the run folder, whole or not at all."""
        target = self.folder / name
        write_whole(target, source.read_bytes())
        return target


def read_run(folder: Path) -> Json:
    """What `run.json` says.

    Raises:
        RunError: the folder is missing or not a run, or the file is corrupt.
    """
    file = folder / FILE
    if not folder.exists():
        raise RunError(f"{folder}: no such run folder; `attar fit` writes one")
    if not file.is_file():
        raise RunError(
            f"{folder}: not a run folder (it has no {FILE}); name one that this command wrote, or choose another"
        )
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise RunError(f"{file}: has format {found['format']} and this attar reads {FORMAT}; repeat the run")
        if not isinstance(found["asked"], dict) or not isinstance(found["versions"], dict):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise RunError(f"{file}: is corrupt; delete the folder and repeat the run") from None
    return dict(found)


def kept(model: type[Model], facts: Json) -> Model:
    """Facts of a stage as what they were when they were kept.

    Raises:
        RunError: they are of another version of attar.
    """
    try:
        return model.model_validate(facts)
    except ValidationError as error:
        raise RunError(
            "the run was begun by another version of attar, whose stages this one does not read; "
            "choose another folder, or delete this one"
        ) from error


def free_folder(wanted: Path, asked: Json) -> Path:
    """`wanted`, or the first of `wanted-2`, `wanted-3`, … that is new or belongs to this very command."""
    asked = json.loads(json.dumps(asked))
    number, folder = 1, wanted
    while folder.exists() and not _is_new(folder):
        with suppress(RunError):
            if read_run(folder)["asked"] == asked:
                break
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def write_json(path: Path, value: object) -> None:
    """Write JSON beside and rename."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _files_of(folder: Path) -> dict[str, str]:
    """A hash of each file that a stage leaves beside its result."""
    return {
        file.name: fingerprint(np.fromfile(file, np.uint8))
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name not in (_RESULT, CHECKPOINT) and not file.name.startswith(".")
    }


def _write(file: Path, result: Result, files: dict[str, str], seconds: float) -> None:
    from safetensors.numpy import save

    # Not by `ascontiguousarray`, which gives a number without axes one.
    arrays = {name: np.asarray(array, order="C") for name, array in result.arrays.items()}
    words = {"facts": json.dumps(result.facts), "files": json.dumps(files), "seconds": str(seconds), **SEAL}
    write_whole(file, sealed(save(arrays or {"": np.zeros(0, np.uint8)}, words)))


def _read(file: Path) -> tuple[Result, dict[str, str], float]:
    """The result, the hashes of the files that were left beside it, and the seconds that all of it took."""
    from safetensors import SafetensorError, safe_open

    try:
        if not is_whole(file.read_bytes()):
            raise ValueError
        with safe_open(file, "np") as opened:
            words = opened.metadata() or {}
            facts, files = json.loads(words["facts"]), json.loads(words.get("files", "{}"))
            seconds = float(words.get("seconds", 0))
            arrays = {name: opened.get_tensor(name) for name in opened.keys() if name}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError):
        raise _corrupt(file) from None
    return Result(arrays, facts), files, seconds


def _corrupt(file: Path) -> RunError:
    return RunError(f"{file}: is missing or corrupt; delete the folder {file.parent} and start the command again")


def _is_new(folder: Path) -> bool:
    """Whether nothing is in it but what a run leaves that was killed before it had written down what was asked."""
    left = (beside(folder / FILE), folder / _LOCK)
    return folder.is_dir() and all(file in left for file in folder.iterdir())


def _locked(folder: Path) -> int:
    """Hold the folder for this process; the system lets go of it when the process ends, however it ends."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # not on this system
        pass
    except BlockingIOError:
        os.close(handle)
        raise RunError(f"{folder}: another attar is at work in it; wait for it, or choose another folder") from None
    return handle


def _difference(found: Json, asked: Json) -> str:
    """The first two things that differ, each setting being one."""
    before, now = ({**one.get("settings", {}), **one, "settings": None} for one in (found, asked))
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    said = [f"{key} was {before.get(key)!r}, is {now.get(key)!r}" for key in keys if key != "data"]
    # A fingerprint tells nobody anything.
    others = ["the samples or labels have changed since"] if "data" in keys else []
    return "; ".join([*said[:2], *others])[:200]
