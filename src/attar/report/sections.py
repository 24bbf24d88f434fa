"""The frame of a page that consists of sections: what all such pages have, around what each shows."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Protocol

from attar.report.words import clean, duration, prose, text, unbroken, verbatim

# Of a run with a time that it had to keep.
_AS_FAST = ", where the machine is as fast: how much is trained follows from the time allowed"


class RunFacts(Protocol):
    """What every such page says of its run."""

    @property
    def run(self) -> str:
        """Name of the folder."""

    @property
    def verdict(self) -> str:
        """One sentence."""

    @property
    def command(self) -> str:
        """The command that repeats it."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        """What was asked for."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Of the packages."""


def sectioned(
    facts: RunFacts,
    sections: Sequence[tuple[str, str, str]],
    *,
    what: str,
    figures: str,
    scripts: Sequence[str],
    styles: Sequence[str],
    kind: str = "",
    links: Mapping[str, str] | None = None,
    lead: str = "",
    made: str = "page",
    wrote: str = "",
) -> str:
    """A page that needs nothing else; a content security policy allows its own script alone.

    Arguments:
        facts: of the run.
        sections: name, title and HTML of each.
        what: HTML beside the title.
        figures: HTML of the figures at the top.
        scripts: files of this package, without their ending.
        styles: likewise.
        kind: classes of the page, for its styles.
        links: of sections that the navigation calls otherwise than their titles, what it calls them.
        lead: HTML below the figures.
        made: what the command gives again.
        wrote: HTML on what the run left.
    """
    script = "".join(resource(f"{name}.js") for name in scripts)
    called = {name: title for name, title, _ in sections} | dict(links or {})
    return Template(resource("frame.html")).substitute(
        # By which a content security policy knows it.
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style="".join(resource(f"{name}.css") for name in styles),
        script=script,
        kind=text(kind) if kind else "",
        title=text(facts.run),
        what=what,
        verdict=prose(facts.verdict),
        figures=figures,
        lead=lead,
        sections="".join(
            f'<section aria-labelledby="{name}"><h2 id="{name}">{text(title)}</h2>{inside}</section>'
            for name, title, inside in sections
        ),
        links=" ".join(f'<a href="#{name}">{text(title)}</a>' for name, title in called.items()),
        repeats=f"the same {made} again{_AS_FAST if facts.settings.get('seconds') else ''}",
        wrote=wrote,
        command=unbroken(verbatim(facts.command)),
        seconds=duration(facts.seconds),
        settings=described({name: _setting(value) for name, value in facts.settings.items()}),
        versions=described(dict(facts.versions)),
    )


def card(name: str, value: str, detail: str, gauge: str = "") -> str:
    """One of the figures at the top, as HTML that is escaped already."""
    return f"<div><dt>{name}</dt><dd><b>{value}</b>{gauge}<small>{detail}</small></dd></div>"


def noted(notes: Sequence[str], nothing: str = "") -> str:
    """Sentences as a list, or what is to be said where there are none."""
    if not notes:
        return f'<p class="muted">{nothing}</p>' if nothing else ""
    return f'<ul class="notes">{"".join(f"<li>{prose(note)}</li>" for note in notes)}</ul>'


def table(columns: Sequence[str], rows: Iterable[str]) -> str:
    """A table that scrolls where the page is narrow, of HTML that is escaped already."""
    head = "".join(f"<th>{column}</th>" for column in columns)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def row(cells: Iterable[str], *, chosen: bool = False) -> str:
    """A row of `table`."""
    return f"<tr{' class=chosen' if chosen else ''}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def about_data(pairs: dict[str, str], notes: Sequence[str], on: str = "") -> str:
    """What the samples are, and what was noted on them, or on something that was done with them."""
    listed = noted(notes, f"Nothing unusual was found{on}.")
    return f'<div class="columns"><div>{described(pairs)}</div><div><h3>Notes{on}</h3>{listed}</div></div>'


def _setting(value: str | int | float | bool | None) -> str:
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


@cache
def resource(name: str) -> str:
    """A file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
