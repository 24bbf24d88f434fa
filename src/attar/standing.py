"""Where the chosen model stands on its risk curves, and what that advises."""

from __future__ import annotations

from typing import Any

import numpy as np

from attar.candidates import Candidate
from attar.report.swept import Shown
from attar.risk.columns import PENALTIES, columns_curve, penalty_curve, samples_curve
from attar.sweeps import Axis, cross_validated, least_training, sizes_around
from attar.trials.base import Job

# Of cross-validation: what is chosen here changes nothing that is shipped.
_ROUNDS = 3
# From this share of its own labels on, a model fits them all.
_FITTED = 0.995


def standing(job: Job, chosen: Candidate) -> dict[str, Any]:
    """The regime of the chosen model, and risk curves of the head on its representation, as JSON values.

    Arguments:
        job: the data.
        chosen: the candidate; of a committee the first member is looked at.
    """
    member = chosen.members[0] if chosen.members else chosen
    return {"regime": _regime(job, chosen), "sweeps": [shown.to_json() for shown in _sweeps(job, member)]}


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


def _sweeps(job: Job, member: Candidate) -> list[Shown]:
    z = member.components
    if z is None or member.components_of is None or z.shape[1] < 2:
        return []
    codes = job.codes[member.components_of]
    if len(np.unique(codes)) < 2 or np.bincount(codes).max() < 2:
        return []
    n, p = least_training(codes), z.shape[1]
    if n < 2:
        return []
    sizes = sizes_around(n, p)
    labels = np.unique(np.maximum(2, np.round(np.geomspace(0.2, 1, 6) * n))).astype(int)
    axes = {
        "features": Axis("", p, lambda x, y, t, u, _: columns_curve(x, y, t, u, sizes, random_state=None), _ROUNDS),
        "samples": Axis("", n, lambda x, y, t, u, seed: samples_curve(x, y, t, u, labels, random_state=seed), _ROUNDS),
    }
    if member.penalty is not None:
        now = float(PENALTIES[np.argmin(np.abs(np.log(PENALTIES / member.penalty)))])
        axes["λ"] = Axis("", now, lambda x, y, t, u, _: penalty_curve(x, y, t, u), _ROUNDS)
    shown = []
    for over, axis in axes.items():
        found = cross_validated(axis, over, z.astype(np.float64), codes, job.seed, job.progress)
        shown.append(Shown(found.curve, found.advice))
    return shown
