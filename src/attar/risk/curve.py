"""Risk along an axis: one type for every sweep."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from attar._files import write_whole
from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._extremes import CLEAR, extremes, near
from attar.risk._words import number, place

# A training risk below this share of the largest on the curve is zero.
_ZERO = 1e-9
# So many standard errors must a minimum or peak stand out by.
_ERRORS = 2.0
# Over epochs, the mean over a place and so many on each side of it counts.
_NEAR = 2
# Standard deviations between the ends of a 90 % interval of normally distributed values.
_WIDTH = 3.29
OF_LABELS = ("samples", "label noise")
"""Axes of the data and not of the model: nothing on them is a setting."""
NO_CAPACITY = ("λ", *OF_LABELS)
"""Axes along which a model does not grow: there is no threshold to be passed."""
# Of the metadata of a table: the curve as JSON.
_KEY = "attar.curve"
_ARRAYS = (
    "axis",
    "train_risk",
    "test_risk",
    "train_interval",
    "test_interval",
    "bias2",
    "variance",
    "norm",
    "condition",
    "theory",
)


@dataclass(frozen=True, eq=False)  # arrays have no one answer to whether they are equal
class Curve:
    """Train and test risk along an axis. Two are equal if they are the same object.

    References:
        Belkin, Hsu, Ma, Mandal, Reconciling modern machine-learning practice and the classical bias-variance trade-off,
        2019, https://arxiv.org/abs/1812.11118 (regimes on either side of the interpolation threshold)

    Arguments:
        axis: what is varied `(k,)`, ascending.
        train_risk: `(k,)`.
        test_risk: `(k,)`.
        over: name of the axis.
        loss: that the risks are means of.
        draws: of training samples, noise or seeds, that the risks are means over.
        train_interval: that holds 90 % of the draws `(k, 2)`, or None where there is one draw.
        test_interval: likewise.
        bias2: squared bias `(k,)`, where it is known.
        variance: `(k,)`, where it is known.
        noise: the risk that no model can avoid, where it is known.
        norm: length of the parameter vector `(k,)`.
        condition: scaled condition number ‖X‖_F ‖X⁺‖_F of the problem solved `(k,)`.
        theory: the test risk that a formula expects `(k,)`.
        threshold: where on the axis the training risk first reaches zero; None: nowhere.
        zero_one: the same sweep judged by the share of wrong answers, where the targets are classes.

    Raises:
        DataError: the shapes do not fit, or the axis does not ascend.

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
    draws: int = 1
    train_interval: Doubles | None = None
    test_interval: Doubles | None = None
    bias2: Doubles | None = None
    variance: Doubles | None = None
    noise: float | None = None
    norm: Doubles | None = None
    condition: Doubles | None = None
    theory: Doubles | None = None
    threshold: float | None = None
    zero_one: Curve | None = None

    def __repr__(self) -> str:
        k, low, high = len(self.axis), self.axis[0], self.axis[-1]
        return f"Curve({self.loss} over {self.over}, {k} values from {low:g} to {high:g})"

    def __post_init__(self) -> None:
        k = np.size(self.axis)
        for name in _ARRAYS:
            value = getattr(self, name)
            if value is not None:
                array = np.asarray(value, dtype=np.float64)
                wanted = (k, 2) if name.endswith("_interval") else (k,)
                if array.shape != wanted:
                    raise DataError(f"{name} has shape {array.shape} and the axis {k} values: give {wanted}")
                object.__setattr__(self, name, array)
        if not len(self.axis) or not np.isfinite(self.axis).all() or (np.diff(self.axis) <= 0).any():
            raise DataError("the axis of a curve must ascend and hold at least one value")
        if self.threshold is None and self.over not in NO_CAPACITY:
            zero = np.flatnonzero(self.train_risk <= _ZERO * self.train_risk.max())
            object.__setattr__(self, "threshold", float(self.axis[zero[0]]) if len(zero) else None)

    @property
    def best(self) -> float:
        """Where the test risk is lowest."""
        return float(self.axis[self._lowest])

    @property
    def minima(self) -> tuple[float, ...]:
        """Where the test risk is lower than what lies on either side, by more than ripples."""
        return tuple(float(self.axis[i]) for i in self._extremes()[0])

    @property
    def peaks(self) -> tuple[float, ...]:
        """Where the test risk is higher than what lies on either side, by more than ripples."""
        return tuple(float(self.axis[i]) for i in self._extremes()[1])

    @property
    def t_min(self) -> float:
        """Where the test risk has its first minimum: the end of the axis where it falls all the way."""
        return self.minima[0] if self.minima else self.best

    @property
    def t_int(self) -> float | None:
        """Where, from `t_min` on, the training error first is zero, on an axis along which it falls; None: nowhere."""
        return None if self.threshold is None else max(self.t_min, self.threshold)

    @property
    def regimes(self) -> list[str]:
        """For each place on the axis: "interpolating" from the threshold on, else "classical".

        Where it is harder to interpolate further along, as over samples, "interpolating" is up to the threshold.
        """
        sign = -1 if self.train_risk[-1] > self.train_risk[0] else 1
        threshold = np.inf if self.threshold is None else sign * self.threshold
        return ["classical" if sign * value < threshold else "interpolating" for value in self.axis]

    def verdict(self) -> str:
        """What the curve shows, in a sentence."""
        minima, peaks = self._extremes()
        return self._with_peak(minima, peaks) if peaks else self._without_peak()

    def _without_peak(self) -> str:
        lowest, last = self._lowest, len(self.axis) - 1
        small = self.test_risk <= self.test_risk[lowest] * (1 + CLEAR)
        if small.all():
            return f"Test risk hardly changes: it is lowest with {self._risk_at(lowest)}."
        if lowest == last:
            return f"Test risk falls all the way, to {self._risk_at(lowest)}: it may fall further still."
        if lowest == 0:
            return f"Test risk rises from {self._risk_at(lowest)} on."
        return (
            f"Test risk falls to {self._risk_at(lowest)} and {'hardly changes' if small[last] else 'rises'} after it."
        )

    def _with_peak(self, minima: list[int], peaks: list[int]) -> str:
        peak = max(peaks, key=lambda i: self.test_risk[i])
        before = min((i for i in minima if i < peak), key=lambda i: self.test_risk[i])
        after = min((i for i in minima if i > peak), key=lambda i: self.test_risk[i])
        where = place(self.axis[peak], self.over)
        if self.threshold is not None and near(self.axis, peak, self.threshold):
            threshold = f"the interpolation threshold of {place(self.threshold, self.over)}"
            where = threshold if self.threshold == self.axis[peak] else f"{where}, near {threshold}"
        first, falls, than = "falls to", "falls again", "the first minimum"
        if before == 0:
            first, falls, than = "begins with", "falls", "where it began"
        better = "below" if self.test_risk[after] < self.test_risk[before] else "not below"
        return (
            f"Test risk {first} {self._risk_at(before)}, peaks at {number(self.test_risk[peak])} at {where}, and "
            f"{falls} to {self._risk_at(after)}, {better} {than}."
        )

    def _risk_at(self, i: int) -> str:
        return f"{number(self.test_risk[i])} at {place(self.axis[i], self.over)}"

    def svg(self, width: int = 720, height: int = 400) -> str:
        """A picture of it, that needs nothing else; shown by itself as the last value of a notebook's cell."""
        from attar.risk.picture import picture

        return picture(self, width, height)

    _repr_svg_ = svg

    @property
    def _lowest(self) -> int:
        """Index of the lowest test risk; one that is not known, as an infinite one from a file, is none."""
        return int(np.argmin(np.where(np.isnan(self.test_risk), np.inf, self.test_risk)))

    def _extremes(self) -> tuple[list[int], list[int]]:
        """Indices of minima and peaks, by what the draws leave no doubt of."""
        if self.test_interval is None:
            error = np.zeros_like(self.test_risk)
        else:
            with np.errstate(invalid="ignore"):  # both ends may be infinite
                error = (self.test_interval[:, 1] - self.test_interval[:, 0]) / _WIDTH / self.draws**0.5
        slack = np.nan_to_num(_ERRORS * error, posinf=np.finfo(float).max / 4)
        if self.over != "epochs":
            return extremes(self.test_risk, slack)
        # Neighbours are one training a few steps apart, and what lasts for one or two of them is chance.
        reach = [min(i, len(self.axis) - 1 - i, _NEAR) for i in range(len(self.axis))]
        return extremes(np.array([self.test_risk[i - r : i + r + 1].mean() for i, r in enumerate(reach)]), slack)

    def to_json(self) -> str:
        """As JSON; what is infinite or missing is null."""
        return json.dumps(self._as_dict())

    def _as_dict(self) -> dict[str, object]:
        held: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Curve):
                held[field.name] = value._as_dict()
            elif isinstance(value, np.ndarray):
                known = value.astype(object)
                known[~np.isfinite(value)] = None
                held[field.name] = known.tolist()
            elif value is not None:
                held[field.name] = value
        return held

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A curve that `to_json` wrote.

        Raises:
            DataError: the text is something else.
        """
        try:
            return cls._from_dict(json.loads(text))
        except (ValueError, TypeError) as error:
            raise DataError(f"not a curve that attar wrote: {error}") from None

    @classmethod
    def _from_dict(cls, held: Any) -> Self:
        names = {field.name for field in fields(cls)}
        if not isinstance(held, dict) or not {"axis", "train_risk", "test_risk"} <= set(held) <= names:
            raise ValueError("not the fields of a curve")
        held = {name: value for name, value in held.items() if value is not None}
        arrays = {name: np.array(held[name], dtype=np.float64) for name in _ARRAYS if name in held}  # null becomes NaN
        if "zero_one" in held:
            held["zero_one"] = cls._from_dict(held["zero_one"])
        return cls(**(held | arrays))

    def to_arrow(self) -> Any:
        """As a pyarrow Table: a row for each place on the axis; the whole curve is in its metadata as JSON too."""
        import pyarrow as pa

        columns: dict[str, object] = {self.over: self.axis}
        for prefix, curve in (("", self), ("zero_one_", self.zero_one)):
            for name in _ARRAYS[1:]:
                value = None if curve is None else getattr(curve, name)
                if value is not None and value.ndim == 1:
                    columns[prefix + name] = value
                elif value is not None:
                    columns |= {f"{prefix}{name}_{end}": value[:, i] for i, end in enumerate(("low", "high"))}
        return pa.table(columns, metadata={_KEY: self.to_json()})

    def _arrow_file(self) -> bytes:
        import pyarrow as pa

        table, sink = self.to_arrow(), pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        written: bytes = sink.getvalue().to_pybytes()
        return written

    def save(self, path: str | Path) -> None:
        """Write a file, whole or not at all: `.json`, `.arrow` (Feather) or a picture, `.svg`.

        Raises:
            DataError: another ending.
        """
        ways: dict[str, Callable[[], bytes | str]]
        ways = {".json": self.to_json, ".svg": self.svg, ".arrow": self._arrow_file}
        path = Path(path)
        if path.suffix not in ways:
            raise DataError(f"{path} ends in {path.suffix or 'nothing'}: a curve is written as .json, .arrow or .svg")
        write_whole(path, ways[path.suffix]())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote as `.json` or `.arrow`.

        Raises:
            DataError: the file holds something else.
        """
        try:
            if Path(path).suffix != ".arrow":
                return cls.from_json(Path(path).read_text("utf-8"))
            import pyarrow as pa

            with pa.ipc.open_file(path) as reader:
                return cls.from_json((reader.schema.metadata or {})[_KEY.encode()].decode())
        except (ValueError, KeyError) as error:  # no text, no file of Arrow, or one of something else
            raise DataError(f"{path} holds no curve that attar wrote: {error}") from None
