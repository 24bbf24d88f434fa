"""One candidate at a time: fitted, validated on the labels, exported, checked and measured."""

from __future__ import annotations

import time
from collections.abc import Callable
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
from attar.adapt.propagate import LabelPropagation, label_distributions, neighbour_graph, spread
from attar.adapt.selftrain import Pool, SelfTrainedProbe
from attar.adapt.validate import Answer, correctness, cross_validate, learning_curve
from attar.data.dataset import UNLABELLED, Floats, Ints
from attar.deploy.check import check
from attar.deploy.measure import measure
from attar.deploy.onnx import export, export_sklearn
from attar.errors import ExportError
from attar.represent import Raw
from attar.run import Result
from attar.training.memory import kept_memory

if TYPE_CHECKING:
    from attar.deploy.meta import ModelMeta
    from attar.kinds.base import Kind
    from attar.plan import Plan
    from attar.training.progress import Progress

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# Samples that go through a module at once, where the kind has no other wish.
_CHUNK = 64
# Samples whose representations are held at once.
_PART = 1024
# Samples from which the principal axes are learnt and a head trains itself, and those on which a file is checked.
_POOL, _CHECKED = 8192, 64
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
    def at_once(self) -> int:
        """Samples that go through a module at once: few, so that what it computes on the way stays in the cache."""
        return self.kind.batch(_CHUNK)

    @property
    def example(self) -> torch.Tensor:
        """Raw samples for an export."""
        return self.kind.example(self.x)

    @property
    def labelled(self) -> Indices:
        """Indices of the labelled samples."""
        return np.flatnonzero(self.y != UNLABELLED)

    @property
    def codes(self) -> Ints:
        """Classes of the labelled samples."""
        return self.y[self.labelled]


@dataclass(frozen=True)
class _Fitted:
    """A candidate before it is validated and written down: how it answers, what it says of all samples, its file."""

    name: str
    answer: Answer
    everything: Doubles
    write: Callable[[Path], None]
    network: bool = False  # costly to train: validated and drawn less often
    memory: bool = False  # looks samples up: among those alike, rounding decides which
    pooled: bool = False  # learnt from all samples, with a label or without


def heads(job: Job, name: str, module: nn.Module, folder: Path, *, baseline: bool = False) -> Result:
    """A linear head, one that trains itself, labels propagated over the neighbour graph, and the mean of the last two.

    The samples themselves, as the first baseline, get the linear head alone.
    """
    start = time.perf_counter()
    labelled, codes = job.labelled, job.codes
    z = apply(module, job.x[labelled], job.at_once)
    linear = LinearProbe(random_state=job.seed).fit(z, codes)
    others = np.random.default_rng(job.seed).permutation(np.setdiff1d(np.arange(len(job.x)), labelled))
    pooled = np.sort(np.concatenate([labelled, others[: max(0, _POOL - len(labelled))]]))
    z_pooled = apply(module, job.x[pooled], job.at_once)
    pool = Pool.learn(z_pooled)
    frame = pool.frame()
    trained = SelfTrainedProbe(random_state=job.seed).fit_pool(pool, job.y[pooled])
    said, said_trained, points = [], [], []
    with job.progress.task(name, len(job.x)) as task:
        step = max(_PART, job.at_once)
        for begin in range(0, len(job.x), step):
            place = slice(begin, begin + step)
            # Where the pool is everything, a costly encoder need not run again.
            everything = len(pooled) == len(job.x)
            chunk = z_pooled[place] if everything else apply(module, job.x[place], job.at_once)
            said.append(linear.predict_proba(chunk))
            said_trained.append(trained.predict_proba(chunk))
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
    if name in ("raw", "tf-idf"):
        return _finished(job, [by_linear], folder, placed, name, start, baseline=True)
    in_pool = np.searchsorted(pooled, labelled)

    @cache
    def trained_on(part: bytes) -> Doubles:
        chosen = np.frombuffer(part, dtype=np.intp)
        y = np.full(len(pooled), UNLABELLED)
        y[in_pool[chosen]] = codes[chosen]
        return SelfTrainedProbe(random_state=job.seed).fit_pool(pool, y).predict_proba(z)

    def answer_trained(parts: list[Indices]) -> list[Doubles]:
        return [trained_on(part.astype(np.intp).tobytes()) for part in parts]

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
        return [(a + b) / 2 for a, b in zip(answer_trained(parts), answer_propagation(parts))]

    by_training = _Fitted(
        f"{name} + self-trained",
        answer_trained,
        np.concatenate(said_trained),
        _writer(job, module, trained.to_module()),
        pooled=True,
    )
    memory = propagation.to_module()
    by_propagation = _Fitted(
        f"{name} + propagation",
        answer_propagation,
        propagation.answer(placed),
        _writer(job, module, memory),
        memory=True,
    )
    both = _Fitted(
        f"{name} + self-trained and propagation",
        answer_both,
        (by_training.everything + by_propagation.everything) / 2,
        _writer(job, module, MeanOfHeads([trained.to_module(), memory])),
        memory=True,
    )
    return _finished(
        job,
        [by_linear, by_training, by_propagation, both],
        folder,
        placed,
        name,
        start,
        baseline=baseline,
    )


def probed(job: Job, module: nn.Module) -> Doubles:
    """How often a linear head is right on each labelled sample that it has not seen `(n_labelled,)`."""
    z, codes = apply(module, job.x[job.labelled], job.at_once), job.codes

    def answer(parts: list[Indices]) -> list[Doubles]:
        return [LinearProbe(random_state=job.seed).fit(z[part], codes[part]).predict_proba(z) for part in parts]

    held_out = cross_validate(answer, codes, folds=job.plan.folds, repeats=job.plan.repeats, seed=job.seed)
    return correctness(held_out, codes)


def networks(job: Job, name: str, pretrained: nn.Sequential | None, folder: Path) -> Result:
    """A network trained on the labels alone, or a pretrained encoder trained on."""
    start = time.perf_counter()
    name = name if pretrained is None else f"{name}, fine-tuned"
    x, codes, plan = job.x[job.labelled], job.codes, job.plan
    preprocess = job.kind.preprocess().eval()
    encoder = None if pretrained is None else pretrained[1]
    z = None if pretrained is None else apply(pretrained, x, job.at_once)
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
            return [apply(network(part), x, job.at_once).astype(np.float64) for part in parts]

        final = network(np.arange(len(x)))
        fitted = _Fitted(
            name,
            answer,
            apply(final, job.x, job.at_once).astype(np.float64),
            lambda path: export(final, job.example, path, job.meta),
            network=True,
        )
        shown = final[:2] if encoder is None else nn.Sequential(preprocess, encoder)
        z_shown = apply(shown, job.x[job.shown], job.at_once)
        return _finished(job, [fitted], folder, None, name, start, baseline=encoder is None, z_shown=z_shown)


def trees(job: Job, folder: Path) -> Result:
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
    z = apply(Raw(kind=job.kind).fit(job.x).module_, job.x[job.shown])
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
    left_out: list[str] = []
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
            left_out.append(f"{one.name} is left out: {error}")
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
                "baseline": baseline and ("+" not in one.name or one.name.endswith("+ linear")),
                "curve": [asdict(point) for point in curve],
                "file": file.name,
                "bytes": measured.bytes,
                "latency_ms": measured.latency_ms,
                "difference": difference,
                "rank": 2 if one.memory else 0 if one.pooled else 1,
                "seconds": (time.perf_counter() - start) / len(fitted),
            }
        )
    return Result(arrays, {"candidates": facts, "left_out": left_out, "points_of": points_of})


def _writer(job: Job, module: nn.Module, head: nn.Module) -> Callable[[Path], None]:
    whole = nn.Sequential(module, head, nn.Softmax(dim=1)).eval()
    return lambda path: export(whole, job.example, path, job.meta)


def apply(module: nn.Module, x: Floats, at_once: int = _CHUNK) -> Floats:
    """A module's output for all samples, so many at a time."""
    with kept_memory(), torch.inference_mode():
        chunks = [module(torch.tensor(x[i : i + at_once])).numpy() for i in range(0, len(x), at_once)]
    return np.asarray(np.concatenate(chunks), dtype=np.float32)
