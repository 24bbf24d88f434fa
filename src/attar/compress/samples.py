"""Samples for an ONNX model, attar's or another's, by the names of its inputs, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import ModelProto

from attar.data.dataset import Array, Floats
from attar.deploy.feed import Feed
from attar.deploy.meta import KEY
from attar.deploy.session import load, session_of
from attar.errors import ExportError, ModelError, first_line

Samples: TypeAlias = Array | Feed
BATCH = 64


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


def batches(feed: Feed) -> list[Feed]:
    """The same samples, so many at a time."""
    n = len(next(iter(feed.values())))
    return [{name: array[i : i + BATCH] for name, array in feed.items()} for i in range(0, n, BATCH)]


def fed(source: Path, samples: Samples | Sequence[Samples]) -> list[Feed]:
    """The inputs of a model.

    Arguments:
        source: the model file.
        samples: raw ones of a model that attar wrote; of another an array for its only input, or arrays by the names of
            its inputs; or a list of these, which may be of different lengths.

    Raises:
        ExportError: there are none, or something is missing for an input. ModelError: the file cannot be loaded, or the
            samples do not suit a model of attar's.
    """
    if not len(samples):
        raise ExportError("there are no calibration samples to learn the ranges from: give at least one")
    session = _session(source)
    inputs = [one.name for one in session.get_inputs()]
    if KEY in session.get_modelmeta().custom_metadata_map:
        feed = load(source, threads=1).feed(samples)
        return [{name: feed[name] for name in inputs}]
    found: list[Feed] = []
    for one in samples if isinstance(samples, list | tuple) else [samples]:
        if not isinstance(one, Mapping) and len(inputs) != 1:
            raise ExportError(f"{source}: takes {', '.join(inputs)}: give a dictionary of arrays by these names")
        feed = one if isinstance(one, Mapping) else {inputs[0]: np.asarray(one)}
        if missing := [name for name in inputs if name not in feed]:
            raise ExportError(f"{source}: the samples have nothing for its input {missing[0]!r}")
        found.append({name: np.asarray(feed[name]) for name in inputs})
    return found


def answered(source: Path, feed: Feed) -> tuple[Feed, Floats]:
    """Those samples that a model answers with numbers, and the first of its answers.

    Raises:
        ExportError: there are none, or they do not suit the model.
    """
    session = _session(source)
    try:
        said = np.concatenate([np.asarray(session.run(None, batch)[0]) for batch in batches(feed)])
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise ExportError(f"{source}: does not take these samples: {first_line(error)}") from error
    n = len(next(iter(feed.values())))
    if len(said) != n:
        raise ExportError(f"{source}: gives {len(said)} answers to {n} samples instead of one to each")
    finite = np.isfinite(said.reshape(n, -1)).all(axis=1)
    if not finite.any():
        raise ExportError(f"{source}: answers NaN to all calibration samples: give some that it can answer")
    return {name: array[finite] for name, array in feed.items()}, said[finite]


def _session(source: Path) -> onnxruntime.InferenceSession:
    if not source.is_file():
        raise ModelError(f"{source}: no such model file; name an .onnx file")
    try:
        return session_of(source)
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise ModelError(f"{source}: cannot be run in onnxruntime: {first_line(error)}") from error
