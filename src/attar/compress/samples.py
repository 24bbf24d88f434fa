"""An ONNX model that is to be quantised, attar's or another's, samples by the names of its inputs, and its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import ModelProto

from attar.data.dataset import Array, Floats
from attar.deploy.branches import compacted
from attar.deploy.feed import Feed
from attar.deploy.meta import KEY
from attar.deploy.session import load, session_of
from attar.errors import AttarError, ExportError, ModelError, first_line

Samples: TypeAlias = Array | Feed
BATCH = 64
# The first in which integers have a scale for each channel.
_OPSET = 13


def model_of(source: Path) -> ModelProto:
    """Read a model file.

    Raises:
        ModelError: there is none, or it is none.
    """
    try:
        return onnx.load(source)
    except OSError as error:
        raise ModelError(f"{source}: cannot be read ({error.strerror}); name an .onnx file") from error
    except DecodeError as error:
        raise ModelError(f"{source}: is no ONNX file; name one") from error


def prepared(source: Path) -> ModelProto:
    """A model to quantise: its nodes numbered by name, its constants in one place, with scales for each channel.

    Raises:
        ExportError: it has functions of its own, or keeps constants sparse.
        ModelError: there is no such file, or it is none.
    """
    model = model_of(source)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), _OPSET)
    with plainly(source):
        try:
            model = compacted(model if opset >= _OPSET else onnx.version_converter.convert_version(model, _OPSET))
        except ExportError as error:
            raise ExportError(f"{source}: is not quantised: {error}") from error
    for i, node in enumerate(model.graph.node):
        node.name = f"node{i}"
    return model


@contextmanager
def plainly(source: Path) -> Iterator[None]:
    """Let what onnx or onnxruntime cannot do with a model be one line, that names its file."""
    try:
        yield
    except (AttarError, MemoryError, OSError):
        raise
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise ExportError(f"{source}: onnxruntime cannot quantise it in this way: {first_line(error)}") from error


def check_finite(weight: Array, source: str | Path) -> None:
    """Hold the weight of a layer to numbers that can be rounded."""
    if not np.isfinite(weight).all():
        raise ExportError(f"{source}: some weights of a layer are NaN or infinite; train or export it again")


def batches(feed: Feed, size: int = BATCH) -> list[Feed]:
    """The same samples, so many at a time."""
    return [{name: array[i : i + size] for name, array in feed.items()} for i in range(0, rows(feed), size)]


def rows(feed: Feed) -> int:
    """How many samples there are."""
    return len(next(iter(feed.values())))


def fixed_batch(session: onnxruntime.InferenceSession) -> int | None:
    """How many samples a model takes at once; None: as many as one likes."""
    first = {one.shape[0] for one in session.get_inputs() if one.shape}
    sizes = [size for size in first if isinstance(size, int) and size > 0]
    return sizes[0] if len(sizes) == 1 else None


def at_once(source: Path) -> int:
    """How many samples of many a model is given at once."""
    return fixed_batch(session_for(source)) or BATCH


def fed(source: Path, samples: Samples | Sequence[Samples]) -> list[Feed]:
    """The inputs of a model.

    Arguments:
        source: the model file.
        samples: arrays by the names of its inputs, for an only one an array; or a list of these, which may be of
            different lengths. Of a model that attar wrote raw ones, too.

    Raises:
        ExportError: there are none, or something is missing for an input. ModelError: the file cannot be loaded, or the
            samples do not suit a model of attar's.
    """
    if not len(samples):
        raise ExportError("there are no calibration samples to learn the ranges from: give at least one")
    session = session_for(source)
    inputs = [one.name for one in session.get_inputs()]
    first = samples[0] if isinstance(samples, list) else samples
    raw = not isinstance(first, Mapping) or not first.keys() >= {*inputs}
    if raw and KEY in session.get_modelmeta().custom_metadata_map:
        feed = load(source, threads=1).feed(samples)
        return [{name: feed[name] for name in inputs}]
    found: list[Feed] = []
    for one in samples if isinstance(samples, list | tuple) else [samples]:
        if not isinstance(one, Mapping) and len(inputs) != 1:
            raise ExportError(f"{source}: takes {', '.join(inputs)}: give a dictionary of arrays by these names")
        feed = one if isinstance(one, Mapping) else {inputs[0]: np.asarray(one)}
        if missing := [name for name in inputs if name not in feed]:
            raise ExportError(f"{source}: the samples have nothing for its input {missing[0]!r}")
        taken = {name: np.asarray(feed[name]) for name in inputs}
        if len({array.shape[:1] for array in taken.values()}) != 1 or not next(iter(taken.values())).ndim:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in taken.items())
            raise ExportError(f"{source}: give each input an array with a row for each sample, and not {shapes}")
        found.append(taken)
    return found


def answered(source: Path, feed: Feed) -> tuple[Feed, list[Floats]]:
    """Those samples that a model answers with numbers, and the first of its answers to each of their `batches`.

    A model that takes one sample at a time may answer it as it likes, others with a row for each sample.

    Raises:
        ExportError: there are none, or they do not suit the model.
    """
    session, n = session_for(source), rows(feed)
    fixed = fixed_batch(session)
    size = fixed or BATCH
    if fixed and n % fixed:
        raise ExportError(f"{source}: takes {fixed} samples at once, of which {n} are no multiple; give such")
    try:
        said = [np.asarray(session.run(None, batch)[0]) for batch in batches(feed, size)]
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise ExportError(f"{source}: does not take these samples: {first_line(error)}") from error
    if any(part.dtype.kind not in "fiu" for part in said):
        raise ExportError(f"{source}: answers with {said[0].dtype} and not with numbers, by which ranges are judged")
    given = sum(len(part) if part.ndim else 1 for part in said)
    if given != n and size != 1:
        raise ExportError(f"{source}: gives {given} answers to {n} samples instead of one to each")
    # As many runs as samples, or as many rows.
    each = said if size == 1 else [row for part in said for row in part]
    kept = np.flatnonzero([bool(np.isfinite(one).all()) for one in each])
    kept = kept[: len(kept) // fixed * fixed] if fixed else kept
    if not len(kept):
        raise ExportError(f"{source}: answers NaN to all calibration samples: give some that it can answer")
    left = {name: array[kept] for name, array in feed.items()}
    if size == 1:
        return left, [each[i] for i in kept]
    return left, [np.stack([each[i] for i in kept[start : start + size]]) for start in range(0, len(kept), size)]


def session_for(source: Path) -> onnxruntime.InferenceSession:
    """A session on a model file.

    Raises:
        ModelError: there is none, or it does not run.
    """
    if not source.is_file():
        raise ModelError(f"{source}: no such model file; name an .onnx file")
    try:
        return session_of(source)
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise ModelError(f"{source}: cannot be run in onnxruntime: {first_line(error)}") from error
