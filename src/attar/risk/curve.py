"""Risk along an axis: one type for every sweep."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from attar.errors import DataError

Doubles = npt.NDArray[np.float64]

# A training risk below this share of the largest on the curve is zero.
_ZERO = 1e-9
# A minimum or peak counts if the risk rises, or falls, by this share of it on both sides.
_CLEAR = 0.05


@dataclass(frozen=True)
class Curve:
    """Train and test risk along an axis.

    References:
        Belkin, Hsu, Ma, Mandal, Reconciling modern machine-learning practice and the classical bias-variance trade-off,
        2019, https://arxiv.org/abs/1812.11118 (regimes on either side of the interpolation threshold)

    Arguments:
        axis: what is varied `(k,)`, ascending.
        train_risk: `(k,)`.
        test_risk: `(k,)`.
        over: name of the axis.
        loss: that the risks are means of.
        train_interval: 90 % `(k, 2)`, or None where there is one draw.
        test_interval: likewise.
        bias2: squared bias `(k,)`, where it is known.
        variance: `(k,)`, where it is known.
        noise: the risk that no model can avoid, where it is known.
        norm: length of the parameter vector `(k,)`.
        condition: scaled condition number ‖X‖_F ‖X⁺‖_F of the problem solved `(k,)`.
        threshold: where on the axis the training risk first reaches zero; None: nowhere.

    Raises:
        DataError: the lengths differ, or the axis does not ascend.

    Example:
        >>> curve = Curve(np.arange(1, 8), [4, 2, 1, 0, 0, 0, 0], [5, 3, 4, 9, 4, 2, 1], over="features")
        >>> curve.threshold, curve.best, curve.minima
        (4.0, 7.0, (2.0, 7.0))
        >>> curve.verdict()
        'Test risk falls to 3 at 2 features, peaks at 9 at the interpolation threshold of 4 features, ...'
    """

    axis: Doubles
    train_risk: Doubles
    test_risk: Doubles
    over: str = "features"
    loss: str = "squared error"
    train_interval: Doubles | None = None
    test_interval: Doubles | None = None
    bias2: Doubles | None = None
    variance: Doubles | None = None
    noise: float | None = None
    norm: Doubles | None = None
    condition: Doubles | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and field.name not in ("over", "loss", "noise", "threshold"):
                array = np.asarray(value, dtype=np.float64)
                if len(array) != len(self.axis):
                    raise DataError(
                        f"{field.name} has {len(array)} values and the axis {len(self.axis)}: give one for each"
                    )
                object.__setattr__(self, field.name, array)
        if not len(self.axis) or (np.diff(self.axis) <= 0).any():
            raise DataError("the axis of a curve must ascend and hold at least one value")
        if self.threshold is None:
            zero = np.flatnonzero(self.train_risk <= _ZERO * self.train_risk.max())
            object.__setattr__(self, "threshold", float(self.axis[zero[0]]) if len(zero) else None)

    @property
    def best(self) -> float:
        """Where the test risk is lowest."""
        return float(self.axis[int(np.argmin(self.test_risk))])

    @property
    def minima(self) -> tuple[float, ...]:
        """Where the test risk is lower than what lies on either side, by more than ripples."""
        return tuple(float(self.axis[i]) for i in _extremes(self.test_risk)[0])

    @property
    def peaks(self) -> tuple[float, ...]:
        """Where the test risk is higher than what lies on either side, by more than ripples."""
        return tuple(float(self.axis[i]) for i in _extremes(self.test_risk)[1])

    @property
    def regimes(self) -> list[str]:
        """For each place on the axis: "classical" before the threshold, "interpolating" from there on."""
        threshold = np.inf if self.threshold is None else self.threshold
        return ["classical" if value < threshold else "interpolating" for value in self.axis]

    def verdict(self) -> str:
        """What the curve shows, in a sentence."""
        minima, peaks = _extremes(self.test_risk)
        name = self.over

        def at(i: int) -> str:
            return f"{self.test_risk[i]:.3g} at {self.axis[i]:g} {name}"

        if not peaks:
            i = int(np.argmin(self.test_risk))
            if i == len(self.axis) - 1:
                return f"Test risk falls all the way, to {at(i)}: a larger model may be better still."
            if i == 0:
                return f"Test risk rises from {at(i)} on: a smaller model may be better still."
            return f"Test risk falls to {at(i)} and rises after it."
        peak = max(peaks, key=lambda i: self.test_risk[i])
        near = self.threshold is not None and _near(self.axis, peak, self.threshold)
        where = f"the interpolation threshold of {self.threshold:g} {name}" if near else f"{self.axis[peak]:g} {name}"
        before = min((i for i in minima if i < peak), key=lambda i: self.test_risk[i])
        after = min((i for i in minima if i > peak), key=lambda i: self.test_risk[i])
        better = "below" if self.test_risk[after] < self.test_risk[before] else "not below"
        return (
            f"Test risk falls to {at(before)}, peaks at {self.test_risk[peak]:.3g} at {where}, and falls again "
            f"to {at(after)}, {better} the first minimum."
        )

    def to_json(self) -> str:
        """As JSON; what is infinite or missing is null."""

        def plain(value: object) -> object:
            return [plain(v) for v in value] if isinstance(value, np.ndarray) else _finite(value)

        return json.dumps({key: plain(value) for key, value in asdict(self).items()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A curve that `to_json` wrote.

        Raises:
            DataError: the text is something else.
        """
        try:
            held = json.loads(text)
            names = {field.name for field in fields(cls)}
            if not isinstance(held, dict) or not {"axis", "train_risk", "test_risk"} <= set(held) <= names:
                raise ValueError("not the fields of a curve")
            return cls(**{key: _array(value) for key, value in held.items()})
        except (ValueError, TypeError) as error:
            raise DataError(f"not a curve that attar wrote: {error}") from None


def _finite(value: object) -> object:
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def _array(value: Any) -> Any:
    if isinstance(value, list):
        return np.array(value, dtype=np.float64)  # null becomes NaN
    return value


def _near(axis: Doubles, i: int, value: float) -> bool:
    """Whether a value lies within two places of the i-th."""
    return bool(axis[max(i - 2, 0)] <= value <= axis[min(i + 2, len(axis) - 1)])


def _extremes(risk: Doubles) -> tuple[list[int], list[int]]:
    """Indices of the minima and of the peaks between them; a change of less than `_CLEAR` of the risk is a ripple."""
    risk = np.where(np.isfinite(risk), risk, np.finfo(float).max)
    minima: list[int] = []
    peaks: list[int] = []
    lowest = highest = 0
    falling = True
    for i in range(1, len(risk)):
        if falling:
            if risk[i] < risk[lowest]:
                lowest = i
            elif risk[i] > risk[lowest] * (1 + _CLEAR):
                minima.append(lowest)
                falling, highest = False, i
        else:
            if risk[i] > risk[highest]:
                highest = i
            elif risk[i] < risk[highest] * (1 - _CLEAR):
                peaks.append(highest)
                falling, lowest = True, i
    return ([*minima, lowest], peaks) if falling else (minima, peaks)
