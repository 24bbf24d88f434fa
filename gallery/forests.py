"""Page 4: forests and boosting on digits."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attar.risk import Curve, forest_curve, forest_grid
from attar.risk.picture import Line, draw
from gallery.frame import Page, prose, references, side_by_side
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
    forest, noisy = curves["forest"], curves["noisy"]
    one, many = (wrong[f"{_N} leaves"].test_risk[i] for i in (0, -1))
    return Page(
        "forests",
        "Trees: larger, and then more of them",
        f"One tree of digits that interpolates is wrong on {wrong['forest'].test_risk[wrong['forest'].axis <= _N][-1]:.0%}; "
        f"64 of them, each of which interpolates as well, on {wrong['forest'].test_risk[-1]:.1%}.",
        f"scikit-learn's digits: n = {_N} training samples and 997 test samples (one split, seed 0); squared error is summed over "
        f"the ten classes; means and bands over {_DRAWS} draws of the trees and wrong labels (boosting: 3).",
        forest,
        [
            side_by_side(
                (forest, "A forest: first one tree of more and more leaves, then more and more trees. Squared error."),
                (wrong["forest"], "The same: share of wrong answers."),
                (noisy, f"{_NOISE:.0%} of the training labels wrong: squared error."),
                (wrong["noisy"], "The same: share of wrong answers."),
            ),
            prose(
                f"""
These are the figures of Belkin et al. (2019, Fig. 4). The axis counts leaves of all trees together: up to the threshold
there is one tree and it grows; from then on trees are fully grown, each passes through all its training samples, and
their number grows. The trees see all samples (there is no bootstrap), and differ by the columns that each split may choose from.
*With clean labels:* {forest.verdict()} *With wrong ones:* {noisy.verdict()}

## Why there is no blow-up

A tree answers with a mean of training targets, which lies within their range, whatever they are. There is no X⁻¹ whose
entries could be huge; so the peak is a low hill, and with clean labels the share of wrong answers hardly has one. But
the hill is there for the same reason as before: at the threshold there is nearly one way to interpolate, by one tree,
with one sample or few in a leaf, and each wrong label claims the whole box around its sample.

## Why more trees help

    f̄(x) = (1/B) Σ_b f_b(x)          Var f̄ = ρ s² + (1 − ρ) s²/B

s² is the variance of one tree and ρ the correlation of two. Bias is the same for one tree and for their mean; the part
(1 − ρ) s² of the variance falls as 1/B. Among the interpolants, the mean of many trees is a smoother one than any single
tree, without a corner at each sample. It is not that capacity helps by itself: *averaging* chooses a better function of
zero training risk, as the least norm does for linear models. Leaves and trees are two capacities, not one: on data
with {_NOISE:.0%} wrong labels, the share of wrong answers falls from {one:.0%} to {many:.1%} with {_TREES[-1]} fully grown trees, and adding trees
does not raise the risk at any number of leaves.
"""
            ),
            side_by_side(
                (partial(_averaged, curves), f"Over trees, for trees of several sizes, with {_NOISE:.0%} of the labels wrong."),
                (
                    wrong["noisy boosting"],
                    f"Boosting, with {_NOISE:.0%} of the labels wrong: trees of 8 leaves, each fitted to what those before leave (η = 0.1).",
                ),
            ),
            prose(
                f"""
## Boosting

Boosting adds trees too, but each corrects those before it, F_t = F_(t−1) + η tree(x, y − F_(t−1)): steps of gradient
descent on functions. Here more trees *do* mean more capacity, and the training risk goes on falling. *Without wrong
labels:* {wrong["boosting"].verdict()} *With {_NOISE:.0%} of them wrong:* {wrong["noisy boosting"].verdict()} Up to
{curves["boosting"].axis[-1]:.0f} trees it does not interpolate (its squared error on training samples is not yet zero), so this shows no second
descent, and does not say that there is none. To stop early is the usual remedy.

## Repeat it

    from attar.risk import forest_curve, forest_grid
    forest_curve(X, y, X_test, y_test, draws={_DRAWS}, label_noise={_NOISE})
    forest_curve(X, y, X_test, y_test, model="boosting", draws=3)
    forest_grid(X, y, X_test, y_test, leaves={_LEAVES}, trees={_TREES})

Each tree is grown once: a tree grown best split first holds all smaller trees, and a forest all smaller forests.
"""
            ),
            references(
                (
                    "Belkin, Hsu, Ma, Mandal, Reconciling modern machine-learning practice and the classical bias-variance "
                    "trade-off, 2019 (Fig. 4)",
                    "https://arxiv.org/abs/1812.11118",
                ),
                ("Breiman, Random forests, 2001", "https://doi.org/10.1023/A:1010933404324"),
                (
                    "Wyner, Olson, Bleich, Mease, Explaining the success of AdaBoost and random forests as interpolating "
                    "classifiers, 2017",
                    "https://arxiv.org/abs/1504.07676",
                ),
                ("Bühlmann, Yu, Boosting with the L2 loss, 2003", "https://doi.org/10.1198/016214503000125"),
            ),
        ],
    )
