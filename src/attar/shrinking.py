"""From a model file and a budget to a smaller file, and a page that shows what was tried."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attar._files import write_whole
from attar._fingerprint import fingerprint
from attar.compress import compress as search
from attar.compress import load
from attar.compress.budget import Budget, readable
from attar.compress.packed import pack, size_of, unpack
from attar.compress.program import listed
from attar.compress.saved import save
from attar.data.dataset import Dataset
from attar.data.sources import read_for_network
from attar.deploy.meta import COMPRESSED
from attar.errors import BudgetError, CompressionError, DataError, ExportError
from attar.fit import fingerprint_of
from attar.foreign import check_runs, labels_for, read_for, said_by, samples_for
from attar.plan import on_threads, versions
from attar.report.saved import write_shrunk
from attar.report.shrunk import Shrunk, Tried
from attar.run import Run, free_folder
from attar.training.progress import Progress, Silent, noted

if TYPE_CHECKING:
    from attar.compress.program import Program
    from attar.compress.search import Compressed

SMALL, RESTORED = "model.attar", "model.onnx"
# Of a training of which nothing else is said.
_EPOCHS, _SEED = 12, 0
# Shares that differ by less are the same.
_ROUNDING = 1e-9


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
    network = _network(file, epochs, seed)
    dataset = _samples(data, file, network)
    settings: dict[str, Any] = {"budget": str(limits), "data": data, "epochs": epochs, "seed": seed}
    hashed = fingerprint(np.frombuffer(file.read_bytes(), np.uint8))
    asked = {
        "source": str(file),
        "settings": {"compress": True, **settings},
        "data": hashed + ("" if dataset is None else fingerprint_of(dataset)),
    }
    folder = free_folder(Path("runs", f"{file.stem}-compressed"), asked) if out is None else Path(out)
    if network is None:
        small, shrunk = _packed(file, dataset, limits)
        with Run(folder, asked, versions()) as run:
            write_whole(run.folder / SMALL, small)
            return _finished(run, shrunk, settings, command, started, "for attar unpack")
    assert dataset is not None
    x = samples_for(network, dataset, str(data))
    y, notes = labels_for(network, x, dataset)
    for note in notes:
        progress.say(noted(note))
    with Run(folder, asked, versions()) as run, on_threads(1):
        attempts = run.folder / "attempts"
        found = search(network, limits, x, y, epochs=epochs, seed=seed, folder=attempts, progress=progress)
        save(found.model, run.folder / SMALL)
        shrunk = replace(_of_network(found, file, limits), notes=notes)
        return _finished(run, shrunk, settings, command, started, "for attar unpack, and attar.compress.load in Python")


def _network(file: Path, epochs: int, seed: int) -> Program | None:
    """The network in a file; None where it is of ONNX."""
    if file.is_dir():
        raise CompressionError(f"{file}: is a folder; name a model file in it")
    if not file.is_file():
        raise CompressionError(
            f"{file}: no such file; name an .onnx file, or an .attar file that attar.compress.save wrote"
        )
    if file.suffix.lower() != ".onnx":
        if file.suffix.lower() != ".attar" and not file.read_bytes().startswith(COMPRESSED):
            raise CompressionError(
                f"{file}: is not an .attar file, nor called .onnx; rename it where it is an ONNX file, and of a "
                "network in Python, attar.compress.save(module, file, example=x[:1]) writes an .attar file"
            )
        return load(file)
    if (epochs, seed) != (_EPOCHS, _SEED):
        raise CompressionError(
            f"{file}: an ONNX file is rounded and not trained, and nothing is drawn; leave epochs and seed away"
        )
    return None


def _samples(data: str | None, file: Path, network: Program | None) -> Dataset | None:
    """Samples in the form that the model in the file takes, where some are given."""
    if network is None:
        return None if data is None else read_for(data, file)
    if data is None:
        raise DataError(f"{file}: what a network may lose is judged on samples; give some as data")
    return read_for_network(data, tuple(listed(network).example.shape[1:]))


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


def _packed(file: Path, dataset: Dataset | None, budget: Budget) -> tuple[bytes, Shrunk]:
    """An ONNX file in eight bits a weight, within the budget, and what the page shows of it."""
    with tempfile.TemporaryDirectory() as scratch:
        small, restored = Path(scratch, SMALL), Path(scratch, RESTORED)
        pack(file, small)
        unpack(small, restored)
        check_runs(restored, file)
        agreement = None if dataset is None else _agreement(file, restored, dataset)
        content = small.read_bytes()
    before = Tried("as it is", size_of(file), None, None if agreement is None else 1.0, None, True)
    after = Tried("eight bits a weight", len(content), None, agreement, None, True)
    _hold(budget, after, file)
    agreed = "" if agreement is None else f", and {100 * agreement:.2f} % of the answers are the same"
    return content, Shrunk(
        run="",
        model=str(file),
        verdict=f"{readable(before.bytes)} became {readable(after.bytes)}{agreed}.",
        judged="agreement",
        n_judged=0 if dataset is None else len(dataset),
        tried=(before, after),
        chosen=1,
        trained=False,
    )


def _agreement(file: Path, restored: Path, dataset: Dataset) -> float:
    """Share of the samples that both files give the same class."""
    before, after = (said_by(model, dataset.x, file) for model in (file, restored))
    if lost := int((~np.isfinite(before).all(axis=1)).sum()):
        raise DataError(
            f"{file}: answers {lost} of {len(before)} samples with NaN or infinity; give samples without missing or "
            "infinite values"
        )
    return float((before.argmax(1) == after.argmax(1)).mean())


def _hold(budget: Budget, small: Tried, file: Path) -> None:
    """See to it that the file in eight bits is within the budget."""
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
    changed = 1 - (small.quality or 0.0)
    # 1 − 0.99 is more than 0.01, by rounding.
    if budget.accuracy_drop is not None and changed > budget.accuracy_drop + _ROUNDING:
        raise BudgetError(f"{file}: eight bits a weight change {changed:.2%} of the answers")


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
