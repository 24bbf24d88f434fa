"""Convolutions with filters that are cluster centres of pieces of the samples."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from attar.represent.random_convolutions import _GROUP, RandomConvolutions, _Filters, _on_grid

# Pieces that a group's filters are learnt from, and passes over them: centres of eight clusters settle soon.
_PIECES, _PASSES = 2000, 10
# Of more pieces, a few that are drawn twice do not matter, and an order of all takes long.
_MANY = 2**20
# Added to the variances before whitening, as a share of the largest: nearly all of a recording is in its slow waves,
# and what is left is noise. Of 0.1 to 10, on seven persons held out of UCI HAR's training part; 0.1 is as good.
_WHITEN = 0.3
# A piece whose values vary less than this is constant.
_TINY = 1e-6


class _Learnt(_Filters):
    """Filters of one dilation, eight cluster centres for each group."""

    def _learn(self, x: Tensor, generator: torch.Generator) -> None:
        sums = self._sums(x)
        for group in range(self.groups):
            pieces = self._drawn_pieces(sums[:, min(group, sums.shape[1] - 1)], generator)
            # Too little to cluster: the filters stay random.
            if len(pieces) < _GROUP:
                continue
            whiten = _whitening(pieces)
            weight = _centres(pieces @ whiten, generator) @ whiten
            weight = _on_grid(weight / weight.abs().sum(dim=1, keepdim=True))
            self.weight[_GROUP * group : _GROUP * (group + 1)] = weight.reshape(-1, *self.weight.shape[1:])

    def _drawn_pieces(self, sums: Tensor, generator: torch.Generator) -> Tensor:
        """Random pieces that vary, of mean zero and length one, `(pieces, taps)`."""
        pieces = self._pieces(sums)
        places = pieces.shape[: sums.ndim]
        n = places.numel()
        drawn = (
            torch.randperm(n, generator=generator)[:_PIECES]
            if n <= _MANY
            else torch.randint(n, (_PIECES,), generator=generator)
        )
        drawn_pieces = pieces[torch.unravel_index(drawn, places)].flatten(1)
        centred = drawn_pieces - drawn_pieces.mean(dim=1, keepdim=True)
        # All of one length: loud pieces alone would decide what the quiet ones are whitened by.
        return F.normalize(centred[centred.norm(dim=1) > _TINY], dim=1)

    def _pieces(self, sums: Tensor) -> Tensor:
        """What a filter sees of `(n, *places)` where it lies wholly inside a sample: a view `(n, *places, *taps)`."""
        for axis, taps in enumerate(self.weight.shape[2:], start=1):
            span = self.dilation * (taps - 1) + 1
            if sums.shape[axis] < span:
                return sums.new_empty(0, *self.weight.shape[1:])
            sums = sums.unfold(axis, span, 1)[..., :: self.dilation]
        return sums


class KMeansConvolutions(RandomConvolutions):
    """Dilated convolutions whose filters are learnt from the samples by clustering, pooled into vectors.

    As `RandomConvolutions`, but the eight filters of a group are the centres c of a spherical k-means over pieces p of
    the training samples, as the group sees them, each of mean zero and length one:

        q = W p / ‖W p‖,  c_k ← Σ_{q: k = argmax_j c_j · q} q / ‖…‖,  W = (Σ + ε λ_max I)^{−1/2},  filter = W c_k

    where Σ is the covariance of the pieces and λ_max its largest eigenvalue. The filter that answers strongest in its
    group is then the cluster that a place belongs to. Where fewer than eight pieces vary, and in samples shorter than a
    filter, as series of up to 8 steps are, the filters stay those of `RandomConvolutions`, to the bit.

    References:
        Coates and Ng, Learning Feature Representations with K-means, 2012,
        https://doi.org/10.1007/978-3-642-35289-8_30
        Dempster, Schmidt, Webb, Hydra, 2023, https://arxiv.org/abs/2203.13652

    Arguments:
        n_kernels: filters per dilation, rounded up to a multiple of 8.
        n_thresholds: per filter.
        kind: "image", "series", or a kind that has already learnt. None: two axes are series of one channel, three a
            series unless a sample is square, four an image.
        by_sample: standardise each channel of each sample by itself, rather than all samples alike.
        random_state: seed of groups, pieces, first centres and thresholds.

    Attributes:
        dim_: length of a representation.
        module_: from raw samples to representations.

    Example:
        >>> import numpy as np
        >>> recordings = np.random.default_rng(0).standard_normal((20, 3, 100)).astype(np.float32)
        >>> KMeansConvolutions(16, random_state=0).fit_transform(recordings).shape
        (20, 301)
    """

    def _filters(self) -> type[_Filters]:
        return _Learnt


def _whitening(pieces: Tensor) -> Tensor:
    """W, symmetric, of pieces of mean zero `(n, taps)`."""
    values, vectors = torch.linalg.eigh(pieces.T @ pieces / len(pieces))
    w: Tensor = (vectors * (values.clamp_min(0) + _WHITEN * values.max()).rsqrt()) @ vectors.T
    return w


def _centres(pieces: Tensor, generator: torch.Generator) -> Tensor:
    """Centres of length one `(8, taps)` of pieces `(n, taps)`, by the angle between them."""
    pieces = F.normalize(pieces, dim=1)
    centres = pieces[torch.randperm(len(pieces), generator=generator)[:_GROUP]]
    for _ in range(_PASSES):
        belongs = F.one_hot((pieces @ centres.T).argmax(dim=1), _GROUP).to(pieces)
        total = belongs.T @ pieces
        # A cluster that has lost all its members keeps its centre.
        centres = torch.where(total.norm(dim=1, keepdim=True) > _TINY, F.normalize(total, dim=1), centres)
    return centres
