"""Every candidate that is tried: a representation with a head, validated on the labels, exported and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import clone
from torch import nn

from attar.adapt.finetune import fine_tune, train_from_scratch
from attar.adapt.heads import MeanOfHeads
from attar.adapt.probe import LinearProbe
from attar.adapt.propagate import Frame, LabelPropagation, label_distributions, neighbour_graph, spread
from attar.adapt.validate import Answer, LearningPoint, cross_validate, learning_curve
from attar.data.dataset import UNLABELLED, Floats, Ints
from attar.deploy.check import check
from attar.deploy.measure import measure
from attar.deploy.onnx import export, export_sklearn
from attar.errors import ExportError
from attar.represent import PCA, Autoencoder, RandomConvolutions, RandomFeatures, Raw, SimCLR
from attar.run import Result, Run

if TYPE_CHECKING:
    from attar.deploy.meta import ModelMeta
    from attar.kinds.base import Kind
    from attar.plan import Plan
    from attar.represent.base import Representation
    from attar.training.progress import Progress

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# Samples that go through a module at once: few, so that what it computes on the way stays in the cache.
_CHUNK = 64
# Samples from which the frame of the neighbour graph is learnt, and on which an exported file is checked.
_FRAME, _CHECKED = 4096, 64
# Numbers that labels are spread over at once.
_SPREAD = 2**25
# Largest difference in probability between a candidate and its file: float32 sums in another order, no more.
TOLERANCE = 2e-3


@dataclass(frozen=True)
class Job:
    """What every candidate is given.

    Arguments:
        kind: of the samples.
        x: raw training samples `(n, *shape)`.
        y: class codes `(n,)`, -1 where unlabelled; each code of `meta.classes` occurs.
        meta: for the exported files.
        plan: how long to train.
        seed: of everything random.
        shown: indices of the samples that the latent map shows.
        progress: where to report.
    """

    kind: Kind
    x: Floats
    y: Ints
    meta: ModelMeta
    plan: Plan
    seed: int
    shown: Indices
    progress: Progress

    @property
    def labelled(self) -> Indices:
        """Indices of the labelled samples."""
        return np.flatnonzero(self.y != UNLABELLED)

    @property
    def codes(self) -> Ints:
        """Classes of the labelled samples."""
        return self.y[self.labelled]


@dataclass(frozen=True)
class Candidate:
    """One representation and head, as it came out.

    Arguments:
        name: as in "simclr + propagation".
        baseline: True where nothing is learnt from the unlabelled samples by training on them.
        rank: by simplicity.
        held_out: cross-validated probabilities of the labelled samples `(repeats, n_labelled, n_classes)`.
        everything: probabilities of all training samples `(n, n_classes)`.
        curve: accuracy over the number of labels.
        path: its exported file.
        bytes: of that file.
        latency_ms: of that file.
        difference: largest one in probability between candidate and file.
        seconds: for fitting and validating it.
        points: representation of the samples shown.
        points_of: name of that representation.
    """

    name: str
    baseline: bool
    rank: int
    held_out: Doubles
    everything: Doubles
    curve: tuple[LearningPoint, ...]
    path: Path
    bytes: int
    latency_ms: float
    difference: float
    seconds: float
    points: Floats
    points_of: str


@dataclass(frozen=True)
class _Fitted:
    """A candidate before it is validated and written down: how it answers, what it says of all samples, its file."""

    name: str
    answer: Answer
    everything: Doubles
    write: Callable[[Path], None]
    network: bool = False  # costly to train: validated and drawn less often
    memory: bool = False  # looks samples up: among those alike, rounding decides which


def candidates(job: Job, run: Run) -> Iterator[Candidate]:
    """Try all that suit the kind of data, the simplest first; what is finished is read back from the run."""
    rank = 0
    for stage, compute in _stages(job, run).items():
        result = run.stage(stage, compute)
        for i, facts in enumerate(result.facts["candidates"]):
            yield Candidate(
                name=facts["name"],
                baseline=facts["baseline"],
                rank=rank,
                held_out=result.arrays[f"{i}.held_out"],
                everything=result.arrays[f"{i}.everything"],
                curve=tuple(LearningPoint(**point) for point in facts["curve"]),
                path=run.folder / "stages" / stage / facts["file"],
                bytes=facts["bytes"],
                latency_ms=facts["latency_ms"],
                difference=facts["difference"],
                seconds=facts["seconds"],
                points=result.arrays["points"],
                points_of=result.facts["points_of"],
            )
            rank += 1


def _stages(job: Job, run: Run) -> dict[str, Callable[[Path], Result]]:
    """Name of each stage and what it computes, by simplicity."""
    plan, kind, seed = job.plan, job.kind, job.seed
    table = kind.name == "table"
    stages: dict[str, Callable[[Path], Result]] = {
        "raw": lambda folder: _heads(job, "raw", _fit(Raw(kind=kind), job.x), folder),
        "pca": lambda folder: _heads(job, "pca", _pca(job), folder),
    }
    if table:
        stages["trees"] = lambda folder: _trees(job, folder)
        stages["random-features"] = lambda folder: _heads(
            job, "random features", _fit(RandomFeatures(kind=kind, random_state=seed), job.x), folder
        )
    else:
        stages["random-convolutions"] = lambda folder: _heads(
            job,
            "random convolutions",
            _fit(RandomConvolutions(plan.kernels, kind=kind, random_state=seed), job.x),
            folder,
        )
    if plan.tune_steps:
        stages["from-scratch"] = lambda folder: _networks(job, "from scratch", None, folder)
    if plan.autoencoder_epochs:
        autoencoder = Autoencoder(64, kind=kind, epochs=plan.autoencoder_epochs, random_state=seed)
        stages["autoencoder"] = lambda folder: _heads(
            job, "autoencoder", _pretrained(job, run, "autoencoder", autoencoder), folder
        )
    if plan.simclr_epochs:
        simclr = SimCLR(128, kind=kind, epochs=plan.simclr_epochs, random_state=seed)
        stages["simclr"] = lambda folder: _heads(job, "simclr", _pretrained(job, run, "simclr", simclr), folder)
        if plan.tune_steps:
            stages["simclr-fine-tuned"] = lambda folder: _networks(
                job, "simclr, fine-tuned", _pretrained(job, run, "simclr", simclr), folder
            )
    return stages


def _fit(representation: Representation, x: Floats) -> nn.Module:
    return representation.fit(x).module_


def _pca(job: Job) -> nn.Module:
    raw = Raw(kind=job.kind).fit(job.x)
    most = min(64, raw.dim_, len(job.x))
    return nn.Sequential(raw.module_, PCA(most, random_state=job.seed).fit(raw.transform(job.x)).module_)


def _pretrained(job: Job, run: Run, name: str, representation: Autoencoder | SimCLR) -> nn.Sequential:
    """Preprocessing and encoder, trained in a stage of its own that keeps checkpoints."""

    def train(folder: Path) -> Result:
        representation._fit(job.x, job.kind, folder / "checkpoint.safetensors", job.progress)
        weights = representation.encoder_.state_dict()
        return Result({key: value.numpy() for key, value in weights.items()}, {"loss": representation.loss_curve_})

    weights = run.stage(f"{name}-training", train).arrays
    with torch.random.fork_rng(devices=[]):
        encoder = job.kind.encoder(representation.dim, representation.width)
    encoder.load_state_dict({key: torch.tensor(value) for key, value in weights.items()})
    encoder.eval()
    return nn.Sequential(job.kind.preprocess(), encoder)


def _heads(job: Job, name: str, module: nn.Module, folder: Path) -> Result:
    """A linear head, labels propagated over the neighbour graph, and the mean of both, on one representation.

    The samples themselves, as the first baseline, get the linear head alone.
    """
    start = time.perf_counter()
    labelled, codes = job.labelled, job.codes
    z = _apply(module, job.x[labelled])
    linear = LinearProbe(random_state=job.seed).fit(z, codes)
    some = np.random.default_rng(job.seed).permutation(len(job.x))[:_FRAME]
    frame = Frame.learn(_apply(module, job.x[np.sort(some)]))
    said, points = [], []
    with job.progress.task(name, len(job.x)) as task:
        for begin in range(0, len(job.x), _CHUNK):
            chunk = _apply(module, job.x[begin : begin + _CHUNK])
            said.append(linear.predict_proba(chunk))
            points.append(frame.place(chunk))
            task.advance(len(chunk))
    placed = np.concatenate(points)

    # Ridge regression on part of the samples lies in the span of them all: a rotation to it changes nothing.
    compact = z - z.mean(0)
    if linear.loss_ == "squared" and len(z) < z.shape[1]:
        compact = compact @ np.linalg.svd(compact, full_matrices=False)[2].T

    # Every head is asked about the same parts.
    @cache
    def linear_on(part: bytes) -> Doubles:
        chosen = np.frombuffer(part, dtype=np.intp)
        probe = LinearProbe(linear.loss_, random_state=job.seed)
        return probe.fit(compact[chosen], codes[chosen]).predict_proba(compact)

    def answer_linear(parts: list[Indices]) -> list[Doubles]:
        return [linear_on(part.astype(np.intp).tobytes()) for part in parts]

    by_linear = _Fitted(
        f"{name} + linear", answer_linear, np.concatenate(said), _writer(job, module, linear.to_module())
    )
    if name == "raw":
        return _finished(job, [by_linear], folder, placed, name, start, baseline=True)
    graph = neighbour_graph(placed)
    propagation = LabelPropagation().fit_graph(frame, graph, job.y)
    n_classes = len(job.meta.classes)

    def answer_propagation(parts: list[Indices]) -> list[Doubles]:
        answers, at_once = [], max(1, _SPREAD // (len(job.x) * n_classes))
        for begin in range(0, len(parts), at_once):
            some = parts[begin : begin + at_once]
            seeds = np.zeros((len(job.x), n_classes * len(some)))
            for i, part in enumerate(some):
                seeds[labelled[part], n_classes * i + codes[part]] = 1.0
            f = spread(graph.weights, seeds, propagation.alpha)
            answers += [label_distributions(f_part)[labelled] for f_part in np.split(f, len(some), axis=1)]
        return answers

    def answer_both(parts: list[Indices]) -> list[Doubles]:
        return [(a + b) / 2 for a, b in zip(answer_linear(parts), answer_propagation(parts))]

    memory = propagation.to_module()
    by_propagation = _Fitted(
        f"{name} + propagation",
        answer_propagation,
        propagation.answer(placed),
        _writer(job, module, memory),
        memory=True,
    )
    both = _Fitted(
        f"{name} + linear and propagation",
        answer_both,
        (by_linear.everything + by_propagation.everything) / 2,
        _writer(job, module, MeanOfHeads([linear.to_module(), memory])),
        memory=True,
    )
    return _finished(
        job,
        [by_linear, by_propagation, both],
        folder,
        placed,
        name,
        start,
        baseline=name not in ("autoencoder", "simclr"),
    )


def _networks(job: Job, name: str, pretrained: nn.Sequential | None, folder: Path) -> Result:
    """A network trained on the labels alone, or a pretrained encoder trained on."""
    start = time.perf_counter()
    x, codes, plan = job.x[job.labelled], job.codes, job.plan
    preprocess = job.kind.preprocess().eval()
    encoder = None if pretrained is None else pretrained[1]
    z = None if pretrained is None else _apply(pretrained, x)
    fits = plan.folds * plan.network_repeats + 1 + 6

    with job.progress.task(name, fits) as task:

        def network(part: Indices) -> nn.Sequential:
            if encoder is None or z is None:
                trained = train_from_scratch(
                    job.kind, len(job.meta.classes), x[part], codes[part], steps=plan.tune_steps, seed=job.seed
                )
            else:
                head = LinearProbe(random_state=job.seed).fit(z[part], codes[part]).to_module()
                trained = fine_tune(encoder, head, job.kind, x[part], codes[part], steps=plan.tune_steps, seed=job.seed)
            task.advance()
            return nn.Sequential(preprocess, trained, nn.Softmax(dim=1)).eval()

        def answer(parts: list[Indices]) -> list[Doubles]:
            return [_apply(network(part), x).astype(np.float64) for part in parts]

        final = network(np.arange(len(x)))
        fitted = _Fitted(
            name,
            answer,
            _apply(final, job.x).astype(np.float64),
            lambda path: export(final, torch.tensor(job.x[:1]), path, job.meta),
            network=True,
        )
        shown = final[:2] if encoder is None else nn.Sequential(preprocess, encoder)
        z_shown = _apply(shown, job.x[job.shown])
        return _finished(job, [fitted], folder, None, name, start, baseline=encoder is None, z_shown=z_shown)


def _trees(job: Job, folder: Path) -> Result:
    """A random forest and gradient boosting, the strongest of what knows tables and needs no unlabelled sample."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    start = time.perf_counter()
    x, codes = job.x[job.labelled], job.codes
    # The default leaf of twenty samples is made for large tables: with fewer than forty labels it learns nothing.
    leaf = int(np.clip(len(x) // 20, 2, 20))
    fitted = []
    for name, forest in (
        ("random forest", RandomForestClassifier(200, random_state=job.seed)),
        ("gradient boosting", HistGradientBoostingClassifier(min_samples_leaf=leaf, random_state=job.seed)),
    ):

        def fit(part: Indices, forest: Any = forest) -> Any:
            # A column that is empty in this part keeps its place.
            imputer = SimpleImputer(keep_empty_features=True)
            return Pipeline([("impute", imputer), ("trees", clone(forest))]).fit(x[part], codes[part])

        def answer(parts: list[Indices], fit: Callable[[Indices], Any] = fit) -> list[Doubles]:
            return [fit(part).predict_proba(x) for part in parts]

        final = fit(np.arange(len(x)))

        def write(path: Path, final: Any = final) -> None:
            export_sklearn(final, job.x.shape[1], path, job.meta)

        fitted.append(_Fitted(name, answer, final.predict_proba(job.x), write, network=True))
    z = _apply(Raw(kind=job.kind).fit(job.x).module_, job.x[job.shown])
    return _finished(job, fitted, folder, None, "raw", start, baseline=True, z_shown=z)


def _finished(
    job: Job,
    fitted: list[_Fitted],
    folder: Path,
    placed: Floats | None,
    points_of: str,
    start: float,
    *,
    baseline: bool,
    z_shown: Floats | None = None,
) -> Result:
    """Validate, export, check and measure the candidates of one stage."""
    plan, codes = job.plan, job.codes
    arrays: dict[str, npt.NDArray[Any]] = {
        "points": z_shown if placed is None and z_shown is not None else np.asarray(placed)[job.shown]
    }
    facts: list[dict[str, Any]] = []
    checked = job.labelled[:_CHECKED]
    for one in fitted:
        i = len(facts)
        file = folder / f"{i}.onnx"
        one.write(file)
        try:
            difference = check(file, job.x[checked], one.everything[checked], TOLERANCE)
        except ExportError as error:
            # Where most samples are alike, a look-up hangs on rounding: no model to ship, and no reason to stop.
            if not one.memory:
                raise
            job.progress.say(f"{one.name} is left out: {error}")
            continue
        repeats = plan.network_repeats if one.network else plan.repeats
        arrays[f"{i}.held_out"] = cross_validate(one.answer, codes, folds=plan.folds, repeats=repeats, seed=job.seed)
        arrays[f"{i}.everything"] = one.everything
        sizes, draws = (3, 2) if one.network else (5, 8)
        curve = learning_curve(one.answer, codes, sizes=sizes, draws=draws, seed=job.seed)
        measured = measure(file, job.x)
        facts.append(
            {
                "name": one.name,
                "baseline": baseline and not one.name.endswith("propagation"),
                "curve": [asdict(point) for point in curve],
                "file": file.name,
                "bytes": measured.bytes,
                "latency_ms": measured.latency_ms,
                "difference": difference,
                "seconds": (time.perf_counter() - start) / len(fitted),
            }
        )
    return Result(arrays, {"candidates": facts, "points_of": points_of})


def _writer(job: Job, module: nn.Module, head: nn.Module) -> Callable[[Path], None]:
    whole = nn.Sequential(module, head, nn.Softmax(dim=1)).eval()
    return lambda path: export(whole, torch.tensor(job.x[:1]), path, job.meta)


def _apply(module: nn.Module, x: Floats) -> Floats:
    """A module's output for all samples, a chunk at a time."""
    with torch.inference_mode():
        chunks = [module(torch.tensor(x[i : i + _CHUNK])).numpy() for i in range(0, len(x), _CHUNK)]
    return np.asarray(np.concatenate(chunks), dtype=np.float32)
