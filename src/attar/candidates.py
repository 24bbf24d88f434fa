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
from attar.represent import PCA, Autoencoder, RandomConvolutions, RandomFeatures, Raw, SimCLR
from attar.run import Result, Run
from attar.trials import Job, heads, networks, trees

if TYPE_CHECKING:
    from attar.represent.base import Representation

Doubles = npt.NDArray[np.float64]


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
    if plan.autoencoder_epochs:
        autoencoder = Autoencoder(
            64, kind=kind, epochs=plan.autoencoder_epochs, batch_size=kind.batch(256), random_state=seed
        )
        stages["autoencoder"] = lambda folder: heads(
            job, "autoencoder", _pretrained(job, run, "autoencoder", autoencoder), folder
        )
    if plan.simclr_epochs:
        simclr = SimCLR(128, kind=kind, epochs=plan.simclr_epochs, batch_size=kind.batch(256), random_state=seed)
        stages["simclr"] = lambda folder: heads(job, "simclr", _pretrained(job, run, "simclr", simclr), folder)
        if plan.tune_steps:
            stages["simclr-fine-tuned"] = lambda folder: networks(
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
    return nn.Sequential(job.kind.preprocess(), encoder).eval()
