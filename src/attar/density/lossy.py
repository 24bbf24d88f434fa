"""Lossy compression of samples: p(x) says which values are likely, and so how few bits they need."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Self

import constriction
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from attar._fitted import unchanged_on_failure
from attar._settings import is_positive
from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.density.latent import check_undoable
from attar.errors import DataError

_MAGIC = b"attarLC1"
# Fingerprint of the coder; samples, values of each, latent values of each, step of the residual.
_HEADER = struct.Struct("<8sIIIId")
# Of all other bytes.
_CHECKSUM = struct.Struct("<I")
# Quantised values lie within ± this; what is larger needs a larger error.
_BOUND = 2**15 - 1
# Steps in a standard deviation of a latent value: what is lost of it is coded with the residual.
_FINE = 16
# Largest value, so that sums of squares are finite.
_HUGE = 1e140
# Values of a sample up to which their covariance is decomposed.
_LARGEST = 4096
# Numbers that a file may decode to, unless the caller allows more.
_MOST = 2**28
# Smallest scale of a Laplace distribution, in steps: one that is surely zero still costs a little.
_NARROW = 0.02


class LossyCoder(BaseEstimator):  # type: ignore[misc]
    """Codes samples in few bits at a given error, by their latent values and what these leave.

        ẑ = s ⌊f(x) / s⌉,   r = x − g(ẑ),   q = ⌊Vᵀ(r − r̄) / Δ⌉,   x̂ = g(ẑ) + r̄ + Δ V q,
        Δ = √12 · error

    V are the principal axes of the residuals of the training samples. The error of an axis is uniform in ±Δ/2, or,
    where less than that was in it, what was in it: nothing is spent on axes below the error ("reverse water-filling").
    Integers are range coded, each as Laplace distributed with the mean absolute value of its axis. Without a
    representation g is the mean, and the whole is transform coding by PCA.

    References:
        Goyal, Theoretical Foundations of Transform Coding, 2001, https://doi.org/10.1109/79.952802
        Ballé, Laparra, Simoncelli, End-to-end Optimized Image Compression, 2017, https://arxiv.org/abs/1611.01704
        Bamler, Understanding Entropy Coding With Asymmetric Numeral Systems, 2022, https://arxiv.org/abs/2201.01741
        (the coder, of the package constriction)

    Arguments:
        representation: fitted, with `transform` and `inverse_transform`, as `PCA` or `Autoencoder`; None: the mean.

    Attributes:
        shape_: of a sample.
        mean_: r̄ `(d,)`.
        axes_: V `(d, d)`.
        scales_: mean absolute value along each axis `(d,)`.
        latent_scales_: likewise of the latent values `(k,)`; their standard deviations are 16 `latent_steps_`.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> coder = LossyCoder().fit(X[:1000])
        >>> coded = coder.encode(X[1000:], error=1.0)
        >>> 8 * len(coded) / X[1000:].size < 2.5
        True
        >>> bool(np.sqrt(np.mean((coder.decode(coded) - X[1000:]) ** 2)) <= 1.0)
        True
    """

    def __init__(self, representation: Any = None) -> None:
        self.representation = representation

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learn what is likely from samples `(n, *shape)`.

        Raises:
            DataError: fewer than two samples, more than 4096 values in one, a value that is missing or infinite, or a
                representation that cannot be undone.
        """
        del y
        x = _numbers(X)
        if x.ndim < 2 or len(x) < 2 or not x.size:
            raise DataError(f"LossyCoder learns from two samples or more, (n, *shape); got shape {x.shape}")
        with unchanged_on_failure(self):
            self._fit(x)
        return self

    def _fit(self, x: Doubles) -> None:
        self.shape_ = x.shape[1:]
        if np.prod(self.shape_) > _LARGEST:
            raise DataError(f"a sample has {np.prod(self.shape_)} values, {_LARGEST} are the most: give smaller pieces")
        x = self._checked(x)
        if self.representation is not None:
            check_undoable(self.representation)
        latent = self._latent(x)
        self.latent_steps_ = latent.std(0) / _FINE
        self.latent_steps_[self.latent_steps_ == 0] = 1.0
        codes = self._coded(latent)
        self.latent_means_ = np.rint(codes.mean(0))
        self.latent_scales_ = np.abs(codes - self.latent_means_).mean(0)
        residual = x - self._guess(codes)
        self.mean_ = residual.mean(0)
        residual -= self.mean_
        self.axes_ = np.linalg.eigh(residual.T @ residual)[1][:, ::-1]
        self.scales_ = np.abs(residual @ self.axes_).mean(0)

    def encode(self, X: npt.ArrayLike, error: float) -> bytes:
        """Samples `(n, *shape_)` as bytes, with a root mean squared error of `error` at most, over all of them.

        Samples that are unlike those learnt from keep to that error too, at the cost of more bits.

        Arguments:
            X: samples `(n, *shape_)`.
            error: above 0, in the units of the samples.

        Raises:
            DataError: another shape, a missing or infinite value, or an error too small for values so large.
        """
        check_is_fitted(self)
        if not is_positive(error):
            raise DataError(f"error is {error}: give how far a decoded value may be off, above zero")
        x = self._checked(_numbers(X))
        step = float(np.sqrt(12)) * error
        latent = self._coded(self._latent(x))
        along = (x - self._guess(latent) - self.mean_) @ self.axes_
        residual = self._rounded(along / step)
        # Rounding is off by step/√12 where values are spread over many steps, and by up to step/2 where they are not.
        while (off := float(np.linalg.norm(along - step * residual)) / max(along.size, 1) ** 0.5) > error:
            step *= 0.99 * error / off
            residual = self._rounded(along / step)
        encoder = constriction.stream.queue.RangeEncoder()
        family = constriction.stream.model.QuantizedLaplace(-_BOUND, _BOUND)
        for symbols, means, scales in self._streams(len(x), step, latent, residual):
            encoder.encode(symbols, family, means, scales)
        payload = encoder.get_compressed().astype("<u4").tobytes()
        header = _HEADER.pack(_MAGIC, self._fingerprint(), len(x), x.shape[1], latent.shape[1], step)
        coded: bytes = header + _CHECKSUM.pack(zlib.crc32(header + payload)) + payload
        return coded

    def decode(self, data: bytes, max_values: int = _MOST) -> Doubles:
        """The samples of `encode`, `(n, *shape_)`.

        Arguments:
            data: what `encode` of this coder gave.
            max_values: numbers that may be decoded, so that a forged header cannot fill the memory.

        Raises:
            DataError: the bytes are damaged, of another coder, or of more values than allowed.
        """
        check_is_fitted(self)
        n, step, payload = self._opened(data, max_values)
        decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(payload, dtype="<u4").astype(np.uint32))
        family = constriction.stream.model.QuantizedLaplace(-_BOUND, _BOUND)
        empty = np.zeros((n, len(self.latent_steps_)), np.int32), np.zeros((n, len(self.mean_)), np.int32)
        try:
            latent, residual = (
                np.asarray(decoder.decode(family, means, scales)).reshape(values.shape) if len(means) else values
                for values, (_, means, scales) in zip(empty, self._streams(n, step, *empty))
            )
        except AssertionError:  # which is how the range decoder says it
            raise DataError("these are not bytes that LossyCoder.encode wrote: they stand for no values") from None
        x: Doubles = self._guess(latent) + self.mean_ + step * residual @ self.axes_.T
        return x.reshape(n, *self.shape_)

    def _opened(self, data: bytes, max_values: int) -> tuple[int, float, bytes]:
        """Number of samples, step of the residual, and what the range coder wrote, from bytes that are in order."""
        start = _HEADER.size + _CHECKSUM.size
        if len(data) < start or data[:8] != _MAGIC:
            raise DataError("these are not bytes that LossyCoder.encode wrote")
        _, fingerprint, n, d, k, step = _HEADER.unpack_from(data)
        payload = data[start:]
        if _CHECKSUM.unpack_from(data, _HEADER.size)[0] != zlib.crc32(payload, zlib.crc32(data[: _HEADER.size])):
            raise DataError("the bytes are damaged: their checksum is another; copy the file again")
        if (fingerprint, d, k) != (self._fingerprint(), len(self.mean_), len(self.latent_steps_)):
            raise DataError("the bytes were written by another coder; decode with the one that wrote them")
        if n * (d + k) > max_values:
            raise DataError(f"the bytes claim {n} samples of {d} values; allow that by max_values, if you trust them")
        if len(payload) % 4 or not is_positive(step):
            raise DataError("these are not bytes that LossyCoder.encode wrote: their header is forged")
        return n, step, payload

    def _streams(
        self, n: int, step: float, latent: npt.NDArray[np.int32], residual: npt.NDArray[np.int32]
    ) -> list[tuple[npt.NDArray[np.int32], Doubles, Doubles]]:
        """Symbols with the location and scale of each, latent values first."""
        models = (
            (latent, self.latent_means_, self.latent_scales_),
            (residual, np.zeros(len(self.scales_)), self.scales_ / step),
        )
        return [
            (symbols.ravel(), np.tile(means, n), np.tile(np.maximum(scales, _NARROW), n))
            for symbols, means, scales in models
        ]

    def _checked(self, x: Doubles) -> Doubles:
        """Samples as rows."""
        if x.shape[1:] != self.shape_:
            raise DataError(f"samples have shape {x.shape[1:]}, and those learnt from {self.shape_}")
        x = x.reshape(len(x), int(np.prod(self.shape_)))
        if not np.isfinite(x).all():
            row = int(np.argmin(np.isfinite(x).all(1)))
            raise DataError(f"sample {row} has a missing or infinite value: fill it, or leave the sample out")
        if (largest := np.abs(x).max(initial=0.0)) > _HUGE:
            raise DataError(
                f"a value of magnitude {largest:g} is too large to square: divide the samples by a constant"
            )
        return x

    def _latent(self, x: Doubles) -> Doubles:
        if self.representation is None:
            return np.zeros((len(x), 0))
        if not len(x):
            return np.zeros((0, len(self.latent_steps_)))
        return np.asarray(self.representation.transform(x.reshape(-1, *self.shape_)), dtype=np.float64)

    def _guess(self, codes: npt.NDArray[np.int32]) -> Doubles:
        """g(ẑ) as rows."""
        if self.representation is None or not len(codes):
            return np.zeros((len(codes), 1))
        z = (codes * self.latent_steps_).astype(np.float32)
        return np.asarray(self.representation.inverse_transform(z), dtype=np.float64).reshape(len(codes), -1)

    def _coded(self, latent: Doubles) -> npt.NDArray[np.int32]:
        """⌊f(x) / s⌉; what lies farther out than can be coded is left to the residual."""
        return self._rounded(np.clip(latent / self.latent_steps_, -_BOUND, _BOUND))

    def _rounded(self, values: Doubles) -> npt.NDArray[np.int32]:
        if np.abs(values).max(initial=0.0) > _BOUND:
            raise DataError("the error is too small for values so large; give a larger one, or scale the samples")
        return np.rint(values).astype(np.int32)

    def _fingerprint(self) -> int:
        """Of all that encoder and decoder must share."""
        shared = (self.latent_steps_, self.latent_means_, self.latent_scales_, self.mean_, self.axes_, self.scales_)
        return zlib.crc32(b"".join(np.ascontiguousarray(part).tobytes() for part in shared))


def _numbers(X: npt.ArrayLike) -> Doubles:
    """Samples of any shape as float64, none of them complex."""
    anything = {"allow_nd": True, "ensure_2d": False, "ensure_min_samples": 0, "ensure_min_features": 0}
    x: Doubles = check_array(plain(X), dtype=np.float64, ensure_all_finite=False, input_name="X", **anything)
    return x
