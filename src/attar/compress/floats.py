"""Floating-point tensors, bit for bit: exponents take few bits, what is left of the numbers is written as it is."""

from __future__ import annotations

import numpy as np

from attar.compress import codec, fitting
from attar.compress.coder import Coder, number
from attar.data.dataset import Floats

_MANTISSA, _EXPONENT = 23, 8
_PART = 15


def encode(coder: Coder, values: Floats) -> None:
    """Write or count numbers.

    Example:
        >>> from attar.compress.coder import Reader, Writer
        >>> writer = Writer()
        >>> encode(writer, np.array([0.5, -2.0, np.inf], np.float32))
        >>> len(writer.data()), decode(Reader(writer.data()), 3)
        (12, array([ 0.5, -2. ,  inf], dtype=float32))
    """
    whole = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32).astype(np.int64)
    sign, exponent, mantissa = whole >> 31, whole >> _MANTISSA & 255, whole & (1 << _MANTISSA) - 1
    one_sign = int(bool(sign.all()) or not sign.any())
    number(coder, 1, one_sign)
    coder.uniform(2, 1 if one_sign else len(sign), sign[:1] if one_sign else sign)
    fitting.encode(coder, exponent)
    every = int(np.bitwise_or.reduce(mantissa)) if len(mantissa) else 0
    zeros = (every & -every).bit_length() - 1 if every else _MANTISSA
    number(coder, _MANTISSA, zeros)
    for shift in range(zeros, _MANTISSA, _PART):
        size = 1 << min(_PART, _MANTISSA - shift)
        coder.uniform(size, len(mantissa), mantissa >> shift & size - 1)


def decode(coder: Coder, n: int) -> Floats:
    """Read so many numbers.

    Raises:
        CompressionError: the data are damaged.
    """
    one_sign = number(coder, 1, None)
    sign = coder.uniform(2, min(1, n) if one_sign else n, None)
    exponent = codec.decode(coder, (n,)) & (1 << _EXPONENT) - 1
    zeros = number(coder, _MANTISSA, None)
    mantissa = np.zeros(n, np.int64)
    for shift in range(zeros, _MANTISSA, _PART):
        mantissa |= coder.uniform(1 << min(_PART, _MANTISSA - shift), n, None) << shift
    return (sign << 31 | exponent << _MANTISSA | mantissa).astype(np.uint32).view(np.float32)
