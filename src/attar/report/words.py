"""Words and numbers of the report: escaped once, formatted the same everywhere."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from functools import lru_cache

from attar.compress import budget

NBSP = "\u00a0"
NONE = "–"

# Control characters and lone surrogates; bidirectional overrides would let one name reorder the text around it.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def clean(value: str) -> str:
    r"""Make any string a single printable line; an empty one says so.

    >>> clean("a\x00b\nc"), clean(" ")
    ('a�b c', '(empty)')
    """
    return _UNPRINTABLE.sub("\ufffd", " ".join(value.split())) or "(empty)"


def text(value: str) -> str:
    """Escape a string for HTML content and quoted attributes.

    >>> text('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(clean(value), quote=True)


def verbatim(value: str) -> str:
    r"""Escape what is to be copied: blanks and line breaks stay as they are, since names of files may have some.

    >>> verbatim("attar fit 'a  b'\x00")
    'attar fit &#x27;a  b&#x27;�'
    """
    return html.escape(_UNPRINTABLE.sub(lambda found: found[0] if found[0] in "\n\t" else "\ufffd", value), quote=True)


def prose(value: str) -> str:
    """Escape a sentence, write its numbers as `count` does, and keep them on one line with their units, and options.

    >>> prose("95.7 % of 1,797 in 46.8 KB")
    '95.7\xa0% of 1\u202f797 in 46.8\xa0KB'
    >>> prose("--ignore zip leaves it out")
    '<span class="option">--ignore</span> zip leaves it out'
    """
    # Not what may be a decimal comma, as in the class “0,125”.
    thousands = r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?!,?\d)"
    spaced = re.sub(thousands, lambda found: found[0].replace(",", "\u202f"), text(value))
    return unbroken(re.sub(r"(?<=\d) (?=(?:%|B|KB|MB|ms|s|min)(?!\w))", NBSP, spaced))


def unbroken(escaped: str) -> str:
    """HTML whose options are each on one line: browsers break lines behind the hyphens of `--time` too.

    >>> unbroken("attar fit a-b --time 5s (or without --time)")
    'attar fit a-b <span class="option">--time</span> 5s (or without <span class="option">--time</span>)'
    """
    return re.sub(r"(?<![^\s(])--?[a-z][a-z-]*(?![\w-])", r'<span class="option">\g<0></span>', escaped)


def width(value: str) -> float:
    """Estimate the width of a string in units of the font size.

    >>> width("ab") < width("MW") < width("漢字")
    True
    """
    return sum(_em(c) for c in value)


def _em(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.05
    if char in "iljtfrI.,:;'|![]()":
        return 0.34
    return 0.74 if char.isupper() or char in "mw@%" else 0.57


@lru_cache(maxsize=4096)
def shorten(value: str, room: float) -> str:
    """Cut a string with an ellipsis in its middle, where ends tell more; `room` is in units of the font size.

    >>> shorten("walking upstairs with a load", 9.0)
    'walking… a load'
    """
    line = clean(value)
    if width(line) <= room:
        return line
    head = tail = 0
    used = 1.0  # the ellipsis itself
    while used <= room:
        if head <= tail:
            head += 1
            used += _em(line[head - 1])
        else:
            tail += 1
            used += _em(line[-tail])
    # The last one taken did not fit any more.
    head, tail = (head - 1, tail) if head > tail else (head, tail - 1)
    return line[:head] + "…" + line[len(line) - tail :]


def count(value: int) -> str:
    """Write a whole number with spaces between thousands.

    >>> count(7352)
    '7\u202f352'
    """
    return f"{value:,}".replace(",", "\u202f")


def percent(share: float | None) -> str:
    """Write a share as percent with one decimal.

    >>> percent(0.9214), percent(None)
    ('92.1\xa0%', '–')
    """
    return NONE if share is None or not math.isfinite(share) else f"{100 * share:.1f}{NBSP}%"


def interval(pair: tuple[float, float]) -> str:
    """Write an interval of shares, without the percent sign of the value that it follows.

    >>> interval((0.881, 0.9496))
    '88.1–95.0'
    """
    return f"{100 * pair[0]:.1f}–{100 * pair[1]:.1f}"


def points(difference: float) -> str:
    """Write a difference of shares in percentage points, with its sign.

    >>> points(0.042), points(-0.0001)
    ('+4.2\xa0points', '0.0\xa0points')
    """
    rounded = round(100 * difference, 1)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):.1f}{NBSP}points"


def size(n_bytes: int) -> str:
    """Write bytes as KB of 1024 bytes, or as MB of 1024 KB.

    >>> size(98_304), size(1_500_000), size(812)
    ('96.0\xa0KB', '1.4\xa0MB', '812\xa0B')
    """
    return prose(budget.readable(n_bytes))


def milliseconds(value: float | None) -> str:
    """Write milliseconds with two significant digits.

    >>> milliseconds(0.2138), milliseconds(137.0), milliseconds(None)
    ('0.21\xa0ms', '140\xa0ms', '–')
    """
    return NONE if value is None or not math.isfinite(value) else prose(budget.milliseconds(value))


def duration(seconds: float) -> str:
    """Write seconds as a person says them.

    >>> duration(0.04), duration(0.42), duration(60.0), duration(74.4), duration(7384)
    ('40\xa0ms', '0.4\xa0s', '1\xa0min', '1\xa0min 14\xa0s', '2\xa0h 3\xa0min')
    """
    if 0 < seconds < 0.095:
        return f"{1000 * seconds:.0f}{NBSP}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}{NBSP}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NBSP}s"
    large, small, units = (whole // 60, whole % 60, ("min", "s"))
    if whole >= 3600:
        large, small, units = (whole // 3600, whole % 3600 // 60, ("h", "min"))
    return f"{large}{NBSP}{units[0]}" + (f" {small}{NBSP}{units[1]}" if small else "")


def times(ratio: float) -> str:
    """Write a ratio as a multiple.

    >>> times(14.93), times(1.26)
    ('15×', '1.3×')
    """
    return f"{ratio:.0f}×" if ratio >= 9.95 else f"{ratio:.1f}×"


def plural(value: int, noun: str) -> str:
    """Write a count with its noun.

    >>> plural(1, "label"), plural(50, "label"), plural(2, "class")
    ('1\xa0label', '50\xa0labels', '2\xa0classes')
    """
    ending = "" if value == 1 else "es" if noun.endswith("s") else "s"
    return f"{count(value)}{NBSP}{noun}{ending}"
