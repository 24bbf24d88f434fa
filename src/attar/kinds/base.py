"""What a kind of data answers, so that a pretext or a head needs to know nothing else about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from attar.data.dataset import Column, Doubles, Floats
from attar.errors import DataError
from attar.kinds.backbone import Translated
from attar.kinds.parts import Parts
from attar.kinds.restorable import Restorable

# From the length of a code and a width to an encoder and a decoder.
NetworkPair: TypeAlias = Callable[[int, int], tuple[nn.Module, nn.Module]]

# Samples in one pass over the data for its statistics, and numbers in these: float64 copies stay small.
_CHUNK, _NUMBERS = 4096, 2**23
# Samples that go through a network at once, and numbers in these: layers hold a hundred times as many.
_LEAST_AT_ONCE, _NUMBERS_AT_ONCE = 8, 2**21
# How far values may be from those of samples standardised each by itself, to be these already; in deviations.
_ALIKE = 1e-2
# A spread below this share of the mean is rounding noise of float32, not signal.
_CONSTANT = 1e-6


@dataclass(frozen=True)
class Student:
    """A small classifier that has not been trained: normalised sample to `(n, n_classes)` logits.

    Arguments:
        name: of the rung, unique in its ladder.
        build: makes the network with fresh weights.
        parameters: how many weights it has.
    """

    name: str
    build: Callable[[], nn.Module]
    parameters: int

    @classmethod
    def of(cls, name: str, build: Callable[[], nn.Module]) -> Student:
        """A student whose weights are counted without being allocated."""
        with torch.device("meta"):
            return cls(name, build, sum(p.numel() for p in build().parameters()))


@dataclass(frozen=True)
class Kind(Parts, Restorable, Translated, ABC):
    """A kind of data, with what was learnt about it from training samples.

    Wherever a method speaks of normalised samples it means the output of `preprocess()`: image `(n, c, h, w)`,
    series `(n, channels, steps)`, table `(n, d)`, each with zero mean and unit variance over the training samples, and
    text `(n, length)`, its token ids.

    Arguments:
        shape: of one raw sample.
    """

    name: ClassVar[str]
    # How raw samples lie in an array, by its number of axes; empty: however they like.
    layouts: ClassVar[Mapping[int, str]] = {}
    # What is tried on it: representations that are not trained on its samples, and pretexts.
    baselines: ClassVar[tuple[str, ...]] = ("raw", "pca", "random-convolutions")
    pretexts: ClassVar[tuple[str, ...]] = ("autoencoder", "simclr")
    # Baselines that go before all others where the labels cannot tell candidates apart, first by head and then by name;
    # where there are none the simplest does.
    usual: ClassVar[tuple[str, ...]] = ()
    # Pretexts that may be asked for.
    possible: ClassVar[tuple[str, ...]] = ("autoencoder", "masked", "cca-ssg", "simclr", "moco", "byol")
    # Whether students are worth having in integers.
    integers: ClassVar[bool] = True
    # Whether normalised values are quantities, so that a mean of two samples is a sample; else they are names of words.
    quantities: ClassVar[bool] = True
    # Strength of the views by which a network learns from the few samples that have a label.
    labelled_strength: ClassVar[float] = 0.5
    # What a correlation of two directions counts beside a disagreement of views. The usual one suits whole graphs;
    # where an encoder pools over places, it lets the directions of batches of some hundred samples fall into a few.
    decorrelation: ClassVar[float] = 1e-3
    # What a network that follows another keeps of itself in a step, at first. On a graph that is learnt from whole
    # there are few steps, in which it must not stay the random network that it began as.
    momentum: ClassVar[float] = 0.97
    # How many edges away from a sample others have an influence on it.
    hops: ClassVar[int] = 0
    # Widths of the students; what each encodes to is four times as long.
    ladder: ClassVar[tuple[int, ...]] = (32, 24, 16, 12, 8, 4)

    shape: tuple[int, ...]

    @classmethod
    @abstractmethod
    def learn(cls, x: Floats, columns: Sequence[Column] = ()) -> Self:
        """Learn the statistics of raw samples `(n, *shape)`; `columns` describe those of a table."""

    @classmethod
    def hold_values(cls, x: npt.NDArray[np.floating[Any]]) -> None:
        """Refuse raw samples whose values are none of the kind.

        Raises:
            DataError: they are not.
        """
        del x

    @abstractmethod
    def preprocess(self) -> nn.Module:
        """A module from raw float32 samples, NaN where missing, to normalised ones; exports to ONNX."""

    def preprocess_by_sample(self) -> nn.Module:
        """As `preprocess`, but each channel of each sample is standardised by itself, over its places.

        Raises:
            DataError: samples of this kind have no places.
        """
        raise DataError(f"samples of kind {self.name} lie along no axis over which to standardise each by itself")

    def differ(self, x: Floats) -> bool:
        """Whether raw samples `(n, *shape)` that are standardised each by itself are others than those of `preprocess`.

        Raises:
            DataError: as of `preprocess_by_sample`.
        """
        few = torch.tensor(x[: _at_once(x)])
        return not torch.allclose(self.preprocess()(few), self.preprocess_by_sample()(few), rtol=0.0, atol=_ALIKE)

    @abstractmethod
    def restore(self, x: Tensor) -> Tensor:
        """Normalised samples, as a decoder yields them, back to raw units `(n, *shape)`."""

    @abstractmethod
    def encoder(self, dim: int, width: int = 32) -> nn.Module:
        """A network from normalised samples to `(n, dim)`; the cost grows with the square of `width`."""

    @abstractmethod
    def decoder(self, dim: int, width: int = 32) -> nn.Module:
        """A network from `(n, dim)` to what `reconstruction_loss` and `restore` take."""

    def autoencoders(self) -> dict[str, NetworkPair]:
        """Encoder and decoder of each named architecture that suits the kind."""
        return {}

    def autoencoder(self, dim: int, width: int = 32, network: str | None = None) -> tuple[nn.Module, nn.Module]:
        """Encoder and decoder of one of `autoencoders`, or the kind's own.

        Raises:
            DataError: the kind has no such architecture.
        """
        if network is None:
            return self.encoder(dim, width), self.decoder(dim, width)
        known = self.autoencoders()
        if network not in known:
            names = ", ".join(map(repr, known)) or "None"
            raise DataError(f"kind {self.name!r} has no network {network!r}; use one of {names}")
        return known[network](dim, width)

    @abstractmethod
    def view(self, x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """A randomly augmented copy of each normalised sample; strength 0 changes nothing."""

    def strong_view(self, x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """A view that changes more than `view` does, where a kind knows one; strength 0 changes nothing."""
        return self.view(x, generator, strength)

    def noisy(self, x: Tensor, generator: torch.Generator, std: float) -> Tensor:
        """Normalised samples with Gaussian noise of mean 0 added.

        Raises:
            DataError: the values are none that noise can be added to.
        """
        return x + normal(generator, x.shape, std, x)

    def sequence(self, encoder: nn.Module, x: Tensor) -> Tensor:
        """What an encoder of this kind makes of normalised samples before it pools over time: `(n, steps, channels)`.

        Raises:
            DataError: the kind has no time.
        """
        del encoder, x
        raise DataError(f"samples of kind {self.name} have no order in time; use a pretext that needs none")

    @abstractmethod
    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """How far the decoder's output is from normalised samples: a scalar, the mean over the batch."""

    @abstractmethod
    def draw(self, sample: Floats) -> str:
        """One raw sample for a person: a small PNG as a data: URI, or inline SVG."""

    def pictures(self, x: Floats) -> npt.NDArray[np.uint8] | None:
        """Raw samples as small pixels `(n, h, w, 3)`, for many at once; None where pixels do not suit them."""
        del x
        return None

    def batch(self, usual: int) -> int:
        """Samples that go through a network at once: as usual, or more where that costs no more.

        Fewer of large samples, so that the widest layer of an encoder and its gradients stay within some gigabytes.
        """
        return min(usual, max(_LEAST_AT_ONCE, _NUMBERS_AT_ONCE // max(1, prod(self.shape))))

    def example(self, x: Floats) -> Tensor:
        """A few raw samples as an exported file takes them; the values do not matter."""
        return torch.tensor(x[:1])

    def flat(self) -> nn.Module:
        """Normalised samples as vectors `(n, d)`."""
        return nn.Flatten()

    def terms(self) -> nn.Module:
        """What is counted in a normalised sample: a module to integer codes `(n, codes)`, 0 for none."""
        return nn.Identity()

    def words(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Which codes of `terms` are words, and no parts or pairs of others that say the same again."""
        return np.ones(len(codes), dtype=bool)

    def own_baselines(self) -> dict[str, nn.Module]:
        """Further representations that nothing is trained for, by name: raw samples to vectors `(n, d)`."""
        return {}

    def students(self, n_classes: int) -> tuple[Student, ...]:
        """Untrained classifiers for a small device, from the largest to the tiniest."""
        return tuple(
            Student.of(f"width-{width}", partial(self._classifier, n_classes, 4 * width, width))
            for width in self.ladder
        )

    def _classifier(self, n_classes: int, dim: int, width: int) -> nn.Module:
        return nn.Sequential(self.encoder(dim, width), nn.Linear(dim, n_classes))


class Standardise(nn.Module):
    """(x − μ) / σ along axis 1, with μ in place of missing values.

    Arguments:
        mean: μ, one per channel or column.
        std: σ, likewise.
        axes: number of axes of a batch.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], axes: int) -> None:
        super().__init__()
        shape = (1, -1) + (1,) * (axes - 2)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(shape))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).reshape(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise `(n, channels, …)`."""
        return (torch.where(torch.isnan(x), self.mean, x) - self.mean) / self.std

    def inverse(self, x: Tensor) -> Tensor:
        """Back to raw units."""
        return x * self.std + self.mean


class StandardiseBySample(nn.Module):
    """(x − μ) / σ with the mean and deviation of each sample's own channel; zero where a value is missing.

    A channel without variation, and one without any value, is zero.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Standardise `(n, channels, *size)`."""
        places, missing = tuple(range(2, x.ndim)), torch.isnan(x)
        count = (~missing).sum(places, keepdim=True).clamp_min(1)
        mean = torch.where(missing, 0.0, x / count).sum(places, keepdim=True)
        deviation = torch.where(missing, 0.0, x - mean)
        # In units of the largest, whose square can be neither infinite nor zero.
        largest = deviation.abs().amax(places, keepdim=True)
        deviation = deviation / largest.clamp_min(torch.finfo(x.dtype).tiny)
        std = (deviation.square().sum(places, keepdim=True) / count).sqrt()
        return torch.where(largest > _CONSTANT * mean.abs(), deviation / std, 0.0)


def moments(x: Floats, axis: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation along `axis` over everything that is not NaN, in float64.

    A channel without variation has the deviation 1, one without any value also the mean 0, so that standardising
    is always defined.

    Example:
        >>> moments(np.array([[1, 5], [3, np.nan]], dtype=np.float32), axis=1)
        ((2.0, 5.0), (1.0, 1.0))
    """
    others = tuple(a for a in range(x.ndim) if a != axis)
    shape = tuple(-1 if a == axis else 1 for a in range(x.ndim))
    count = np.zeros(x.shape[axis])
    total, squares = np.zeros_like(count), np.zeros_like(count)
    rows = _at_once(x)
    for start in range(0, len(x), rows):
        chunk = x[start : start + rows]
        count += np.sum(~np.isnan(chunk), axis=others)
        total += np.nansum(chunk, axis=others, dtype=np.float64)
    mean: Doubles = total / np.maximum(count, 1)
    # A second pass rather than E[x²] − E[x]², which cancels for data far from zero.
    for start in range(0, len(x), rows):
        deviation = x[start : start + rows] - mean.reshape(shape)
        squares += np.nansum(deviation * deviation, axis=others)
    std: Doubles = np.sqrt(squares / np.maximum(count, 1))
    std[std <= np.maximum(_CONSTANT * np.abs(mean), np.finfo(np.float32).tiny)] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def _at_once(x: Floats) -> int:
    """Samples `(n, …)` of which copies stay small."""
    return max(1, min(_CHUNK, _NUMBERS // max(1, prod(x.shape[1:]))))


def uniform(generator: torch.Generator, shape: Sequence[int], low: float, high: float, like: Tensor) -> Tensor:
    """Uniform random numbers from `generator`, on the device of `like`."""
    drawn = torch.rand(tuple(shape), generator=generator, device=generator.device)
    return (drawn * (high - low) + low).to(like)


def normal(generator: torch.Generator, shape: Sequence[int], std: float, like: Tensor) -> Tensor:
    """Gaussian random numbers of mean 0 from `generator`, on the device of `like`."""
    return (torch.randn(tuple(shape), generator=generator, device=generator.device) * std).to(like)


def svg(width: int, height: int, body: str, attributes: str = "") -> str:
    """A small drawing of so many pixels."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f"{attributes}>{body}</svg>"
    )
