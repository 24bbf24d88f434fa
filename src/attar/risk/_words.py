"""Numbers as a person writes them."""

from __future__ import annotations

import math

# What is counted, and one of it.
_COUNTED = {
    "features": "feature",
    "steps": "step",
    "epochs": "epoch",
    "leaves": "leaf",
    "leaves of all trees": "leaf of all trees",
    "trees": "tree",
    "samples": "sample",
    "parameters": "parameter",
}


def number(value: float, digits: int = 3) -> str:
    """A number with so many digits that count, or all of a whole one, and gaps between thousands.

    >>> number(20000.0), number(0.254), number(1e-7), number(1234.4), number(-0.0), number(float("inf"))
    ('20 000', '0.254', '1e-7', '1 230', '0', '∞')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value and not 1e-4 <= abs(value) < 1e7:
        mantissa, power = f"{value:.1e}".split("e")
        return f"{float(mantissa):g}e{int(power)}"
    rounded = (value if value == round(value) else float(f"{value:.{digits}g}")) + 0.0  # there is no −0
    return f"{rounded:,.0f}".replace(",", " ") if rounded == round(rounded) else f"{rounded:g}"


def place(value: float, over: str) -> str:
    """A place on an axis: what a symbol is equal to, or how many there are of what is counted.

    >>> place(0.46, "λ"), place(2048, "features"), place(1, "epochs"), place(0.05, "label noise")
    ('λ = 0.46', '2 048 features', '1 epoch', 'label noise = 0.05')
    """
    if over not in _COUNTED:
        return f"{over} = {number(value)}"
    return f"{number(value)} {_COUNTED[over] if value == 1 else over}"
