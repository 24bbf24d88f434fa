"""From a model file and a budget to a smaller file, and a page that shows what was tried."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from attar._files import write_whole
from attar._fingerprint import fingerprint
from attar.compress import compress as search
from attar.compress import load
from attar.compress.budget import Budget, readable
from attar.compress.distillation import answers
from attar.compress.given import classes_of, decided
from attar.compress.packed import pack, size_of, unpack
from attar.compress.program import Program, listed
from attar.compress.saved import save
from attar.data.dataset import UNLABELLED, Dataset
from attar.data.sources import read, read_for_network, read_for_prediction
from attar.deploy.meta import KEY
from attar.deploy.session import Model
from attar.deploy.session import load as load_model
from attar.errors import BudgetError, CompressionError, DataError, ExportError, ModelError
from attar.errors import listed as listing
from attar.fit import fingerprint_of
from attar.plan import on_threads, versions
from attar.report.saved import write_shrunk
from attar.report.shrunk import Shrunk, Tried
from attar.run import Run, free_folder
from attar.training.progress import Progress, Silent

if TYPE_CHECKING:
    from attar.compress.search import Compressed

SMALL, RESTORED = "model.attar", "model.onnx"
# Of a training of which nothing else is said.
_EPOCHS, _SEED = 12, 0
# Samples that a model of others is asked about at once.
_AT_ONCE = 256


@dataclass(frozen=True)
class Shrinking:
    """What a finished compression leaves.

    Arguments:
        model: the `.attar` file.
        page: to open.
        facts: what the page shows.
    """

    model: Path
    page: Path
    facts: Shrunk


def shrink(
    model: str | Path,
    budget: str | Budget,
    *,
    data: str | None = None,
    epochs: int = _EPOCHS,
    seed: int = _SEED,
    out: str | Path | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Shrinking:
    """Compress a model file, and write `model.attar`, `model.onnx` and a page into a folder.

    A network in an `.attar` file, as `attar.compress.save` writes it, is searched over (`attar.compress.compress`). An
    ONNX file, by whomever, gets eight bits a weight and an entropy code.

    Arguments:
        model: an `.attar` or an `.onnx` file.
        budget: as in "50KB,0.5ms,1%", or a `Budget`.
        data: samples to learn from and to judge by, as `attar fit` takes them, or `attar predict` for an ONNX file
            that attar wrote; needed for a network. Arrays may also be in the shape that the model takes: colours of
            images and steps of recordings, which are last there, go first where it takes them so. Labels are used where
            they are numbers of the network's answers, from 0, or names of as many classes in the order of its answers.
        epochs: of training; an ONNX file has none.
        seed: of everything random; likewise.
        out: the folder; None: one under runs/ named after the model. The same call goes on in it.
        progress: where to report.
        command: what the person typed, for the page.

    Raises:
        AttarError: what a person can mend.
    """
    started, progress = time.perf_counter(), progress or Silent()
    file, limits = Path(model), Budget.parse(budget) if isinstance(budget, str) else budget
    if file.is_dir():
        raise CompressionError(f"{file}: is a folder; name a model file in it")
    if not file.is_file():
        raise CompressionError(
            f"{file}: no such file; name an .onnx file, or an .attar file that attar.compress.save wrote"
        )
    of_onnx = file.suffix.lower() == ".onnx"
    if of_onnx and (epochs, seed) != (_EPOCHS, _SEED):
        raise CompressionError(
            f"{file}: an ONNX file is rounded and not trained, and nothing is drawn; leave epochs and seed away"
        )
    network = None if of_onnx else load(file)
    if network is None:
        dataset = None if data is None else _read(data, file)
    elif data is None:
        raise DataError(f"{file}: what a network may lose is judged on samples; give some as data")
    else:
        dataset = read_for_network(data, tuple(listed(network).example.shape[1:]))
    settings: dict[str, Any] = {"budget": str(limits), "data": data, "epochs": epochs, "seed": seed}
    asked = {
        "source": str(file),
        "settings": {"compress": True, **settings},
        "data": fingerprint(np.frombuffer(file.read_bytes(), np.uint8))
        + ("" if dataset is None else fingerprint_of(dataset)),
    }
    folder = free_folder(Path("runs", f"{file.stem}-compressed"), asked) if out is None else Path(out)
    if network is not None:
        assert dataset is not None
        x = _samples(network, dataset, str(data))
        y, notes = _labels(network, x, dataset)
        for note in notes:
            progress.say(f"note        {note}")
        with Run(folder, asked, versions()) as run, on_threads(1):
            found = search(
                network, limits, x, y, epochs=epochs, seed=seed, folder=run.folder / "attempts", progress=progress
            )
            save(found.model, run.folder / SMALL)
            shrunk = replace(_of_network(found, file, limits), notes=notes)
            return _finished(
                run, shrunk, settings, command, started, "for attar unpack, and attar.compress.load in Python"
            )
    with tempfile.TemporaryDirectory() as scratch:
        small, tried = Path(scratch, SMALL), _packed(file, Path(scratch, SMALL), dataset)
        _hold(limits, tried, file)
        with Run(folder, asked, versions()) as run:
            write_whole(run.folder / SMALL, small.read_bytes())
            shrunk = _of_file(file, tried, 0 if dataset is None else len(dataset))
            return _finished(run, shrunk, settings, command, started, "for attar unpack")


def _samples(network: Program, dataset: Dataset, where: str) -> torch.Tensor:
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
    return x.to(example.dtype)


def _labels(network: Program, x: torch.Tensor, dataset: Dataset) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """Class codes `(n,)` where the labels are of the network's answers, and what a person should know of them.

    Numbers are those of the answers, from 0. Names say nothing of their order: they are taken in that of the alphabet,
    as most who train a network have them, if the network is then right more often than always saying one of them.
    """
    known = dataset.labelled
    if not len(known):
        return None, ()
    said = answers(network, x)
    outputs, names = classes_of(said), dataset.classes
    if not outputs:
        return None, ()
    numbered = all(name.isdecimal() and int(name) < outputs for name in names)
    if not numbered and len(names) != outputs:
        return None, (f"labels of {len(names)} classes, and the network has {outputs}: they are not used",)
    codes = np.array([int(name) for name in names] if numbered else range(outputs))[dataset.y]
    right = float((decided(said, said).numpy() == codes)[known].mean())
    if right <= float(np.bincount(codes[known]).max() / len(known)):
        return None, (
            f"the network is right on {right:.1%} of the labels, with {listing(names)} for its answers from 0 on: they "
            f"are not used; give numbers from 0 to {outputs - 1}, as its answers are counted",
        )
    note = f"the answers of the network are taken for {listing(names)}, in this order"
    return torch.tensor(np.where(dataset.y == UNLABELLED, UNLABELLED, codes)), () if numbered else (note,)


def _arranged(x: npt.NDArray[Any], wanted: Sequence[int]) -> npt.NDArray[Any] | None:
    """Samples in the shape that a network takes; None where they have none of it.

    An image has its colours last and a recording its steps, which a network may take first: then that axis goes there.
    Else values stay in their order, in which axes of one are left out and rows are cut up or joined.
    """
    sizes = x.shape[1:]
    if sizes != (wanted := tuple(wanted)) and wanted == (sizes[-1], *sizes[:-1]):
        return np.moveaxis(x, -1, 1)
    alike = [size for size in sizes if size != 1] == [size for size in wanted if size != 1]
    rows = min(len(sizes), len(wanted)) == 1 and math.prod(sizes) == math.prod(wanted)
    return x.reshape(-1, *wanted) if alike or rows else None


def _of_network(found: Compressed, file: Path, budget: Budget) -> Shrunk:
    front = {one.name for one in found.front}
    tried = tuple(
        Tried(one.name, one.bytes, one.latency_ms, one.quality, one.macs, one.name in front) for one in found.attempts
    )
    lost = found.dense.quality - found.chosen.quality
    change = f"{100 * lost:.1f} points less" if lost > 0 else "no less"
    return Shrunk(
        run="",
        model=str(file),
        verdict=(
            f"{readable(found.dense.bytes)} became {readable(found.chosen.bytes)} with {change} {found.judged}, within "
            f"the budget of {budget}."
        ),
        judged=found.judged,
        n_judged=found.n_judged,
        tried=tried,
        chosen=next(i for i, one in enumerate(tried) if one.name == found.chosen.name),
        sensitivities={
            name: {way.bits: way.loss for way in ways if way.zeros == 0 and way.bits < 32}
            for name, ways in found.ways.items()
        },
    )


def _packed(file: Path, target: Path, dataset: Dataset | None) -> tuple[Tried, ...]:
    """An ONNX file in eight bits, and how often what is restored of it agrees."""
    pack(file, target)
    restored = target.with_name(RESTORED)
    unpack(target, restored)
    agreement = None
    if dataset is not None:
        before, after = (_said(one, dataset.x, file) for one in (file, restored))
        if lost := int((~np.isfinite(before).all(axis=1)).sum()):
            raise DataError(
                f"{file}: answers {lost} of {len(before)} samples with NaN or infinity; give samples without missing "
                "or infinite values"
            )
        agreement = float((before.argmax(1) == after.argmax(1)).mean())
    full = None if agreement is None else 1.0
    return (
        Tried("as it is", size_of(file), None, full, None, True),
        Tried("eight bits a weight", target.stat().st_size, None, agreement, None, True),
    )


def _read(data: str, file: Path) -> Dataset:
    """Samples for an ONNX file: in the columns, codes, tokens and sizes of a model that attar wrote."""
    try:
        model = _opened(file, file)
    except DataError:  # what is wrong with the file is said when it is packed
        return read(data)
    if not isinstance(model, Model):
        sizes = next((tuple(one.shape[1:]) for one in model.get_inputs()), ())
        return read_for_network(data, sizes) if all(isinstance(size, int) for size in sizes) else read(data)
    return read_for_prediction(
        data, kind=model.kind, shape=model.shape, columns=model.columns, rate=model.rate, stride=model.stride
    )


def _opened(model: Path, file: Path) -> Model | onnxruntime.InferenceSession:
    """A model that attar wrote, or the session of another."""
    try:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise DataError(f"{file}: cannot be run in onnxruntime; leave the data away") from error
    return session if KEY not in session.get_modelmeta().custom_metadata_map else load_model(model)


def _said(model: Path, x: npt.NDArray[Any], file: Path) -> npt.NDArray[Any]:
    """Answers `(n, n_classes)` of a model that attar wrote, or of another with one input of numbers."""
    session = _opened(model, file)
    if isinstance(session, Model):
        try:
            return session.predict_proba(x)
        except ModelError as error:
            raise DataError(f"{file}: cannot be run on these samples: {error}; leave the data away") from error
    taken, *others = session.get_inputs()
    n, *sizes = taken.shape
    if taken.type != "tensor(float)" or others or not all(isinstance(size, int) for size in sizes):
        raise DataError(
            f"{file}: samples are given to models with one input of floats, of one size; leave the data away"
        )
    arranged = _arranged(x, sizes)
    if arranged is None:
        raise DataError(
            f"{file}: takes {' × '.join(map(str, sizes))} numbers a sample, and these are "
            f"{' × '.join(map(str, x.shape[1:]))}; give them as it takes them, as arrays in an .npz file"
        )
    at_once = n if isinstance(n, int) else _AT_ONCE
    samples = arranged.astype(np.float32)
    # A batch of a fixed size that is not full is filled up from the first sample on.
    more = -len(samples) % n if isinstance(n, int) else 0
    filled = samples[np.arange(len(samples) + more) % len(samples)] if more else samples
    parts = [session.run(None, {taken.name: filled[i : i + at_once]})[0] for i in range(0, len(filled), at_once)]
    if parts[0].ndim != 2 or parts[0].shape[1] < 2:
        raise DataError(f"{file}: does not answer with a number for each class; leave the data away")
    answers: npt.NDArray[Any] = np.concatenate(parts)[: len(samples)]
    return answers


def _hold(budget: Budget, tried: Iterable[Tried], file: Path) -> None:
    *_, small = tried
    if budget.bytes is not None and small.bytes > budget.bytes:
        raise BudgetError(
            f"{file}: takes {readable(small.bytes)} with eight bits a weight, more than {budget}; an ONNX file cannot "
            "be trained: allow more, give this budget to attar fit where that wrote the file, or save the network "
            "itself with attar.compress.save"
        )
    if budget.latency_ms is not None:
        raise BudgetError(
            f"{file}: an ONNX file stays as fast as it is, and is not measured; give bytes or what may be lost"
        )
    if budget.accuracy_drop is not None and small.quality is None:
        raise DataError(f"{file}: what is lost is judged on samples; give some as data")
    if budget.accuracy_drop is not None and 1 - (small.quality or 0.0) > budget.accuracy_drop:
        raise BudgetError(f"{file}: eight bits a weight change {1 - (small.quality or 0.0):.2%} of the answers")


def _of_file(file: Path, tried: tuple[Tried, ...], n: int) -> Shrunk:
    before, after = tried
    agreed = "" if after.quality is None else f", and {100 * after.quality:.2f} % of the answers are the same"
    return Shrunk(
        run="",
        model=str(file),
        verdict=f"{readable(before.bytes)} became {readable(after.bytes)}{agreed}.",
        judged="agreement",
        n_judged=n,
        tried=tried,
        chosen=1,
    )


def _finished(
    run: Run, shrunk: Shrunk, settings: dict[str, Any], command: str, started: float, purpose: str
) -> Shrinking:
    files = {SMALL: purpose}
    notes = list(shrunk.notes)
    try:
        unpack(run.folder / SMALL, run.folder / RESTORED)
        files[RESTORED] = f"for onnxruntime, {readable((run.folder / RESTORED).stat().st_size)}"
    except ExportError as error:
        notes.append(f"There is no {RESTORED}: {error}.")
    shrunk = replace(
        shrunk,
        run=run.folder.name,
        files=files,
        notes=tuple(notes),
        settings=settings,
        versions=run.versions,
        command=command,
        seconds=time.perf_counter() - started,
    )
    return Shrinking(run.folder / SMALL, write_shrunk(run.folder, shrunk), shrunk)
