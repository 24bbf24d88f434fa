"""Plain networks of one architecture and different widths, computed side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.errors import DataError

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d}
_POOLS = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}


def plain_network(net: str, shape: Sequence[int], outputs: int, width: int, depth: int, seed: int) -> nn.Sequential:
    """A network with PyTorch's usual random start.

        mlp:   h₀ = x,  hᵢ = ReLU(Wᵢ hᵢ₋₁ + bᵢ) of `width` units,                      y = W h + b
        conv:  hᵢ = ReLU(Wᵢ * hᵢ₋₁ + bᵢ) of 2ⁱ⁻¹ `width` channels, every second place,  y = W mean(h) + b

    Arguments:
        net: "mlp", or "conv" with kernels of 3 (3 × 3).
        shape: of a sample: any for "mlp", `(c, t)` or `(c, h, w)` for "conv".
        outputs: length of y.
        width: of the first layer.
        depth: hidden layers.
        seed: the parameters are those after `torch.manual_seed(seed)`.

    Raises:
        DataError: another name, a width or depth below 1, or samples of a shape that cannot be convolved.

    Example:
        >>> sum(p.numel() for p in plain_network("mlp", (20,), 10, width=5, depth=1, seed=0).parameters())
        165
    """
    if net not in ("mlp", "conv"):
        raise DataError(f'net is {net!r}: give "mlp" or "conv"')
    if width < 1 or depth < 1:
        raise DataError(f"width is {width} and depth {depth}: a network needs at least one unit and one hidden layer")
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if net == "mlp":
            sizes = [int(torch.Size(shape).numel())] + [width] * depth
            layers.append(nn.Flatten())
            for n_in, n_out in pairwise(sizes):
                layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        else:
            if len(shape) - 1 not in _CONVOLUTIONS:
                raise DataError(f"samples have shape {tuple(shape)}: a conv network takes (c, t) or (c, h, w)")
            sizes = [shape[0]] + [width * 2**i for i in range(depth)]
            for n_in, n_out in pairwise(sizes):
                layers += [_CONVOLUTIONS[len(shape) - 1](n_in, n_out, 3, stride=2, padding=1), nn.ReLU()]
            layers += [_POOLS[len(shape) - 1](1), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class Stack:
    """K networks of `plain_network` that differ in width, as one.

    Narrow ones are padded with units whose weights are all zero. Such a unit yields ReLU(0) = 0, and its gradient is
    zero, so that it stays as it is. Fully connected layers are one batched product, convolutions one grouped one.

    Arguments:
        networks: of one architecture.

    Example:
        >>> networks = [plain_network("mlp", (4,), 2, width, 1, seed=0) for width in (3, 5)]
        >>> x = torch.randn(2, 7, 4)
        >>> torch.allclose(Stack(networks)(x), torch.stack([net(a) for net, a in zip(networks, x)]), atol=1e-6)
        True
    """

    def __init__(self, networks: Sequence[nn.Sequential]) -> None:
        self._networks = networks
        self.parameters = [_padded(list(same)) for same in zip(*(net.parameters() for net in networks))]

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs `(K, n, m)` for the samples `(K, n, *shape)` that each network sees."""
        k, n = len(x), x.shape[1]
        parameters = iter(self.parameters)
        # Convolutions keep the networks in the channels, `(n, K c, …)`, other layers in front, `(K, n, d)`.
        convolutional = not isinstance(self._networks[0][0], nn.Flatten)
        h = x.transpose(0, 1).flatten(1, 2) if convolutional else x
        for layer in self._networks[0]:
            if isinstance(layer, nn.Linear):
                weight, bias = next(parameters), next(parameters)
                h = torch.baddbmm(bias.unsqueeze(1), h, weight.transpose(1, 2))
            elif isinstance(layer, nn.Conv1d | nn.Conv2d):
                weight, bias = next(parameters), next(parameters)
                convolve = F.conv1d if isinstance(layer, nn.Conv1d) else F.conv2d
                h = convolve(h, weight.flatten(0, 1), bias.flatten(), stride=2, padding=1, groups=k)
            elif isinstance(layer, nn.ReLU):
                h = h.relu()
            elif isinstance(layer, nn.Flatten):
                h = h.view(n, k, -1).transpose(0, 1) if convolutional else h.flatten(2)
            else:
                h = h.flatten(2).mean(2)
        return h

    def unstack(self) -> None:
        """Put the parameters into the networks they came from."""
        with torch.no_grad():
            for stacked, same in zip(self.parameters, zip(*(net.parameters() for net in self._networks))):
                for values, parameter in zip(stacked, same):
                    parameter.copy_(values[tuple(map(slice, parameter.shape))])


def _padded(same: list[Tensor]) -> Tensor:
    shape = [max(sizes) for sizes in zip(*(p.shape for p in same))]
    stacked = same[0].new_zeros(len(same), *shape)
    for values, parameter in zip(stacked, same):
        values[tuple(map(slice, parameter.shape))] = parameter.detach()
    return stacked.requires_grad_()
