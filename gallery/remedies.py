"""Page 6: what to do about it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.risk import Curve, gradient_descent_path, least_squares_path, ridge_path, tuned_path
from attar.risk._words import number
from attar.risk.picture import Line, draw
from gallery.frame import Page, side_by_side, table
from gallery.measured import Measured, digits

Doubles = npt.NDArray[np.float64]
# Samples, share of wrong labels, features of the figures over λ, steps and samples, draws.
_N, _NOISE, _P, _DRAWS = 400, 0.1, 200, 5
_SIZES = np.unique(np.r_[np.geomspace(10, 380, 16), [390, 400, 410], np.geomspace(430, 1600, 10)].astype(int))
_SAMPLES = np.unique(np.r_[np.geomspace(25, 180, 12), [190, 200, 210], np.geomspace(230, 800, 10)].astype(int))


def measure() -> Measured:
    """Ridge over features, λ, gradient descent, and samples; the same features, digits and wrong labels throughout."""
    rng = np.random.default_rng(0)
    found: dict[str, list[Curve]] = {}
    for _ in range(_DRAWS):
        Z, Y, T, expected = _features(rng, 1600)
        few = Z[:_N], Y[:_N], T, expected
        at = (few[0][:, :_N], few[1], T[:, :_N], expected)
        made = {
            "least squares": least_squares_path(*few, _SIZES),
            "ridge": tuned_path(*few, _SIZES),
            "λ": ridge_path(*at),
            "left out": ridge_path(*at[:2]),
            "steps": gradient_descent_path(*at, np.unique(np.geomspace(1, 1e8, 50).astype(int))),
            "samples": _over_samples(least_squares_path, Z, Y, T, expected),
            "samples, ridge": _over_samples(tuned_path, Z, Y, T, expected),
        }
        for name, curve in made.items():
            found.setdefault(name, []).append(curve)
    return Measured({name: _mean(curves, name not in ("least squares", "samples")) for name, curves in found.items()})


def _features(rng: np.random.Generator, p: int) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Random Fourier features of half the median distance, and targets of ±1 with some of the labels wrong."""
    x, y, t, expected = digits(_SAMPLES[-1])
    distance = np.median(np.linalg.norm(x[:300, None] - x[None, 300:600], axis=-1))
    V, b = rng.normal(size=(x.shape[1], p)) * 2 / distance, rng.uniform(0, 2 * np.pi, p)
    order = rng.permutation(len(x))
    x, y = x[order], np.where(rng.random(len(x)) < _NOISE, (y[order] + rng.integers(1, 10, len(x))) % 10, y[order])
    signs = 2 * np.eye(10) - 1
    return np.cos(x @ V + b), signs[y], np.cos(t @ V + b), signs[expected]


def _over_samples(path: Any, Z: Doubles, Y: Doubles, T: Doubles, expected: Doubles) -> Curve:
    some = [path(Z[:n, :_P], Y[:n], T[:, :_P], expected, [_P]) for n in _SAMPLES]
    train, test = (np.array([getattr(one, name)[0] for one in some]) for name in ("train_risk", "test_risk"))
    # Up to n = p all samples are interpolated.
    return Curve(_SAMPLES.astype(float), train, test, over="samples", threshold=float(_P))


def _mean(curves: list[Curve], band: bool) -> Curve:
    """Over draws. λ differ a little from one to the next, and stand at the places of the first."""
    first = curves[0]
    train, test = (np.array([getattr(one, name) for one in curves]) for name in ("train_risk", "test_risk"))
    ends = np.quantile(test, [0.05, 0.95], axis=0).T if band else None
    return Curve(
        first.axis, train.mean(0), test.mean(0), over=first.over, loss=first.loss, draws=len(curves),
        threshold=first.threshold, test_interval=ends,
    )  # fmt: skip


def _two(none: Curve, ridge: Curve, width: int, height: int) -> str:
    lines = [
        Line("λ → 0", none.test_risk, "variance"),
        Line("λ by leaving one out", ridge.test_risk, "test", ridge.test_interval),
    ]
    assert none.threshold is not None
    marks = [("interpolation threshold", none.threshold)]
    return draw(none.axis, lines, none.over, "squared error", marks, none.verdict(), width, height)


def page(measured: Measured) -> Page:
    """The page."""
    curves = measured.curves
    none, ridge, samples, tuned = (curves[k] for k in ("least squares", "ridge", "samples", "samples, ridge"))
    penalty, steps, left_out = curves["λ"], curves["steps"], curves["left out"]
    chosen, peak = int(np.argmin(left_out.test_risk)), int(np.argmax(samples.test_risk))
    few = int(np.argmin(samples.test_risk[:peak]))
    words = {
        "n": str(_N),
        "p": str(_P),
        "draws": str(_DRAWS),
        "chosen": number(left_out.axis[chosen]),
        "at_chosen": number(penalty.test_risk[chosen]),
        "at_best": number(penalty.test_risk.min()),
        "stopped": number(steps.test_risk.min()),
        "stop": number(steps.best),
        "at_end": number(steps.test_risk[-1]),
        "last": number(steps.axis[-1]),
        "few": f"{samples.axis[few]:.0f}",
        "few_risk": number(samples.test_risk[few]),
        "peak": f"{samples.axis[peak]:.0f}",
        "peak_risk": number(samples.test_risk[peak]),
        "many_risk": number(samples.test_risk[-1]),
        "tuned_first": number(tuned.test_risk[0]),
        "tuned_last": number(tuned.test_risk[-1]),
    }
    top = side_by_side(
        (partial(_two, none, ridge), "More features: the peak is that of least squares, not of the data."),
        (partial(_two, samples, tuned), f"More samples, p = {_P} features: without a penalty they hurt up to n = p."),
        (penalty, f"p = n = {_N}: ridge over λ."),
        (steps, f"p = n = {_N}: gradient descent over steps."),
    )
    rows = [
        ("least squares, p = n", none.test_risk[none.axis == _N][0]),
        ("least squares, far more features: p = 4n", none.test_risk[-1]),
        ("least squares, best number of features below n", none.test_risk[none.axis < _N].min()),
        ("ridge, p = n, λ by leaving one out", penalty.test_risk[chosen]),
        ("gradient descent, p = n, stopped at its best", steps.test_risk.min()),
        ("ridge, p = 4n, λ by leaving one out", ridge.test_risk[-1]),
    ]
    listed = table(["", "test risk"], [(name, number(risk)) for name, risk in rows])
    return Page("remedies", samples, words, {"top": top, "table": listed})
