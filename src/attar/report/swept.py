"""One sweep of a risk curve as a person sees it: what was varied, the curve, what it shows and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from attar.report.words import percent, plural, prose
from attar.risk.advice import Advice, Gain
from attar.risk.curve import NO_CAPACITY, OF_LABELS, Curve

# What each axis is, for a person.
_ABOUT = {
    "features": (
        "Over the number of features",
        "Least squares with a constant on more and more features in a random order. Where there are as many as "
        "labels less one, it fits every label exactly: the interpolation threshold. Beyond it, of all fits the "
        "shortest is taken.",
    ),
    "λ": (
        "Over the ridge λ",
        "Ridge regression on all features, from next to no ridge on the left to one that predicts little but the mean. "
        "λ is in units of the mean squared length of a sample.",
    ),
    "leaves": (
        "Over the leaves of a tree",
        "A random forest whose trees may have more and more leaves; with as many leaves as samples a tree fits all "
        "that it sees.",
    ),
    "trees": ("Over the number of trees", "A random forest of more and more full-grown trees."),
    "width": (
        "Over the width of a network",
        "A network of more and more units in a layer, or channels, each trained for the same number of epochs.",
    ),
    "epochs": (
        "Over the epochs of training",
        "A network while it is trained. The test risk may fall, rise where noise is being fitted, and fall again.",
    ),
    "steps": (
        "Over the steps of training",
        "The same network trained on the labels for fewer and for more steps, each time anew, its learning rate "
        "falling to zero at the last.",
    ),
    "samples": (
        "Over the number of labels",
        "Ridge regression on more and more of the labelled samples, λ chosen for each by leaving one out.",
    ),
    "label noise": (
        "Over the share of wrong labels",
        "The same model, where a growing share of its training labels is exchanged for others at random. The test "
        "labels stay.",
    ),
}

# The same for the head of a chosen model.
_OF_HEAD = {
    "features": "Ridge regression on more and more principal components of the representation, those of most variance "
    "first, λ chosen for each number by leaving one out."
}


@dataclass(frozen=True)
class Shown:
    """One sweep.

    Arguments:
        curve: mean over the folds of cross-validation.
        advice: what to do.
        test: default and advised setting on the test part, where there is one.
    """

    curve: Curve
    advice: Advice
    test: tuple[Curve, Curve] | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        test = None if self.test is None else [curve.to_json() for curve in self.test]
        return {"curve": self.curve.to_json(), "advice": asdict(self.advice), "test": test}

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Self:
        """What `to_json` wrote.

        Raises:
            DataError: the curve is none.
        """
        advice = dict(held["advice"])
        for name in ("gain", "errors"):
            if advice[name] is not None:
                advice[name] = Gain(**(advice[name] | {"interval": tuple(advice[name]["interval"])}))
        test = held["test"]
        both = None if test is None else (Curve.from_json(test[0]), Curve.from_json(test[1]))
        return cls(Curve.from_json(held["curve"]), Advice(**advice), both)


def section(shown: Shown, *, of_head: bool = False) -> str:
    """One sweep as HTML: what is varied, the curve by both losses, what it shows and what to do.

    Where a chosen model stands `of_head`, `standing` says itself.
    """
    curve = shown.curve
    about = _ABOUT.get(curve.over, ("", ""))[1]
    about = _OF_HEAD.get(curve.over, about) if of_head else about
    pictures = [curve] if curve.zero_one is None else [curve, replace(curve.zero_one, threshold=curve.threshold)]
    drawn = "".join(f"<figure>{one.svg(480, 310)}</figure>" for one in pictures)
    seen = [curve.verdict(), "" if of_head else regime(curve, shown.advice.default)]
    looked = "" if shown.test is None else f"<p>{prose(_looked(shown.test, shown.advice))}</p>"
    return (
        f'<p class="muted">{prose(about)}</p><div class="curves">{drawn}</div>'
        f"<p>{prose(' '.join(filter(None, seen)))}</p>"
        f'<p class="do">{prose(shown.advice.sentence)}</p>{looked}'
        f'<p class="key">Means over {plural(curve.draws, "fold")} of repeated cross-validation on the labelled '
        "samples; the bands hold 90\u00a0% of the folds.</p>"
    )


def regime(curve: Curve, place: float) -> str:
    """Where a model stands at a place: before the interpolation threshold or beyond it; empty off axes of capacity."""
    if curve.over in NO_CAPACITY:
        return ""
    judged = curve if curve.zero_one is None else curve.zero_one
    stands = judged.regimes[int(np.argmin(np.abs(judged.axis - place)))]
    if "interpolating" not in judged.regimes:
        return "Nowhere on this axis is every training label fitted: all of it is the classical regime."
    if stands == "classical":
        return "The default stands before the threshold, in the classical regime: it does not fit every label."
    return "The default stands beyond the threshold, in the interpolating regime: it fits every training label."


def _looked(test: tuple[Curve, Curve], advice: Advice) -> str:
    before, after = test

    def said(one: Curve) -> str:
        wrong = "" if one.zero_one is None else f" and {percent(one.zero_one.test_risk[0])} wrong"
        return f"a loss of {one.test_risk[0]:.3g}{wrong}"

    if advice.over in OF_LABELS:
        return f"On the test part, looked at once, the default has {said(before)}."
    if advice.keep:
        return f"On the test part, looked at once, it has {said(before)}."
    return f"On the test part, looked at once: {said(before)} by default, {said(after)} with the advice."


def title(shown: Shown) -> str:
    """What a sweep is called."""
    return _ABOUT.get(shown.curve.over, (f"Over {shown.curve.over}", ""))[0]


def standing(risk: Mapping[str, Any]) -> str:
    """Where the chosen model of a run stands, and what its risk curves advise, as HTML, from the risk of its facts."""
    sweeps = [Shown.from_json(one) for one in risk["sweeps"]]
    if not sweeps:
        return f"<p>{prose(risk['regime'])}</p><p>{prose(risk.get('without', ''))}</p>"
    of = "the chosen network" if sweeps[0].curve.over == "steps" else "a linear head on the chosen representation"
    told = "".join(f'<p class="do">{prose(one.advice.sentence)}</p>' for one in sweeps)
    drawn = "".join(f"<h3>{prose(title(one))}</h3>{section(one, of_head=True)}" for one in sweeps)
    return (
        f"<p>{prose(risk['regime'])}</p>"
        f"<p>Risk curves of {of} say:</p>"
        f'{told}<details class="drawn"><summary>The curves</summary>{drawn}</details>'
    )
