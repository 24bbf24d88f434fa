"""What is said of a finished job in sentences: the verdict, and why this candidate."""

from __future__ import annotations

import numpy as np

from attar.adapt.choice import Choice
from attar.adapt.intervals import share
from attar.candidates import Candidate
from attar.compress.budget import milliseconds, readable
from attar.data.dataset import UNLABELLED, Ints
from attar.report.facts import Step, otherwise, unlike

_BALANCED = "a balanced accuracy (the mean over the classes)"


def percent(share: float) -> str:
    """A share for a person.

    >>> percent(0.98765)
    '98.8 %'
    """
    return f"{100 * share:.1f} %"


def verdict(choice: Choice, test_accuracy: float | None, n_test: int, shipped: Step, balanced: bool) -> str:
    """What the model is, what it takes, and how often it is right, on the test part too where there is one."""
    size = f"{readable(shipped.bytes)}, {milliseconds(shipped.latency_ms)} per sample"
    low, high = (100 * limit for limit in choice.interval)
    promised = f"{percent(choice.accuracy)} (90 % interval {low:.0f} to {high:.0f})"
    will, did, of = "be right on", "right on", "of"
    if balanced:
        will, did, of = f"have {_BALANCED} of", f"with {_BALANCED} of", "on"
    if other := otherwise(shipped, test_accuracy):
        return (
            f"A model of {size}, that gives {percent(other)} of {unlike(balanced)} another class than the candidate "
            f"chosen, which is expected to {will} {promised} {of} new samples."
        )
    if test_accuracy is None:
        return f"A model of {size}, expected to {will} {promised} {of} new samples, judged by its labels alone."
    found = f"{did} {percent(test_accuracy)} {of} {n_test:,} held-out samples"
    return f"A model of {size}, {found}; its labels alone had promised {promised}."


def without_looking(
    interval: tuple[float, float], codes: Ints, classes: tuple[str, ...], balanced: bool, learnt: Ints | None = None
) -> str:
    """What the most frequent class alone would give, where the model may be no better.

    Arguments:
        interval: of the accuracy.
        codes: of the samples that it is judged by.
        classes: their names.
        balanced: whether each class counts the same.
        learnt: codes of the labels that were learnt from; None: the same. Where these are even, the model is.

    >>> without_looking((0.79, 0.96), np.repeat([0, 1], [54, 6]), ("healthy", "ill"), False)
    ' Always saying “healthy” would be right on 90.0 %; where the others matter as much, fit it balanced.'
    >>> without_looking((0.45, 0.96), np.repeat([0, 1], [54, 6]), ("healthy", "ill"), True)
    ' Always saying “healthy” would have 50.0 %.'
    >>> without_looking((0.79, 0.96), np.repeat([0, 1], [54, 6]), ("healthy", "ill"), False, np.array([0, 0, 1, 1]))
    ' Always saying “healthy” would be right on 90.0 %.'
    >>> without_looking((0.91, 0.96), np.repeat([0, 1], [54, 6]), ("healthy", "ill"), False)
    ''
    """
    counts = np.bincount(codes[codes != UNLABELLED], minlength=len(classes))
    most = int(counts.argmax())
    always = share(codes == most, codes if balanced else None)
    if interval[0] > always:
        return ""
    sentence = f" Always saying “{classes[most]}” would {'have' if balanced else 'be right on'} {percent(always)}"
    taught = counts if learnt is None else np.bincount(learnt)
    uneven = taught.max() >= 2 * taught[taught > 0].min()
    return sentence + ("; where the others matter as much, fit it balanced." if uneven and not balanced else ".")


def why(tried: list[Candidate], accuracy: list[float], choice: Choice, balanced: bool) -> str:
    """Why this candidate, beside the best one and the best baseline, by the cross-validated accuracy of each."""
    best = int(np.argmax(accuracy))
    chosen = tried[choice.index]
    baselines = [a for c, a in zip(tried, accuracy) if c.baseline]
    measure = "balanced accuracy" if balanced else "accuracy"
    reason = (
        f"“{chosen.name}” had the highest cross-validated {measure} of {len(tried)} candidates"
        if best == choice.index
        else f"“{chosen.name}” comes first, by what usually serves such data and by simplicity, of those within one "
        f"standard error of the best of {len(tried)} candidates, “{tried[best].name}” ({percent(accuracy[best])})"
    )
    if chosen.members:
        names = ", ".join(f"“{member.name}”" for member in chosen.members)
        reason = (
            f"The student learnt from the mean of {len(chosen.members)} candidates that the labels cannot tell apart "
            f"({names})"
        )
    against = f"; the best baseline reached {percent(max(baselines))}" if baselines and not chosen.baseline else ""
    return f"{reason}, with {percent(accuracy[choice.index])}{against}."
