"""The page of risk curves: what was varied, what that does to the risk, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from attar.report.sections import about_data, card, row, sectioned, table
from attar.report.swept import Shown, section, title
from attar.report.words import NBSP, NONE, count, percent, plural, text
from attar.risk._words import number, place
from attar.risk.advice import Advice
from attar.risk.curve import OF_LABELS


@dataclass(frozen=True)
class Risks:
    """What the page of risk curves shows."""

    run: str  # name of the folder
    source: str
    kind: str
    n: int
    n_labelled: int
    n_test: int
    sweeps: tuple[Shown, ...]  # in order
    best: int | None  # place of the advice that gains most in them; None where all say to change nothing
    notes: tuple[str, ...] = ()  # sentences on the data
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """The advice that counts most, in a sentence."""
        if self.best is not None:
            return self.sweeps[self.best].advice.sentence
        if all(one.curve.over in OF_LABELS for one in self.sweeps):
            return self.sweeps[0].advice.sentence
        kept = "No setting that was varied is better than the default with a chance of 85 % or more: leave it as it is."
        more = [one.advice for one in self.sweeps if one.curve.over == "samples" and not one.advice.keep]
        return " ".join((kept, *(advice.sentence for advice in more)))


def render_risks(risks: Risks) -> str:
    """Render risk curves as one HTML page that needs nothing else."""
    sections = [(f"over-{i}", title(one), section(one)) for i, one in enumerate(risks.sweeps)]
    # Wrong labels are no setting, and so have no row.
    listed = any(one.curve.over != "label noise" for one in risks.sweeps)
    advice = [("advice", "Advice", _advice(risks))] if listed else []
    return sectioned(
        risks,
        [*advice, *sections, ("data", "Data", _data(risks))],
        kind="explore risks",
        what=" · ".join((text(risks.source), text(risks.kind), plural(risks.n_labelled, "label"))),
        figures=_figures(risks),
        scripts=("copy",),
        styles=("page", "explore", "risks"),
    )


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
            mean, low, high = map(_points, (gain.mean, low, high))
            ends = f"{low:+}\u00a0to\u00a0{high:+}"
            cards.append(card("Expected gain", f"{mean} points", f"of accuracy, 90\u00a0% interval {ends}"))
    lowest = _lowest(risks)
    if lowest is not None:
        cards.append(lowest)
    threshold = next((s.curve.threshold for s in risks.sweeps if s.curve.over == "features"), None)
    if threshold is not None:
        cards.append(card("Interpolation threshold", count(round(threshold)), "features"))
    return "".join(cards)


def _lowest(risks: Risks) -> str | None:
    """The card of the smallest share of wrong answers, of all models as they are advised to be."""
    found = []
    for one in risks.sweeps:
        if one.curve.zero_one is not None and one.curve.over not in OF_LABELS:
            i = int(np.argmin(np.abs(one.curve.axis - one.advice.setting)))
            found.append((float(one.curve.zero_one.test_risk[i]), place(one.advice.setting, one.curve.over)))
    if len(found) < 2:
        return None
    error, where = min(found)
    return card("Lowest error", percent(error), f"of all models as advised, with {text(where).replace(' ', NBSP)}")


def _advice(risks: Risks) -> str:
    rows = (
        row(
            (
                text(one.curve.over),
                number(one.advice.default),
                "stay" if one.advice.keep else number(one.advice.setting),
                _gain(one.advice),
                _errors(one.advice),
            ),
            chosen=i == risks.best,
        )
        for i, one in enumerate(risks.sweeps)
        if one.curve.over != "label noise"
    )
    return (
        table(("Varied", "Default", "Advice", "Loss falls by", "Points fewer wrong"), rows)
        + '<p class="key">In brackets 90\u00a0% intervals, for a choice made by folds that do not judge it (Nadeau and '
        "Bengio, 2003). What is better with a chance below 85\u00a0% is left as it is, and so is what would answer "
        "no fewer wrongly.</p>"
    )


def _gain(advice: Advice) -> str:
    low, high = advice.gain.interval
    return NONE if advice.keep else f"{number(advice.gain.mean, 2)} ({number(low, 2)} to {number(high, 2)})"


def _errors(advice: Advice) -> str:
    if advice.keep or advice.errors is None:
        return NONE
    mean, low, high = map(_points, (advice.errors.mean, *advice.errors.interval))
    return f"{mean} ({low} to {high})"


def _points(share: float) -> float:
    """In points, to one decimal, and none of them −0."""
    return round(100 * share, 1) + 0.0


def _data(risks: Risks) -> str:
    pairs = {
        "Source": risks.source,
        "Kind": risks.kind,
        "Samples": count(risks.n),
        "Labelled": count(risks.n_labelled),
        "Held out for the test": count(risks.n_test) if risks.n_test else "none",
    }
    return about_data(pairs, risks.notes)
