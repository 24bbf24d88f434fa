"""From a model file to one that computes in integers: written, compared with the original, and measured beside it."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
from onnx import ModelProto

from attar._files import at_home, write_whole
from attar.calibrating import Correctness, Given, correctness, given
from attar.compress import quantize_dynamic, quantize_linear, quantize_static
from attar.compress.budget import Budget, milliseconds, readable
from attar.compress.integers import Method
from attar.compress.inventory import Inventory, inventory, numbers_inside
from attar.compress.likeness import Likeness, likeness
from attar.compress.packed import files_of, size_of
from attar.compress.samples import fixed_batch, prepared, session_for
from attar.deploy.feed import Feed
from attar.deploy.measure import latency
from attar.deploy.meta import COMPRESSED
from attar.deploy.noise import noise
from attar.deploy.session import session_of
from attar.errors import BudgetError, CompressionError, DataError, LabelError, inflected
from attar.foreign import check_runs
from attar.training.progress import Progress, Silent, noted

_BLOCK = 32
# Samples to learn ranges from; numbers inside the layers that they may make in all, since onnxruntime keeps these; and
# the samples that are taken whatever they make.
_MOST, _KEPT, _LEAST = 256, 1 << 27, 8
# Random inputs to judge by.
_RANDOM = 16
# How often both files are measured.
_TURNS = 2
# Times whose ratio is less are the same.
_ALIKE = 1.05


@dataclass(frozen=True)
class Quantized:
    """What a finished quantisation leaves.

    Arguments:
        model: the file that was written.
        source: the file before.
        way: "static", "dynamic" or "weights".
        bytes, bytes_before: of the files.
        latency_ms, latency_ms_before: of one sample at a time, or as many as the model takes at once, on one thread.
        n_calibrated: samples that ranges were learnt from; none of these judged.
        n_judged: samples, or random inputs, that both files answered.
        random: whether the inputs were random.
        likeness: of the answers.
        correctness: where there are labels of the answers.
        notes: sentences on what was done, and on what was left as it is.
        seconds: that it took.
    """

    model: Path
    source: Path
    way: str
    bytes: int
    bytes_before: int
    latency_ms: float
    latency_ms_before: float
    n_calibrated: int
    n_judged: int
    random: bool
    likeness: Likeness
    correctness: Correctness | None
    notes: tuple[str, ...]
    seconds: float

    def lines(self) -> list[str]:
        """Sentences for a terminal: bytes and answers, time, and how often it is right."""
        found = [
            f"{readable(self.bytes_before)} became {readable(self.bytes)}, and "
            f"{_agreed(self.likeness, self.n_judged)}, {self._judged}.",
            f"{milliseconds(self.latency_ms_before)} became {milliseconds(self.latency_ms)} per sample, on one thread: "
            f"{_sped(self.latency_ms_before / self.latency_ms)}.",
        ]
        if self.bytes >= self.bytes_before:
            found.append("It is no smaller: keep the file as it is.")
        if (told := self.correctness) is not None:
            low, high = (
                f"{100 * low:.1f} to {100 * high:.1f}" for low, high in (told.before_interval, told.after_interval)
            )
            found.append(
                f"It was right on {100 * told.before:.1f} % of the {told.n:,} with a label (90 % interval {low}), and "
                f"is on {100 * told.after:.1f} % ({high}): {told.lost:,} lost, {told.won:,} won."
            )
        return found

    @property
    def _judged(self) -> str:
        if self.random:
            inputs = inflected(self.n_judged, "input", "inputs")
            return f"on {self.n_judged} random {inputs}, which is weak evidence: give samples as data"
        kind = inflected(self.n_judged, "sample", "samples")
        return f"on {self.n_judged:,} {kind}{' that it learnt nothing from' if self.n_calibrated else ''}"

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "likeness"}
        alike = {one.name: getattr(self.likeness, one.name) for one in fields(Likeness) if one.repr}
        right = None if self.correctness is None else asdict(self.correctness)
        return found | alike | {"model": str(self.model), "source": str(self.source), "correctness": right}


def quantize_file(
    model: str | Path,
    out: str | Path | None = None,
    *,
    data: str | None = None,
    labels: str | Path | None = None,
    label_column: str | None = None,
    bits: int = 8,
    dynamic: bool | None = None,
    method: Method | None = None,
    budget: str | None = None,
    block: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Quantized:
    """Write an ONNX file that computes in integers, and say how it answers and how long it takes beside the original.

    Arguments:
        model: an .onnx file, by whomever.
        out: the file to write; None: MODEL-int8.onnx or MODEL-int4.onnx beside it, unless that is there already.
        data: samples as `attar.shrinking.shrink` takes them, or, of a model of others with several inputs, or with
            sizes that it leaves open, an .npz file with an array for each input by its name, and perhaps labels `y`.
            Half of them calibrate, 256 at most, and of the others judge 1,000 at most. Where None, random inputs judge.
        labels: file of id and label of the samples; it replaces theirs.
        label_column: of a table.
        bits: 8, or 4 for the weights of large linear layers alone.
        dynamic: whether what goes into layers is rounded by the range that it has then (`quantize_dynamic`), and not by
            one that samples show (`quantize_static`); None: without samples, and of transformers.
        method: of `quantize_static`.
        budget: bytes that the file may take, such as "50KB"; of `quantize_static` too.
        block: of `quantize_linear`.
        seed: of the draw of samples, or of random inputs.
        progress: where to report.

    Raises:
        AttarError: what a person can mend; nothing is written then.
    """
    started, progress, file = time.perf_counter(), progress or Silent(), Path(model)
    size = _bytes_of(budget)
    _check_options(bits, dynamic, method, size, block)
    beside = None if labels is None else Path(labels)
    if data is None and (beside is not None or label_column is not None):
        raise LabelError(f"{file}: labels are of samples; give these as data")
    target = _target(file, out, bits)
    fixed = fixed_batch(session_for(file)) or 1
    inner = prepared(file)
    read = [*([] if data is None else [at_home(data)]), *([] if beside is None else [beside])]
    _spare(target, [*files_of(file), *read])
    layers = inventory(inner, str(file))
    way = _way(layers, file, bits, dynamic, data, learnt=method is not None or size is not None)
    samples = None if data is None else given(file, data, labels=beside, label_column=label_column)
    none = np.zeros(0, np.int64)
    calibrating, judged = (none, none) if samples is None else samples.split(_most(way, inner, samples), seed)
    with tempfile.TemporaryDirectory() as scratch, progress.task("quantize", 3) as task:
        made = Path(scratch, "made.onnx")
        if way == "weights":
            quantize_linear(file, made, _BLOCK if block is None else block)
        elif samples is None:
            quantize_dynamic(file, made)
        elif way == "dynamic":
            quantize_dynamic(file, made, samples.feeds(calibrating, singly=True))
        else:
            quantize_static(file, made, samples.part(calibrating), method=method, bytes=size)
        check_runs(made, file)
        task.advance()
        feeds = noise(file, _RANDOM, seed) if samples is None else samples.feeds(judged, singly=way == "dynamic")
        if not feeds:
            raise DataError(f"{file}: no random inputs were found that it runs with; give samples as data")
        alike = likeness(file, made, feeds)
        task.advance()
        one = feeds[0] if samples is None else samples.first
        # By turns, for what else the machine does may last as long as one of them.
        times = [[_latency(path, one) / fixed for path in (file, made)] for _ in range(_TURNS)]
        task.advance()
        right, notes = (None, ()) if samples is None else correctness(samples, judged, alike)
        notes = (*([] if samples is None else samples.dataset.notes), *_notes(way, layers, len(calibrating)), *notes)
        for note in notes:
            progress.say(noted(note))
        small = made.stat().st_size
        whole = size_of(file)
        write_whole(target, made.read_bytes())
    return Quantized(
        model=target,
        source=file,
        way=way,
        bytes=small,
        bytes_before=whole,
        latency_ms=min(after for _, after in times),
        latency_ms_before=min(before for before, _ in times),
        n_calibrated=len(calibrating),
        n_judged=len(feeds) if samples is None else len(judged),
        random=samples is None,
        likeness=alike,
        correctness=right,
        notes=notes,
        seconds=time.perf_counter() - started,
    )


def _bytes_of(budget: str | None) -> int | None:
    limits = Budget() if budget is None else Budget.parse(budget)
    if limits.latency_ms is not None or limits.accuracy_drop is not None:
        raise BudgetError(f"budget {budget!r}: of a file in integers bytes alone are held; write them as in 50KB")
    return limits.bytes


def _check_options(bits: int, dynamic: bool | None, method: str | None, size: int | None, block: int | None) -> None:
    if bits not in (4, 8):
        raise CompressionError(f"bits {bits}: give 8, or 4 for the weights of large linear layers alone")
    if method is not None and method not in get_args(Method):
        raise CompressionError(f"method {method!r}: give {', '.join(get_args(Method))}, or leave it away")
    if bits == 8 and block is not None:
        raise CompressionError("a block is of weights in 4 bits; leave it away, or give 4 bits")
    if bits == 4 and dynamic is not None:
        raise CompressionError("with 4 bits weights alone are rounded; leave dynamic and static away")
    if (method is not None or size is not None) and (bits == 4 or dynamic):
        name = "method" if method is not None else "budget"
        raise CompressionError(f"a {name} is of ranges that samples show (static, 8 bits); leave it away")


def _target(file: Path, out: str | Path | None, bits: int) -> Path:
    """The file to write, once there is one to read."""
    if file.is_dir():
        raise CompressionError(f"{file}: is a folder; name an .onnx file in it")
    if not file.is_file():
        raise CompressionError(f"{file}: no such file; name an .onnx file")
    with file.open("rb") as opened:
        if opened.read(len(COMPRESSED)) == COMPRESSED:
            raise CompressionError(f"{file}: is an .attar file; `attar unpack` makes an .onnx file of it")
    target = file.with_name(f"{file.stem}-int{bits}.onnx") if out is None else Path(out)
    if target.is_dir():
        raise CompressionError(f"{target}: is a folder; name a file in it")
    # What cannot be written is told before the work and not after it.
    above = next(folder for folder in target.absolute().parents if folder.exists())
    odd = target.exists() and not target.is_file()  # such as a pipe
    if not odd and not (above.is_dir() and os.access(above, os.W_OK)):
        raise CompressionError(f"{target}: cannot be written in {above}; name a file elsewhere")
    if out is None and target.exists():
        raise CompressionError(f"{target}: is there already; name it with --out to write it anew")
    return target


def _spare(target: Path, read: list[Path]) -> None:
    """See to it that nothing that is read is overwritten."""
    if not target.exists():
        return
    real = target.resolve()
    if any(kept.exists() and (target.samefile(kept) or kept.resolve() in real.parents) for kept in read):
        raise CompressionError(f"{target}: is read from, and would be overwritten; name another file")


def _way(layers: Inventory, file: Path, bits: int, dynamic: bool | None, data: str | None, *, learnt: bool) -> str:
    """Which quantiser is called: that of ranges that are "static" or "dynamic", or of "weights"."""
    if bits == 4:
        return "weights"
    if data is None:
        if dynamic is False or learnt:
            raise DataError(f"{file}: static ranges are those that samples show; give some as data")
        if layers.convolutions and not layers.in_linear:
            raise DataError(f"{file}: convolutions are rounded by ranges that samples show; give some as data")
        return "dynamic"
    if dynamic is None:
        dynamic = not learnt and layers.attention and layers.in_linear >= layers.in_convolutions
    return "dynamic" if dynamic else "static"


def _most(way: str, inner: ModelProto, samples: Given) -> int:
    """How many samples may calibrate."""
    if way != "static":
        return 0 if way == "weights" else _MOST
    n = samples.fixed or 1
    return max(_LEAST, min(_MOST, n * _KEPT // max(1, numbers_inside(inner, samples.first))))


def _latency(file: Path, feed: Feed) -> float:
    session = session_of(file)
    return latency(lambda: session.run(None, {one.name: feed[one.name] for one in session.get_inputs()}))


def _notes(way: str, layers: Inventory, n: int) -> list[str]:
    """What was rounded, and how."""
    if way == "weights":
        return ["weights of large linear layers take 4 bits, all else stays as it is but tables of vectors, with 8"]
    if way == "static":
        found = [f"ranges of what goes into layers are those that {n:,} {inflected(n, 'sample shows', 'samples show')}"]
    else:
        found = ["what goes into linear layers is rounded by the range that it has then"]
    if layers.recurrent:
        are = inflected(layers.recurrent, "recurrent layer stays", "recurrent layers stay")
        found.append(f"{layers.recurrent:,} {are} in floats")
    if layers.inside:
        are = inflected(layers.inside, "layer inside branches or loops stays", "layers inside branches or loops stay")
        found.append(f"{layers.inside:,} {are} in floats")
    if layers.convolutions and way == "dynamic":
        are = inflected(layers.convolutions, "convolution stays", "convolutions stay")
        instead = "give samples as data, for their ranges" if not n else "static ranges would round them too"
        found.append(f"{layers.convolutions:,} {are} in floats: {instead}")
    return found


def _agreed(alike: Likeness, n: int) -> str:
    """How alike the answers are."""
    output = "" if alike.output is None else f" in {alike.output!r}"
    far = None if alike.largest is None else f"differ by at most {100 * alike.largest:.2g} % of what they span{output}"
    if alike.same is None:
        near = "" if alike.cosine is None else f"have a cosine of {alike.cosine:.4f} to those before and "
        return f"the answers {near}{far}"
    of = "the answers" if alike.n_answers == n else f"{alike.n_answers:,} answers"
    if alike.probabilities and alike.output is None:
        detail = f" (probabilities differ by at most {alike.largest:.2g})"
    elif alike.cosine is not None and not alike.probabilities:
        detail = f" (cosine {alike.cosine:.4f})"
    else:
        detail = "" if far is None else f" (they {far})"
    return f"{100 * alike.same:.2f} % of {of} are the same{detail}"


def _sped(ratio: float) -> str:
    """What becoming so many times faster means."""
    if ratio >= _ALIKE:
        return f"{ratio:.1f} times faster"
    if ratio > 1 / _ALIKE:
        return "no faster"
    return (
        f"{1 / ratio:.1f} times slower. Keep the float file where time matters: int8 seldom pays in small layers, nor "
        "on a processor without instructions for sums of 8-bit products (VNNI, dot products)"
    )
