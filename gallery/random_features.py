"""Page 3: random Fourier and ReLU features on digits."""

from __future__ import annotations

from functools import partial

from attar.report.words import percent
from attar.risk import Curve, feature_curve
from attar.risk._words import number
from attar.risk.picture import Line, draw
from gallery.frame import Page, side_by_side
from gallery.measured import Measured, digits

_N, _DRAWS, _NOISE = 800, 5, 0.1


def measure() -> Measured:
    """Fourier features without and with wrong labels, and ReLU features."""
    data = digits(_N)
    return Measured(
        {
            "fourier": feature_curve(*data, draws=_DRAWS),
            "noisy": feature_curve(*data, draws=_DRAWS, label_noise=_NOISE),
            "relu": feature_curve(*data, features="relu", draws=_DRAWS),
        }
    )


def _norm(curve: Curve, width: int, height: int) -> str:
    assert curve.norm is not None
    assert curve.threshold is not None
    marks = [("interpolation threshold", curve.threshold)]
    line = Line("√N ‖a‖", curve.norm, "test")
    return draw(curve.axis, [line], "features", "norm", marks, "Length of the coefficients", width, height)


def _shares(curve: Curve, width: int, height: int) -> str:
    """Shares of wrong answers on a logarithmic axis, where three in a hundred and one in a hundred are apart."""
    assert curve.threshold is not None
    lines = [
        Line("test samples", curve.test_risk, "test", curve.test_interval),
        Line("training samples", curve.train_risk, "train", curve.train_interval),
    ]
    marks = [("interpolation threshold", curve.threshold)]
    said, best = curve.verdict(), "fewest wrong answers"
    return draw(curve.axis, lines, "features", "share of wrong answers", marks, said, width, height, best)


def page(measured: Measured) -> Page:
    """The page."""
    fourier, noisy, relu = (measured.curves[name] for name in ("fourier", "noisy", "relu"))
    wrong, wrong_noisy = fourier.zero_one, noisy.zero_one
    assert wrong is not None
    assert wrong_noisy is not None
    assert fourier.norm is not None
    words = {
        "n": str(_N),
        "draws": str(_DRAWS),
        "classical": percent(float(wrong.test_risk[wrong.axis < _N].min())),
        "peak": percent(float(wrong.test_risk.max())),
        "end": percent(float(wrong.test_risk[-1])),
        "norm_peak": number(fourier.norm.max()),
        "norm_end": number(fourier.norm[-1]),
        "most": f"{fourier.axis[-1]:.0f}",
        "relu": f"{relu.threshold:.0f}",
        "verdict": fourier.verdict(),
        "verdict_wrong": wrong.verdict(),
        "verdict_noisy": wrong_noisy.verdict(),
    }
    top = side_by_side(
        (partial(_shares, wrong), "Fourier features: share of wrong answers."),
        (fourier, "Fourier features: squared error, summed over the ten classes."),
        (partial(_norm, fourier), "Fourier features: length of the coefficients of these fits."),
        (relu, "ReLU features: squared error. The peak is lower."),
    )
    few = side_by_side(
        (
            partial(_shares, wrong_noisy),
            "10 % of the training labels wrong: share of wrong answers on test samples, whose labels are right.",
        ),
        (noisy, "The same in squared error."),
    )
    return Page("random-features", fourier, words, {"top": top, "noisy": few})
