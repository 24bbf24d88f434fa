"""Images."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.data.dataset import Column, Floats
from attar.data.images import CHANNELS, LUMA
from attar.errors import DataError
from attar.kinds.base import Standardise, StandardiseBySample, moments, normal, uniform
from attar.kinds.patched import Patched
from attar.nets.convnet import ConvDecoder, ConvNet

# Of views: the largest turn of a square image in radians, the share of an image that they leave out at most, by how
# much its width over its height changes, and how far a whole image is moved, in halves of its side.
_TURN, _CROP, _STRETCH, _SHIFT = 0.2, 0.4, 0.33, 0.05
# Logarithms of the exponent of brightness and of contrast; brightness and noise in standard deviations.
_GAMMA, _CONTRAST, _BRIGHTNESS, _NOISE = 1.2, 0.7, 0.5, 0.1
# How much of what a blur takes away is added, or taken away; its standard deviation in pixels, and the side of images
# where it is one pixel, if that is more.
_SHARPER, _SOFTER, _BLUR, _BLUR_SIDE = 0.5, 1.0, 0.7, 112
_SATURATION, _GREY = 0.4, 0.2  # of photographs; the share of them that lose their colour
# Shortest side of a colour image from which it is taken for a photograph, where colour and side are incidental.
_PHOTOGRAPH = 16
_THUMBNAIL = 48
_PICTURE = 32
# Most patches along a side, so that attention over all of them stays cheap.
_PATCHES = 8
# Images that suffice for the median of a border.
_BORDER_SAMPLES = 4096


@dataclass(frozen=True)
class Image(Patched):
    """Images `(h, w)` or `(h, w, c)`.

    Arguments:
        shape: of one raw image.
        mean: of each channel over all training images.
        std: of each channel, likewise.
        background: median of the border of the training images, in raw units, one per channel: what lies beyond the
            edge when a view is shifted or rotated.
    """

    name: ClassVar[str] = "image"
    layouts: ClassVar[Mapping[int, str]] = {3: "(n, h, w)", 4: "(n, h, w, c)"}
    masking_ratio: ClassVar[float] = 0.75
    labelled_strength: ClassVar[float] = 1.0
    decorrelation: ClassVar[float] = 0.1

    mean: tuple[float, ...]
    std: tuple[float, ...]
    background: tuple[float, ...]

    @classmethod
    def learn(cls, x: Floats, columns: Sequence[Column] = ()) -> Self:
        """Learn the statistics of raw images `(n, h, w)` or `(n, h, w, c)`.

        Raises:
            DataError: channels come first, as far as can be told.
        """
        del columns
        if x.ndim == 4 and x.shape[1] in (1, 3) and min(x.shape[2:]) > CHANNELS:
            size = " × ".join(map(str, x.shape[1:]))
            raise DataError(f"images of {size} seem to have their channels first; give x.transpose(0, 2, 3, 1)")
        pixels = x[..., None] if x.ndim == 3 else x
        mean, std = moments(pixels, axis=3)
        # Of all of them: the first may be of one class.
        spaced = pixels[:: -(-len(pixels) // _BORDER_SAMPLES)]
        sides = (spaced[:, 0], spaced[:, -1], spaced[:, :, 0], spaced[:, :, -1])
        border = np.concatenate([side.reshape(-1, pixels.shape[3]) for side in sides])
        border = np.where(np.isnan(border), np.asarray(mean, dtype=np.float32), border)
        return cls(tuple(x.shape[1:]), mean, std, tuple(np.median(border, axis=0).astype(float).tolist()))

    @property
    def layout(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """Square patches, eight along the longer side or fewer."""
        side = 2
        while side * _PATCHES < max(self.shape[:2]):
            side *= 2
        return len(self.mean), self.shape[:2], (side, side)

    def preprocess(self) -> nn.Module:
        """Raw images `(n, h, w)` or `(n, h, w, c)` to normalised `(n, c, h, w)`."""
        return nn.Sequential(_ChannelsFirst(len(self.shape) == 3), self._standardise())

    def preprocess_by_sample(self) -> nn.Module:
        """Each channel of each image by itself, as in light of its own."""
        return nn.Sequential(_ChannelsFirst(len(self.shape) == 3), StandardiseBySample())

    def restore(self, x: Tensor) -> Tensor:
        """Normalised `(n, c, h, w)` to raw units `(n, *shape)`."""
        raw: Tensor = self._standardise().to(x.device).inverse(x)
        return raw.permute(0, 2, 3, 1) if len(self.shape) == 3 else raw.squeeze(1)

    def observed(self, x: Tensor) -> Tensor:
        """The pixels that are not NaN, `(n, c, h, w)`."""
        known: Tensor = _ChannelsFirst(len(self.shape) == 3)(~torch.isnan(x))
        return known

    def encoder(self, dim: int, width: int = 32) -> nn.Module:
        """A convolutional network."""
        return ConvNet(len(self.mean), self.shape[:2], dim, width)

    def decoder(self, dim: int, width: int = 32) -> nn.Module:
        """The mirror of the encoder."""
        return ConvDecoder(len(self.mean), self.shape[:2], dim, width)

    def view(self, x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """A random part of each image, turned, in another light, and softer or sharper; of photographs also mirrored.

        Handwriting, clothes and photographs all learn more from light and sharpness than from more movement
        (`docs/tried.md`).

        References:
            Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020, appendix A,
            https://arxiv.org/abs/2002.05709
        """
        background = ((x.new_tensor(self.background) - x.new_tensor(self.mean)) / x.new_tensor(self.std))[:, None, None]
        # Under autocast, places would be in bfloat16: half a pixel off in 224.
        with torch.autocast(x.device.type, enabled=False):
            grid = F.affine_grid(_affine(x, generator, strength), list(x.shape), align_corners=False)
        # Sampling pads with zeros: with the background at zero, that is what comes in over the edge.
        x = F.grid_sample(x - background, grid, padding_mode="zeros", align_corners=False)
        x = _relit(x, generator, strength) + background
        if x.shape[1] == len(LUMA) and min(x.shape[2:]) >= _PHOTOGRAPH:
            x = _recoloured(x, generator, strength)
        amount = uniform(generator, (len(x), 1, 1, 1), -_SHARPER, _SOFTER, x) * strength
        return torch.lerp(x, _blurred(x), amount) + normal(generator, x.shape, _NOISE * strength, x)

    def backbone_inputs(self, x: Tensor, channels: int, size: tuple[int, int]) -> dict[str, Tensor]:
        """Images of the size and channels that the model was made for; mean and std stay those of the images learnt."""
        x = x.mean(dim=1, keepdim=True).expand(-1, channels, -1, -1) if x.shape[1] != channels else x
        if any(wanted < own for wanted, own in zip(size, self.shape)):
            down, across = (_resampling(*pair).to(x) for pair in zip(self.shape, size))
            return {"pixel_values": down @ x @ across.T}
        return {"pixel_values": F.interpolate(x, size=size, mode="bilinear", align_corners=False)}

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Mean squared error over pixels."""
        return F.mse_loss(x_hat, x)

    def draw(self, sample: Floats) -> str:
        """A thumbnail, enlarged until it can be seen, from black for its least value to white for its largest."""
        from PIL import Image as Picture

        pixels = np.nan_to_num(sample.astype(np.float64))
        if pixels.ndim == 3 and pixels.shape[2] != len(LUMA):
            pixels = pixels.mean(axis=2)
        low, high = pixels.min(), pixels.max()
        grey = np.rint((pixels - low) / max(high - low, np.finfo(float).tiny) * 255).astype(np.uint8)
        times = -(-_THUMBNAIL // min(grey.shape[:2]))
        picture = Picture.fromarray(grey)
        picture = picture.resize((picture.width * times, picture.height * times), Picture.Resampling.NEAREST)
        picture.thumbnail((4 * _THUMBNAIL, 4 * _THUMBNAIL))
        data = io.BytesIO()
        picture.save(data, format="PNG")
        return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"

    def pictures(self, x: Floats) -> npt.NDArray[np.uint8]:
        """At most 32 pixels wide and high, each from black for its least value to white for its largest."""
        pixels = torch.tensor(np.nan_to_num(x)).reshape(len(x), *self.shape[:2], -1).permute(0, 3, 1, 2)
        if pixels.shape[1] != len(LUMA):
            pixels = pixels.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
        shrunk = min(1.0, _PICTURE / max(self.shape[:2]))
        size = (max(1, round(shrunk * self.shape[0])), max(1, round(shrunk * self.shape[1])))
        pixels = F.adaptive_avg_pool2d(pixels.double(), size)
        low, high = pixels.amin((1, 2, 3), keepdim=True), pixels.amax((1, 2, 3), keepdim=True)
        grey = (pixels - low) / (high - low).clamp(min=torch.finfo(torch.float64).tiny) * 255
        return np.asarray(grey.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())

    def _standardise(self) -> Standardise:
        return Standardise(self.mean, self.std, axes=4)


def _resampling(old: int, new: int) -> Tensor:
    """Weights `(new, old)` of bilinear interpolation that averages where it shrinks, as Pillow does.

    Not by `antialias` of torch, which does not export to ONNX.
    """
    ratio = old / new
    apart = np.arange(old) + 0.5 - ratio * (np.arange(new)[:, None] + 0.5)
    weights = np.maximum(0, 1 - np.abs(apart) / max(1.0, ratio))
    return torch.from_numpy(weights / weights.sum(axis=1, keepdims=True))


def _affine(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Random matrices (n, 2, 3) from output to input coordinates, which are from −1 to 1."""
    turn, stretch, less, right, below = uniform(generator, (len(x), 5), -strength, strength, x).unbind(1)
    side = (1 - _CROP * (strength + less) / 2).clamp(min=0.1).sqrt()  # of a strength far above one, too
    # Long images are turned by less, lest their ends leave the view.
    height, width = x.shape[2:]
    turn = turn * (_TURN * (min(height, width) / max(height, width)))
    ratio, cos, sin = torch.exp(_STRETCH / 2 * stretch), torch.cos(turn), torch.sin(turn)
    across, down = side * ratio, side / ratio
    # Within the image, or a little beyond it.
    right, below = right * (1 - across).clamp(min=_SHIFT), below * (1 - down).clamp(min=_SHIFT)
    # Coordinates are in halves of each side: what leads from one axis to the other changes its unit.
    rows = (
        torch.stack([cos * across, -sin * down * (height / width), right]),
        torch.stack([sin * across * (width / height), cos * down, below]),
    )
    return torch.stack(rows).permute(2, 0, 1)


def _relit(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Images (n, c, h, w) with another gamma between their least and largest value, contrast and brightness."""
    gamma, contrast, brightness = uniform(generator, (len(x), 3, 1, 1, 1), -strength, strength, x).unbind(1)
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    span = (high - low).clamp(min=torch.finfo(x.dtype).tiny)
    x = low + span * ((x - low) / span).pow(torch.exp(_GAMMA * gamma))
    return x * torch.exp(_CONTRAST * contrast) + _BRIGHTNESS * brightness


def _recoloured(x: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Photographs (n, 3, h, w) with more or less colour, some without any, and half of them mirrored."""
    mirrored, grey, colour = uniform(generator, (len(x), 3, 1, 1, 1), 0, 1, x).unbind(1)
    if strength > 0:
        x = torch.where(mirrored < 0.5, x.flip(3), x)
    luma = (x * x.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)
    saturation = 1 + (2 * colour - 1) * _SATURATION * strength
    return torch.lerp(luma, x, torch.where(grey < _GREY * strength, 0.0, saturation))


def _blurred(x: Tensor) -> Tensor:
    """Images (n, c, h, w) convolved with a Gaussian, their edges repeated."""
    n, channels, height, width = x.shape
    sigma = max(_BLUR, min(height, width) / _BLUR_SIDE)
    reach = max(1, round(2 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype) / sigma).square())
    kernel = kernel / kernel.sum()
    padded = F.pad(x, (reach,) * 4, mode="replicate").reshape(n * channels, 1, height + 2 * reach, width + 2 * reach)
    soft: Tensor = F.conv2d(F.conv2d(padded, kernel[None, None, None, :]), kernel[None, None, :, None])
    return soft.reshape(x.shape).to(x.dtype)  # under autocast, a convolution answers in bfloat16


class _ChannelsFirst(nn.Module):
    def __init__(self, has_channels: bool) -> None:
        super().__init__()
        self.has_channels = has_channels

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2) if self.has_channels else x.unsqueeze(1)
