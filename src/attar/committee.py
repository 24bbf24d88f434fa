"""The candidates that the labels cannot tell apart, as one teacher: the mean of what they say."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from attar.candidates import Candidate
from attar.data.dataset import Doubles, Floats
from attar.deploy.session import load


def committee(members: Sequence[Candidate], lead: Candidate) -> Candidate:
    """One candidate from several, for a student to learn from: which of them was ahead by chance matters less then.

    References:
        Breiman, Heuristics of instability and stabilization in model selection, 1996,
        https://doi.org/10.1214/aos/1032181158

    Arguments:
        members: candidates within one standard error of the best.
        lead: the one that was chosen among them; the committee is shown by its representation.

    Returns:
        A candidate that costs what its members cost together.
    """
    if len(members) == 1:
        return lead
    return Candidate(
        name=f"committee of {len(members)}",
        baseline=False,
        rank=lead.rank,
        held_out=np.mean([_mean_of_repeats(member.held_out) for member in members], axis=0)[None],
        everything=np.mean([member.everything for member in members], axis=0),
        path=lead.path,
        bytes=sum(member.bytes for member in members),
        latency_ms=sum(member.latency_ms for member in members),
        difference=max(member.difference for member in members),
        seconds=sum(member.seconds for member in members),
        points=lead.points,
        points_of=lead.points_of,
        members=tuple(members),
    )


def predicted(candidate: Candidate, x: object) -> Floats:
    """Class probabilities `(n, n_classes)` by the file of a candidate; of a committee, the mean over its members.

    Samples are as `Kind.given` returns them.
    """
    said: Floats = np.mean([load(one.path).predict_proba(x) for one in candidate.members or (candidate,)], axis=0)
    return said


def _mean_of_repeats(held_out: Doubles) -> Doubles:
    with warnings.catch_warnings():
        # A sample that is never held out stays NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean: Doubles = np.nanmean(held_out, axis=0)
    return mean
