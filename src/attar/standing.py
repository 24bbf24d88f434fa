"""Where the chosen model stands on its risk curves, and what that advises."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from torch import nn

from attar.adapt.finetune import train_from_scratch
from attar.adapt.validate import correctness
from attar.candidates import Candidate
from attar.data.dataset import Ints
from attar.errors import LabelError
from attar.report.swept import Shown
from attar.risk._measured import losses, measured_curve
from attar.risk.columns import PENALTIES, components_curve, penalty_curve, samples_curve
from attar.risk.curve import Curve
from attar.risk.task import Task
from attar.sweeps import Axis, cross_validated, least_training
from attar.trials.base import Job, apply
from attar.trials.networks import SCRATCH

# Of cross-validation: what is chosen here changes nothing that is shipped.
_ROUNDS = 3
# Steps of training that are tried, as shares of those taken.
_STEPS = (0.25, 0.5, 1, 2)
# Numbers of components that are tried, from two to all.
_SIZES = 8
# A component narrower than this share of the widest is what float32 left of rounding.
_ROUNDING = 1e-6
# Why there are no curves.
_NO_HEAD = "The chosen model has no linear head: attar risk SOURCE --over epochs, width or leaves draws its curves."
_ONE_NUMBER = "The chosen representation is a single number: there is no risk curve over how many there are."
_HEAD_WORSE = (
    "A linear head on the chosen representation gets so much more wrong than the chosen model that its risk curves say "
    "nothing of the model."
)
_FEW_LABELS = "Fewer than two classes have two labels: what could be left out does not suffice for a risk curve."
# From this share of its own labels on, a model fits them all.
_FITTED = 0.995


def standing(job: Job, chosen: Candidate) -> dict[str, Any]:
    """The regime of the chosen model, and risk curves of the head on its representation, as JSON values.

    Of a committee the first member is looked at.
    """
    member = chosen.members[0] if chosen.members else chosen
    sweeps, without = _sweeps(job, member)
    if sweeps:
        wrong = 1 - float(np.nanmean(correctness(chosen.held_out, job.codes)))
        sweeps = [shown for shown in sweeps if _possible(shown, wrong)]
        without = "" if sweeps else _HEAD_WORSE
    return {"regime": _regime(job, chosen), "sweeps": [shown.to_json() for shown in sweeps], "without": without}


def _regime(job: Job, chosen: Candidate) -> str:
    fitted = float((chosen.everything[job.labelled].argmax(1) == job.codes).mean())
    if fitted >= _FITTED:
        return (
            f"The chosen model is right on {100 * fitted:.0f} % of the {len(job.codes):,} labels it learnt from: it "
            "stands beyond the interpolation threshold. What it gets wrong on new samples is variance and what labels "
            "cannot tell, not a lack of capacity."
        )
    return (
        f"The chosen model is right on {100 * fitted:.1f} % of the {len(job.codes):,} labels it learnt from: it stands "
        "before the interpolation threshold, in the classical regime."
    )


def _sweeps(job: Job, member: Candidate) -> tuple[list[Shown], str]:
    """Risk curves; where there are none, a sentence that says why."""
    if member.name == SCRATCH:
        return ([_over_steps(job)], "") if _can_be_split(job.codes, job.seed, job.together) else ([], _FEW_LABELS)
    if member.components is None or member.components_of is None:
        return [], _NO_HEAD
    spread = np.linalg.norm(member.components, axis=0)
    z = member.components[:, spread > _ROUNDING * spread.max(initial=0.0)]
    if z.shape[1] < 2:
        return [], _ONE_NUMBER
    codes = job.codes[member.components_of]
    together = None if job.together is None else job.together[member.components_of]
    if not _can_be_split(codes, job.seed, together):
        return [], _FEW_LABELS
    n, p = least_training(codes, job.seed, together), z.shape[1]
    sizes = np.unique(np.round(np.geomspace(2, p, _SIZES)).astype(int))
    labels = np.unique(np.maximum(2, np.round(np.geomspace(0.2, 1, 6) * n))).astype(int)
    axes = {
        "features": Axis("", p, lambda x, y, t, u, _: components_curve(x, y, t, u, sizes), _ROUNDS),
        "samples": Axis("", n, lambda x, y, t, u, seed: samples_curve(x, y, t, u, labels, random_state=seed), _ROUNDS),
    }
    if member.penalty is not None:
        now = float(PENALTIES[np.argmin(np.abs(np.log(PENALTIES / member.penalty)))])
        axes["λ"] = Axis("", now, lambda x, y, t, u, _: penalty_curve(x, y, t, u), _ROUNDS)
    shown = []
    for over, axis in axes.items():
        found = cross_validated(axis, over, z.astype(np.float64), codes, job.seed, job.progress, together)
        shown.append(Shown(found.curve, found.advice))
    return shown, ""


def _possible(shown: Shown, wrong: float) -> bool:
    """Whether a model that gets such a share wrong may gain what is promised; what may not is said of a worse model."""
    errors = shown.advice.errors
    return errors is None or errors.mean <= wrong


def _can_be_split(codes: Ints, seed: int, together: Ints | None) -> bool:
    # What is left out is then of several classes; a single label of a class never is.
    several = int((np.bincount(codes) > 1).sum()) > 1
    with suppress(LabelError):
        return several and least_training(codes, seed, together) > 0
    return False


def _over_steps(job: Job) -> Shown:
    """A network trained on the labels alone, for fewer and for more steps than it was, each time anew."""
    default, n_classes = job.plan.tune_steps, len(job.meta.classes)
    steps = sorted({max(1, round(share * default)) for share in _STEPS})
    preprocess = job.kind.preprocess().eval()

    def measure(x: Any, y: Ints, t: Any, u: Ints, _: int) -> Curve:
        said = []
        for some in steps:
            trained = train_from_scratch(job.kind, n_classes, x, y, steps=some, seed=job.seed, device=job.plan.device)
            network = nn.Sequential(preprocess, trained, nn.Softmax(dim=1)).eval()
            said.append([apply(network, a, job.at_once).astype(np.float64) for a in (x, t)])
        hot = np.eye(n_classes)
        found = losses(Task(x, hot[y], t, hot[u]), *(np.stack(part) for part in zip(*said)))
        return measured_curve(steps, found[None], "steps", classes=True)

    axis, x = Axis("", default, measure, 1), job.x[job.labelled]
    found = cross_validated(axis, "steps", x, job.codes, job.seed, job.progress, job.together)
    return Shown(found.curve, found.advice)
