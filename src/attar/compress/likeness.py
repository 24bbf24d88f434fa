"""How alike two ONNX files answer the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        same: share of the first answers that are of the same class; None where they are of none.
        n_answers: how many of these there are: one for each sample, or several, such as one for each step.
        probabilities: whether the first answers are such.
        cosine: between what both say of a sample, in the mean over samples, of the output where that is least; None
            where each says a single number.
        largest: largest difference of a number; of probabilities as it is, else in units of the largest number of that
            output, or of 1 where that is less.
        output: name of the output that differs most, where there are several.
        before, after: the first answers to all samples, where each is a row of numbers, else None.
    """

    same: float | None
    n_answers: int
    probabilities: bool
    cosine: float | None
    largest: float
    output: str | None
    before: _Answers | None = field(repr=False)
    after: _Answers | None = field(repr=False)


def likeness(
    before: Path, after: Path, feeds: Sequence[Feed], advance: Callable[[int], None] | None = None
) -> Likeness:
    """Run two models on the same inputs and compare all that they answer with numbers.

    Numbers that the first does not answer with, NaN and infinity, are left out, and so are outputs whose shape, as the
    number of boxes of a detector, depends on what is found.

    Arguments:
        before, after: model files with the same inputs and outputs.
        feeds: inputs, at least one, for a run each.
        advance: called with 1 after each.

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
        if advance is not None:
            advance(1)
    compared = [output for output in outputs if output.compared]
    if not compared:
        raise ExportError(f"{before}: answers with nothing that could be compared; keep the file as it is")
    first, worst = compared[0], max(compared, key=lambda output: output.relative)
    cosines = [output.cosine for output in compared if output.cosine is not None]
    return Likeness(
        same=first.same / first.decided if first.decided else None,
        n_answers=first.decided,
        probabilities=first.probable,
        cosine=min(cosines, default=None),
        largest=worst.difference if worst is first and first.probable else worst.relative,
        output=worst.name if len(compared) > 1 else None,
        before=first.rows(0),
        after=first.rows(1),
    )


class _Output:
    """What is known of one output so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.compared = self.same = self.decided = 0
        self.probable = False
        self.difference, self._most = 0.0, 1.0
        self._cosines: list[_Answers] = []
        self._said: list[tuple[_Answers, _Answers]] = []
        self._decide: Callable[[_Answers], _Answers] | None = None

    def add(self, before: Any, after: Any, rows: int, file: str) -> None:
        if not isinstance(before, np.ndarray) or before.dtype.kind not in "fiub" or before.shape != np.shape(after):
            return
        if not before.size:
            return
        if not self.compared:
            self.probable = before.dtype.kind == "f" and before.ndim > 1 and are_probabilities(before)
            self._decide = _decision(before, self.probable)
        self.compared += 1
        if self._decide is not None:
            one, two = self._decide(before), self._decide(after)
            self.same += int((one == two).sum())
            self.decided += one.size
        known = np.isfinite(before)
        if not np.isfinite(after[known]).all():
            raise ExportError(f"{file}: in integers it answers with NaN or infinity; keep the file as it is")
        a, b = (np.where(known, one, 0).astype(np.float64) for one in (before, after))
        self.difference = max(self.difference, float(np.abs(a - b).max()))
        self._most = max(self._most, float(np.abs(a).max()))
        each = rows if before.ndim and len(before) == rows else 1
        if before.size > each:
            self._cosines.append(_cosine(a.reshape(each, -1), b.reshape(each, -1)))
        if before.ndim == 2 and len(before) == rows and before.shape[1] <= _MOST_CLASSES:
            self._said.append((before, after))

    @property
    def relative(self) -> float:
        return self.difference / self._most

    @property
    def cosine(self) -> float | None:
        return float(np.concatenate(self._cosines).mean()) if self._cosines else None

    def rows(self, which: int) -> _Answers | None:
        whole = bool(self._said) and len(self._said) == self.compared
        return np.concatenate([said[which] for said in self._said]) if whole else None


def _decision(answers: _Answers, probable: bool) -> Callable[[_Answers], _Answers] | None:
    """How a class is chosen by such answers; None where they are of none."""
    if answers.dtype.kind in "iub":
        return np.asarray
    last = answers.shape[-1] if answers.ndim > 1 else 1
    if last > 1:
        # Vectors of length 1 are places, as of sentences, and not logits.
        places = answers.ndim != 2 or np.allclose(np.linalg.norm(answers, axis=-1), 1, atol=_NEARLY)
        return (lambda said: said.argmax(-1)) if probable or not places else None
    return (lambda said: said > 0.5) if ((answers >= 0) & (answers <= 1)).all() else None


def _cosine(a: _Answers, b: _Answers) -> _Answers:
    """Of each row; 1 where both are zero."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found: _Answers = np.where(lengths > _TINY, (a * b).sum(1) / np.maximum(lengths, _TINY), (a == b).all(1))
    return found
