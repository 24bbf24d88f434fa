"""The leaderboard as a terminal or a notebook shows it."""

from __future__ import annotations

from attar.report.facts import Row
from attar.report.words import interval, milliseconds, percent, size


class Ranking(tuple[Row, ...]):
    """Candidates, the best first, that are printed as a table.

    Example:
        >>> shared = {"bytes": 2048, "latency_ms": 0.1, "chosen": False, "seconds": 1.0}
        >>> raw = Row(name="raw + linear", accuracy=0.9, interval=(0.8, 0.95), baseline=True, **shared)
        >>> Ranking([raw]).__repr__().replace(chr(160), " ").splitlines()[1]
        'raw + linear  90.0 %    80.0–95.0      2.0 KB  0.10 ms  baseline'
    """

    def __repr__(self) -> str:
        head = ("candidate", "accuracy", "90 % interval", "size", "latency", "")
        lines = [head, *map(_cells, self)]
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    marks = ", ".join(["chosen"] * row.chosen + ["baseline"] * row.baseline)
    return row.name, percent(row.accuracy), interval(row.interval), size(row.bytes), milliseconds(row.latency_ms), marks
