"""Quantisation: weights, and what goes into the layers, as integers of few bits."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from attar._settings import is_count
from attar.compress import activations as inputs
from attar.compress import codebooks
from attar.compress.aciq import corrected
from attar.compress.checks import as_seed, check_choice, check_weights
from attar.compress.distillation import distill
from attar.compress.given import Labels, SampleSource, View, rows, samples_and_labels, with_example
from attar.compress.grids import CLIPPINGS, Clipping, Grid, Steps, fitted
from attar.compress.layers import with_layers
from attar.compress.merging import merge_batch_norm
from attar.compress.parametrizations import Coded, Rounded, codes_of, frozen, settle, store
from attar.compress.places import Place, copied, places
from attar.deploy.folding import fold_batch_norm
from attar.errors import CompressionError
from attar.training.modes import usual_defaults
from attar.training.progress import Progress

Granularity = Literal["channel", "tensor"] | int
# Fewer weights than this are not given a step of their own.
_LEAST = 4


@usual_defaults()
def quantize(
    model: nn.Module,
    x: SampleSource | None = None,
    *,
    bits: int | Mapping[str, int] = 8,
    ends: int | None = None,
    granularity: Granularity = "channel",
    symmetric: bool = True,
    clipping: Clipping = "mse",
    correct_bias: bool = False,
    codebook: bool = False,
    activations: int | None = None,
    epochs: int = 0,
    y: Labels = None,
    view: View | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> nn.Module:
    """Return the network with its weights as integers: w ≈ s · (q − z).

    Weights are the parameters of two axes or more, of whatever layer; biases and normalisation stay floats, and batch
    normalisation becomes part of the steps of the layer before it; after a linear layer where there are samples. With
    `epochs`, the network is trained while it is rounded, its steps too, to say what the original says of the samples:
    quantisation-aware training.

    References:
        Krishnamoorthi, Quantizing deep convolutional networks for efficient inference, 2018,
        https://arxiv.org/abs/1806.08342
        Banner, Nahshan, Soudry, Post training 4-bit quantization of convolutional networks for rapid-deployment, 2019,
        https://arxiv.org/abs/1810.05723
        Esser et al., Learned Step Size Quantization, 2020, https://arxiv.org/abs/1902.08153
        Han, Mao, Dally, Deep Compression, 2016, https://arxiv.org/abs/1510.00149

    Arguments:
        model: any network; not changed. Frozen layers are compressed and trained like others. What has been pruned
            stays zero, what is kept as integers already stays so.
        x: samples `(n, *shape)`, where activations are rounded or the network is trained, or a data set or loader of
            them, with or without labels. One of them tells over which axis a batch norm after a linear layer goes.
        bits: of each weight, 2 to 16; or of the weights named, as in `named_parameters`, the others staying floats.
        ends: bits of the first and the last weight, and of what goes into their layers, where they differ.
        granularity: weights that share a step: those of one output ("channel"), all of a layer ("tensor"), or at
            most so many neighbours of one output. In place of an output it is an input of a transposed convolution:
            where its outputs differ in scale, give the number of the weights of a filter, such as 9.
        symmetric: codes −h … h and z = 0; else −h − 1 … h and any z, which makes the most of 2 bits.
        clipping: how the range of the codes is chosen, "minmax", "percentile", "mse" or "aciq": see `fitted`.
        correct_bias: without training, let the rounded weights that share a step have their mean and norm again; of
            weights some of which are zero, the norm alone.
        codebook: in place of a grid, 2ᵇ values of any size for each layer, found by k-means.
        activations: bits of what goes into linear layers and convolutions; None: it is not rounded.
        epochs: passes over the samples in training.
        y: class codes for training `(n,)`, -1 where unlabelled; None: no labels.
        view: of a batch of samples, for training; None: the samples as they are.
        lr: highest learning rate in training.
        batch_size: samples in a batch.
        seed: of all that is drawn.
        checkpoint: of training, to go on from with the same arguments, and to keep the state in.
        progress: where steps of training are reported.

    Returns:
        A network in evaluation mode, which `save` writes given a sample too: `save(small, path, example=x[:1])`.

    Raises:
        CompressionError: nothing could be quantised, a weight is not finite, a name is none of a weight, or arguments
            do not go together.

    Example:
        >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
        >>> small = quantize(net, bits=4)
        >>> small[0].parametrizations.weight.original.unique().tolist()[-1]
        7
    """
    check_choice("clipping", clipping, CLIPPINGS)
    if granularity not in ("channel", "tensor") and not is_count(granularity):
        raise CompressionError(f"granularity {granularity!r} is unknown: take 'channel', 'tensor' or a number")
    seed = as_seed(seed)
    x, y = samples_and_labels(model, x, y)
    if activations is not None:
        # Of a program, what goes into an operation; layers are what it goes into.
        model = with_layers(model)
    if (activations is not None or epochs) and x is None:
        raise CompressionError("ranges of activations and training need samples: give `x`")
    example = None if x is None else rows(x, torch.arange(1))
    small = copied(model).eval()
    settle(small)
    if codebook:
        # Values that all channels share cannot take up the factors of a batch norm.
        small = fold_batch_norm(frozen(small), example)
    chosen = _chosen(small, bits, ends)
    grids = _Grids(granularity, symmetric, clipping, correct_bias)
    for place, n in chosen.items():
        if codebook:
            codebooks.share(place, 2**n)
        elif epochs:
            grids.round_in_training(place, n)
        else:
            grids.round(place, n)
    if activations is not None and x is not None:
        of_inputs = _with_ends(dict.fromkeys(chosen, activations), ends)
        of_layers = {layer: n for place, n in of_inputs.items() for layer, name in place.owners if name == "weight"}
        small = inputs.round_inputs(small, x, of_layers, clipping, seed)
    if epochs and x is not None:
        with codebooks.trainable(small) if codebook else nullcontext():
            distill(
                small,
                model,
                x,
                y,
                epochs=epochs,
                view=view,
                lr=lr,
                batch_size=batch_size,
                seed=seed,
                checkpoint=checkpoint,
                progress=progress,
            )
    return with_example(merge_batch_norm(inputs.settled(frozen(small)), example), example)


@dataclass(frozen=True)
class _Grids:
    """The grids that weights are rounded to; arguments are those of `quantize`."""

    granularity: Granularity
    symmetric: bool
    clipping: Clipping
    correct_bias: bool

    def rows(self, weight: Tensor) -> int:
        """How many steps a weight has."""
        length = weight[0].numel()
        if self.granularity == "tensor" or length < _LEAST:
            return 1
        if self.granularity == "channel":
            return len(weight)
        group = next(size for size in range(min(self.granularity, length), 0, -1) if length % size == 0)
        return weight.numel() // group

    def steps(self, place: Place, bits: int) -> Steps:
        """Fitted to the weight as it is."""
        weight = place.value.detach()
        return fitted(weight.reshape(self.rows(weight), -1), Grid(bits, self.symmetric), self.clipping)

    def round_in_training(self, place: Place, bits: int) -> None:
        """Let the layer round its weight whenever it computes, with steps that can be trained."""
        steps, grid = self.steps(place, bits), Grid(bits, self.symmetric)
        place.wrap(Rounded(steps.scale, grid.low, grid.high, steps.zero))

    def round(self, place: Place, bits: int) -> None:
        """Let the layer keep integers."""
        weight, steps = place.value.detach(), self.steps(place, bits)
        # float16 has too few digits for the sums.
        rows = weight.reshape(len(steps.scale), -1).to(torch.promote_types(weight.dtype, torch.float32))
        codes = steps.codes(rows, Grid(bits, self.symmetric))
        scale, zero = steps.scale, steps.zero
        if self.correct_bias and bool((weight == 0).any()):
            # What has been pruned has to stay zero.
            scale, _ = corrected(rows, codes if zero is None else codes - zero[:, None], shift=False)
        elif self.correct_bias:
            scale, zero = corrected(rows, codes)
        zero = None if zero is None else zero.to(weight.dtype)
        store(place, codes.reshape(weight.shape), Coded(scale.to(weight.dtype), zero))


def _chosen(model: nn.Module, bits: int | Mapping[str, int], ends: int | None) -> dict[Place, int]:
    """The weights to be quantised, each with its bits."""
    weights = {
        place.name: place
        for place in places(model)
        if place.value.ndim > 1 and place.value.numel() and place.value.is_floating_point() and codes_of(place) is None
    }
    if isinstance(bits, Mapping):
        unknown = next((name for name in bits if name not in weights), None)
        if unknown is not None:
            raise CompressionError(
                f"{unknown!r} is no weight of the network that is kept as floats: see `places(model)`"
            )
        weights = {name: place for name, place in weights.items() if name in bits}
    if not weights:
        raise CompressionError("the network has no weight of two axes or more that is kept as floats")
    check_weights(weights.values())
    chosen = {place: bits[name] if isinstance(bits, Mapping) else bits for name, place in weights.items()}
    chosen = _with_ends(chosen, ends)
    for n in chosen.values():
        Grid(n)  # checks the number of bits
    return chosen


def _with_ends(bits: dict[Place, int], ends: int | None) -> dict[Place, int]:
    """The bits of all weights, with those asked for at the first and the last."""
    if ends is None:
        return bits
    weights = list(bits)
    return bits | {weights[0]: ends, weights[-1]: ends}
