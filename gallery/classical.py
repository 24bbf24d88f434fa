"""Page 1: the classical U and double descent, split into bias², variance and noise."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.risk import Curve, least_squares_path
from attar.risk.picture import Line, draw
from gallery.frame import Page, figure, prose, references, side_by_side
from gallery.measured import Measured

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
    return Measured({"whole": whole, "classical": _part(whole, small)}, _fits(np.random.default_rng(3)))


def _truth(x: Doubles) -> Doubles:
    values: Doubles = np.sin(x[:, 0]) + x[:, 1] / 2
    return values


def _mean(curves: list[Curve]) -> Curve:
    names = ("train_risk", "test_risk", "bias2", "variance", "norm")
    means: dict[str, Any] = {name: np.mean([getattr(one, name) for one in curves], axis=0) for name in names}
    return replace(curves[0], draws=len(curves), condition=None, **means)


def _part(curve: Curve, k: int) -> Curve:
    names = ("axis", "train_risk", "test_risk", "bias2", "variance", "norm")
    cut: dict[str, Any] = {name: getattr(curve, name)[:k] for name in names}
    return replace(curve, threshold=None, **cut)


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
    risk = dict(zip(whole.axis, whole.test_risk))
    assert whole.bias2 is not None
    assert whole.variance is not None
    peak, first = int(np.argmax(whole.test_risk)), int(np.argmin(classical.test_risk))
    fits = [
        (
            partial(_drawn_fit, facts, p),
            f"p = {p}{says}: mean squared distance from the truth {facts['fits'][str(p)]['risk']:.2g}",
        )
        for p, says in zip(_FITS, (", fewer features than samples", " = n", ", far more"))
    ]
    return Page(
        "classical",
        "The classical U, and what comes after it",
        f"Risk falls, rises to a peak where p = n, and falls again: {classical.test_risk[first]:.2g}, then "
        f"{whole.test_risk[peak]:.3g}, then {whole.test_risk[-1]:.2g}. Bias², variance and noise, each exact.",
        f"Synthetic data: y = sin x₁ + x₂/2 + ε, x standard normal in {_D} dimensions, σ = {_SIGMA}; least squares on p "
        f"random Fourier features; n = {_N}, 1 000 test samples; means over {whole.draws} draws of features and samples "
        "(seed 0), each exact over all noise.",
        whole,
        [
            side_by_side(
                (classical, f"(a) Up to p = {classical.axis[-1]:.0f}: the classical picture. Lowest at p = {classical.best:.0f}."),
                (whole, "(b) The same curve, from 1 to 3 000 features. Both axes are logarithmic."),
            ),
            prose(
                f"""
The two figures are those of the lecture (figure 9.1), but measured. {whole.verdict()} The training risk is zero from
p = n = {_N} on: there the model interpolates, that is, it passes through every training sample, noise included.

## What the risk is made of

For a new sample with y = f(x) + ε, the mean over the noise ε splits into three parts:

    R(p) = E[(E f̂(x) − f(x))²]  +  E[Var f̂(x)]  +  σ²
                bias²               variance      noise

Least squares predicts x X⁺ y, where X⁺ is the pseudo-inverse of the n × p matrix X: for p < n that is
(XᵀX)⁻¹Xᵀ, and for p > n it gives, among all β that interpolate, the one of least length ‖β‖. Because the prediction is
linear in y, no noise needs to be drawn to know the parts:

    bias² = E (x X⁺ f(X) − f(x))²      variance = σ² E ‖x X⁺‖²

## Left of the threshold: the classical regime

With few features the model cannot express f: bias is large, and more features lower it. But each feature is one more
number to estimate from the same n noisy samples. For p well below n the variance is about σ² p/(n − p): it grows slowly
at first, and without bound as p comes close to n. The sum of a falling and a rising curve is the U. Its lowest place,
here p = {classical.best:.0f} with R = {classical.test_risk[first]:.3g}, is what model selection has always looked for.

## At the threshold: why the variance blows up

At p = n, X is square and the fit is X⁻¹y: there is exactly one way through all samples, and no freedom to choose a
harmless one. The variance is σ² times a mean of 1/sᵢ², with sᵢ the singular values of X. A random square matrix almost
surely has one very small singular value: along that direction the features of the training samples hardly differ, and to
pass through all of them, β must be huge there. A new sample feels it: here the risk reaches {whole.test_risk[peak]:.3g},
of which {whole.variance[peak]:.3g} is variance. (Of so steep a peak a mean of {whole.draws} draws says the order of magnitude and
no more; for Gaussian features the mean over all draws is infinite there.) Bias² has a peak as well, though there is no noise in it: what the first
p features cannot express acts on the fit just as noise does.

## Right of it: why the risk falls again

For p > n there are infinitely many interpolants, and X⁺y is the shortest. A further feature can only make it shorter,
and the smallest singular value of X grows: with many features to share the work, none of them needs a large weight.
The noise is still fitted exactly, but in small bumps spread over many directions, around the samples, and little of it is
left where new samples fall. With {whole.axis[-1]:.0f} features R = {risk[whole.axis[-1]]:.3g},
{"below" if risk[whole.axis[-1]] < classical.test_risk[first] else "not below"} the bottom of the U.

The same is seen with one coordinate, where the fit can be drawn. Fifteen noisy samples of a sine, fitted with sines and
cosines whose k-th pair is divided by k:
"""
            ),
            side_by_side(*fits, columns=3),
            prose(
                """
At p = n the only interpolant swings between the samples. With many features the shortest one goes through all
samples too, by the smoothest way it has, since a wave of high frequency costs a large weight.

## Two warnings

The second descent is not a law. Whether it ends below the U depends on the noise, and on whether short β are good ones
for the data at hand: that is the *inductive bias* of the features. And the number of parameters is a measure of capacity
only along one family of models; the length ‖β‖, which falls right of the threshold, tells more.

## Repeat it

    from attar.risk import least_squares_path
    curve = least_squares_path(X, f_of_X, T, f_of_T, noise=0.09)
    curve.bias2, curve.variance, curve.noise, curve.threshold
    curve.verdict()  # in words; and in a notebook, `curve` shows itself as the figure

One call yields the whole curve, from one factorisation. Where f is not known, `decompose` and `decomposition_curve`
estimate the parts for any model, by repeated draws.
"""
            ),
            references(
                (
                    "Belkin, Hsu, Ma, Mandal, Reconciling modern machine-learning practice and the classical bias-variance "
                    "trade-off, 2019",
                    "https://arxiv.org/abs/1812.11118",
                ),
                (
                    "Geman, Bienenstock, Doursat, Neural networks and the bias/variance dilemma, 1992",
                    "https://doi.org/10.1162/neco.1992.4.1.1",
                ),
                (
                    "Belkin, Hsu, Xu, Two models of double descent for weak features, 2020",
                    "https://arxiv.org/abs/1903.07571",
                ),
            ),
        ],
    )
