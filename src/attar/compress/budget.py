"""What a device allows: bytes on disk, milliseconds per sample, and what may be lost for them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from numbers import Real
from typing import ParamSpec, TypeVar

from attar._settings import is_count
from attar.errors import BudgetError

_SIZES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
# The sign for micro, and the Greek letter that looks like it.
_TIMES = {"ms": 1, "s": 1000, "us": 1e-3, "\u00b5s": 1e-3, "\u03bcs": 1e-3}
_UNITS = _SIZES | _TIMES | {"%": 0.01}
_NAMES = dict.fromkeys(_SIZES, "bytes") | dict.fromkeys(_TIMES, "latency_ms") | {"%": "accuracy_drop"}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z\u00b5\u03bc]+|%)\s*", re.IGNORECASE)

_SECOND = "the budget is the second argument and the samples are the third, as in compress(model, '50KB,1%', X)"
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Budget:
    """The most that a model may cost; None: as much as it likes.

    Arguments:
        bytes: of the model file.
        latency_ms: per sample, in onnxruntime on one thread of this machine.
        accuracy_drop: share of samples that may get another answer than before, or where classes are known, that
            accuracy may fall by; 0.01 is a point.

    Example:
        >>> Budget.parse("50KB,0.5ms,1%")
        Budget(bytes=51200, latency_ms=0.5, accuracy_drop=0.01)
    """

    bytes: int | None = None
    latency_ms: float | None = None
    accuracy_drop: float | None = None

    def __post_init__(self) -> None:
        for name, given in vars(self).items():
            if given is not None and not isinstance(given, Real):
                raise BudgetError(f"{name}={given!r}: give a number, or Budget.parse('50KB') for text")
        for value in (self.bytes, self.latency_ms):
            if value is not None and not value > 0:
                raise BudgetError(f"a budget must be above zero, not {value:g}")
        if self.bytes is not None and not is_count(self.bytes):
            raise BudgetError(f"bytes={self.bytes!r}: give a whole number, an int")
        if self.accuracy_drop is not None and not 0 <= self.accuracy_drop < 1:
            raise BudgetError(f"accuracy_drop={self.accuracy_drop:g}: it is a share, at least 0 and below 1")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read "50KB", "0.5ms", "1%" or several, as in "50KB,0.5ms"; 1 KB is 1024 bytes, and % what may be lost.

        Raises:
            BudgetError: the text is something else.
        """
        if not isinstance(text, str):
            raise BudgetError(f"budget {text!r} is no text; write it as '50KB', '0.5ms', '1%' or '50KB,0.5ms'")
        found: dict[str, float] = {}
        for part in text.split(","):
            match = _PART.fullmatch(part)
            unit = match[2].lower() if match else ""
            name = _NAMES.get(unit, "")
            if match is None or not name or name in found:
                raise BudgetError(f"budget {text!r} is not understood; write it as 50KB, 0.5ms, 1% or 50KB,0.5ms")
            found[name] = float(match[1]) * _UNITS[unit]
        if not all(math.isfinite(value) for value in found.values()):
            raise BudgetError(f"budget {text[:20]!r}… is beyond all devices; leave it away for no budget")
        size = found.get("bytes")
        return cls(None if size is None else int(size), found.get("latency_ms"), found.get("accuracy_drop"))

    def allows(self, size: int, latency_ms: float) -> bool:
        """Whether a model of so many bytes and milliseconds fits."""
        return (self.bytes is None or size <= self.bytes) and (self.latency_ms is None or latency_ms <= self.latency_ms)

    def __str__(self) -> str:
        parts = (
            None if self.bytes is None else readable(self.bytes),
            None if self.latency_ms is None else f"{self.latency_ms:g} ms",
            None if self.accuracy_drop is None else f"{100 * self.accuracy_drop:g} % lost",
        )
        return ", ".join(part for part in parts if part) or "none"


def as_budget(given: object) -> Budget:
    """A budget that may be given as text; a `BudgetError` where it is something else."""
    if isinstance(given, Budget | str):
        return Budget.parse(given) if isinstance(given, str) else given
    told = " ".join(repr(given).split())[:60]
    raise BudgetError(f"budget={told}: give Budget(bytes=…), or text such as '50KB,1%'; {_SECOND}")


def budget_second(search: Callable[_P, _R]) -> Callable[_P, _R]:
    """Say in a `BudgetError` where a function's budget stands, where it is given by name and the samples in its place.

    Samples may be given as `x=` too, as the other functions of this room call what this one calls X.
    """

    @wraps(search)
    def called(*args: _P.args, **named: _P.kwargs) -> _R:
        if len(args) > 1 and "budget" in named:
            raise BudgetError(_SECOND)
        if "x" in named and "X" not in named:
            named["X"] = named.pop("x")
        return search(*args, **named)

    return called


def readable(size: int) -> str:
    """Bytes for a person.

    >>> readable(900), readable(51200), readable(3_000_000)
    ('900 B', '50.0 KB', '2.9 MB')
    """
    if size < 1024:
        return f"{size:,} B"
    # What would be rounded to 1024 of a unit is one of the next.
    return f"{size / 1024:.1f} KB" if size < 1023.95 * 1024 else f"{size / 1024**2:.1f} MB"


def milliseconds(latency: float, digits: int = 2) -> str:
    """A latency for a person, in so many significant digits.

    >>> milliseconds(0.2724), milliseconds(203.4), milliseconds(203.4, 3)
    ('0.27 ms', '200 ms', '203 ms')
    """
    if latency <= 0:
        return "0 ms"
    decimals = digits - 1 - math.floor(math.log10(float(f"{latency:.{digits - 1}e}")))
    return f"{round(latency, decimals):.{max(decimals, 0)}f} ms"
