"""Which model of a tensor of integers takes the fewest bits."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from attar.compress.codec import AnyInts, passed
from attar.compress.coder import Coder, Counter, Ints
from attar.compress.contexts import LOG, SIGN_UNIT, UNIT
from attar.compress.layout import Layout, matrix
from attar.compress.symbols import LARGEST, MIDDLES, symbol_of
from attar.compress.tensors import ODDS, SIGN_LEAST, SIGN_WEIGHTS, WEIGHTS, WIDEST, Model, described, mean_of
from attar.data.dataset import Doubles
from attar.errors import CompressionError

# From scores to means and variances.
Law = Callable[[Doubles], tuple[Doubles, Doubles]]

_NEWTON = 6
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
    passed(coder, model, codes.reshape(-1).astype(np.int64) - model.offset)


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
    """The model that suits a tensor.

    Raises:
        CompressionError: a number is too large.
    """
    values = codes.reshape(-1).astype(np.int64)
    key = codes.shape, hashlib.blake2b(values.tobytes(), digest_size=16).digest()
    model = _SEEN.pop(key, None) or _fitted(codes.shape, values)
    _SEEN[key] = model
    while len(_SEEN) > _MOST_SEEN:
        _SEEN.popitem(last=False)
    return model


def _fitted(shape: tuple[int, ...], values: Ints) -> Model:
    layout = matrix(shape)
    if not values.size:
        return Model(layout, 0, 1)
    offset = int(np.median(values))
    low, high = int(values.min()), int(values.max())
    if max(high, -low) > LARGEST:
        raise CompressionError(f"numbers of up to {max(high, -low)} are too large to be coded; the most is {LARGEST}")
    if abs(offset) < values.std() / 4 or max(high - offset, offset - low) > LARGEST:
        offset = 0
    values = values - offset
    symbols = symbol_of(np.abs(values))
    if not symbols.any():
        return Model(layout, offset, 1)
    n, zeros = values.size, int((values == 0).sum())
    odds = round(2 * math.log2(max(zeros, 0.5) / max(n - zeros, 0.5))) + ODDS // 2
    model = Model(
        layout,
        offset,
        int(symbols.max()) + 1,
        bool((values < 0).any()),
        mean_of(float(MIDDLES[symbols].mean())),
        int(np.clip(odds, 0, ODDS - 1)),
    )
    tried = [_weighted(replace(model, layout=one), values) for one in (layout, *_pictures(layout, values))]
    return min(tried, key=lambda one: one[0])[1]


def _pictures(layout: Layout, values: Ints) -> list[Layout]:
    """Layouts in which rows are made of pictures, by the periods with which numbers of a row are alike."""
    columns = layout.columns
    if not layout.sizes or layout.height * layout.width > 1 or columns < 16:
        return []
    rows = np.sign(values.reshape(-1, columns)).astype(np.int8)
    widths = [w for w in range(2, min(_LONGEST, columns) + 1) if columns % w == 0]
    alike = {w: int((rows[:, w:] * rows[:, :-w]).sum(dtype=np.int64)) for w in widths}
    best = sorted(widths, key=lambda w: -alike[w] / (columns - w + 1))[:_TRIED]
    found = []
    for width in best:
        height = width if columns % (width * width) == 0 else columns // width
        if height <= WIDEST:
            found.append(replace(layout, height=height, width=width))
    return found


def _weighted(model: Model, values: Ints) -> tuple[float, Model]:
    """The model with the weights of its divisions that tell most, and the bits that it then takes.

    Magnitudes are taken to follow Poisson's law with the mean μ · Π rᵢ^wᵢ, rᵢ the ratios of the groups' means to that
    of the tensor, signs the logistic one with Σ vᵢ fᵢ, and w and v are where the likelihood is largest.
    """
    n = model.layout.divisions
    worth = _WORTH if model.sparse else _DENSE_WORTH
    if n:
        magnitudes, signs = _Seen(values.size), _Seen(int(np.count_nonzero(values)))
        all_of = replace(model, weights=(1 << UNIT,) * n, sign_weights=(1 << SIGN_UNIT,) * n)
        passed(Counter(), all_of, values, magnitudes, signs)
        sizes = MIDDLES[symbol_of(np.abs(values))].astype(np.float64)
        y = np.minimum(sizes[magnitudes.elements] / sizes.mean(), _FAR)
        # Of numbers most of which are 0, only the others tell.
        # A constant besides, for Poisson's law.
        x = np.column_stack([magnitudes.x * math.log(2), np.ones(len(y))])
        w = _likeliest(x, y, n, _poisson, worth / float((values != 0).mean()))
        v = w[:0]
        if model.signed:
            v = _likeliest(signs.x, (values > 0)[signs.elements].astype(np.float64), n, _logistic, worth)
        model = replace(
            model,
            weights=_whole(w * 2**UNIT, 0, WEIGHTS),
            sign_weights=_whole(v * 2**SIGN_UNIT, SIGN_LEAST, SIGN_WEIGHTS),
        )
    counter = Counter()
    passed(counter, model, values)
    return counter.bits + 4 * n + 5 * n * model.signed, model


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
    w = np.zeros(x.shape[1])
    while kept:
        columns = [*kept, *range(n, x.shape[1])]
        part, ridge = x[:, columns], _RIDGE * len(x) * np.eye(len(columns))
        for _ in range(_NEWTON):
            mean, spread = law(np.clip(part @ w[columns], -_STEEP, _STEEP))
            curve = (part * spread[:, None]).T @ part + ridge
            w[columns] += np.clip(np.linalg.solve(curve, part.T @ (y - mean) - ridge @ w[columns]), -2, 2)
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
