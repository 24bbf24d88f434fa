"""The frame of a page: text from Markdown, figures, ways to the other pages; one file that needs nothing else."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from attar.report.sections import resource
from attar.risk import Curve

_HERE = Path(__file__).parent
# Of one of two figures beside each other, and of one of three or on a telephone.
_HALF, _NARROW = (536, 340), (380, 320)
_STYLE = re.compile("<style>.*?</style>")
Draw = Callable[[int, int], str]


@dataclass(frozen=True)
class Page:
    """One page: `text/NAME.md` with what is to be put into it.

    Arguments:
        name: of its file and of its text.
        cover: the figure that stands for it in the index.
        words: for each `$word` of the text what stands there.
        figures: for each line `!figure` of it the HTML.
    """

    name: str
    cover: Curve
    words: Mapping[str, str]
    figures: Mapping[str, str]

    def parts(self) -> tuple[str, str, str, str]:
        """Title and summary as text, data and body as HTML."""
        title, summary, data, body = _read(self.name).split("\n\n", 3)
        said = Template(summary.replace("\n>", "")[2:]).substitute(self.words)
        return title[2:], said, prose(data, self.words), prose(body, self.words, self.figures)


def side_by_side(*pairs: tuple[Curve | Draw, str], columns: int = 2) -> str:
    """Figures with words below each, in two or three columns where there is room for them.

    A figure is a curve, or what draws something of a given width and height.
    """
    figures = []
    for drawn, caption in pairs:
        made = drawn.svg if isinstance(drawn, Curve) else drawn
        narrow = made(*_NARROW)
        if columns == 2:
            narrow = f'<div class="wide">{made(*_HALF)}</div><div class="narrow">{narrow}</div>'
        figures.append(f'<figure>{narrow}<figcaption class="key">{_inline(caption)}</figcaption></figure>')
    return f'<div class="panels of-{columns}">{"".join(figures)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is words and whose others are numbers."""
    first, *lines = (
        "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in [("th", head), *(("td", row) for row in rows)]
    )
    return f'<div class="scroll"><table><thead>{first}</thead><tbody>{"".join(lines)}</tbody></table></div>'


def prose(text: str, words: Mapping[str, str], figures: Mapping[str, str] | None = None) -> str:
    r"""Markdown as HTML, as far as the pages use it: a block of text each between blank lines.

    >>> prose("## Why $what\n\nFor *p* < n, `X`:\n\n    X⁺y\n\n!one", {"what": "not"}, {"one": "<svg/>"})
    '<h2>Why not</h2><p>For <em>p</em> &lt; n, <code>X</code>:</p><pre>X⁺y</pre><svg/>'
    """
    blocks = re.split(r"\n\s*\n", Template(text).substitute(words).strip("\n"))
    return "".join(figures[block[1:]] if figures and block[0] == "!" else _block(block) for block in blocks)


def render(page: Page, pages: Sequence[Page], seconds: float) -> str:
    """The whole file."""
    i = [one.name for one in pages].index(page.name)
    title, _, data, body = page.parts()
    ways = [("Before", one) for one in pages[i - 1 : i] if i] + [("Next", one) for one in pages[i + 1 : i + 2]]
    others = "".join(f'<a href="{one.name}.html">{way}: {html.escape(one.parts()[0])}</a>' for way, one in ways)
    links = f'<nav><a href="index.html">All figures</a>{others}</nav>'
    took = f"Computed in {seconds:.0f} CPU seconds."
    return _whole(f"{i + 1}. {title}", f"{links}", f'<div class="data">{data}<p>{took}</p></div>{body}{links}')


def index(pages: Sequence[Page]) -> str:
    """The page that leads to the others."""
    title, text = _read("index").split("\n\n", 1)
    cards = ""
    for i, page in enumerate(pages, 1):
        name, summary, *_ = page.parts()
        cards += (
            f'<li><a href="{page.name}.html">{page.cover.svg(360, 260)}<b>{i}. {html.escape(name)}</b></a>'
            f"<p>{_inline(summary)}</p></li>"
        )
    return _whole(title[2:], "", f'{prose(text, {})}<ol class="cards">{cards}</ol>')


def _read(name: str) -> str:
    return (_HERE / "text" / f"{name}.md").read_text(encoding="utf-8")


def _whole(title: str, links: str, body: str) -> str:
    # All pictures have the same style: the first one's serves the page.
    first = _STYLE.search(body)
    own = first[0].removeprefix("<style>").removesuffix("</style>") if first else ""
    # What precedes the first blank line are colours and the elements themselves; the rest is for reports.
    style = [resource("page.css").split("\n\n")[0], (_HERE / "page.css").read_text(encoding="utf-8"), own]
    frame = Template((_HERE / "page.html").read_text(encoding="utf-8"))
    return frame.substitute(title=html.escape(title), style="\n".join(style), links=links, body=_STYLE.sub("", body))


def _block(block: str) -> str:
    if block.startswith("    "):
        return f"<pre>{html.escape(re.sub('^    ', '', block, flags=re.MULTILINE))}</pre>"
    if block.startswith("## "):
        return f"<h2>{_inline(block[3:])}</h2>"
    if block.startswith("- "):
        items = "".join(f"<li>{_inline(item)}</li>" for item in block[2:].split("\n- "))
        return f'<ul class="notes">{items}</ul>'
    return f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    text = html.escape(" ".join(text.split(" ")).replace("\n", " "))
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?<!\S)\*(\S[^*]*)\*", r"<em>\1</em>", text)
    text = re.sub(r"(?<=\d) (?=%)", "\u00a0", text)
    text = re.sub(r"(?<!\()https://\S+", r'<br><a href="\g<0>">\g<0></a>', text)
    return re.sub(r"\[([^]]+)\]\(([^)]+)\)", r'<a href="\2">\1</a>', text)
