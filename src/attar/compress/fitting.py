"""Which model of a tensor of integers takes the fewest bits."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from attar.compress.codec import passed
from attar.compress.coder import AnyInts, Coder, Counter, Ints
from attar.compress.contexts import LOG, SIGN_UNIT, UNIT
from attar.compress.glimpses import Glimpse, Known
from attar.compress.layout import Layout, matrix
from attar.compress.symbols import LARGEST, MIDDLES, symbol_of
from attar.compress.tensors import ODDS, SIGN_LEAST, SIGN_WEIGHTS, WEIGHTS, WIDEST, Model, described, mean_of
from attar.data.dataset import Doubles
from attar.errors import CompressionError

# From scores to means and variances.
Law = Callable[[Doubles], tuple[Doubles, Doubles]]

# Steps, and the length of one after which nothing changes that is told of weights.
_NEWTON, _CLOSE = 6, 1e-6
# Elements that weights are found from.
_ENOUGH = 1 << 16
_RIDGE = 1e-3
_STEEP = 8.0
# Bits an element that a division must save to be looked at: of tensors most of which is 0, and of others.
_WORTH, _DENSE_WORTH = 1e-4, 3e-3
# A number says no more about the mean beyond so many times it.
_FAR = 20
# Periods that are looked for along a row, and how many of the strongest are tried.
_LONGEST, _TRIED = 64, 2
# Of tensors with more numbers, in so many rows or more, some elements are looked at instead of a pass over all.
_LARGE, _TALL = 1 << 17, 64
# Of these, one in so many shows whether there are pictures; and a division that is about worth it is kept.
_PART, _DOUBT = 4, 0.8
# Numbers that are counted however few there are of them.
_FEW = 1 << 12
# Models of the tensors that were seen last: a search counts and writes most tensors many times.
_SEEN: OrderedDict[tuple[tuple[int, ...], bytes], Model] = OrderedDict()
_MOST_SEEN = 1024


def encode(coder: Coder, codes: AnyInts) -> None:
    """Write or count a tensor of integers.

    References:
        Wiedemann et al., DeepCABAC: A Universal Compression Algorithm for Deep Neural Networks, 2020,
        https://arxiv.org/abs/1907.11900 (adaptive contexts)

    Arguments:
        coder: a `Writer` or a `Counter`.
        codes: of any shape.

    Raises:
        CompressionError: a number is too large.

    Example:
        >>> from attar.compress.codec import decode
        >>> from attar.compress.coder import Reader, Writer
        >>> codes, writer = np.array([[0, 0, 3], [-1, 0, 0]]), Writer()
        >>> encode(writer, codes)
        >>> decode(Reader(writer.data()), codes.shape)
        array([[ 0,  0,  3],
               [-1,  0,  0]])
    """
    model = fitted(codes)
    described(coder, codes.shape, model)
    passed(coder, model, _flat(codes) - np.int32(model.offset))


def bits(codes: AnyInts) -> float:
    """How many bits a tensor of integers takes.

    Example:
        >>> 50 < bits(np.arange(30) % 7) < 130
        True
    """
    counter = Counter()
    encode(counter, codes)
    return counter.bits


def fitted(codes: AnyInts) -> Model:
    """The model that suits a tensor; errors are those of `encode`."""
    values = _flat(codes)
    key = codes.shape, hashlib.blake2b(values.tobytes(), digest_size=16).digest()
    model = _SEEN.pop(key, None) or _fitted(codes.shape, values)
    _SEEN[key] = model
    while len(_SEEN) > _MOST_SEEN:
        _SEEN.popitem(last=False)
    return model


def _flat(codes: AnyInts) -> npt.NDArray[np.int32]:
    """In half the room, and half the time, of larger types."""
    most = max(int(codes.max(initial=0)), -int(codes.min(initial=0)))
    if most > LARGEST:
        raise CompressionError(f"numbers of up to {most} are too large to be coded; the most is {LARGEST}")
    return codes.reshape(-1).astype(np.int32)


def _fitted(shape: tuple[int, ...], values: AnyInts) -> Model:
    layout = matrix(shape)
    if not values.size:
        return Model(layout, 0, 1)
    low, high = int(values.min()), int(values.max())
    numbers, often = _frequencies(values, low, high)
    offset = _median(numbers, often)
    if abs(offset) < _deviation(numbers, often) / 4 or max(high - offset, offset - low) > LARGEST:
        offset = 0
    magnitudes = symbol_of(np.abs(numbers - offset))
    if not magnitudes.any():
        return Model(layout, offset, 1)
    n, zeros = values.size, int(often[numbers == offset].sum())
    odds = round(2 * math.log2(max(zeros, 0.5) / max(n - zeros, 0.5))) + ODDS // 2
    mean = float((MIDDLES[magnitudes] * often).sum() / n)
    model = Model(
        layout, offset, int(magnitudes.max()) + 1, low < offset, mean_of(mean), int(np.clip(odds, 0, ODDS - 1))
    )
    if not layout.divisions:
        return model
    values = values - np.int32(offset)
    # Sums over columns, in each set, are then few beside the numbers.
    large = n > _LARGE and layout.rows >= _TALL
    worth = (_WORTH if model.sparse else _DENSE_WORTH) * (_DOUBT if large else 1)
    find = partial(_weighted, worth=worth, mean=mean, others=1 - zeros / n)
    if large:
        return _from_part(model, Glimpse(model, values, _ENOUGH), _pictures(layout, values, _ENOUGH), find)
    told = _Whole(model, values)
    tried = [find(replace(model, layout=one), told.known(one)) for one in (layout, *_pictures(layout, values))]
    return tried[0] if len(tried) == 1 else min(tried, key=lambda one: told.bits(one) + _described(one))


def _from_part(model: Model, told: Glimpse, pictures: list[Layout], find: Callable[[Model, Known], Model]) -> Model:
    """The model by some elements; pictures are tried on few of them first, since most tensors have none."""
    best = find(model, told.known(model.layout))
    few, least = told.part(_PART), math.inf
    for layout in pictures:
        found = find(replace(model, layout=layout), few.known(layout))
        if few.bits(found) < few.bits(best):
            found = find(found, told.known(layout))
            least = min(least, told.bits(best) + _described(best))
            bits = told.bits(found) + _described(found)
            if bits < least:
                best, least = found, bits
    return best


def _frequencies(values: AnyInts, low: int, high: int) -> tuple[Ints, Ints]:
    """The numbers that there are, or all between the least and the largest, and how often each is there."""
    if high - low < max(values.size, _FEW):
        return np.arange(low, high + 1), np.bincount(values - low)
    numbers, often = np.unique(values, return_counts=True)
    return numbers.astype(np.int64), often


def _median(numbers: Ints, often: Ints) -> int:
    """Rounded towards 0."""
    until = np.cumsum(often)
    n = int(until[-1])
    return int(numbers[np.searchsorted(until, [(n - 1) // 2, n // 2], side="right")].mean())


def _deviation(numbers: Ints, often: Ints) -> float:
    share = often / often.sum()
    return math.sqrt(share @ (numbers - share @ numbers) ** 2)


def _pictures(layout: Layout, values: AnyInts, enough: int | None = None) -> list[Layout]:
    """Layouts in which rows are made of pictures, by the periods with which numbers of a row are alike.

    Arguments:
        layout: of the tensor.
        values: its numbers, flat.
        enough: numbers that are not 0, after which no more rows are looked at, rows being as good as any others.
    """
    columns = layout.columns
    if not layout.sizes or layout.height * layout.width > 1 or columns < 16:
        return []
    step = 1 if enough is None else max(1, np.count_nonzero(values) // enough)
    rows = np.sign(values.reshape(-1, columns)[::step]).astype(np.int8)
    widths = [w for w in range(2, min(_LONGEST, columns) + 1) if columns % w == 0]
    alike = {w: int((rows[:, w:] * rows[:, :-w]).sum(dtype=np.int64)) for w in widths}
    best = sorted(widths, key=lambda w: -alike[w] / (columns - w + 1))[:_TRIED]
    found = []
    for width in best:
        height = width if columns % (width * width) == 0 else columns // width
        if height <= WIDEST:
            found.append(replace(layout, height=height, width=width))
    return found


def _weighted(model: Model, known: Known, worth: float, mean: float, others: float) -> Model:
    """The model with the weights of its divisions that tell most.

    Magnitudes are taken to follow Poisson's law with the mean μ · Π rᵢ^wᵢ, rᵢ the ratios of the groups' means to that
    of the tensor, signs the logistic one with Σ vᵢ fᵢ, and w and v are where the likelihood is largest.

    Arguments:
        model: in the layout that is tried.
        known: of some elements.
        worth: bits an element that a division must save.
        mean: of all magnitudes.
        others: share of the numbers that are not 0: where they are few, only they tell.
    """
    n = model.layout.divisions
    y = np.minimum(known.magnitudes / mean, _FAR)
    # A constant besides, for Poisson's law.
    x = np.column_stack([known.expected * math.log(2), np.ones(len(y))])
    w = _likeliest(x, y, n, _poisson, worth / others)
    v = w[:0]
    if model.signed:
        v = _likeliest(known.expected_signs, known.positive, n, _logistic, worth)
    return replace(
        model,
        weights=_whole(w * 2**UNIT, 0, WEIGHTS),
        sign_weights=_whole(v * 2**SIGN_UNIT, SIGN_LEAST, SIGN_WEIGHTS),
    )


def _described(model: Model) -> int:
    """Bits of the weights."""
    return 4 * len(model.weights) + 5 * len(model.sign_weights)


class _Whole:
    """What is known of the elements of a tensor when each is written, by a pass over all."""

    def __init__(self, model: Model, values: AnyInts) -> None:
        self._model, self._values = model, values

    def known(self, layout: Layout) -> Known:
        """Of some elements, in a layout."""
        n, values = layout.divisions, self._values
        magnitudes, signs = _Seen(values.size), _Seen(int(np.count_nonzero(values)))
        weights, sign_weights = (1 << UNIT,) * n, (1 << SIGN_UNIT,) * n
        model = replace(self._model, layout=layout, weights=weights, sign_weights=sign_weights)
        passed(Counter(), model, values, magnitudes, signs)
        sizes = MIDDLES[symbol_of(np.abs(values[magnitudes.elements]))].astype(np.float64)
        if not model.signed:
            return Known(magnitudes.x, sizes)
        return Known(magnitudes.x, sizes, signs.x, (values[signs.elements] > 0).astype(np.float64))

    def bits(self, model: Model) -> float:
        """Of all elements."""
        counter = Counter()
        passed(counter, model, self._values)
        return counter.bits


class _Seen:
    """What was expected of some of so many elements: of all, it would take hundreds of bytes each."""

    def __init__(self, total: int) -> None:
        self._step, self._passed = -(-total // _ENOUGH), 0
        self._elements: list[Ints] = []
        self._features: list[Ints] = []

    def __call__(self, elements: Ints, features: list[Ints], _: Ints) -> None:
        some = slice(-self._passed % self._step, None, self._step)
        self._passed += len(elements)
        self._elements.append(elements[some].copy())
        self._features.append(np.stack([one[some] for one in features], axis=1))

    @property
    def elements(self) -> Ints:
        return np.concatenate(self._elements)

    @property
    def x(self) -> Doubles:
        """`(elements, divisions)`."""
        return np.concatenate(self._features) / 2.0**LOG


def _likeliest(x: Doubles, y: Doubles, n: int, law: Law, least: float) -> Doubles:
    """The weights of greatest likelihood, by Newton's method, one less after the other until each saves enough bits.

    Arguments:
        x: what was expected in each division `(elements, n or more)`; columns after the n-th always count.
        y: what is.
        n: divisions.
        law: of y.
        least: bits an element that a division must save not to be left out.
    """
    kept, found = list(range(n)), np.zeros(n)
    w, every = np.zeros(x.shape[1]), np.ascontiguousarray(x.T)
    while kept:
        columns = [*kept, *range(n, x.shape[1])]
        part, ridge = every[columns], _RIDGE * len(x) * np.eye(len(columns))
        for _ in range(_NEWTON):
            mean, spread = law(np.clip(w[columns] @ part, -_STEEP, _STEEP))
            curve = (part * spread) @ part.T + ridge
            step = np.clip(np.linalg.solve(curve, part @ (y - mean) - ridge @ w[columns]), -2, 2)
            w[columns] += step
            if float(np.abs(step).max()) < _CLOSE:
                break
        saved = (w[columns] ** 2 / np.diag(np.linalg.inv(curve)))[: len(kept)] / (2 * math.log(2) * len(x))
        weakest = int(saved.argmin())
        if saved[weakest] >= least:
            found[kept] = w[kept]
            break
        w[kept.pop(weakest)] = 0
    return found


def _poisson(score: Doubles) -> tuple[Doubles, Doubles]:
    mean = np.exp(score)
    return mean, mean


def _logistic(score: Doubles) -> tuple[Doubles, Doubles]:
    mean = 1 / (1 + np.exp(-score))
    return mean, mean * (1 - mean)


def _whole(weights: Doubles, least: int, many: int) -> tuple[int, ...]:
    return tuple(np.clip(np.rint(weights), least, least + many - 1).astype(int).tolist())
