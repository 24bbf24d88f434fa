"""Every candidate that is tried: a representation with a head, the simplest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from attar.adapt.validate import LearningPoint
from attar.data.dataset import Floats
from attar.errors import TrainingError
from attar.represent import CCASSG, PCA, Autoencoder, RandomConvolutions, RandomFeatures, Raw, SimCLR
from attar.run import Result, Run
from attar.trials import Job, heads, networks, trees

if TYPE_CHECKING:
    from attar.represent.base import Representation
    from attar.represent.pretext import Pretext

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """One representation and head, as it came out.

    Arguments:
        name: as in "simclr + propagation".
        baseline: True where nothing is learnt from the unlabelled samples by training on them.
        rank: by simplicity of what is shipped: by representation, and a linear map before what looks samples up.
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
        members: of a committee.
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
    members: tuple[Candidate, ...] = ()


def candidates(job: Job, run: Run) -> Iterator[Candidate]:
    """Try all that suit the kind of data, the simplest first; what is finished is read back from the run."""
    for place, (stage, compute) in enumerate(_stages(job, run).items()):
        result = run.stage(stage, compute)
        if "left_out" in result.facts:
            job.progress.say(result.facts["left_out"])
            continue
        for i, facts in enumerate(result.facts["candidates"]):
            yield Candidate(
                name=facts["name"],
                baseline=facts["baseline"],
                rank=2 * place + facts["memory"],
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


def left_out(job: Job, run: Run) -> tuple[str, ...]:
    """Why representations that were tried are not among the candidates of a finished run, a sentence each."""
    facts = (run.stage(stage, compute).facts for stage, compute in _stages(job, run).items())
    # A network that starts from such a representation says the same.
    return tuple(dict.fromkeys(one["left_out"] for one in facts if "left_out" in one))


def _stages(job: Job, run: Run) -> dict[str, Callable[[Path], Result]]:
    """Name of each stage and what it computes, by simplicity."""
    plan, kind, seed = job.plan, job.kind, job.seed
    baselines: dict[str, Callable[[Path], Result]] = {
        "raw": lambda folder: heads(job, "raw", _fit(Raw(kind=kind), job.x), folder),
        "pca": lambda folder: heads(job, "pca", _pca(job), folder),
        "trees": lambda folder: trees(job, folder),
        "random-features": lambda folder: heads(
            job, "random features", _fit(RandomFeatures(kind=kind, random_state=seed), job.x), folder
        ),
        "random-convolutions": lambda folder: heads(
            job,
            "random convolutions",
            _fit(RandomConvolutions(plan.kernels, kind=kind, random_state=seed), job.x),
            folder,
        ),
    }
    stages = {name: baselines[name] for name in kind.baselines}
    for own, module in kind.own_baselines().items():
        stages[own.replace(" ", "-")] = partial(heads, job, own, module)
    if plan.tune_steps:
        stages["from-scratch"] = lambda folder: networks(job, "from scratch", None, folder)
    if plan.autoencoder_epochs and "autoencoder" in kind.pretexts:
        autoencoder = Autoencoder(
            64, kind=kind, epochs=plan.autoencoder_epochs, batch_size=kind.batch(256), random_state=seed
        )
        stages["autoencoder"] = lambda folder: _on(
            job, run, "autoencoder", autoencoder, lambda encoder: heads(job, "autoencoder", encoder, folder)
        )
    if plan.simclr_epochs and "cca-ssg" in kind.pretexts:
        cca = CCASSG(256, kind=kind, epochs=plan.simclr_epochs, batch_size=kind.batch(256), random_state=seed)
        stages["cca-ssg"] = lambda folder: _on(
            job, run, "cca-ssg", cca, lambda encoder: heads(job, "cca-ssg", encoder, folder)
        )
    if plan.simclr_epochs and "simclr" in kind.pretexts:
        simclr = SimCLR(128, kind=kind, epochs=plan.simclr_epochs, batch_size=kind.batch(256), random_state=seed)
        stages["simclr"] = lambda folder: _on(
            job, run, "simclr", simclr, lambda encoder: heads(job, "simclr", encoder, folder)
        )
        if plan.tune_steps:
            stages["simclr-fine-tuned"] = lambda folder: _on(
                job, run, "simclr", simclr, lambda encoder: networks(job, "simclr, fine-tuned", encoder, folder)
            )
    return stages


def _fit(representation: Representation, x: Floats) -> nn.Module:
    return representation.fit(x).module_


def _pca(job: Job) -> nn.Module:
    raw = Raw(kind=job.kind).fit(job.x)
    most = min(64, raw.dim_, len(job.x))
    return nn.Sequential(raw.module_, PCA(most, random_state=job.seed).fit(raw.transform(job.x)).module_)


def _on(
    job: Job, run: Run, name: str, representation: Pretext, candidates_on: Callable[[nn.Sequential], Result]
) -> Result:
    """The candidates on a representation that is trained in a stage of its own, or why there are none."""

    def train(folder: Path) -> Result:
        try:
            representation._fit(job.x, job.kind, folder / "checkpoint.safetensors", job.progress)
        except TrainingError as error:
            return Result(facts={"failed": str(error)})
        weights = representation.encoder_.state_dict()
        facts = {"loss": representation.loss_curve_, "failed": representation.collapsed_}
        return Result({key: value.numpy() for key, value in weights.items()}, facts)

    trained = run.stage(f"{name}-training", train)
    if trained.facts["failed"]:
        return Result(facts={"left_out": f"{name} is left out: {trained.facts['failed']}"})
    with torch.random.fork_rng(devices=[]):
        encoder = job.kind.encoder(representation.dim, representation.width)
    encoder.load_state_dict({key: torch.tensor(value) for key, value in trained.arrays.items()})
    encoder.eval()
    return candidates_on(nn.Sequential(job.kind.preprocess(), encoder).eval())
