"""The page of risk curves: what was varied, what that does to the risk, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from attar.report.page import card, described
from attar.report.sections import sectioned
from attar.report.words import NONE, count, percent, plural, prose, text
from attar.risk.advice import Advice
from attar.risk.curve import Curve

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


@dataclass(frozen=True)
class Risks:
    """What the page of risk curves shows.

    Arguments:
        run: name of the folder.
        source, kind: of the samples.
        n, n_labelled, n_test: how many.
        sweeps: in order.
        best: place of the advice that gains most in them; None where all say to change nothing.
        notes: sentences on the data.
        settings, versions, command, seconds: to repeat it.
    """

    run: str
    source: str
    kind: str
    n: int
    n_labelled: int
    n_test: int
    sweeps: tuple[Shown, ...]
    best: int | None
    notes: tuple[str, ...] = ()
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """The advice that counts most, in a sentence."""
        if self.best is None:
            return "Nothing that was varied is better than the default with a chance of nine in ten: leave it as it is."
        return self.sweeps[self.best].advice.sentence


def render_risks(risks: Risks) -> str:
    """Render risk curves as one HTML page that needs nothing else.

    Arguments:
        risks: what was found.

    Returns:
        the page, to be written as UTF-8.
    """
    sections = [
        (f"over-{i}", _ABOUT.get(one.curve.over, (f"Over {one.curve.over}", ""))[0], section(one))
        for i, one in enumerate(risks.sweeps)
    ]
    return sectioned(
        risks,
        [("advice", "Advice", _advice(risks)), *sections, ("data", "Data", _data(risks))],
        kind="risks",
        what=" · ".join((text(risks.source), text(risks.kind), plural(risks.n_labelled, "label"))),
        figures=_figures(risks),
        scripts=("page",),
        styles=("page", "explore", "risks"),
    )


def section(shown: Shown) -> str:
    """One sweep as HTML: what is varied, the curve by both losses, what it shows and what to do.

    Arguments:
        shown: the sweep.
    """
    curve = shown.curve
    about = _ABOUT.get(curve.over, ("", ""))[1]
    pictures = [curve] if curve.zero_one is None else [curve, replace(curve.zero_one, threshold=curve.threshold)]
    drawn = "".join(f"<figure>{one.svg(560, 340)}</figure>" for one in pictures)
    seen = [curve.verdict(), regime(curve, shown.advice.default)]
    looked = "" if shown.test is None else f"<p>{prose(_looked(shown.test, shown.advice))}</p>"
    return (
        f'<p class="muted">{prose(about)}</p><div class="curves">{drawn}</div>'
        f"<p>{prose(' '.join(filter(None, seen)))}</p>"
        f'<p class="do">{prose(shown.advice.sentence)}</p>{looked}'
        f'<p class="key">Means over {plural(curve.draws, "fold")} of repeated cross-validation on the labelled '
        "samples; the bands hold 90\u00a0% of the folds.</p>"
    )


def regime(curve: Curve, place: float) -> str:
    """Where a model stands: before the interpolation threshold or beyond it; empty where the axis is none of capacity.

    Arguments:
        curve: over a capacity.
        place: of the model on its axis.
    """
    if curve.over in ("λ", "samples", "label noise"):
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

    if advice.over in ("samples", "label noise"):
        return f"On the test part, looked at once, the default has {said(before)}."
    if advice.keep:
        return f"On the test part, looked at once, it has {said(before)}."
    return f"On the test part, looked at once: {said(before)} by default, {said(after)} with the advice."


def _figures(risks: Risks) -> str:
    cards = [card("Labels", count(risks.n_labelled), f"of {plural(risks.n, 'sample')}")]
    if risks.best is not None:
        best = risks.sweeps[risks.best].advice
        gain = best.errors or best.gain
        low, high = gain.interval
        if best.errors is None:
            cards.append(
                card("Expected gain", f"{gain.mean:.2g}", f"of the loss, 90\u00a0% interval {low:.2g} to {high:.2g}")
            )
        else:
            ends = f"{100 * low:+.1f} to {100 * high:+.1f}"
            cards.append(
                card("Expected gain", f"{100 * gain.mean:.1f} points", f"of accuracy, 90\u00a0% interval {ends}")
            )
    threshold = next((s.curve.threshold for s in risks.sweeps if s.curve.over == "features"), None)
    if threshold is not None:
        cards.append(card("Interpolation threshold", count(round(threshold)), "features"))
    return "".join(cards)


def _advice(risks: Risks) -> str:
    rows = "".join(
        f"<tr{' class=chosen' if i == risks.best else ''}><td>{text(one.curve.over)}</td>"
        f"<td>{one.advice.default:.4g}</td><td>{'stay' if one.advice.keep else f'{one.advice.setting:.4g}'}</td>"
        f"<td>{_gain(one.advice, 1)}</td><td>{_errors(one.advice)}</td></tr>"
        for i, one in enumerate(risks.sweeps)
        if one.curve.over != "label noise"
    )
    return (
        '<div class="scroll"><table><thead><tr><th>Varied</th><th>Default</th><th>Advice</th><th>Loss falls by</th>'
        f"<th>Points fewer wrong</th></tr></thead><tbody>{rows}</tbody></table></div>"
        '<p class="key">In brackets 90\u00a0% intervals, for a choice made by folds that do not judge it (Nadeau and '
        "Bengio, 2003). What has no chance of nine in ten to be better is left as it is.</p>"
    )


def _gain(advice: Advice, unit: float) -> str:
    low, high = advice.gain.interval
    return NONE if advice.keep else f"{unit * advice.gain.mean:.3g} ({unit * low:.2g} to {unit * high:.2g})"


def _errors(advice: Advice) -> str:
    if advice.keep or advice.errors is None:
        return NONE
    low, high = advice.errors.interval
    return f"{100 * advice.errors.mean:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _data(risks: Risks) -> str:
    pairs = {
        "Source": risks.source,
        "Kind": risks.kind,
        "Samples": count(risks.n),
        "Labelled": count(risks.n_labelled),
        "Held out for the test": count(risks.n_test) if risks.n_test else "none",
    }
    notes = "".join(f"<li>{prose(note)}</li>" for note in risks.notes)
    listed = f'<ul class="notes">{notes}</ul>' if notes else '<p class="muted">Nothing unusual was found.</p>'
    return f'<div class="columns"><div>{described(pairs)}</div><div><h3>Notes</h3>{listed}</div></div>'
