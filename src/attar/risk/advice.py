"""What to do about a risk curve: where on its axis to be, and what that gains on samples not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import curve_of_draws
from attar.risk._words import number, place
from attar.risk.curve import OF_LABELS, Curve

Interval = tuple[float, float]

_LEVEL = 0.9
# Chance of a gain below which nothing is changed.
_SURE = 0.85
# A λ that is as good as none.
_NONE = 1e-6
# What to do where the setting is below the default, and where it is above.
_DO = {
    "features": ("Use {setting} features rather than {default}", "Use {setting} features rather than {default}"),
    "λ": ("Regularise less: λ = {setting}, not {default}", "Regularise with a ridge of λ = {setting}"),
    "leaves": ("Grow smaller trees: {setting} leaves at most, rather than {default}", "Grow trees of {setting} leaves"),
    "trees": ("{setting} trees will do, rather than {default}", "Grow {setting} trees rather than {default}"),
    "width": (
        "Take a smaller network: a width of {setting}, not {default}",
        "Take a larger network: a width of {setting}",
    ),
    "epochs": (
        "Stop after {setting} epochs rather than {default}",
        "Train on, for {setting} epochs rather than {default}",
    ),
    "steps": (
        "Stop after {setting} steps rather than {default}",
        "Train on, for {setting} steps rather than {default}",
    ),
    "samples": ("", "Get twice as many labels"),
    "label noise": ("", "Check the labels, for if one in twenty were wrong"),
}


@dataclass(frozen=True)
class Gain:
    """By how much a risk falls.

    Arguments:
        mean: positive where it falls.
        interval: that holds it with 90 %.
        chance: that it falls at all.
    """

    mean: float
    interval: Interval
    chance: float


@dataclass(frozen=True)
class Advice:
    """One thing to do, and what to expect of it.

    Arguments:
        over: what is varied.
        default: where the model stands.
        setting: where it should; the default itself where nothing else is worth it.
        gain: of the squared error, or whatever the curve measures.
        errors: of the share of wrong answers, where there are classes.
    """

    over: str
    default: float
    setting: float
    gain: Gain
    errors: Gain | None = None

    @property
    def keep(self) -> bool:
        """Whether it says to change nothing."""
        return self.setting == self.default

    @property
    def sentence(self) -> str:
        """The advice in words, with what it gains and how sure that is.

        >>> Advice("epochs", 200, 40, Gain(0.1, (0.05, 0.15), 0.99), Gain(0.02, (-0.01, 0.05), 0.9)).sentence
        'Stop after 40 epochs rather than 200: of new samples 2.0 points fewer would be answered wrongly (90 % interval
        1.0 points more to 5.0 fewer), and the loss would fall by 0.1 (0.05 to 0.15).'
        """
        if self.keep and self.over == "samples":
            return "More labels promise nothing: from half of them to all, the risk did not fall."
        if self.keep:
            here = "out a ridge" if self.over == "λ" and self.default < _NONE else f" {place(self.default, self.over)}"
            return f"Stay with{here}: nothing else is better with a chance of 85 % or more."
        smaller, larger = _DO.get(self.over, ("Set {over} to {setting} rather than {default}",) * 2)
        do = smaller if self.setting < self.default else larger
        if self.over == "samples" and (self.gain.chance < _SURE or (self.errors is not None and self.errors.mean <= 0)):
            do = "Twice as many labels may help, or not"
        action = do.format(over=self.over, setting=number(self.setting), default=number(self.default))
        low, high = self.gain.interval
        way, sign = ("fall", 1) if self.gain.mean >= 0 else ("rise", -1)
        ends = sorted((sign * low, sign * high))
        loss = (
            f"the loss would {way} by {number(abs(self.gain.mean), 2)} ({number(ends[0], 2)} to {number(ends[1], 2)})"
        )
        if self.errors is None:
            return f"{action}: {loss}."
        return f"{action}: of new samples {_points(self.errors)}, and {loss}."


def advise(curves: Sequence[Sequence[Curve]], default: float, *, share: float) -> Advice:
    """Choose a place on the axis, and say what it gains against the default.

    The place is where the mean risk of all curves is lowest. What it promises there is too good, for it was chosen so;
    the gain is therefore that of choosing by the other folds of a round, in the fold left out:

        gain = mean over rounds r and folds f of R_rf(default) − R_rf(argmin_a Σ_{g ≠ f} R_rg(a))

    Its interval allows for the overlap of the training sets, with J curves in all and ρ test samples for each
    training sample: s² (1/J + ρ) is the variance of the mean. The default stays where the chance of a gain, by the same
    t distribution, is below 85 %, and where of classes no fewer would be answered wrongly. The chance is that of the
    gain as a share of both risks, between −1 and 1: a few folds with enormous risks would hide any gain.

    References:
        Nadeau, Bengio, Inference for the generalization error, 2003, https://doi.org/10.1023/A:1024068626366
        Varma, Simon, Bias in error estimation when using cross-validation for model selection, 2006,
        https://doi.org/10.1186/1471-2105-7-91

    Arguments:
        curves: a row of folds for each round of cross-validation, all over the same axis.
        default: a place on it.
        share: ρ, test samples of a fold by its training samples.

    Raises:
        DataError: fewer than two folds in a round, different axes, or a default that is not on them.

    Example:
        >>> axis = np.array([1.0, 2.0, 4.0])
        >>> rounds = [[Curve(axis, axis, [3 + e, 1 + e, 2 - e]) for e in (0.0, 0.1, 0.2)]]
        >>> found = advise(rounds, default=1.0, share=0.5)
        >>> found.setting, round(found.gain.mean, 2)
        (2.0, 2.0)
    """
    if not curves or min(map(len, curves)) < 2:
        raise DataError("give at least one round of two folds")
    axis = curves[0][0].axis
    if any(not np.array_equal(curve.axis, axis) for folds in curves for curve in folds):
        raise DataError("the curves have different axes: give the same values for each fold")
    places = np.flatnonzero(axis == default)
    if not len(places):
        raise DataError(f"the default of {default:g} is not on the axis: give it among the values")
    start = int(places[0])
    risks = risks_of(curves)
    chosen = [_by_others(risk) for risk in risks]
    sure = gained([_relative(risk, at, start) for risk, at in zip(risks, chosen)], chosen, start, share).chance
    gain = replace(gained(risks, chosen, start, share), chance=sure)
    best = int(np.argmin(np.concatenate(risks).mean(0)))
    wrong = zero_ones(curves)
    errors = gained(risks_of(wrong), chosen, start, share) if wrong else None
    # A loss may fall by confidence alone, or from one that a few samples had blown up.
    if gain.chance < _SURE or best == start or (errors is not None and errors.mean <= 0):
        return Advice(curves[0][0].over, default, default, Gain(0.0, (0.0, 0.0), 0.0))
    return Advice(curves[0][0].over, default, float(axis[best]), gain, errors)


def best_of(advices: Sequence[Advice]) -> int | None:
    """Which advice gains most, by the share of wrong answers where there are classes; None where all say to stay.

    More labels and wrong ones are left out, for neither is a setting.

    Arguments:
        advices: of models that can be compared.
    """
    gains = [0.0 if a.keep or a.over in OF_LABELS else (a.errors or a.gain).mean for a in advices]
    return int(np.argmax(gains)) if gains and max(gains) > 0 else None


def mean_of(curves: Sequence[Sequence[Curve]]) -> Curve:
    """One curve of all folds: means, and intervals that hold 90 % of the folds.

    Raises:
        DataError: no curve, or different axes.
    """
    flat = [curve for folds in curves for curve in folds]
    if not flat or any(not np.array_equal(curve.axis, flat[0].axis) for curve in flat):
        raise DataError("give curves over the same axis")
    thresholds = [curve.threshold for curve in flat if curve.threshold is not None]
    wrong = zero_ones([flat])
    norms = [curve.norm for curve in flat if curve.norm is not None]
    return curve_of_draws(
        flat[0].axis,
        np.stack([curve.train_risk for curve in flat]).T,
        np.stack([curve.test_risk for curve in flat]).T,
        flat[0].over,
        loss=flat[0].loss,
        norm=np.mean(norms, axis=0) if len(norms) == len(flat) else None,
        threshold=float(np.median(thresholds)) if len(thresholds) == len(flat) else None,
        zero_one=mean_of(wrong) if wrong else None,
    )


def zero_ones(curves: Sequence[Sequence[Curve]]) -> list[list[Curve]]:
    """The same folds judged by the share of wrong answers; none where they are not all of classes."""
    wrong = [[curve.zero_one for curve in folds if curve.zero_one is not None] for folds in curves]
    return wrong if sum(map(len, wrong)) == sum(map(len, curves)) else []


def risks_of(curves: Sequence[Sequence[Curve]]) -> list[Doubles]:
    """The test risks of each round `(folds, places)`."""
    return [np.stack([curve.test_risk for curve in folds]) for folds in curves]


def _by_others(risk: Doubles) -> npt.NDArray[np.intp]:
    """For each fold the place that the other folds prefer."""
    # Summed without it: a sum of all less its own would leave nothing of the others where its own is huge.
    return np.array([np.delete(risk, fold, axis=0).sum(0).argmin() for fold in range(len(risk))], dtype=np.intp)


def _relative(risk: Doubles, chosen: npt.NDArray[np.intp], start: int) -> Doubles:
    """Risks of each fold in units of what it has at the default and at the place chosen for it, both together."""
    unit = (np.abs(risk[:, start]) + np.abs(risk[np.arange(len(risk)), chosen]))[:, None]
    shares: Doubles = np.divide(risk, unit, out=np.zeros_like(risk), where=unit > 0)
    return shares


def gained(risks: Sequence[Doubles], chosen: Sequence[npt.NDArray[np.integer]], start: int, share: float) -> Gain:
    """What is gained in each fold at the place chosen for it, with an interval; see `advise`.

    Arguments:
        risks: of each round `(folds, places)`.
        chosen: of each round a place for each fold `(folds,)`.
        start: the place to compare with.
        share: as in `advise`.
    """
    gains = np.concatenate([risk[:, start] - risk[np.arange(len(risk)), at] for risk, at in zip(risks, chosen)])
    j, mean = len(gains), float(gains.mean())
    error = float(gains.std(ddof=1) * np.sqrt(1 / j + share))
    half = error * float(t.ppf((1 + _LEVEL) / 2, j - 1))
    chance = float(t.cdf(mean / error, j - 1)) if error else float(mean > 0)
    return Gain(mean, (mean - half, mean + half), chance)


def _points(gain: Gain) -> str:
    if gain.mean == 0 and gain.interval == (0.0, 0.0):
        return "no fewer would be answered wrongly"

    def points(value: float, unit: str = "points ") -> str:
        return f"{100 * abs(value):.1f} {unit}{'fewer' if value >= 0 else 'more'}"

    low, high = gain.interval
    ends = f"{points(low)} to {points(high, unit='')}"
    if (low >= 0) == (high >= 0):
        ends = f"{100 * abs(low):.1f} to {100 * abs(high):.1f}"
    return f"{points(gain.mean)} would be answered wrongly (90 % interval {ends})"
