"""What a page is drawn from: curves and numbers, saved beside it, so that it can be drawn again without computing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

from attar.risk import Curve

Digits = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
# Significant digits in the saved files: far more than a picture shows.
_DIGITS = 6


@dataclass(frozen=True)
class Measured:
    """Curves by name, numbers by name, and how many seconds of the CPU they took."""

    curves: dict[str, Curve]
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write as JSON, rounded."""
        curves = {name: json.loads(curve.to_json()) for name, curve in self.curves.items()}
        held = _rounded({"seconds": round(self.seconds), "facts": self.facts, "curves": curves})
        path.write_text(json.dumps(held, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Measured:
        """Read what `save` wrote."""
        held = json.loads(path.read_text(encoding="utf-8"))
        curves = {name: Curve.from_json(json.dumps(curve)) for name, curve in held["curves"].items()}
        return cls(curves, held["facts"], held["seconds"])


def digits(n: int) -> Digits:
    """scikit-learn's 1 797 digits of 8 × 8 pixels, in a random order drawn once: n to train on, the others to test."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order] / 16, y[order]
    return x[:n], y[:n], x[n:], y[n:]


def part(curve: Curve, places: slice) -> Curve:
    """Some places of a curve, without its threshold and its other loss."""
    cut: dict[str, Any] = {
        one.name: getattr(curve, one.name)[places]
        for one in fields(curve)
        if isinstance(getattr(curve, one.name), np.ndarray)
    }
    return replace(curve, threshold=None, zero_one=None, **cut)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
