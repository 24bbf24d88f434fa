"""The modules that heads become when they are exported."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from attar.adapt.calibration import TINY


class NeighbourHead(nn.Module):
    """What `LabelPropagation` predicts for new samples, as a module: log of the neighbours' mean distribution.

    Arguments:
        mean: `(dim,)` of the representations.
        axes: `(dim, k)`, principal axes.
        points: `(n, k)`, unit vectors of the samples remembered.
        distributions: `(n, n_classes)` of those samples.
        scale: σ in w = exp((cos − cos_max) / σ) · (cos − cos_min + nearer).
        n_neighbors: how many of them are looked up; the last sets cos_min.
        nearer: as above.
        sharpness: t, of which the logits are a multiple.
    """

    mean: Tensor
    axes: Tensor
    points: Tensor
    distributions: Tensor

    def __init__(
        self,
        mean: npt.NDArray[np.floating],
        axes: npt.NDArray[np.float32],
        points: npt.NDArray[np.float32],
        distributions: npt.NDArray[np.float64],
        scale: float,
        n_neighbors: int,
        nearer: float,
        sharpness: float = 1.0,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("axes", torch.tensor(axes))
        self.register_buffer("points", torch.tensor(points.T.copy()))
        self.register_buffer("distributions", torch.tensor(distributions, dtype=torch.float32))
        self.scale, self.nearer, self.sharpness = scale, nearer, sharpness
        self.n_neighbors = min(n_neighbors, len(points))

    def forward(self, z: Tensor) -> Tensor:
        """Logits `(n, n_classes)` of representations `(n, dim)`."""
        p = (z - self.mean) @ self.axes
        p = p / p.norm(dim=1, keepdim=True).clamp_min(TINY)
        similarity, index = (p @ self.points).topk(self.n_neighbors, dim=1)
        weights = torch.exp((similarity - similarity[:, :1]) / self.scale)
        weights = weights * (similarity - similarity[:, -1:] + self.nearer)
        weights = weights / weights.sum(1, keepdim=True)
        mean: Tensor = (weights.unsqueeze(2) * self.distributions[index]).sum(1)
        return self.sharpness * mean.clamp_min(TINY).log()


def linear_head(weight: npt.NDArray[np.floating], bias: npt.NDArray[np.floating]) -> nn.Linear:
    """Logits W z + b `(n, n_classes)` of representations `(n, dim)`, W of shape `(n_classes, dim)`."""
    # Without the random weights of a new layer, for which the caller's random state would be drawn from.
    head: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], len(weight))
    with torch.no_grad():
        head.weight.copy_(torch.tensor(weight))
        head.bias.copy_(torch.tensor(bias))
    return head.eval()


class MeanOfHeads(nn.Module):
    """Log of the mean of the probabilities of several heads on one representation."""

    def __init__(self, heads: list[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, z: Tensor) -> Tensor:
        """Logits `(n, n_classes)` of representations `(n, dim)`."""
        p = torch.stack([torch.softmax(head(z), dim=1) for head in self.heads]).mean(0)
        return p.clamp_min(TINY).log()
