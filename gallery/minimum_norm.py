"""Page 2: the interpolant of least norm, measured against what theory expects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.report.words import count, percent
from attar.risk import (
    Curve,
    effective_ranks,
    gradient_descent_path,
    least_squares_path,
    ridge_risk,
    ridgeless_risk,
    tuned_path,
    weak_features_risk,
)
from attar.risk.picture import Line, draw
from gallery.frame import Page, side_by_side, table
from gallery.measured import Measured, digits

Doubles = npt.NDArray[np.float64]
# Samples, draws of them, what β explains of the variance of y, variance of the noise.
_N, _DRAWS, _SIGNAL, _NOISE = 100, 60, 5.0, 1.0
_RATIOS = np.r_[np.linspace(0.2, 0.9, 8), 0.95, 1.05, 1.1, np.geomspace(1.2, 5, 12)]
# Of the curve over p features that all matter the same: how many there are.
_MOST = 500
# Directions that stand out, how many others there are at most, and the variance of one of them.
_STRONG, _WEAK, _TAIL = 5, 20_000, 2e-4


def measure() -> Measured:
    """Two closed forms, gradient descent, ridge, and overfitting that does no harm."""
    facts: dict[str, Any] = {}
    curves = {
        "isotropic": _against_theory(np.ones_like, facts),
        "correlated": _against_theory(lambda i: 1 / (1 + i), facts),
        "benign": _benign(),
    }
    return Measured(curves | _descent(facts) | _ridge(), facts | {"ranks": _ranks()})


def _against_theory(spectrum: Callable[[Doubles], Doubles], facts: dict[str, Any]) -> Curve:
    """The risk for each p/n, with features of this spectrum, β along them in proportion to it."""
    rng, risks, expected = np.random.default_rng(0), [], []
    ratios = np.round(_RATIOS * _N) / _N
    for ratio in ratios:
        p = round(ratio * _N)
        s = spectrum(np.arange(p, dtype=np.float64))
        weights = s / s.sum()
        signal = _SIGNAL / (weights @ s)
        beta = np.sqrt(signal * weights)
        # The mean of squares over these p test samples is the exact mean over all that there are.
        T = np.diag(np.sqrt(p * s))
        some = []
        for _ in range(_DRAWS):
            X = rng.normal(size=(_N, p)) * np.sqrt(s)
            some.append(least_squares_path(X, X @ beta, T, T @ beta, [p], noise=_NOISE))
        risks.append([(one.train_risk[0], one.test_risk[0]) for one in some])
        found = ridgeless_risk(ratio, signal=signal, noise=_NOISE, eigenvalues=s, weights=weights)
        expected.append(found.excess + _NOISE)
    train, test = np.moveaxis(np.array(risks), 2, 0)
    away = (ratios < 0.75) | (ratios > 1.3)
    facts[f"away {len(facts)}"] = float(np.abs(test.mean(1) / expected - 1)[away].max())
    return Curve(
        ratios, train.mean(1), test.mean(1), over="γ = p/n", draws=_DRAWS, theory=np.array(expected),
        test_interval=np.quantile(test, [0.05, 0.95], axis=1).T, threshold=1.0,
    )  # fmt: skip


def _descent(facts: dict[str, Any]) -> dict[str, Curve]:
    """How far gradient descent is from X⁺y, from zero and from elsewhere: the "test samples" measure ‖β − X⁺y‖²."""
    rng = np.random.default_rng(0)
    X, start = rng.normal(size=(50, 150)), rng.normal(size=150) / 150**0.5
    y = X @ rng.normal(size=150) / 150**0.5 + rng.normal(size=50)
    T, inverse = np.eye(150) * 150**0.5, np.linalg.pinv(X)
    data = X, y, T, T @ inverse @ y, np.unique(np.geomspace(1, 400, 60).astype(int))
    facts["beyond"] = float(((start - inverse @ (X @ start)) ** 2).sum())
    return {"from zero": gradient_descent_path(*data), "from elsewhere": gradient_descent_path(*data, start=start)}


def _ridge() -> dict[str, Curve]:
    """Weak features without and with the λ that serves samples left out, and what theory says of both."""
    rng, beta = np.random.default_rng(0), np.full(_MOST, (_SIGNAL / _MOST) ** 0.5)
    sizes = np.unique(np.r_[np.geomspace(5, 90, 14), [95, 97, 100, 103, 105], np.geomspace(110, _MOST, 14)].astype(int))
    found: dict[str, list[Curve]] = {"ridgeless": [], "ridge": []}
    for _ in range(10):
        X, T = rng.normal(size=(_N, _MOST)), rng.normal(size=(1000, _MOST))
        f, y_test = X @ beta, T @ beta
        y = f[:, None] + _NOISE**0.5 * rng.normal(size=(_N, 20))
        found["ridgeless"].append(least_squares_path(X, f, T, y_test, sizes, noise=_NOISE))
        found["ridge"].append(tuned_path(X, y, T, np.repeat(y_test[:, None], 20, 1), sizes))
    expected = {
        "ridgeless": [weak_features_risk(p, _N, _MOST, signal=_SIGNAL, noise=_NOISE) for p in sizes],
        "ridge": [],
    }
    for p in sizes:
        # What is left out acts as noise.
        signal, ratio = _SIGNAL * p / _MOST, p / _N
        noise = _NOISE + _SIGNAL - signal
        best = ridge_risk(ratio, ratio * noise / signal, signal=signal, noise=noise)
        expected["ridge"].append(best.excess + noise)
    return {
        name: Curve(
            sizes.astype(float),
            np.mean([one.train_risk for one in some], axis=0),
            np.mean([one.test_risk for one in some], axis=0) + (_NOISE if name == "ridge" else 0),
            draws=10,
            theory=np.array(expected[name]),
        )
        for name, some in found.items()
    }


def _benign() -> Curve:
    """Few directions that matter, and more and more that hardly vary."""
    rng, sizes = np.random.default_rng(0), np.unique(np.r_[1:6, np.geomspace(6, _WEAK, 50).astype(int), 95:106:2])
    scale = np.r_[np.ones(_STRONG), np.full(_WEAK - _STRONG, _TAIL**0.5)]
    X, T = rng.normal(size=(_N, _WEAK)) * scale, rng.normal(size=(500, _WEAK)) * scale
    beta = np.r_[np.ones(_STRONG), np.zeros(_WEAK - _STRONG)]
    return least_squares_path(X, X @ beta, T, T @ beta, sizes, noise=_NOISE / 4)


def _ranks() -> list[Any]:
    """Effective ranks of the digits' own pixels, of random Fourier features of them, and of the example above."""
    X = np.concatenate(digits(1000)[::2])
    rng = np.random.default_rng(0)
    distance = np.median(np.linalg.norm(X[:300, None] - X[None, 300:600], axis=-1))
    Z = np.cos(X @ rng.normal(size=(64, 4000)) * 4 / distance + rng.uniform(0, 2 * np.pi, 4000))
    sparse = np.r_[np.ones(_STRONG), np.full(_WEAK - _STRONG, _TAIL)]
    rows = [("pixels of digits", effective_ranks, {"X": X}), ("Fourier features of digits", effective_ranks, {"X": Z})]
    rows.append(
        (f"{_STRONG} strong and {count(_WEAK - _STRONG)} weak directions", effective_ranks, {"eigenvalues": sparse})
    )
    return [
        [name, n, found.k, found.large if found.k is not None else None, found.harm]
        for name, ranks, given in rows
        for n in (20, 100)
        for found in [ranks(**given, n=n)]
    ]


def _both(curves: dict[str, Curve], width: int, height: int) -> str:
    """Risk with and without ridge, in one picture."""
    ridge, none = curves["ridge"], curves["ridgeless"]
    lines = [
        Line("λ → 0", none.test_risk, "variance"),
        Line("best ridge", ridge.test_risk, "test"),
        Line("theory of both", np.asarray(ridge.theory), "theory"),
        Line("", np.where(np.isfinite(np.asarray(none.theory)), np.asarray(none.theory), np.nan), "theory"),
    ]
    marks = [("interpolation threshold", float(_N))]
    return draw(ridge.axis, lines, "features", "squared error", marks, ridge.verdict(), width, height)


def _distance(curve: Curve, width: int, height: int) -> str:
    lines = [Line("‖βₜ − X⁺y‖²", curve.test_risk, "test"), Line("training risk", curve.train_risk, "train")]
    return draw(
        curve.axis, lines, "steps", "", said="Distance from the solution of least norm", width=width, height=height
    )


def page(measured: Measured) -> Page:
    """The page."""
    curves, facts = measured.curves, measured.facts
    isotropic, benign, zero, other = (curves[k] for k in ("isotropic", "benign", "from zero", "from elsewhere"))
    after = isotropic.axis > 1
    at_threshold = curves["ridge"].test_risk[curves["ridge"].axis == _N][0]
    words = {
        "draws": str(_DRAWS),
        "away_left": percent(facts["away 0"]),
        "away_right": percent(facts["away 1"]),
        "formula": f"{1 + 1 / ((_SIGNAL / _NOISE) ** 0.5 - 1):.2f}",
        "lowest": f"{isotropic.axis[after][int(np.argmin(isotropic.test_risk[after]))]:.2f}",
    }
    top = side_by_side(
        (isotropic, "Independent features of equal variance: measured, and the closed form (dotted)."),
        (
            curves["correlated"],
            "The i-th direction has variance 1/i, and βᵢ is proportional to 1/√i: the second descent goes deeper.",
        ),
    )
    descent = side_by_side(
        (
            partial(_distance, zero),
            f"From zero: after {zero.axis[-1]:.0f} steps ‖βₜ − X⁺y‖² is {zero.test_risk[-1]:.0e}.",
        ),
        (
            partial(_distance, other),
            f"From elsewhere: the training risk vanishes as well, but ‖βₜ − X⁺y‖² ends at {other.test_risk[-1]:.4f}; "
            f"‖(I − X⁺X)β₀‖² is {facts['beyond']:.4f}.",
        ),
    )
    ridge = side_by_side(
        (
            partial(_both, curves),
            f"The first p of {_MOST} features that all matter the same; what is left out acts as noise. At p = {_N} "
            f"the best ridge has {at_threshold:.2f}. Means over 10 draws of X.",
        ),
        (
            benign,
            f"Benign overfitting: {_STRONG} directions of variance 1 matter, the others, of {_TAIL:g}, do not; "
            f"σ² = {_NOISE / 4:g}. R is {benign.test_risk[_STRONG - 1]:.3f} with the {_STRONG} alone, and "
            f"{benign.test_risk[-1]:.3f} with all {count(_WEAK)}.",
        ),
    )
    ranks = [
        [
            f"{name}, n = {n}",
            "none" if k is None else str(k),
            "–" if k is None else f"{large:.0f}",
            f"{100 * harm:.0f} %",
        ]
        for name, n, k, large, harm in facts["ranks"]
    ]
    listed = table(["features", "k*", "R", "of fitted noise, comes back"], ranks)
    return Page("minimum-norm", isotropic, words, {"top": top, "descent": descent, "ridge": ridge, "ranks": listed})
