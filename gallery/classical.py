"""Page 1: the classical U and double descent, split into bias², variance and noise."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.risk import Curve, least_squares_path
from attar.risk._words import number
from attar.risk.picture import Line, draw
from gallery.frame import Page, side_by_side
from gallery.measured import Measured, part

Doubles = npt.NDArray[np.float64]
# Samples, coordinates of one, most features, standard deviation of the noise, repetitions.
_N, _D, _P, _SIGMA, _DRAWS = 60, 10, 3000, 0.3, 50
_SIZES = np.unique(np.r_[np.geomspace(1, 50, 22), np.arange(52, 70), np.geomspace(70, _P, 24)].astype(int))
# Of the small example: samples, numbers of features, standard deviation of the noise.
_FEW, _FITS, _NOISE = 15, (5, 15, 1001), 0.25


def measure() -> Measured:
    """The mean over training sets of exact means over noise, and three fits to one of a single coordinate."""
    rng = np.random.default_rng(0)
    curves = []
    for _ in range(_DRAWS):
        V, b = rng.normal(size=(_D, _P)) / 4, rng.uniform(0, 2 * np.pi, _P)
        X, T = rng.normal(size=(_N, _D)), rng.normal(size=(1000, _D))
        data = np.cos(X @ V + b), _truth(X), np.cos(T @ V + b), _truth(T)
        curves.append(least_squares_path(*data, _SIZES, noise=_SIGMA**2))
    whole = _mean(curves)
    small = int(np.searchsorted(_SIZES, 0.75 * _N))
    return Measured({"whole": whole, "classical": part(whole, slice(small))}, _fits(np.random.default_rng(3)))


def _truth(x: Doubles) -> Doubles:
    values: Doubles = np.sin(x[:, 0]) + x[:, 1] / 2
    return values


def _mean(curves: list[Curve]) -> Curve:
    names = ("train_risk", "test_risk", "bias2", "variance", "norm")
    means: dict[str, Any] = {name: np.mean([getattr(one, name) for one in curves], axis=0) for name in names}
    return replace(curves[0], draws=len(curves), condition=None, **means)


def _fits(rng: np.random.Generator) -> dict[str, Any]:
    """Sines and cosines, the k-th pair divided by k, fitted to samples at places that are nearly even."""
    grid = np.linspace(0, 1, 401)
    x = (np.arange(_FEW) + rng.uniform(0, 1, _FEW)) / _FEW
    y = np.sin(2 * np.pi * x) + _NOISE * rng.normal(size=_FEW)
    found = {}
    for p in _FITS:
        k = (np.arange(p) + 1) // 2
        phi = partial(_waves, k=k)
        fit = phi(grid) @ (np.linalg.pinv(phi(x)) @ y)
        found[str(p)] = {"fit": fit.tolist(), "risk": float(((fit - np.sin(2 * np.pi * grid)) ** 2).mean())}
    return {"x": x.tolist(), "y": y.tolist(), "grid": grid.tolist(), "fits": found}


def _waves(x: Doubles, k: npt.NDArray[np.int_]) -> Doubles:
    angle = 2 * np.pi * k * x[:, None]
    waves: Doubles = np.where(np.arange(len(k)) % 2, np.sin(angle), np.cos(angle)) / np.maximum(k, 1)
    return waves


def _drawn_fit(facts: dict[str, Any], p: int, width: int, height: int) -> str:
    """Samples, truth and fit, on one axis."""
    grid, x = np.array(facts["grid"]), np.array(facts["x"])
    axis = np.unique(np.r_[grid, x])
    fit = np.interp(axis, grid, facts["fits"][str(p)]["fit"])
    at = np.searchsorted(axis, x)
    dots = np.full(len(axis), np.nan)
    dots[at] = facts["y"]
    lines = [
        Line("fit", fit, "test"),
        Line("truth", np.sin(2 * np.pi * axis), "theory"),
        Line("samples", dots, "dots"),
    ]
    return draw(axis, lines, "x", "y", said=f"A fit with {p} features to {len(x)} samples", width=width, height=height)


def page(measured: Measured) -> Page:
    """The page."""
    whole, classical, facts = measured.curves["whole"], measured.curves["classical"], measured.facts
    assert whole.variance is not None
    low, end, peak = classical.test_risk.min(), whole.test_risk[-1], int(np.argmax(whole.test_risk))
    words = {
        "n": str(_N),
        "draws": str(whole.draws),
        "low": number(low),
        "best": f"{classical.best:.0f}",
        "peak": number(whole.test_risk[peak]),
        "peak_variance": number(whole.variance[peak]),
        "most": f"{whole.axis[-1]:.0f}",
        "end": number(end),
        "than": "lower" if end < low else "no lower",
        "verdict": whole.verdict(),
    }
    top = side_by_side(
        (
            classical,
            f"(a) The classical picture, up to p = {classical.axis[-1]:.0f}. Lowest at p = {classical.best:.0f}.",
        ),
        (whole, "(b) The same curve, from 1 to 3 000 features. Both axes are logarithmic."),
    )
    fits = side_by_side(
        *(
            (
                partial(_drawn_fit, facts, p),
                f"p = {p}{says}: mean squared distance from the truth {facts['fits'][str(p)]['risk']:.2g}.",
            )
            for p, says in zip(_FITS, (", fewer features than samples", " = n", ", far more"))
        ),
        columns=3,
    )
    return Page("classical", whole, words, {"top": top, "fits": fits})
