"""The report as one self-contained page: no network, no library, one file to send."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template

from attar.report.compression import compression
from attar.report.confusion import confusion
from attar.report.curve import curve
from attar.report.facts import Facts
from attar.report.latent import latent
from attar.report.leaderboard import leaderboard
from attar.report.style import Axis
from attar.report.words import clean, count, duration, interval, milliseconds, percent, plural, prose, size, text, width


def render(facts: Facts) -> str:
    """Render the facts of a run as one HTML page that needs nothing else.

    Every string of the facts is escaped, and a content security policy allows this page's own script alone.

    Arguments:
        facts: of the run.

    Returns:
        the page, to be written as UTF-8.
    """
    script = resource("page.js")
    chosen = next((row.name for row in facts.leaderboard if row.chosen), None)
    return Template(resource("page.html")).substitute(
        digest=digest(script),
        style=resource("page.css") + resource("risks.css"),
        script=script,
        title=text(facts.run),
        what=" · ".join((text(facts.source), text(facts.kind), plural(facts.n, "sample"))),
        verdict=prose(facts.verdict),
        figures=_figures(facts),
        chosen=f": <bdi>{text(chosen)}</bdi>" if chosen else "",
        why=prose(facts.why),
        leaderboard=leaderboard(facts),
        confusion=confusion(facts),
        curve=curve(facts),
        risk=_risk(facts),
        latent=latent(facts),
        compression=compression(facts),
        data=_data(facts),
        settings=described({name: setting(value) for name, value in facts.settings.items()}),
        versions=described(facts.versions),
        command=text(facts.command),
        seconds=duration(facts.seconds),
        model=text(facts.model_path),
    )


@cache
def resource(name: str) -> str:
    """A file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _risk(facts: Facts) -> str:
    if not facts.risk:
        return '<p class="muted">Not measured in this run.</p>'
    # Curves are arrays, and a page without any needs none.
    from attar.report.swept import standing

    return standing(facts.risk)


def _figures(facts: Facts) -> str:
    budget = f"budget {text(facts.budget)}" if facts.budget else "no budget was set"
    cards = [
        card(
            "Accuracy, estimated",
            percent(facts.accuracy),
            f"90\u00a0% interval {interval(facts.interval)}, from labelled samples alone",
            _gauge(facts.accuracy, facts.interval),
        )
    ]
    if facts.test_accuracy is not None:
        within = f"90\u00a0% interval {interval(facts.test_interval)}, " if facts.test_interval else ""
        cards.append(
            card(
                "Accuracy, test split",
                percent(facts.test_accuracy),
                f"{within}{plural(facts.n_test, 'sample')}, looked at once",
                _gauge(facts.test_accuracy, facts.test_interval),
            )
        )
    share = facts.n_labelled / facts.n if facts.n else None
    cards += [
        card("Size", size(facts.model_bytes), budget),
        card("Latency", milliseconds(facts.model_latency_ms), "per sample, one thread"),
        card(
            "Labels used",
            count(facts.n_labelled),
            f"of {plural(facts.n, 'sample')} ({percent(share)}), {plural(len(facts.classes), 'class')}",
        ),
    ]
    return "".join(cards)


def card(name: str, value: str, detail: str, gauge: str = "") -> str:
    """One of the figures at the top, as HTML that is escaped already."""
    return f"<div><dt>{name}</dt><dd><b>{value}</b>{gauge}<small>{detail}</small></dd></div>"


def _gauge(value: float, within: tuple[float, float] | None) -> str:
    axis = Axis(0.0, 1.0, ())
    low, high = within or (value, value)
    return (
        '<svg class="gauge" aria-hidden="true" width="100%" height="14">'
        '<line class="grid" x1="0" x2="100%" y1="7" y2="7"/>'
        f'<line class="whisker" x1="{axis.at(low)}%" x2="{axis.at(high)}%" y1="7" y2="7"/>'
        f'<line class="tick" x1="{axis.at(value)}%" x2="{axis.at(value)}%" y1="1" y2="13"/></svg>'
    )


def _data(facts: Facts) -> str:
    shape = " × ".join(map(count, facts.shape))
    pairs = {
        "Source": facts.source,
        "Kind": facts.kind,
        "Samples": count(facts.n),
        "Shape of one sample": shape or "scalar",
        "Labelled": count(facts.n_labelled),
        "Held out for the test": count(facts.n_test) if facts.n_test else "none: accuracy is estimated, not tested",
    }
    return (
        f'<div class="columns"><div>{described(pairs)}</div><div><h3>Notes</h3>{noted(facts.notes)}</div></div>'
        f"<h3>Labels per class</h3>{_per_class(facts)}"
    )


def _per_class(facts: Facts) -> str:
    most = max(facts.labels_per_class, default=0) or 1
    lines = "".join(
        f'<li><bdi title="{text(name)}">{text(name)}</bdi><span class="bar"><i style="width:{100 * n / most:.1f}%" '
        f'aria-hidden="true"></i></span><span class="number">{count(n)}</span></li>'
        for name, n in zip(facts.classes, facts.labels_per_class)
    )
    longest = min(max(map(width, facts.classes), default=0.0) * 1.15, 10.0)
    return f'<ul class="classes" style="--name:{longest:.1f}em">{lines}</ul>'


def noted(notes: Sequence[str], nothing: str = "Nothing unusual was found.") -> str:
    """Sentences as a list, or one that says that there are none."""
    items = "".join(f"<li>{prose(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if notes else f'<p class="muted">{nothing}</p>'


def digest(script: str) -> str:
    """The SHA-256 of a script in base64, by which a content security policy knows it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def setting(value: str | int | float | bool | None) -> str:
    """A setting as a person reads it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else clean(str(value))


def described(pairs: dict[str, str]) -> str:
    """Names and what they stand for, as a list."""
    lines = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs.items())
    return f'<dl class="pairs">{lines}</dl>' if lines else '<p class="muted">None recorded.</p>'
