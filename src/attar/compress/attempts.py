"""Attempts at a smaller network, each measured on samples set aside, and kept."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from attar._files import write_whole
from attar.compress import container, saved
from attar.compress.answers import answers, are_logits, classes_of, decided, variance_of
from attar.compress.budget import milliseconds, readable
from attar.compress.costs import macs
from attar.compress.given import Samples
from attar.compress.packed import exported
from attar.compress.program import Program
from attar.data.dataset import UNLABELLED
from attar.deploy.measure import latency
from attar.deploy.session import session_of
from attar.errors import CompressionError, ExportError
from attar.training.progress import Progress


class Attempt(BaseModel):
    """A network that was tried.

    Arguments:
        name: what was done.
        bytes: of its file.
        latency_ms: of one sample in onnxruntime on one thread; None where it has no ONNX form.
        quality: accuracy, agreement or R² on the samples set aside, 0 to 1.
        macs: multiply-accumulates of one sample.
        file: in the folder of attempts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    bytes: int
    latency_ms: float | None
    quality: float
    macs: int
    file: str


@dataclass(frozen=True)
class Judge:
    """How good a network is, on samples that it has not learnt from.

    Arguments:
        x: the samples.
        before: what the network before says of them.
        labels: their classes, -1 where unknown.
    """

    x: Samples
    before: Tensor
    labels: Tensor

    @property
    def measure(self) -> str:
        """The name of the measure."""
        if classes_of(self.before) and bool((self.labels != UNLABELLED).all()):
            return "accuracy"
        return "agreement" if are_logits(self.before) else "R²"

    def quality(self, model: nn.Module) -> float:
        """Accuracy where all classes are known, else the share of samples that get the class that they got before.

        A network whose answers are not a row of logits for each sample is judged by R² instead: 1 less the mean squared
        difference from the answers it gave before, over the variance of these; 0 at the least. One that answers with
        one number tells two classes apart, where these are known.

        Raises:
            CompressionError: the answers have another shape than before.
        """
        said = answers(model, self.x)
        if said.shape != self.before.shape:
            raise CompressionError(f"the network gives {tuple(said.shape)} instead of {tuple(self.before.shape)}")
        if self.measure == "R²":
            error = (said - self.before).square().mean() / variance_of(self.before)
            return max(0.0, 1 - float(error))
        expected = self.labels if self.measure == "accuracy" else decided(self.before, self.before)
        return float((decided(said, self.before) == expected).double().mean())


class Attempts:
    """All that was tried, in a folder from which a search that was stopped goes on.

    Arguments:
        folder: to keep files and figures in.
        judge: of all.
        example: one sample.
        progress: where each attempt is reported.
        asked: a fingerprint of the network, the samples and the settings; a folder that holds another is refused.

    Raises:
        CompressionError: the folder holds attempts at something else.
    """

    def __init__(self, folder: Path, judge: Judge, example: Samples, progress: Progress, asked: str = "") -> None:
        self.folder, self.judge, self.progress = folder, judge, progress
        mark = folder / "asked.txt"
        if mark.exists() and mark.read_bytes() != asked.encode():
            raise CompressionError(
                f"{folder}: holds what was tried with another network, other samples or settings; name another folder"
            )
        write_whole(mark, asked)
        self.example = torch.as_tensor(example)
        self._done: dict[str, Attempt] = {}

    @property
    def all(self) -> tuple[Attempt, ...]:
        """In the order in which they were tried."""
        return tuple(self._done.values())

    def of(self, name: str, make: Callable[[Path], nn.Module]) -> Attempt:
        """Try a network, or read back what was found of it.

        Arguments:
            name: of what is done.
            make: from a folder to keep checkpoints in to the network.
        """
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        facts, file = self.folder / f"{stem}.json", self.folder / f"{stem}.attar"
        checkpoints = self.folder / f"{stem}-training"
        attempt = _finished(facts, file)
        if attempt is None:
            checkpoints.mkdir(parents=True, exist_ok=True)
            program = saved.as_program(make(checkpoints), self.example)
            saved.save(program, file)
            attempt = Attempt(
                name=name,
                bytes=file.stat().st_size,
                latency_ms=self.latency(program),
                quality=self.judge.quality(program),
                macs=macs(program, self.example),
                file=file.name,
            )
            write_whole(facts, attempt.model_dump_json(indent=1).encode())
        # Also those of one that was killed right after it had finished.
        if checkpoints.is_dir():
            shutil.rmtree(checkpoints)
        self._done[name] = attempt
        latency = "" if attempt.latency_ms is None else f", {milliseconds(attempt.latency_ms, 3)}"
        self.progress.say(
            f"{name:<44}{readable(attempt.bytes):>9}{latency}, {100 * attempt.quality:.2f} % {self.judge.measure}"
        )
        return attempt

    def program(self, attempt: Attempt) -> Program:
        """The network of an attempt."""
        return saved.load(self.folder / attempt.file)

    def latency(self, module: nn.Module) -> float | None:
        """Milliseconds of one sample in onnxruntime on one thread; None where the network has no ONNX form."""
        try:
            model = exported(saved.as_program(module, self.example), "the network")
        except ExportError:
            return None
        session = session_of(model.SerializeToString())
        return latency(lambda: session.run(None, {"x": self.example.numpy()}))


def _finished(facts: Path, file: Path) -> Attempt | None:
    """An attempt that was finished before; None where there is none, or its files are damaged."""
    try:
        attempt = Attempt.model_validate_json(facts.read_bytes())
        # What would be found damaged in the end, should this one be chosen, is made again now.
        container.read(file)
    except (OSError, ValidationError, CompressionError):
        return None
    return attempt
