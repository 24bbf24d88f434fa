"""What is expected of some elements of a large tensor, without a pass over all of it in the order of its code."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np

from attar.compress.codec import DENSE, SETS, SIGN_DENSE, SIGN_SETS, by_class, first, strengths, weighed
from attar.compress.coder import AnyInts, Counter, Ints
from attar.compress.contexts import (
    CAP,
    LOG,
    MEAN,
    OF_GROUP,
    OF_NEIGHBOURS,
    TABLE,
    Agreement,
    Distributions,
    classes_of,
    sign_classes_of,
)
from attar.compress.layout import Layout, places
from attar.compress.symbols import MIDDLES, symbol_of
from attar.compress.tensors import Model
from attar.data.dataset import Doubles

# Numbers, and sums, that are looked at at once.
_AT_ONCE = 1 << 20
# Steps down and right to the neighbours, as `Layout.neighbours` has them.
_STEPS = (((0, -1), (0, 1), (-1, 0), (1, 0)), ((-1, -1), (-1, 1), (1, -1), (1, 1)))
# Of all, by the golden section: no row or column is left out.
_GOLDEN, _WORD = 2654435769, 32


@dataclass(frozen=True)
class Known:
    """What is known of some elements of a tensor when their set is written, and what they are.

    Arguments:
        expected: log₂ of the mean magnitude over that of the tensor, in each division `(elements, divisions)`.
        magnitudes: by the middles of their symbols.
        expected_signs: of those that are not 0, in each division.
        positive: which of those are, as 0 and 1.
    """

    expected: Doubles
    magnitudes: Doubles
    expected_signs: Doubles = field(default_factory=lambda: np.zeros((0, 0)))
    positive: Doubles = field(default_factory=lambda: np.zeros(0))


class Glimpse:
    """Some elements of a tensor, spread evenly, with what is known in each division when their set is written.

    A set is a range of places, which are functions of row and column, so that the set of any element is known without
    sorting. Sums over what was written before are then sums by group and set, in the order of memory.

    Arguments:
        model: of the tensor; its layout and weights do not matter.
        values: the numbers without the offset, flat.
        many: elements that are looked at, less than a third of all.
    """

    def __init__(self, model: Model, values: AnyInts, many: int) -> None:
        symbols = symbol_of(np.abs(values))
        self._layout, self._size, self._signed = model.layout, values.size, model.signed
        self._sets = SETS if model.sparse else DENSE
        self._mean, self._mean_of_others = model.mean_magnitude, model.mean_of_others
        place = places(model.layout).reshape(-1)
        often = np.bincount(place, minlength=1 << 16)
        # A set ends after so many elements: those of one place are taken to be in one.
        middle = (np.cumsum(often) - often / 2) / self._size
        of_place = np.minimum(np.sqrt(middle) * self._sets, self._sets - 1).astype(np.uint8)
        self._set = of_place.take(place)
        self._sizes = np.minimum(MIDDLES, CAP).astype(np.uint16).take(symbols)
        self._numbers = np.clip(values, -CAP, CAP).astype(np.int32) if model.signed else self._sizes
        # Signs are written in fewer sets.
        self._fewer = self._sets // (SIGN_SETS if model.sparse else SIGN_DENSE)
        parts = np.sort(np.arange(many, dtype=np.uint64) * np.uint64(_GOLDEN) % np.uint64(1 << _WORD))
        some = (parts * np.uint64(self._size) >> np.uint64(_WORD)).astype(np.int64)
        # In the order of sets, as they are written.
        some = some[np.argsort(self._set[some], kind="stable")]
        self._look(some, symbols[some], values[some])
        self._of_columns = self._across(model.layout.columns)
        self._of_rows = self._within(model.layout.columns)

    def part(self, step: int) -> Glimpse:
        """The same of every so many of these elements."""
        found, some = copy.copy(self), slice(None, None, step)
        found._look(self._some[some], self._symbols[some], self._values[some])
        found._of_rows = self._of_rows[:, some]
        return found

    def _look(self, some: Ints, symbols: AnyInts, values: AnyInts) -> None:
        self._some, self._symbols, self._values = some, symbols.astype(np.int64), values.astype(np.int64)
        self._when = self._set[some]
        self._sign_when = self._when // self._fewer * self._fewer
        self._not_zero = np.flatnonzero(values)
        # What is known, by layouts: it is asked for twice.
        self._before: dict[Layout, tuple[list[Doubles], list[Doubles]]] = {}

    def known(self, layout: Layout) -> Known:
        """Of these elements, in a layout."""
        expected, sizes = np.stack(self._expected(layout), axis=1) / 2.0**LOG, MIDDLES[self._symbols].astype(np.float64)
        if not self._signed:
            return Known(expected, sizes)
        signs = np.stack(self._expected_signs(layout), axis=1) / 2.0**LOG
        return Known(expected, sizes, signs, (self._values[self._not_zero] > 0).astype(np.float64))

    def _expected(self, layout: Layout) -> list[Ints]:
        """log₂ of the mean magnitude over that of the tensor, in each division, as `Magnitudes.features`."""
        unit = max(self._mean, 1 << MEAN)
        before, before_near = OF_GROUP * unit, OF_NEIGHBOURS * unit
        seen = self._size * self._when.astype(np.int64) ** 2 // self._sets**2
        found, (groups, neighbours) = [], self._known(layout)
        for size, (sums, _, _) in zip(layout.sizes, groups):
            told = size * seen // self._size
            found.append(np.log2(sums * 2.0**MEAN + before) - np.log2(told * self._mean + before))
        for sums, count, _, _ in neighbours:
            near = np.minimum(sums, TABLE - 1) * 2.0**MEAN
            found.append(np.log2(near + before_near) - np.log2(count * self._mean + before_near))
        return [np.rint(one * 2**LOG).astype(np.int64) for one in found]

    def _expected_signs(self, layout: Layout) -> list[Ints]:
        """Sum over sum of magnitudes of the elements that are not 0, times what it counts."""
        mean = self._mean_of_others
        strength = strengths(np.abs(self._values[self._not_zero]), mean)
        groups, neighbours = self._known(layout)
        known = [(whole, signed, OF_GROUP) for _, whole, signed in groups]
        known += [(whole, signed, OF_NEIGHBOURS) for _, _, whole, signed in neighbours]
        return [
            np.rint(signed[self._not_zero] * 2**LOG / (whole[self._not_zero] + before * mean)).astype(np.int64)
            * strength
            >> 4
            for whole, signed, before in known
        ]

    def bits(self, model: Model) -> float:
        """About how many bits all elements take, but for the places in symbols."""
        used = [i for i, weight in enumerate(model.weights) if weight]
        expected = self._expected(model.layout)
        classes = classes_of(weighed([expected[i] for i in used], model.weights, used, len(self._some)))
        counter = Counter()
        _count(counter, Distributions(first(model)), classes, self._symbols, self._when)
        if model.signed:
            used = [i for i, weight in enumerate(model.sign_weights) if weight]
            expected = self._expected_signs(model.layout) if used else []
            score = weighed([expected[i] for i in used], model.sign_weights, used, len(self._not_zero))
            against = (self._values[self._not_zero] < 0).astype(np.int64) ^ (score < 0)
            _count(counter, Agreement(), sign_classes_of(score), against, self._sign_when[self._not_zero])
        return counter.bits * self._size / len(self._some)

    def _known(self, layout: Layout) -> tuple[list[Doubles], list[Doubles]]:
        if layout not in self._before:
            self._before[layout] = self._groups(layout), self._near(layout)
        return self._before[layout]

    def _groups(self, layout: Layout) -> list[Doubles]:
        """In each division, of the groups of the elements: magnitudes, those known for signs, and numbers, summed."""
        rows, columns = self._of_rows, self._layout.columns
        if not layout.sizes:
            return []
        column = self._some % columns
        found = [rows, self._looked_up(column, self._of_columns)]
        period = layout.height * layout.width
        if period > 1:
            parts = [one.reshape(columns // period, period, self._sets) for one in self._of_columns]
            found.append(rows if period == columns else self._within(period))
            found.append(self._looked_up(column // period, [one.sum(1) for one in parts]))
            found.append(self._looked_up(column % period, [one.sum(0) for one in parts]))
        return found

    def _near(self, layout: Layout) -> list[Doubles]:
        """Of the neighbours, beside and across: magnitudes and how many, and magnitudes and numbers known for signs."""
        if not layout.neighbours:
            return []
        right = self._some % layout.width
        down = self._some // layout.width % layout.height
        found = np.zeros((len(_STEPS), 4, len(self._some)))
        for sums, steps in zip(found, _STEPS):
            for y, x in steps:
                inside = (down + y >= 0) & (down + y < layout.height) & (right + x >= 0) & (right + x < layout.width)
                # An element is never known before itself.
                other = self._some + inside * (y * layout.width + x)
                when, size = self._set.take(other), self._sizes.take(other)
                known = when < self._when
                sums[0] += known * size
                sums[1] += known
                if self._signed:
                    known = when < self._sign_when
                    sums[2] += known * size
                    sums[3] += known * self._numbers.take(other)
        return list(found)

    def _across(self, columns: int) -> list[Doubles]:
        """Sums over each column and all sets before each: of magnitudes, and of numbers."""
        first = np.arange(columns) * self._sets
        found = [np.zeros((columns, self._sets)), np.zeros((columns, self._sets))]
        step = max(1, _AT_ONCE // columns) * columns
        for start in range(0, self._size, step):
            part = slice(start, start + step)
            key = (self._set[part].reshape(-1, columns) + first).reshape(-1)
            for total, one in zip(found, self._summed(key, part, columns)):
                total += one
        return found

    def _within(self, size: int) -> Doubles:
        """Of runs of so many elements, as `_groups`."""
        found = np.zeros((3, len(self._some)))
        if size < self._sets:
            # Fewer are looked up than there would be sums.
            run_of = (self._some // size * size)[:, None] + np.arange(size)
            when, sizes = self._set.take(run_of), self._sizes.take(run_of)
            known, known_for_signs = when < self._when[:, None], when < self._sign_when[:, None]
            whole = (known * sizes).sum(1), (known_for_signs * sizes).sum(1)
            return np.stack([*whole, (known_for_signs * self._numbers.take(run_of)).sum(1)])
        run = max(1, _AT_ONCE // max(size, self._sets))
        which = self._some // size
        for start in range(0, self._size // size, run):
            part = slice(start * size, (start + run) * size)
            sets = self._set[part].reshape(-1, size)
            key = (sets + (np.arange(len(sets)) * self._sets)[:, None]).reshape(-1)
            there = np.flatnonzero((which >= start) & (which < start + run))
            found[:, there] = self._looked_up(which[there] - start, self._summed(key, part, len(sets)), there)
        return found

    def _summed(self, key: Ints, part: slice, groups: int) -> list[Doubles]:
        """Magnitudes and numbers of a stretch, by group, in all sets before each."""
        found = []
        for values in (self._sizes, self._numbers)[: 1 + self._signed]:
            sums = np.bincount(key, values[part], groups * self._sets).astype(np.float64).reshape(groups, self._sets)
            found.append(np.cumsum(sums, axis=1) - sums)
        return found * (2 - self._signed)

    def _looked_up(self, groups: Ints, sums: list[Doubles], some: Ints | slice = slice(None)) -> Doubles:
        when, sign_when = self._when[some], self._sign_when[some]
        return np.stack([sums[0][groups, when], sums[0][groups, sign_when], sums[1][groups, sign_when]])


def _count(coder: Counter, learnt: Distributions | Agreement, classes: Ints, symbols: Ints, when: AnyInts) -> None:
    """Count symbols whose distributions are learnt from one set to the next."""
    ends = np.flatnonzero(np.diff(when)) + 1
    for part in np.split(np.arange(len(when)), ends):
        if len(part):
            by_class(coder, learnt, classes[part], symbols[part])
            learnt.learn(classes[part], symbols[part])
