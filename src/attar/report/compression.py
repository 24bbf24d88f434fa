"""Compression: bytes, latency, accuracy and agreement before and after."""

from __future__ import annotations

from attar.report.facts import Facts, Step
from attar.report.words import milliseconds, percent, plural, prose, size, text, times


def compression(facts: Facts) -> str:
    """Draw each stage with bars for bytes and latency on a common scale, as an HTML fragment."""
    steps = facts.compression
    most = max(step.bytes for step in steps) or 1
    slowest = max(step.latency_ms for step in steps) or 1.0
    mean = ", in the mean over the classes" if facts.balanced else ""
    rows = "".join(_row(step, step.bytes / most, step.latency_ms / slowest, facts.measure) for step in steps)
    return (
        f"<p>{sentence(steps)} Checked after the export: the largest difference in probability between the shipped "
        f"model and its file is {facts.largest_difference:.2g}.</p>"
        '<div class="board compression" role="table" aria-label="Compression, before and after">'
        '<div class="row head" role="row"><span role="columnheader">Model</span><span role="columnheader">Size</span>'
        '<span role="columnheader">Latency per sample</span>'
        f'<span class="number" role="columnheader">{facts.measure.capitalize()}</span>'
        f'<span class="number" role="columnheader">Agreement</span></div>{rows}</div>'
        '<p class="key">Latency: one sample, onnxruntime, one thread. '
        f"{facts.measure.capitalize()}: {_judged(facts)}. "
        f"Agreement: share of the training samples that are given the same class as before compression{mean}.</p>"
    )


def sentence(steps: tuple[Step, ...]) -> str:
    """Say what compression gained, and where it gained nothing.

    >>> before = Step(name="teacher", bytes=500, latency_ms=2.0, agreement=None, accuracy=None)
    >>> sentence((before, before.model_copy(update={"bytes": 50})))
    '500 B → 50 B: 10× smaller. 2.0\xa0ms → 2.0\xa0ms per sample: not faster.'
    """
    first, last = steps[0], steps[-1]
    if len(steps) == 1:
        return f"{size(first.bytes)}, {milliseconds(first.latency_ms)} per sample: nothing needed to be compressed."
    smaller = first.bytes / max(last.bytes, 1)
    faster = first.latency_ms / last.latency_ms if last.latency_ms > 0 else 1.0
    gained = f"{times(smaller)} smaller" if smaller >= 1.05 else "not smaller"
    sped = f"{times(faster)} faster" if faster >= 1.05 else "not faster"
    return (
        f"{size(first.bytes)} → {size(last.bytes)}: {gained}. "
        f"{milliseconds(first.latency_ms)} → {milliseconds(last.latency_ms)} per sample: {sped}."
    )


def _judged(facts: Facts) -> str:
    if not facts.n_test:
        return "unknown, for there is no test part"
    share = f"share of the {plural(facts.n_test, 'test sample')} that is answered rightly"
    return f"{share}, in the mean over the classes" if facts.balanced else share


def _row(step: Step, of_bytes: float, of_latency: float, measure: str) -> str:
    note = f'<span class="note">{prose(step.note)}</span>' if step.note else ""
    return (
        f'<div class="row" role="row"><span class="name" role="cell"><bdi>{text(step.name)}</bdi>{note}</span>'
        f"{_bar(size(step.bytes), of_bytes)}{_bar(milliseconds(step.latency_ms), of_latency)}"
        f'<span class="number" role="cell" data-label="{measure}">{percent(step.accuracy)}</span>'
        f'<span class="number" role="cell" data-label="agreement">{percent(step.agreement)}</span></div>'
    )


def _bar(value: str, share: float) -> str:
    return (
        f'<span class="bar" role="cell"><span>{value}</span>'
        f'<i style="width:{max(100 * share, 0.5):.1f}%" aria-hidden="true"></i></span>'
    )
