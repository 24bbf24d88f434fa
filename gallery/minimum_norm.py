"""Page 2: the interpolant of least norm, measured against what theory expects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.report.words import count
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
from gallery.frame import Page, prose, references, side_by_side, table
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
        s = spectrum(np.arange(float(p)))
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
    expected = {"ridgeless": [weak_features_risk(p, _N, _MOST, signal=_SIGNAL, noise=_NOISE) for p in sizes], "ridge": []}
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
    rows.append((f"{_STRONG} strong and {count(_WEAK - _STRONG)} weak directions", effective_ranks, {"eigenvalues": sparse}))
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
    return draw(curve.axis, lines, "steps", "", said="Distance from the solution of least norm", width=width, height=height)


def page(measured: Measured) -> Page:
    """The page."""
    curves, facts = measured.curves, measured.facts
    isotropic, benign, zero, other = (curves[k] for k in ("isotropic", "benign", "from zero", "from elsewhere"))
    after = isotropic.axis > 1
    lowest = isotropic.axis[after][int(np.argmin(isotropic.test_risk[after]))]
    strong = float(benign.test_risk[_STRONG - 1])
    ranks = [
        [f"{name}, n = {n}", "none" if k is None else str(k), "–" if k is None else f"{large:.0f}", f"{100 * harm:.0f}\u00a0%"]
        for name, n, k, large, harm in facts["ranks"]
    ]
    return Page(
        "minimum-norm",
        "The shortest of all solutions, and what theory says of it",
        "Measured risk on the closed forms of Hastie et al.; gradient descent arrives at X⁺y; the best ridge takes the "
        "peak away; and when overfitting is benign.",
        f"Gaussian features, n = {_N}, βᵀΣβ = {_SIGNAL:g}, σ² = {_NOISE:g}; {_DRAWS} draws for each p/n, exact over noise "
        "(seed 0). The last table: scikit-learn's digits, 1 797 samples.",
        isotropic,
        [
            side_by_side(
                (isotropic, "Independent features of equal variance: measured, and the closed form (dotted)."),
                (
                    curves["correlated"],
                    "The i-th direction has variance 1/i, and βᵢ is proportional to 1/√i: the second descent goes deeper.",
                ),
            ),
            prose(
                f"""
Both figures are over γ = p/n. At each γ all p features matter and explain the same share of y, so that left of γ = 1
there is no bias, and no U. The band holds 90 % of the draws. For γ < 0.75 and γ > 1.3 the mean of {_DRAWS} draws is
within {facts["away 0"]:.1%} of the theory (left) and {facts["away 1"]:.1%} (right), though the formulae are for n → ∞
and here n = {_N}. Nearer to 1, more samples would be needed.

## The formula

For independent features of variance 1, as n and p grow with p/n = γ:

    γ < 1:   R = σ² + σ² γ/(1 − γ)
    γ > 1:   R = σ² + ‖β‖² (1 − 1/γ) + σ²/(γ − 1)
                      bias²            variance

Left of 1 there is variance alone. Right of 1 there are more directions than samples: the n samples span n of p
dimensions, X⁺y has no part in the others, and a share 1 − 1/γ of β is lost. That is the bias, and it *rises* with γ.
The variance falls. Their sum has a minimum right of the threshold where ‖β‖²/σ² > 1, by the formula at γ = 1 + 1/(√(‖β‖²/σ²) − 1) =
{1 + 1/((_SIGNAL/_NOISE) ** 0.5 - 1):.2f}; the lowest measured one is at {lowest:.2f}. So the second descent on the left
is shallow. On the right it goes on to γ = 5: where few directions carry most of the variance and most of β, what the
shortest solution loses, in directions that hardly vary, is not missed.

## Why gradient descent finds the shortest solution

For p > n infinitely many β have Xβ = y. Gradient descent on ‖Xβ − y‖² does not choose among them at random:

    βₜ₊₁ = βₜ − η Xᵀ(Xβₜ − y)

Every step is a combination of rows of X, so from β₀ = 0 it never leaves their span, and X⁺y is the only solution within
it. From another start the part of β₀ outside the span stays as it was, and descent arrives at X⁺y + (I − X⁺X)β₀, the
solution *nearest to the start*. This is implicit regularisation: nobody asked for a short β.
"""
            ),
            side_by_side(
                (
                    partial(_distance, zero),
                    f"From zero: after {zero.axis[-1]:.0f} steps ‖βₜ − X⁺y‖² is {zero.test_risk[-1]:.0e}.",
                ),
                (
                    partial(_distance, other),
                    f"From elsewhere: the training risk vanishes as well, but ‖βₜ − X⁺y‖² ends at {other.test_risk[-1]:.4f}; "
                    f"‖(I − X⁺X)β₀‖² is {facts['beyond']:.4f}.",
                ),
            ),
            prose(
                f"""
## The peak is not a fate

A penalty λ‖β‖² keeps β short at every p. With the best λ for each p, chosen by leaving out one training sample at a
time, there is no peak:
"""
            ),
            side_by_side(
                (
                    partial(_both, curves),
                    f"The first p of {_MOST} features that all matter the same; what is left out acts as noise. "
                    f"At p = {_N} ridge has {curves['ridge'].test_risk[curves['ridge'].axis == _N][0]:.2f}. Means over 10 draws of X.",
                ),
                (
                    benign,
                    f"Benign overfitting: {_STRONG} directions matter (variance 1), the others vary by {_TAIL:g} and do not; "
                    f"σ² = {_NOISE / 4:g}. R is {strong:.3f} with the {_STRONG} alone, and {benign.test_risk[-1]:.3f} with all {count(_WEAK)}.",
                ),
            ),
            prose(
                f"""
In the figure on the left both theories are dotted; they can hardly be told from what was measured. Double descent is
what least squares does *without* regularisation.

## When overfitting is benign

On the right the interpolant of {count(_WEAK)} features passes through every noisy sample, and predicts nearly as well as least
squares on the {_STRONG} features that matter. Bartlett et al. say when: the noise must be spread over many directions, each of
which hardly shows in a new sample. With λ₁ ≥ λ₂ ≥ … the eigenvalues of the features' covariance:

    r_k = Σ_(i>k) λᵢ / λ_(k+1)        R_k = (Σ_(i>k) λᵢ)² / Σ_(i>k) λᵢ²
    k* = min (k: r_k ≥ n)             noise adds about σ² (k*/n + n/R_k*)

k* directions stand out and are learnt as usual; the tail after them must be as good as R ≫ n equal directions. The tail
then acts as a ridge penalty of about Σ_(i>k) λᵢ (the bias² that comes up at the end of the figure). The last column is k*/n + n/R, at most 100 %:
"""
            ),
            table(["features", "k*", "R", "of fitted noise, comes back"], ranks),
            prose(
                """
The 64 pixels of the digits have no such tail: a linear model that passes through twenty samples or more carries their noise
into its predictions. Random Fourier features of the same digits (4 000, of a width of a quarter of the median distance)
have one, but only for few samples. (What is measured on 1 797 samples can show no more than that many directions.)
Benign overfitting is a property of the data and the features together, not of interpolation.

## Repeat it

    from attar.risk import *
    least_squares_path(X, X @ beta, T, T @ beta, [p], noise=1.0)
    ridgeless_risk(p / n, signal=5.0, noise=1.0)  # eigenvalues=, weights=
    gradient_descent_path(X, y, T, y_test, start=beta0)
    tuned_path(X, y, T, y_test)  # the best ridge at each p
    effective_ranks(X, n=100).verdict()
"""
            ),
            references(
                (
                    "Hastie, Montanari, Rosset, Tibshirani, Surprises in high-dimensional ridgeless least squares interpolation, 2022",
                    "https://arxiv.org/abs/1903.08560",
                ),
                (
                    "Bartlett, Long, Lugosi, Tsigler, Benign overfitting in linear regression, 2020",
                    "https://arxiv.org/abs/1906.11300",
                ),
                (
                    "Nakkiran, Venkat, Kakade, Ma, Optimal regularization can mitigate double descent, 2021",
                    "https://arxiv.org/abs/2003.01897",
                ),
                (
                    "Ali, Kolter, Tibshirani, A continuous-time view of early stopping for least squares, 2019",
                    "https://arxiv.org/abs/1810.10082",
                ),
            ),
        ],
    )
