"""A smaller bank of random convolutions that answers as a larger model does: a student that needs no gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import log_softmax
from torch import nn

from attar.adapt.heads import linear_head
from attar.compress.budget import Budget
from attar.compress.weights import quantize_weights
from attar.data.dataset import Doubles
from attar.deploy.measure import measure
from attar.deploy.onnx import export
from attar.represent import RandomConvolutions
from attar.training.modes import seeded
from attar.trials.base import Job, apply

# Filters come in groups of eight.
_GROUP = 8
# Samples from which the head is learnt, one in so many of which are set aside to choose the penalty.
_MOST, _ASIDE = 16_384, 5
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# Probabilities below this count as this: a teacher's certainty is not to be outdone.
_TINY = 1e-3
# Bytes of a file, as a multiple of those with weights that are not trained: these may be written more shortly.
ROOM = 1.01
_SAMPLES = 64  # to build a bank whose answers do not matter


def filters_within(job: Job, budget: Budget, folder: Path, by_sample: bool = False) -> int | None:
    """The most filters per dilation, below those of the candidate, whose file fits the budget; None where none does."""
    low, high = 0, (job.plan.kernels - 1) // _GROUP
    few = replace(job, x=job.x[:_SAMPLES])
    file = folder / "trial.onnx"
    while low < high:
        middle = (low + high + 1) // 2
        bank = _bank(few, middle * _GROUP, by_sample)
        with seeded(job.seed):
            head = nn.Linear(bank[1].mean.numel(), len(job.meta.classes))  # type: ignore[operator]
        write(job, nn.Sequential(bank, head), file)
        measured = measure(file, job.x)
        if budget.allows(int(ROOM * measured.bytes), measured.latency_ms):
            low = middle
        else:
            high = middle - 1
    file.unlink(missing_ok=True)
    return low * _GROUP or None


def thinner(job: Job, said: Doubles, filters: int, by_sample: bool = False) -> nn.Module:
    """Random convolutions with a linear head that has learnt what another model says of all samples.

    The head is ridge regression on the centred logarithms of the probabilities; its penalty is the one with the least
    cross-entropy on samples set aside.

    Arguments:
        job: the data.
        said: probabilities of all samples `(n, n_classes)` by the model to be imitated.
        filters: per dilation.
        by_sample: as of `RandomConvolutions`.

    Returns:
        From raw samples to logits.
    """
    bank = _bank(job, filters, by_sample)
    order = np.random.default_rng(job.seed).permutation(len(job.x))[:_MOST]
    z = apply(bank, job.x[order], job.at_once).astype(np.float64)
    target = np.log(np.maximum(said[order], _TINY))
    target -= target.mean(1, keepdims=True)
    aside = np.arange(len(order)) % _ASIDE == 0 if len(order) >= 2 * _ASIDE else np.zeros(len(order), bool)
    losses = [0.0] * len(_PENALTIES)
    if aside.any():
        fitted = _ridge(z[~aside], target[~aside], _PENALTIES)
        losses = [_cross_entropy(z[aside] @ w + b, said[order][aside]) for w, b in fitted]
    ((w, b),) = _ridge(z, target, [_PENALTIES[int(np.argmin(losses))]])
    return nn.Sequential(bank, linear_head(w.T, b)).eval()


def write(job: Job, module: nn.Module, file: Path) -> None:
    """Export a module of logits, with eight bits a weight."""
    floats = file.with_suffix(".float32.onnx")
    export(nn.Sequential(module, nn.Softmax(dim=1)).eval(), job.example, floats, job.meta)
    quantize_weights(floats, file)
    floats.unlink()


def _bank(job: Job, filters: int, by_sample: bool) -> nn.Sequential:
    bank = RandomConvolutions(filters, kind=job.kind, by_sample=by_sample, random_state=job.seed)
    module = bank.fit(job.x).module_
    assert isinstance(module, nn.Sequential)
    return module


def _ridge(z: Doubles, target: Doubles, penalties: Sequence[float]) -> list[tuple[Doubles, Doubles]]:
    """Weights and biases for each penalty, which is in units of the mean variance of a feature."""
    mean, bias = z.mean(0), target.mean(0)
    centred = z - mean
    gram, moment = centred.T @ centred, centred.T @ (target - bias)
    unit = max(gram.trace() / len(gram), np.finfo(float).tiny)
    found = []
    for penalty in penalties:
        w = cho_solve(cho_factor(gram + penalty * unit * np.eye(len(gram))), moment)
        found.append((w, bias - mean @ w))
    return found


def _cross_entropy(logits: Doubles, probabilities: Doubles) -> float:
    return -float((probabilities * log_softmax(logits, axis=1)).sum(axis=1).mean())
