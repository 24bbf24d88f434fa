"""The frame of a page that consists of sections: what all such pages have, around what each shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template
from typing import Protocol

from attar.report.page import described, digest, resource, setting
from attar.report.words import duration, prose, text


class Shown(Protocol):
    """What every such page says."""

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
    shown: Shown,
    sections: Sequence[tuple[str, str, str]],
    *,
    kind: str,
    what: str,
    figures: str,
    scripts: Sequence[str],
    styles: Sequence[str],
) -> str:
    """A page that needs nothing else; a content security policy allows its own scripts alone.

    Arguments:
        shown: what it is about.
        sections: name, title and HTML of each.
        kind: class of the page, for its styles.
        what: HTML beside the title.
        figures: HTML of the figures at the top.
        scripts: files of this package, one or two.
        styles: likewise, any number.
    """
    code = [resource(f"{name}.js") for name in scripts]
    return Template(resource("explore.html")).substitute(
        digests=" ".join(f"'sha256-{digest(script)}'" for script in code),
        style="".join(resource(f"{name}.css") for name in styles),
        page=code[0],
        explore="".join(code[1:]),
        kind=text(kind),
        title=text(shown.run),
        what=what,
        verdict=prose(shown.verdict),
        figures=figures,
        sections="".join(
            f'<section aria-labelledby="{name}"><h2 id="{name}">{text(title)}</h2>{inside}</section>'
            for name, title, inside in sections
        ),
        links=" ".join(f'<a href="#{name}">{text(title)}</a>' for name, title, _ in sections),
        command=text(shown.command),
        seconds=duration(shown.seconds),
        settings=described({name: setting(value) for name, value in shown.settings.items()}),
        versions=described(dict(shown.versions)),
    )
