"""Models that others made: samples and labels in the form that they take, and what they answer."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from attar._files import at_home
from attar.compress.answers import answers, classes_of, decided
from attar.compress.program import Program, listed
from attar.data.dataset import UNLABELLED, Dataset
from attar.data.sources import read, read_for_network, read_for_prediction
from attar.deploy.feed import Feed
from attar.deploy.meta import KEY
from attar.deploy.session import Model, session_of
from attar.deploy.session import load as load_model
from attar.errors import DataError, ExportError, ModelError, first_line
from attar.errors import listed as listing

# Numbers that a model of others may take.
_TAKEN = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
# Samples that a model of others is asked about at once.
_AT_ONCE = 256


def samples_for(network: Program, dataset: Dataset, where: str) -> torch.Tensor:
    """Samples in the shape and the type that the network takes."""
    example = listed(network).example
    arranged = _arranged(dataset.x, tuple(example.shape[1:]))
    if arranged is None:
        raise DataError(
            f"{where}: a sample is {' × '.join(map(str, dataset.x.shape[1:]))}, and the network takes "
            f"{' × '.join(map(str, example.shape[1:]))}; give the samples as it was trained on them, as arrays in an "
            ".npz file"
        )
    x = torch.tensor(arranged)
    if not torch.isfinite(x).all():
        raise DataError(f"{where}: some samples have missing or infinite values; fill them in or leave these out")
    taken = x.to(example.dtype)
    # Whole numbers, such as codes of words: 0.7 of one would be another one.
    if not (example.dtype.is_floating_point or example.dtype.is_complex) and (changed := taken != x).any():
        value = x[changed][0].item()
        raise DataError(f"{where}: the network takes {example.dtype}, which {value:g} is not; give what it takes")
    return taken


def labels_for(network: Program, x: torch.Tensor, dataset: Dataset) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """Class codes `(n,)` where the labels are of the network's answers, and what a person should know of them."""
    return labels_of(answers(network, x), dataset) if len(dataset.labelled) else (None, ())


def labels_of(said: torch.Tensor, dataset: Dataset) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """Class codes `(n,)` where the labels are of such answers to all samples, and what a person should know of them.

    Numbers are those of the answers, from 0. Names say nothing of their order: they are taken in that of the alphabet,
    as most who train a network have them, if the network is then right more often than always saying one of them.
    """
    known = dataset.labelled
    outputs, names = classes_of(said), dataset.classes
    if not outputs or not len(known):
        return None, ()
    numbered = all(name.isdecimal() and int(name) < outputs for name in names)
    if not numbered and len(names) != outputs:
        return None, (f"labels of {len(names)} classes, and the network has {outputs}: they are not used",)
    codes = np.array([int(name) for name in names] if numbered else range(outputs))[dataset.y]
    right = float((decided(said, said).numpy() == codes)[known].mean())
    if right <= float(np.bincount(codes[known]).max() / len(known)):
        meant = "" if numbered else f"; give numbers from 0 to {outputs - 1}, as its answers are counted"
        return None, (
            f"the network is right on {right:.1%} of the labels, with {listing(names)} for its answers from 0 on: they "
            f"are not used{meant}",
        )
    note = f"the answers of the network are taken for {listing(names)}, in this order"
    return torch.tensor(np.where(dataset.y == UNLABELLED, UNLABELLED, codes)), () if numbered else (note,)


def _arranged(x: npt.NDArray[Any], wanted: Sequence[int]) -> npt.NDArray[Any] | None:
    """Samples in the shape that a network takes; None where they have none of it.

    An image has its colours last and a recording its steps, which a network may take first: then that axis goes there.
    Else values stay in their order, in which axes of one are left out and rows are cut up or joined.
    """
    sizes = x.shape[1:]
    wanted = tuple(wanted)
    if sizes and sizes != wanted and wanted == (sizes[-1], *sizes[:-1]):
        return np.moveaxis(x, -1, 1)
    alike = [size for size in sizes if size != 1] == [size for size in wanted if size != 1]
    rows = min(len(sizes), len(wanted)) == 1 and math.prod(sizes) == math.prod(wanted)
    return x.reshape(-1, *wanted) if alike or rows else None


def read_for(data: str, file: Path, *, labels: Path | None = None, label_column: str | None = None) -> Dataset:
    """Samples for an ONNX file: in the columns, codes, tokens and sizes of a model that attar wrote, without labels."""
    try:
        model = _opened(file, file)
    except DataError:  # what is wrong with the file is said when it is packed
        return read(data, labels=labels, label_column=label_column)
    if not isinstance(model, Model):
        sizes = next((tuple(one.shape[1:]) for one in model.get_inputs()), ())
        if all(isinstance(size, int) for size in sizes):
            return read_for_network(data, sizes, labels=labels, label_column=label_column)
        return read(data, labels=labels, label_column=label_column)
    return read_for_prediction(data, model.form)


def _opened(model: Path, file: Path) -> Model | onnxruntime.InferenceSession:
    """A model that attar wrote, or the session of another."""
    try:
        session = session_of(model, 0)
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise DataError(f"{file}: cannot be run in onnxruntime; leave the data away") from error
    return session if KEY not in session.get_modelmeta().custom_metadata_map else load_model(model)


def check_runs(restored: Path, file: Path) -> None:
    """See to it that onnxruntime opens a restored file, where it opens the file that it was made from.

    Raises:
        ExportError: it does not.
    """
    try:
        session_of(file, 0)
    except Exception:  # such as one with operators of a library of its own; onnxruntime's errors share no public base
        return
    try:
        session_of(restored, 0)
    except Exception as error:
        raise ExportError(
            f"{file}: what it would become does not run in onnxruntime ({first_line(error)}); keep the file as it is"
        ) from error


def said_by(model: Path, x: npt.NDArray[Any], file: Path) -> npt.NDArray[Any]:
    """Answers `(n, n_classes)` of a model that attar wrote, or of another with one input of numbers, whole ones too."""
    session = _opened(model, file)
    if isinstance(session, Model):
        try:
            return session.predict_proba(x)
        except ModelError as error:
            raise DataError(f"{file}: cannot be run on these samples: {error}; leave the data away") from error
    name, n, sizes = _input_of(session, file)
    samples = _taken(x, sizes, session.get_inputs()[0].type, file)
    # The last batch of a fixed size is filled up from the first sample on.
    filled = samples if n is None else np.resize(samples, (len(samples) + -len(samples) % n, *samples.shape[1:]))
    batches = [filled[i : i + (n or _AT_ONCE)] for i in range(0, len(filled), n or _AT_ONCE)]
    try:
        parts = [session.run(None, {name: batch})[0] for batch in batches]
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise DataError(f"{file}: cannot be run on these samples: {first_line(error)}; leave the data away") from error
    for batch, part in zip(batches, parts):
        if not isinstance(part, np.ndarray) or part.ndim != 2 or part.shape[1] < 2 or len(part) != len(batch):
            raise DataError(f"{file}: does not answer with a number for each class; leave the data away")
    answers: npt.NDArray[Any] = np.concatenate(parts)[: len(samples)]
    return answers


def given_to(model: Path, x: npt.NDArray[Any]) -> Feed:
    """Samples as the one input of numbers of a model of others, which may leave sizes of it open."""
    (one, *more) = session_of(model).get_inputs()
    if more or one.type not in _TAKEN:
        names = ", ".join(each.name for each in (one, *more))
        raise DataError(
            f"{model}: takes {names}; give an .npz file with an array for each, by these names, a row for each sample"
        )
    return {one.name: _fitted(x, one, model)}


def _fitted(x: npt.NDArray[Any], one: onnxruntime.NodeArg, model: Path) -> npt.NDArray[Any]:
    """Samples as an input takes them, which may leave sizes open."""
    if one.type not in _TAKEN or not one.shape:
        return x
    sizes = x.shape[1:]
    # Its own axes, or with the last one first, as `_arranged` has them.
    for axes in (sizes, (*sizes[-1:], *sizes[:-1]), (1, *sizes)):
        fits = len(axes) == len(one.shape) - 1
        if fits and all(not isinstance(taken, int) or taken == size for taken, size in zip(one.shape[1:], axes)):
            return _taken(x, axes, one.type, model)
    return _taken(x, [size if isinstance(size, int) else 0 for size in one.shape[1:]], one.type, model)


def _taken(x: npt.NDArray[Any], sizes: Sequence[int], kind: str, file: Path) -> npt.NDArray[Any]:
    """Samples in the shape and the type that a model of others takes."""
    arranged = _arranged(x, sizes)
    if arranged is None:
        raise DataError(
            f"{file}: takes {' × '.join(str(size or 'any') for size in sizes)} numbers a sample, and these are "
            f"{' × '.join(map(str, x.shape[1:]))}; give them as it takes them, as arrays in an .npz file"
        )
    samples = arranged.astype(_TAKEN[kind])
    if samples.dtype.kind in "iu" and (odd := samples != arranged).any():
        raise DataError(f"{file}: takes whole numbers, {samples.dtype}, which {arranged[odd][0]:g} is not")
    return samples


def named(data: str, model: Path) -> tuple[Feed, npt.NDArray[Any] | None] | None:
    """Arrays by the names of the inputs of a model, and of labels `y`, where a source is an .npz file that has them.

    None where it is another, or the model has one input of one size, for which `read_for` reads any source.
    """
    path, inputs = at_home(data), session_of(model).get_inputs()
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    try:
        with np.load(path) as file:
            if not all(one.name in file for one in inputs):
                return None
            if len(inputs) == 1 and all(isinstance(size, int) for size in inputs[0].shape[1:]):
                return None
            feed = {one.name: file[one.name] for one in inputs}
            y = file["y"] if "y" in file and "y" not in feed else None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{data}: cannot be read ({first_line(error)}); write it with numpy.savez") from error
    n = {array.shape[:1] for array in (*feed.values(), *(() if y is None else (y,)))}
    if len(n) != 1 or n == {()}:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in feed.items())
        raise DataError(f"{data}: give each input and y an array with a row for each sample, and not {shapes}")
    return {one.name: _fitted(feed[one.name], one, model) for one in inputs}, y


def _input_of(session: onnxruntime.InferenceSession, file: Path) -> tuple[str, int | None, list[int]]:
    """Name of the one input, how many samples it takes at once, None where any number, and the sizes of a sample."""
    inputs = session.get_inputs()
    if len(inputs) == 1 and inputs[0].type in _TAKEN:
        n, *sizes = inputs[0].shape or [None, None]
        if n != 0 and all(isinstance(size, int) for size in sizes):
            return inputs[0].name, n if isinstance(n, int) else None, sizes
    raise DataError(f"{file}: samples are given to models with one input of numbers, of one size; leave the data away")
