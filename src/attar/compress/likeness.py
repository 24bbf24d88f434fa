"""How alike two ONNX files answer the same inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.compress.probes import are_probabilities
from attar.deploy.feed import Feed
from attar.deploy.session import session_of
from attar.errors import ExportError, first_line

_Answers = npt.NDArray[Any]
_TINY = 1e-12
# Lengths of vectors that are said to be 1 differ from it by less.
_NEARLY = 1e-2
# More classes than this are none.
_MOST_CLASSES = 1 << 15


@dataclass(frozen=True)
class Likeness:
    """How alike two models answer.

    Arguments:
        same: share of the same class among the answers of the first output that is of classes; None where none is.
        n_answers: how many of these there are: one for each sample, or several, such as one for each step.
        probabilities: whether these are such.
        cosine: between what both say of a sample, in the mean over samples, of the output where that is least; None
            where each says a single number.
        largest: largest difference of a number, but for whole ones; of probabilities as it is, else as a share of what
            lies between the least and the largest number of that output. None where all are whole.
        output: name of the output that differs most, where there are several.
        before, after: the answers of the first output with a row of numbers, or one number, for each sample, if any.
    """

    same: float | None
    n_answers: int
    probabilities: bool
    cosine: float | None
    largest: float | None
    output: str | None
    before: _Answers | None = field(repr=False)
    after: _Answers | None = field(repr=False)


def likeness(before: Path, after: Path, feeds: Sequence[Feed]) -> Likeness:
    """Run two models on the same inputs and compare all that they answer with numbers.

    Answers of the first that are NaN or infinite are left out, and so are outputs whose shape, as the number of boxes
    of a detector, depends on what is found.

    Arguments:
        before, after: model files with the same inputs and outputs.
        feeds: inputs, at least one, for a run each.

    Raises:
        ExportError: the second answers NaN or infinity where the first does not, nothing can be compared, or one of
            them does not take the samples.
    """
    sessions = [session_of(one) for one in (before, after)]
    outputs = [_Output(one.name) for one in sessions[0].get_outputs()]
    for feed in feeds:
        taken = {one.name: feed[one.name] for one in sessions[0].get_inputs()}
        rows = max((len(array) for array in taken.values() if array.ndim), default=1)
        try:
            both = [session.run(None, taken) for session in sessions]
        except Exception as error:  # onnxruntime's own exceptions share no public base
            raise ExportError(f"{before}: cannot be compared on these samples: {first_line(error)}") from error
        for output, *said in zip(outputs, *both):
            output.add(*said, rows, str(before))
    compared = [output for output in outputs if output.compared]
    if not compared:
        raise ExportError(f"{before}: answers with nothing that could be compared; keep the file as it is")
    first = next((output for output in compared if output.of_classes), None)
    worst = max(compared, key=lambda output: -1.0 if output.largest is None else output.largest)
    before_rows, after_rows = next((pair for output in compared if (pair := output.rows)), (None, None))
    return Likeness(
        same=None if first is None else first.same / first.decided,
        n_answers=0 if first is None else first.decided,
        probabilities=first is not None and first.probable,
        cosine=min((output.cosine for output in compared if output.cosine is not None), default=None),
        largest=worst.largest,
        output=worst.name if len(compared) > 1 else None,
        before=before_rows,
        after=after_rows,
    )


class _Output:
    """What is known of one output so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.compared = self.same = self.decided = 0
        self.whole = self.probable = self._shares = True
        self._scores = False
        self._difference, self._least, self._most = 0.0, math.inf, -math.inf
        self._cosines: list[_Answers] = []
        self._said: list[tuple[_Answers, _Answers]] = []

    def add(self, before: Any, after: Any, rows: int, file: str) -> None:
        if not isinstance(before, np.ndarray) or before.dtype.kind not in "fiub" or before.shape != np.shape(after):
            return
        known = np.isfinite(before)
        if not np.isfinite(after[known]).all():
            raise ExportError(f"{file}: in integers it answers with NaN or infinity; keep the file as it is")
        if not known.any():
            return
        self.compared += 1
        self._decide(before, after, known)
        a, b = (np.where(known, one, 0).astype(np.float64) for one in (before, after))
        self._difference = max(self._difference, float(np.abs(a - b).max()))
        self._least, self._most = min(self._least, float(a[known].min())), max(self._most, float(a[known].max()))
        of_rows = before.ndim > 0 and len(before) == rows
        each = rows if of_rows else 1
        if before.size > each:
            told = known.reshape(each, -1).any(1)
            self._cosines.append(_cosine(a.reshape(each, -1)[told], b.reshape(each, -1)[told]))
        if of_rows and before.ndim <= 2 and before.size <= rows * _MOST_CLASSES and not self.whole:
            self._said.append((before, after))

    def _decide(self, before: _Answers, after: _Answers, known: _Answers) -> None:
        """Compare answers as if they were of classes; whether they are is known of all of them alone."""
        wide = before.ndim > 1 and before.shape[-1] > 1
        complete = known.all(-1) if wide else known
        one, two = before[complete], after[complete]
        self.whole = one.dtype.kind in "iub"
        self.probable &= wide and not self.whole and are_probabilities(one)
        self._shares &= not wide and bool(((one >= 0) & (one <= 1)).all())
        # Vectors of length 1 are places, as of sentences, and not logits.
        self._scores |= before.ndim == 2 and wide and not np.allclose(np.linalg.norm(one, axis=-1), 1, atol=_NEARLY)
        if not self.whole:
            one, two = (said.argmax(-1) if wide else said > 0.5 for said in (one, two))
        self.same += int((one == two).sum())
        self.decided += one.size

    @property
    def of_classes(self) -> bool:
        return self.decided > 0 and (self.whole or self.probable or self._shares or self._scores)

    @property
    def largest(self) -> float | None:
        if self.whole:
            return None
        # Of one number alone nothing is known but that.
        unit = 1.0 if self.probable else self._most - self._least or abs(self._most)
        return self._difference / max(unit, _TINY)

    @property
    def cosine(self) -> float | None:
        return float(np.concatenate(self._cosines).mean()) if self._cosines else None

    @property
    def rows(self) -> tuple[_Answers, _Answers] | None:
        if not self._said or len(self._said) != self.compared:
            return None
        before, after = (np.concatenate(each) for each in zip(*self._said))
        return before, after


def _cosine(a: _Answers, b: _Answers) -> _Answers:
    """Of each row; 1 where both are zero."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found: _Answers = np.where(lengths > _TINY, (a * b).sum(1) / np.maximum(lengths, _TINY), (a == b).all(1))
    return found
