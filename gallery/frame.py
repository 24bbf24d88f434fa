"""The frame of a page: head, way to the others, text and figures, all in one file that needs nothing else."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from attar.report.page import resource
from attar.risk import Curve

# Of a wide figure, of one of two beside each other, and of each on a telephone.
_WIDE, _HALF, _NARROW = (736, 400), (536, 340), (380, 320)
_STYLE = re.compile(r"<style>.*?</style>")
Draw = Callable[[int, int], str]


@dataclass(frozen=True)
class Page:
    """One page.

    Arguments:
        name: of its file, without ending.
        title: a sentence at its top.
        summary: what the index says of it.
        data: what was measured, on how many samples, with which seeds.
        cover: the figure that stands for it in the index.
        body: HTML.
    """

    name: str
    title: str
    summary: str
    data: str
    cover: Curve
    body: Sequence[str]


def figure(drawn: Curve | Draw, caption: str, columns: int = 1) -> str:
    """A curve, or what draws something of a given width and height, with words below it."""
    draw = drawn.svg if isinstance(drawn, Curve) else drawn
    narrow = draw(*_NARROW)
    if columns < 3:
        narrow = f'<div class="wide">{draw(*(_WIDE, _HALF)[columns - 1])}</div><div class="narrow">{narrow}</div>'
    return f'<figure>{narrow}<figcaption class="key">{_inline(caption)}</figcaption></figure>'


def side_by_side(*pairs: tuple[Curve | Draw, str], columns: int = 2) -> str:
    """Figures in two or three columns, where there is room for them."""
    figures = "".join(figure(drawn, caption, columns) for drawn, caption in pairs)
    return f'<div class="panels of-{columns}">{figures}</div>'


def prose(text: str) -> str:
    """Text as HTML: paragraphs, `## ` headings, `- ` lists, indented formulae, `code`, *stress* and [links](to).

    >>> prose("## Why\\n\\nFor *p* < n, `X`:\\n\\n    X⁺y")
    '<h2>Why</h2><p>For <em>p</em> &lt; n, <code>X</code>:</p><pre>X⁺y</pre>'
    """
    return "".join(map(_block, re.split(r"\n\s*\n", text.strip("\n"))))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is words and whose others are numbers."""
    lines = [
        "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in [("th", head), *(("td", row) for row in rows)]
    ]
    return f'<div class="scroll"><table><thead>{lines[0]}</thead><tbody>{"".join(lines[1:])}</tbody></table></div>'


def references(*entries: tuple[str, str]) -> str:
    """Authors, title and year, each with its link."""
    items = "".join(f'<li>{_inline(what)}<br><a href="{html.escape(link)}">{html.escape(link)}</a></li>' for what, link in entries)
    return f'<h2>References</h2><ul class="notes">{items}</ul>'


def render(page: Page, pages: Sequence[Page], seconds: float) -> str:
    """The whole file."""
    i = [one.name for one in pages].index(page.name)
    before, after = pages[i - 1] if i else None, pages[i + 1] if i + 1 < len(pages) else None
    ways = [('index', 'All figures')] + [(p.name, word) for p, word in ((before, "Before"), (after, "Next")) if p]
    links = "".join(
        f'<a href="{name}.html">{word}{"" if name == "index" else f": {html.escape(dict(_titles(pages))[name])}"}</a>'
        for name, word in ways
    )
    took = f"{seconds / 60:.0f} minutes" if seconds >= 100 else f"{seconds:.0f} seconds"
    head = f'<p class="key">{_inline(page.data)} Computed in {took} on two cores.</p>'
    return _whole(f"{i + 1}. {page.title}", f"{head}{''.join(page.body)}<nav>{links}</nav>", links)


def index(pages: Sequence[Page]) -> str:
    """The page that leads to the others."""
    cards = "".join(
        f'<li><a href="{page.name}.html">{page.cover.svg(360, 260)}<b>{i}. {html.escape(page.title)}</b></a>'
        f"<p>{_inline(page.summary)}</p></li>"
        for i, page in enumerate(pages, 1)
    )
    text = prose(_INDEX)
    return _whole("Risk curves: why a model can be too small, too large, and larger still", f'{text}<ol class="cards">{cards}</ol>')


def _titles(pages: Sequence[Page]) -> list[tuple[str, str]]:
    return [(page.name, page.title) for page in pages]


def _whole(title: str, body: str, links: str = "") -> str:
    # All pictures have the same style: the first one's serves the page.
    first = _STYLE.search(body)
    body = _STYLE.sub("", body)
    # What precedes the first blank line are variables and the elements themselves; the rest is for reports.
    style = "\n".join([resource("page.css").split("\n\n")[0], _css(), first[0][7:-8] if first else ""])
    return Template(_HTML).substitute(title=html.escape(title), style=style, body=body, links=links)


def _css() -> str:
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def _block(block: str) -> str:
    if block.startswith("    "):
        return f"<pre>{html.escape(re.sub('^    ', '', block, flags=re.MULTILINE))}</pre>"
    if block.startswith("## "):
        return f"<h2>{_inline(block[3:])}</h2>"
    if block.startswith("- "):
        return f'<ul class="notes">{"".join(f"<li>{_inline(item)}</li>" for item in block[2:].split(chr(10) + "- "))}</ul>'
    return f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    text = html.escape(" ".join(text.split()), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?<!\S)\*(\S[^*]*)\*", r"<em>\1</em>", text)
    return re.sub(r"\[([^]]+)\]\(([^)]+)\)", r'<a href="\2">\1</a>', text)


_INDEX = """
Classical statistics says that a model should be neither too small nor too large. Practice uses networks with far more
parameters than samples, which fit every training sample, wrong labels included, and still predict well. Both are right,
about different parts of one curve, *double descent*. These pages measure it: on linear models, where every step can be
proved, on random features, trees and networks; and then ask what to do.

Read them in order: each uses what came before. Every figure is computed by `attar.risk` from synthetic data or from the
digits that come with scikit-learn; `make figures` repeats all of them, and the measured values stand beside the pages
as JSON. What the functions offer, and how to use them on data of your own, is in [risk.md](../risk.md).

In all of them R is a risk, the mean loss; n the number of training samples; p the number of features or parameters; β
the weights of a linear model. The solid blue line is the risk on test samples, the dashed orange one on training
samples. A ring marks the lowest test risk, a band 90 % of the repetitions.
"""
_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
<header><p class="brand"><b>attar</b> <a href="index.html">Risk curves</a></p><nav>$links</nav><h1>$title</h1></header>
<main>
$body
</main>
</body>
</html>
"""
