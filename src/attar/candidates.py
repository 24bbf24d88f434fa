"""Every candidate that is tried: a representation with a head, the simplest first."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from attar.adapt.intervals import error_of, estimate, mean_of, sums_of
from attar.adapt.validate import correctness
from attar.data.dataset import Doubles, Floats, Ints
from attar.errors import ExportError, TrainingError, inflected
from attar.nets.beside import Beside
from attar.report.facts import CurvePoint
from attar.represent import (
    BYOL,
    CCASSG,
    PCA,
    TSTCC,
    Autoencoder,
    Masked,
    MoCo,
    Pretrained,
    RandomConvolutions,
    RandomFeatures,
    Raw,
    SimCLR,
    TfIdf,
)
from attar.represent.pretrained import translate
from attar.run import CHECKPOINT, Result, Run
from attar.training.progress import noted
from attar.trials.base import Job, apply, notes_on, writer
from attar.trials.heads import heads, probed
from attar.trials.networks import SCRATCH, networks
from attar.trials.terms import heads_on_terms
from attar.trials.trees import trees

if TYPE_CHECKING:
    from attar.represent.base import Representation
    from attar.represent.pretext import Pretext


# The representation of `_by_sample`.
BY_SAMPLE = "random convolutions by sample"
# Terms of which all are kept side by side, as a baseline: their number is held in memory for each of many samples.
_TERMS = 4096
# Ranks of the heads on one representation.
_RANKS = 4
# A pretext is looked at after this share of its training. It is given up where a linear head on it is behind the best
# candidate so far by more than it may still gain (in accuracy) and by more than chance (in standard errors).
_FIRST_LOOK, _MAY_GAIN, _CHANCE = 0.25, 0.05, 2.0
# Samples by which the spread of a representation is measured.
_MEASURED = 8192


@dataclass(frozen=True)
class Candidate:
    """One representation and head, as it came out."""

    name: str  # as in "simclr + propagation"
    baseline: bool  # True where nothing is learnt from the unlabelled samples by training on them
    # The lowest is taken of those that are equally good. What is usual for the kind comes first, then what is simpler:
    # by representation, and a linear head before one that looks samples up. Of two linear heads the one that learns
    # from all samples comes first where these are many, as it depends less on which have a label.
    rank: int
    held_out: Doubles  # cross-validated probabilities of the labelled samples `(repeats, n_labelled, n_classes)`
    everything: Doubles  # probabilities of all training samples `(n, n_classes)`
    path: Path  # its exported file
    bytes: int  # of that file
    latency_ms: float  # of that file
    difference: float  # largest one in probability between candidate and file
    seconds: float  # for fitting and validating it, and its part of the training of its representation
    points: Floats  # representation of the samples shown
    points_of: str  # name of that representation
    members: tuple[Candidate, ...] = ()  # of a committee
    # Of the representation, at some of the labelled samples `(k, up to k)`; None where there is none.
    components: Floats | None = None
    components_of: Ints | None = None  # places of those among the labelled samples `(k,)`
    penalty: float | None = None  # of a linear head on it by ridge regression


def candidates(job: Job, run: Run, notes: list[str] | None = None) -> Iterator[Candidate]:
    """Try all that suit the kind of data, the simplest first; what is finished is read back from the run.

    `notes` gets a sentence for each candidate that is left out, and why.
    """
    notes = [] if notes is None else notes
    names = _without_time(job)
    them = inflected(len(names), "it", "them")
    without_time = [f"left out, for there is no time to train {them}: {', '.join(names)}; allow more"] if names else []
    for note in without_time:
        job.progress.say(noted(note))
    ahead = Ahead(classes=job.counted, together=job.together)
    for place, (stage, compute) in enumerate(_stages(job, run, ahead).items()):
        result = run.stage(stage, compute)
        for note in result.facts["left_out"]:
            # A network that starts from the same representation has the same reason.
            if note not in notes:
                notes.append(note)
                job.progress.say(noted(note))
        for i, facts in enumerate(result.facts["candidates"]):
            candidate = Candidate(
                name=facts["name"],
                baseline=facts["baseline"],
                rank=_rank(stage, place, facts["rank"], job.kind.usual),
                held_out=result.arrays[f"{i}.held_out"],
                everything=result.arrays[f"{i}.everything"],
                path=run.folder / "stages" / stage / facts["file"],
                bytes=facts["bytes"],
                latency_ms=facts["latency_ms"],
                difference=facts["difference"],
                seconds=facts["seconds"],
                points=result.arrays["points"],
                points_of=result.facts["points_of"],
                components=result.arrays.get("components"),
                components_of=result.arrays.get("components_of"),
                penalty=result.facts["penalty"],
            )
            ahead.pass_by(candidate.name, correctness(candidate.held_out, job.codes))
            yield candidate
    notes += without_time


def _rank(stage: str, place: int, of_head: int, usual: Sequence[str]) -> int:
    """Of a head on the representation of a stage; below zero on what is usual.

    >>> [_rank("b", 1, head, ("b", "c")) for head in (0, 3)], [_rank("c", 2, head, ("b", "c")) for head in (0, 3)]
    ([-8, -2], [-7, -1])
    >>> _rank("a", 0, 3, ("b", "c"))
    3
    """
    if stage in usual:
        return (of_head - _RANKS) * len(usual) + usual.index(stage)
    return _RANKS * place + of_head


def learning(job: Job, run: Run, candidate: Candidate) -> tuple[CurvePoint, ...]:
    """How the accuracy of one of the `candidates` grows with the number of labels."""

    def draw(_: Path) -> Result:
        if candidate.name not in job.curves:
            # It was fitted by a process that was killed since.
            with tempfile.TemporaryDirectory() as folder:
                _stages(job, run, Ahead())[candidate.path.parent.name](Path(folder))
        return Result(facts={"points": [asdict(point) for point in job.curves[candidate.name]()]})

    return tuple(CurvePoint(**point) for point in run.stage("learning-curve", draw).facts["points"])


@dataclass
class Ahead:
    """The most accurate candidate so far."""

    name: str = ""
    # How often it was right on each labelled sample `(n_labelled,)`; None where there is none yet.
    right: Doubles | None = None
    classes: Ints | None = None  # of these samples, where each class counts the same
    together: Ints | None = None  # the group of each of them, within which answers are right and wrong together

    def pass_by(self, name: str, right: Doubles) -> None:
        """Remember this one instead, where it is more accurate."""
        if self.right is None or self._accuracy(right) > self._accuracy(self.right):
            self.name, self.right = name, right

    def beyond(self, right: Doubles, *, trained: float = 1.0) -> str:
        """Why one that is right so often cannot catch up any more; empty where it may.

        Arguments:
            right: how often a linear head on it is right on each labelled sample `(n_labelled,)`.
            trained: share of its training that is over; after all of it nothing is to be gained, and chance no excuse.
        """
        if self.right is None:
            return ""
        sums, sizes = sums_of((self.right - right)[None], self.together, self.classes)
        may_gain, chance = (_MAY_GAIN, _CHANCE) if trained < 1 else (0.0, 0.0)
        if len(sizes) < 2 or mean_of(sums, sizes)[0] - chance * error_of(sums, sizes)[0] <= may_gain:
            return ""
        when = f"after {100 * trained:.0f} % of its training " if trained < 1 else ""
        return (
            f"{when}a linear head on it reaches {100 * self._accuracy(right):.1f} % where “{self.name}” has "
            f"{100 * self._accuracy(self.right):.1f} %"
        )

    def _accuracy(self, right: Doubles) -> float:
        return estimate(right, None, classes=self.classes)[0]


def _stages(job: Job, run: Run, ahead: Ahead) -> dict[str, Callable[[Path], Result]]:
    """Name of each stage and what it computes, by simplicity."""
    stages = _baselines(job, ahead)
    if job.plan.tune_steps:
        stages["from-scratch"] = partial(networks, job, SCRATCH, None)
    if job.plan.backbone is not None:
        stages["pretrained"] = partial(_backbone, job)
    elif job.backbone is not None:
        stages["pretrained"] = partial(_own_backbone, job, job.backbone)
    for name, pretext in _pretexts(job).items():
        if pretext.epochs:
            # On most graphs it was behind alone, and ahead on none.
            candidates_on = _beside_own if name == "cca-ssg" else heads
            stages[name] = partial(_on_trained, job, run, ahead, name, pretext, candidates_on)
            if name == "simclr" and job.plan.tune_steps:
                stages["simclr-fine-tuned"] = partial(_on_trained, job, run, ahead, name, pretext, networks)
    return stages


def _baselines(job: Job, ahead: Ahead) -> dict[str, Callable[[Path], Result]]:
    """The stages of representations that nothing is trained for, and of trees."""
    kind, seed = job.kind, job.seed
    untrained: dict[str, tuple[str, Callable[[], nn.Module]]] = {
        "raw": ("raw", lambda: _fit(Raw(kind=kind), job.x)),
        "pca": ("pca", lambda: _pca(job)),
        "random-features": ("random features", lambda: _fit(RandomFeatures(kind=kind, random_state=seed), job.x)),
        "random-convolutions": (
            "random convolutions",
            lambda: _fit(RandomConvolutions(job.plan.kernels, kind=kind, random_state=seed), job.x),
        ),
        "tf-idf": ("tf-idf", lambda: _fit(TfIdf(None, terms=_TERMS, kind=kind), job.x)),
    }

    def heads_on(name: str, make: Callable[[], nn.Module], folder: Path) -> Result:
        return heads(job, name, make(), folder, baseline=True)

    of_their_own = {
        "trees": partial(trees, job),
        "random-convolutions-by-sample": partial(_by_sample, job, ahead),
        "tf-idf-svd": partial(_on_terms, job),
    }
    stages: dict[str, Callable[[Path], Result]] = {
        name: of_their_own.get(name) or partial(heads_on, *untrained[name]) for name in kind.baselines
    }
    for name, module in kind.own_baselines().items():
        stages[name.replace(" ", "-")] = partial(heads, job, name, module, baseline=True)
    return stages


def _by_sample(job: Job, ahead: Ahead, folder: Path) -> Result:
    """Random convolutions of samples that are standardised each by itself, where that is another thing and no worse."""
    if not job.kind.differ(job.x):
        return Result(facts={"candidates": [], "left_out": []})
    module = _fit(RandomConvolutions(job.plan.kernels, kind=job.kind, by_sample=True, random_state=job.seed), job.x)
    # A linear head that is not ahead would not be chosen, and further heads take longer than all else.
    reason = ahead.beyond(probed(job, module))
    return _no_candidate(BY_SAMPLE, reason) if reason else heads(job, BY_SAMPLE, module, folder, baseline=True)


def _on_terms(job: Job, folder: Path) -> Result:
    return heads_on_terms(job, "tf-idf + svd", TfIdf(kind=job.kind, random_state=job.seed).fit(job.x), folder)


def _without_time(job: Job) -> list[str]:
    """What the schedule has no time for, by name."""
    pretexts = [name for name, pretext in _pretexts(job).items() if not pretext.epochs]
    return pretexts if job.plan.tune_steps else [SCRATCH, *pretexts]


def _pretexts(job: Job) -> dict[str, Pretext]:
    """What is to be trained, by name, the cheapest first; also what there is no time for."""
    plan, kind = job.plan, job.kind
    shared: dict[str, Any] = {
        "kind": kind,
        "batch_size": kind.batch(256),
        "precision": plan.precision,
        "device": plan.device,
        "random_state": job.seed,
    }
    contrast = shared | {"epochs": plan.simclr_epochs}
    rebuilt = shared | {"epochs": plan.autoencoder_epochs}
    makers: dict[str, Callable[[], Pretext]] = {
        "autoencoder": lambda: Autoencoder(64, **rebuilt),
        "masked": lambda: Masked(64, **rebuilt),
        "cca-ssg": lambda: CCASSG(256, **contrast),
        "simclr": lambda: SimCLR(128, **contrast),
        "moco": lambda: MoCo(128, **contrast),
        "byol": lambda: BYOL(128, **contrast),
        "ts-tcc": lambda: TSTCC(128, **contrast),
    }
    wanted = kind.pretexts if plan.pretexts is None else plan.pretexts
    return {name: make() for name, make in makers.items() if name in wanted}


def _fit(representation: Representation, x: Floats) -> nn.Module:
    return representation.fit(x).module_


def _pca(job: Job) -> nn.Module:
    raw = Raw(kind=job.kind).fit(job.x)
    most = min(64, raw.dim_, len(job.x))
    return nn.Sequential(raw.module_, PCA(most, random_state=job.seed).fit(raw.transform(job.x)).module_)


def _backbone(job: Job, folder: Path) -> Result:
    """Heads on an encoder that others have trained, in its own terms."""
    name = str(job.plan.backbone)
    x, columns = translate(name, job.kind, job.x, job.meta.columns)
    kind = type(job.kind).learn(x, columns)
    asked: dict[str, Any] = {"epochs": job.plan.backbone_epochs, "rate": job.meta.rate, "device": job.plan.device}
    module = Pretrained(name, kind=kind, **asked, random_state=job.seed).fit(x).module_
    translated = replace(job, kind=kind, x=x, meta=replace(job.meta, shape=kind.shape, columns=columns))
    return heads(translated, "pretrained", module, folder)


def _own_backbone(job: Job, module: nn.Module, folder: Path) -> Result:
    """Heads on a network of a person's own; none is fitted where the network has no ONNX form."""
    dim = apply(module, job.x[:1]).shape[1]
    head = nn.utils.skip_init(nn.Linear, dim, len(job.meta.classes))
    with tempfile.TemporaryDirectory() as scratch:
        try:
            writer(job, module, head)(Path(scratch, "trial.onnx"))
        except ExportError as error:
            return _no_candidate("pretrained", str(error))
    return heads(job, "pretrained", module, folder)


def _no_candidate(name: str, reason: str) -> Result:
    """What a stage without a candidate leaves."""
    return Result(facts={"candidates": [], "left_out": notes_on({name: reason})})


def _on_trained(
    job: Job,
    run: Run,
    ahead: Ahead,
    name: str,
    pretext: Pretext,
    candidates_on: Callable[[Job, str, nn.Sequential, Path], Result],
    folder: Path,
) -> Result:
    """The candidates on a representation that is trained in stages of its own, or why there are none."""
    trained, seconds = _trained(job, run, ahead, name, pretext)
    if trained.facts["failed"]:
        return _no_candidate(name, trained.facts["failed"])
    with torch.random.fork_rng(devices=[]):
        encoder = pretext._encoder(job.kind)
    encoder.load_state_dict({key: torch.tensor(value) for key, value in trained.arrays.items()})
    encoder.eval()
    result = candidates_on(job, name, nn.Sequential(job.kind.preprocess(), encoder).eval(), folder)
    for facts in result.facts["candidates"]:
        facts["seconds"] += seconds / len(result.facts["candidates"])
    return result


def _beside_own(job: Job, name: str, module: nn.Sequential, folder: Path) -> Result:
    """Heads on a trained representation and, beside it, those that the kind has untrained, all of one spread."""
    own = job.kind.own_baselines()
    if not own:
        return heads(job, name, module, folder)
    some, parts = job.x[:: -(-len(job.x) // _MEASURED)], [module, *own.values()]
    spreads = [float(apply(part, some, job.at_once).var(0, dtype="float64").sum()) ** 0.5 for part in parts]
    both = Beside(parts, [1 / (spread or 1.0) for spread in spreads]).eval()
    return heads(job, " beside ".join([name, *own]), both, folder)


def _trained(job: Job, run: Run, ahead: Ahead, name: str, pretext: Pretext) -> tuple[Result, float]:
    """Weights of the encoder, or in the facts why training failed or was given up; and the seconds that it took."""
    checkpoint = run.folder / "stages" / f"{name}-training" / CHECKPOINT

    def first_look() -> Result:
        pretext._fit(job.x, job.kind, checkpoint, job.progress, _FIRST_LOOK)
        return Result(facts={"failed": ahead.beyond(probed(job, pretext.module_), trained=_FIRST_LOOK)})

    def training() -> Result:
        pretext._fit(job.x, job.kind, checkpoint, job.progress)
        weights = pretext.encoder_.state_dict()
        return Result({key: value.numpy() for key, value in weights.items()}, {"failed": pretext.collapsed_})

    def timed(work: Callable[[], Result], _: Path) -> Result:
        start = time.perf_counter()
        try:
            result = work()
        except TrainingError as error:
            result = Result(facts={"failed": str(error)})
        return Result(result.arrays, result.facts | {"seconds": time.perf_counter() - start})

    looked_at = run.stage(f"{name}-first-look", partial(timed, first_look))
    trained = looked_at if looked_at.facts["failed"] else run.stage(f"{name}-training", partial(timed, training))
    if trained.facts["failed"]:
        checkpoint.unlink(missing_ok=True)
        return trained, 0.0
    return trained, looked_at.facts["seconds"] + trained.facts["seconds"]
