"""Page 4: forests and boosting on digits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attar.report.words import percent
from attar.risk import Curve, forest_curve, forest_grid
from attar.risk.picture import Line, draw
from gallery.frame import Page, side_by_side
from gallery.measured import Measured, digits

_N, _DRAWS, _NOISE = 800, 5, 0.1
_LEAVES, _TREES = [4, 16, 64, _N], [1, 2, 4, 8, 16, 32, 64]


def measure() -> Measured:
    """Leaves and then trees, without and with wrong labels; boosting; and trees for several numbers of leaves."""
    data = digits(_N)
    grid = forest_grid(*data, leaves=_LEAVES, trees=_TREES, label_noise=_NOISE, draws=_DRAWS)
    curves = {
        "forest": forest_curve(*data, draws=_DRAWS),
        "noisy": forest_curve(*data, draws=_DRAWS, label_noise=_NOISE),
        "boosting": forest_curve(*data, model="boosting", draws=3),
        "noisy boosting": forest_curve(*data, model="boosting", draws=3, label_noise=_NOISE),
    }
    return Measured(curves | {f"{leaves} leaves": grid.over_trees(leaves) for leaves in _LEAVES})


def _averaged(curves: dict[str, Curve], width: int, height: int) -> str:
    """Trees of several sizes, averaged."""
    looks = ("noise", "bias2", "variance", "test")
    some = [(leaves, look, curves[f"{leaves} leaves"].zero_one) for leaves, look in zip(_LEAVES, looks)]
    names = {_N: "fully grown"}
    lines = [Line(names.get(n, f"{n} leaves"), one.test_risk, look) for n, look, one in some if one is not None]
    said = "Share of wrong answers over the number of trees, for trees of several sizes"
    return draw(np.array(_TREES, dtype=float), lines[::-1], "trees", "zero-one loss", (), said, width, height)


def page(measured: Measured) -> Page:
    """The page."""
    curves = measured.curves
    wrong: dict[str, Any] = {name: curve.zero_one for name, curve in curves.items()}
    clean, grown = wrong["forest"], wrong[f"{_N} leaves"]
    words = {
        "n": str(_N),
        "draws": str(_DRAWS),
        "one_clean": percent(float(clean.test_risk[clean.axis <= _N][-1])),
        "many_clean": percent(float(clean.test_risk[-1])),
        "one": percent(float(grown.test_risk[0])),
        "many": percent(float(grown.test_risk[-1])),
        "boosted": f"{curves['boosting'].axis[-1]:.0f}",
        "verdict": curves["forest"].verdict(),
        "verdict_noisy": curves["noisy"].verdict(),
        "verdict_boosting": wrong["boosting"].verdict(),
        "verdict_noisy_boosting": wrong["noisy boosting"].verdict(),
    }
    top = side_by_side(
        (
            curves["forest"],
            "A forest: first one tree of more and more leaves, then more and more trees. Squared error.",
        ),
        (wrong["forest"], "The same: share of wrong answers."),
        (curves["noisy"], "10 % of the training labels wrong: squared error."),
        (wrong["noisy"], "The same: share of wrong answers."),
    )
    averaged = side_by_side(
        (partial(_averaged, curves), "Over trees, for trees of several sizes, with 10 % of the labels wrong."),
        (
            wrong["noisy boosting"],
            "Boosting, with 10 % of the labels wrong: trees of 8 leaves, each fitted to what others leave (η = 0.1).",
        ),
    )
    return Page("forests", curves["noisy"], words, {"top": top, "averaged": averaged})
