"""Time series: recordings of one or more channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.data.dataset import Column, Floats
from attar.kinds.base import Kind, NetworkPair, Standardise, StandardiseBySample, moments, normal, svg, uniform
from attar.kinds.patched import Patched
from attar.nets.convnet import ConvDecoder, ConvNet
from attar.nets.recurrent import RecurrentDecoder, RecurrentEncoder

_NOISE = 0.1  # in standard deviations
_SCALE = 0.2
_WARP = 0.15
_KNOTS = 4
_OFFSET = 0.2  # in standard deviations: a sensor worn askew, or not quite at zero
_ZOOM = 0.2
_SHIFT = 0.2  # of the length
_MASK = 0.2  # of the length
_CUTS = 5  # most pieces that a strong view exchanges
_SPECTRUM = 0.5  # share of its amplitude by which a frequency is raised or lowered
# Length of a recurrent network's state for each unit of `width`.
_STATE = 2
# Most segments that a transformer looks at.
_SEGMENTS = 32
# A drawing: size in pixels, points and channels that can still be told apart.
_DRAWN = (96, 48)
_POINTS = 64
_PICTURE = (64, 32)
_COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#666666")


@dataclass(frozen=True)
class Series(Patched):
    """Series `(channels, steps)`, a shorter one padded with NaN at its end.

    Arguments:
        shape: of one raw series.
        mean: of each channel over all training series and steps.
        std: of each channel, likewise.
    """

    name: ClassVar[str] = "series"
    layouts: ClassVar[Mapping[int, str]] = {3: "(n, channels, steps)"}
    possible: ClassVar[tuple[str, ...]] = (*Patched.possible, "ts-tcc")
    baselines: ClassVar[tuple[str, ...]] = (*Kind.baselines, "random-convolutions-by-sample")
    # With 5 labels a class, on the training parts of 38 UCR sets, better than the simplest by 1.6 points in the mean.
    usual: ClassVar[tuple[str, ...]] = ("random-convolutions", "random-convolutions-by-sample")
    # One more than elsewhere: kernels along one axis have fewer weights.
    ladder: ClassVar[tuple[int, ...]] = (48, *Kind.ladder)
    padded: ClassVar[bool] = True
    decorrelation: ClassVar[float] = 0.1

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def learn(cls, x: Floats, columns: Sequence[Column] = ()) -> Self:
        """Learn the statistics of raw series `(n, channels, steps)`."""
        del columns
        mean, std = moments(x, axis=1)
        return cls(tuple(x.shape[1:]), mean, std)

    @property
    def layout(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """Segments of equal length, 32 or fewer."""
        channels, steps = self.shape
        return channels, (steps,), (max(2, -(-steps // _SEGMENTS)),)

    def autoencoders(self) -> dict[str, NetworkPair]:
        """As for images, and gated recurrent units along time."""
        channels, steps = self.shape
        return super().autoencoders() | {
            "recurrent": lambda dim, width: (
                RecurrentEncoder(channels, dim, _STATE * width),
                RecurrentDecoder(channels, steps, dim, _STATE * width),
            )
        }

    def preprocess(self) -> nn.Module:
        """Raw series to normalised ones, zero where a value is missing."""
        return self._standardise()

    def preprocess_by_sample(self) -> nn.Module:
        """Each channel of each series by itself, zero where a value is missing."""
        return StandardiseBySample()

    def restore(self, x: Tensor) -> Tensor:
        """Normalised series to raw units."""
        return self._standardise().to(x.device).inverse(x)

    def observed(self, x: Tensor) -> Tensor:
        """The values that are not NaN."""
        return ~torch.isnan(x)

    def encoder(self, dim: int, width: int = 32) -> nn.Module:
        """A convolutional network along time."""
        return ConvNet(self.shape[0], self.shape[1:], dim, width)

    def decoder(self, dim: int, width: int = 32) -> nn.Module:
        """The mirror of the encoder."""
        return ConvDecoder(self.shape[0], self.shape[1:], dim, width)

    def view(self, x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """Shift and stretch in time, an offset and magnitude warping per channel, a masked stretch, and jitter.

        References:
            Um et al., Data augmentation of wearable sensor data for Parkinson's disease monitoring, 2017,
            https://arxiv.org/abs/1706.00527
        """
        n, channels, steps = x.shape
        x = _resample(x, _positions(x, generator, strength))
        # One factor for the whole channel, and a smooth curve around it.
        factor = 1 + uniform(generator, (n, channels, 1), -_SCALE, _SCALE, x) * strength
        curve = F.interpolate(
            normal(generator, (n, channels, _KNOTS), _WARP * strength, x), size=steps, mode="linear", align_corners=True
        )
        x = x * (factor + curve) + normal(generator, (n, channels, 1), _OFFSET * strength, x)
        time = torch.arange(steps, device=x.device)
        start = uniform(generator, (n, 1, 1), 0, steps, x)
        length = uniform(generator, (n, 1, 1), 0, _MASK * steps * strength, x)
        x = torch.where((time >= start) & (time < start + length), 0.0, x)
        return x + normal(generator, x.shape, _NOISE * strength, x)

    def strong_view(self, x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """A view whose frequencies are raised and lowered, and that is cut into pieces which change places.

        References:
            Eldele et al., Time-Series Representation Learning via Temporal and Contextual Contrasting, 2021,
            https://arxiv.org/abs/2106.14112
            Zhang et al., Self-Supervised Contrastive Pre-Training for Time Series via Time-Frequency Consistency, 2022,
            https://arxiv.org/abs/2206.08496
        """
        x = _perturbed(x, generator, _SPECTRUM * strength)
        return self.view(_permuted(x, generator, _CUTS * strength), generator, strength)

    def sequence(self, encoder: nn.Module, x: Tensor) -> Tensor:
        """The features of a convolutional network `(n, steps, channels)`, in fewer steps than the series has."""
        z: Tensor = cast(ConvNet, encoder).features(x).transpose(1, 2)
        return z

    def backbone_inputs(self, x: Tensor, channels: int, size: tuple[int, int]) -> dict[str, Tensor]:
        """The mean of the channels as a waveform."""
        del channels, size
        return {"input_values": x.mean(dim=1)}

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Mean squared error over channels and steps."""
        return F.mse_loss(x_hat, x)

    def draw(self, sample: Floats) -> str:
        """A line per channel, each stretched over the whole height."""
        width, height = _DRAWN
        lines = []
        for values, colour in zip(sample, _COLOURS):
            known = values[~np.isnan(values)].astype(np.float64)
            if not len(known):
                continue
            drawn = known[np.unique(np.linspace(0, len(known) - 1, _POINTS).astype(int))]
            low, high = drawn.min(), drawn.max()
            y = height / 2 if high == low else height - 2 - (drawn - low) / (high - low) * (height - 4)
            across = np.linspace(1, width - 1, len(drawn))
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in np.broadcast(across, y))
            lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1" points="{points}"/>')
        return svg(width, height, "".join(lines))

    def pictures(self, x: Floats) -> npt.NDArray[np.uint8]:
        """The lines of `draw`, in pixels."""
        width, height = _PICTURE
        drawn = np.full((len(x), height, width, 3), 255, dtype=np.uint8)
        rows = np.arange(height)[:, None]
        for channel, colour in zip(range(min(x.shape[1], len(_COLOURS))), _COLOURS):
            values = x[:, channel, np.linspace(0, x.shape[2] - 1, width).round().astype(int)].astype(np.float64)
            known = np.where(np.isnan(values), np.inf, values)
            low = known.min(axis=1, keepdims=True)
            high = np.where(np.isnan(values), -np.inf, values).max(axis=1, keepdims=True)
            flat, absent = high == low, ~np.isfinite(low)
            span = np.where(flat | absent, 1.0, high - low)
            place = (values - np.where(absent, 0.0, low)) / span + 0.5 * flat
            y = (1 - place) * (height - 1)
            before = np.concatenate([y[:, :1], y[:, :-1]], axis=1)
            # From the height of one column to that of the next, so that the line has no gaps; NaN is in no interval.
            top, bottom = np.floor(np.minimum(before, y)), np.ceil(np.maximum(before, y))
            line = (rows >= top[:, None]) & (rows < np.maximum(bottom, top + 1)[:, None])
            drawn[line] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        return drawn

    def _standardise(self) -> Standardise:
        return Standardise(self.mean, self.std, axes=3)


def _permuted(x: Tensor, generator: torch.Generator, cuts: float) -> Tensor:
    """Series (n, channels, steps) cut at random steps into 1 to `cuts` + 1 pieces, in random order."""
    n, channels, steps = x.shape
    most = max(1, round(cuts))
    cut = uniform(generator, (n, most), 0, steps, x)
    # A cut beyond the end is none.
    used = torch.arange(most, device=x.device) < uniform(generator, (n, 1), 0, cuts, x).round()
    cut = torch.where(used, cut, float(steps))
    piece = (torch.arange(steps, device=x.device)[:, None] >= cut[:, None]).sum(dim=2)
    place = uniform(generator, (n, most + 1), 0, 1, x).gather(1, piece)
    order = place.argsort(dim=1, stable=True)
    return x.gather(2, order[:, None].expand(-1, channels, -1))


def _perturbed(x: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """Series (n, channels, steps), each frequency but the mean multiplied by 1 − share to 1 + share."""
    spectrum = torch.fft.rfft(x)
    factor = 1 + uniform(generator, spectrum.shape, -share, share, x)
    factor[..., 0] = 1.0
    perturbed: Tensor = torch.fft.irfft(spectrum * factor, n=x.shape[2])
    return perturbed


def _positions(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Where each step of a view is taken from, (n, steps) in [0, 1]; beyond either end the series is mirrored."""
    n, _, steps = x.shape
    zoom = 1 + uniform(generator, (n, 1), -_ZOOM, _ZOOM, x) * strength
    shift = uniform(generator, (n, 1), -_SHIFT, _SHIFT, x) * strength
    time = torch.arange(steps, device=x.device) / max(steps - 1, 1)
    return 1 - (1 - ((time - 0.5) * zoom + 0.5 + shift).abs() % 2).abs()


def _resample(x: Tensor, positions: Tensor) -> Tensor:
    """Linear interpolation of (n, channels, steps) at positions (n, steps) in [0, 1]."""
    steps = x.shape[2]
    place = positions * (steps - 1)
    left = place.floor().clamp(0, max(steps - 2, 0)).long()
    right = (left + 1).clamp(max=steps - 1)
    share = (place - left)[:, None]
    channels = x.shape[1]
    return torch.lerp(
        x.gather(2, left[:, None].expand(-1, channels, -1)), x.gather(2, right[:, None].expand(-1, channels, -1)), share
    )
