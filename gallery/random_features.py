"""Page 3: random Fourier and ReLU features on digits."""

from __future__ import annotations

from functools import partial

from attar.risk import Curve, feature_curve
from attar.risk.picture import Line, draw
from gallery.frame import Page, prose, references, side_by_side
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


def page(measured: Measured) -> Page:
    """The page."""
    fourier, noisy, relu = (measured.curves[name] for name in ("fourier", "noisy", "relu"))
    wrong, wrong_noisy, wrong_relu = (one.zero_one for one in (fourier, noisy, relu))
    assert wrong is not None
    assert wrong_noisy is not None
    assert wrong_relu is not None
    assert fourier.norm is not None
    return Page(
        "random-features",
        "Random features: the same curve on real data",
        f"Digits, with random Fourier features: {wrong.test_risk[wrong.axis < _N].min():.1%} wrong at best before the "
        f"threshold, {wrong.test_risk.max():.0%} at it, {wrong.test_risk[-1]:.1%} with four times as many features as samples.",
        f"scikit-learn's digits, 8 × 8 pixels, ten classes: n = {_N} training samples and 997 test samples (one split, seed 0); "
        f"means and bands over {_DRAWS} draws of the features (seed 0).",
        fourier,
        [
            side_by_side(
                (wrong, "Fourier features: share of wrong answers."),
                (fourier, "Fourier features: squared error, summed over the ten classes."),
                (partial(_norm, fourier), "Length of the coefficients of the same fits."),
                (relu, "ReLU features: squared error. The peak is as narrow, and lower."),
            ),
            prose(
                f"""
These are the figures of Belkin et al. (2019, Fig. 2), on smaller data. *Share of wrong answers.* {wrong.verdict()}

*Squared error.* {fourier.verdict()}

## The model

    h(x) = Σₖ aₖ φₖ(x),  k = 1 … N         Fourier:  φₖ(x) = √2 cos(⟨vₖ, x⟩ + bₖ)
                                           ReLU:     φₖ(x) = max(⟨vₖ, x⟩, 0)

The vₖ and bₖ are drawn at random, once, and never trained: a network of one hidden layer, of which only the last layer
learns. That last layer is linear, so all of the two pages before holds. The features of the n samples make an n × N
matrix Φ, and a = Φ⁺y: least squares for N < n, the shortest interpolant for N ≥ n. There is one a for each of the ten
classes, fitted to 1 for samples of the class and 0 for the others; the largest h wins.

## Why the second descent goes below the first

As N grows, h tends to the interpolant of least norm in a space of functions (for Fourier features: that of a Gaussian
kernel). There a small norm means a smooth function, and digits that look alike have the same label: smooth is right. With
N only a little above n, the random features at hand cannot express that smooth function, and their shortest interpolant is still long. With
more of them it comes closer. The third figure shows this: the norm is {fourier.norm.max():.0f} at the peak and
{fourier.norm[-1]:.0f} at N = {fourier.axis[-1]:.0f}. The training risk is zero all the way from N = n on and cannot tell the good interpolants
from the bad ones; the norm does.

The threshold counts one parameter for each sample *and class*: with ten classes and n = {_N}, N = {_N} features are
{_N * 10} parameters. In the figure of ReLU features it is {relu.threshold:.0f}, not {_N}: without cosines and offsets, the first layer
yields features of which some are zero or depend on one another, and it takes a few more to reach rank n.

## With wrong labels
"""
            ),
            side_by_side(
                (wrong_noisy, f"{_NOISE:.0%} of the training labels wrong: share of wrong answers on test samples, whose labels are right."),
                (noisy, "The same in squared error."),
            ),
            prose(
                f"""
{wrong_noisy.verdict()} An interpolant has to learn the wrong labels by heart. Far right of the threshold they do less harm than
near it, since each is a small bump around its sample; but they do harm, and a model left of the threshold, too small to
learn them, is not made to. That double descent goes below the classical minimum is a matter of noise. What to do then is
on the [last page](remedies.html).

## Repeat it

    from attar.risk import feature_curve
    curve = feature_curve(X, y, X_test, y_test, draws={_DRAWS})
    curve.zero_one, curve.norm
    feature_curve(X, y, X_test, y_test, features="relu", draws={_DRAWS})
    feature_curve(X, y, X_test, y_test, label_noise={_NOISE}, draws={_DRAWS})

The width of the Fourier features is chosen from training samples alone, as what predicts best those left out one by
one. On MNIST with 10 000 training samples: `python benchmarks/random_features.py OUT`.
"""
            ),
            references(
                (
                    "Belkin, Hsu, Ma, Mandal, Reconciling modern machine-learning practice and the classical bias-variance "
                    "trade-off, 2019 (Fig. 2)",
                    "https://arxiv.org/abs/1812.11118",
                ),
                (
                    "Rahimi, Recht, Random features for large-scale kernel machines, 2007",
                    "https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines",
                ),
                (
                    "Mei, Montanari, The generalization error of random features regression: precise asymptotics and the "
                    "double descent curve, 2019",
                    "https://arxiv.org/abs/1908.05355",
                ),
            ),
        ],
    )
