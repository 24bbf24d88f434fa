"""A transformer over the parts of a sample, and one back from its representation to the sample."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_HEAD = 16  # least width of an attention head
_MLP = 4  # hidden units of a block's perceptron for each unit of width
_INITIAL = 0.02  # standard deviation of what is learnt from nothing: positions, the vector of a hidden part
# Added to the attention of what must not be seen. Finite, so that a sample without anything to see stays defined, and
# large enough that its exponential is zero in every floating type.
_NEVER = -1e4


class Block(nn.Module):
    """Attention and a perceptron, each on a normalised input and added to it (pre-norm).

    h ← h + Attention(LN(h)),  h ← h + W₂ GELU(W₁ LN(h))

    References:
        Vaswani et al., Attention Is All You Need, 2017, https://arxiv.org/abs/1706.03762
        Xiong et al., On Layer Normalization in the Transformer Architecture, 2020, https://arxiv.org/abs/2002.04745

    Arguments:
        width: length of each vector.

    Example:
        >>> Block(32)(torch.zeros(5, 7, 32)).shape
        torch.Size([5, 7, 32])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = next(h for h in range(max(1, width // _HEAD), 0, -1) if width % h == 0)
        self.before_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, _MLP * width), nn.GELU(), nn.Linear(_MLP * width, width)
        )

    def forward(self, h: Tensor, seen: Tensor | None = None) -> Tensor:
        """Map `(n, parts, width)`; attention goes to the parts that are `seen`, bool `(n, parts)`, or to all."""
        q, k, v = self.qkv(self.before_attention(h)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        bias = None if seen is None else torch.zeros_like(seen, dtype=q.dtype).masked_fill(~seen, _NEVER)[:, None, None]
        h = h + self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2))
        out: Tensor = h + self.mlp(h)
        return out


class TransformerEncoder(nn.Module):
    """From the parts of a sample to one vector each, and to their mean.

    hᵢ = embed(x)ᵢ + pᵢ,  h ← Blockₗ(… Block₁(h)),  zᵢ = W LN(hᵢ),  z = mean of zᵢ over what is present

    Arguments:
        embed: from samples to vectors `(n, parts, width)` and bool `(n, parts)`: which parts are present; None: all.
        parts: how many a sample has.
        dim: length of zᵢ and z.
        width: length of hᵢ.
        skips: hidden parts are left out, as in He et al., Masked Autoencoders Are Scalable Vision Learners, 2022,
            https://arxiv.org/abs/2111.06377. Otherwise they are encoded as they are given.
        depth: number of blocks.

    Example:
        >>> from attar.nets.patches import Patches
        >>> encoder = TransformerEncoder(Patches(1, (8, 8), (2, 2), 32), parts=16, dim=10, width=32)
        >>> x = torch.zeros(5, 1, 8, 8)
        >>> encoder(x).shape, encoder.parts(x).shape
        (torch.Size([5, 10]), torch.Size([5, 16, 10]))
    """

    def __init__(
        self, embed: nn.Module, parts: int, dim: int, width: int, *, skips: bool = True, depth: int = 4
    ) -> None:
        super().__init__()
        self.skips = skips
        self.embed = embed
        self.positions = nn.Parameter(_INITIAL * torch.randn(parts, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Encode whole samples to `(n, dim)`."""
        h, present = self.embed(x)
        z = self._blocks(h + self.positions, present)
        if present is None:
            return z.mean(dim=1)
        share: Tensor = present.to(z.dtype).unsqueeze(2)
        return (z * share).sum(dim=1) / share.sum(dim=1).clamp(min=1)

    def parts(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Encode each part to `(n, parts, dim)`; hidden parts, bool `(n, parts)`, are zeros where they are skipped."""
        h, present = self.embed(x)
        h = h + self.positions
        if hidden is None:
            return self._blocks(h, present)
        if not self.skips:
            # What was blanked out looks like padding, and is none.
            return self._blocks(h, None if present is None else present | hidden)
        visible = ~hidden if present is None else present & ~hidden
        count = visible.sum(dim=1)
        most = int(count.max())
        # The visible parts first, in their order: what is left out costs nothing.
        places = torch.argsort(visible.to(torch.uint8), dim=1, descending=True, stable=True)[:, :most]
        seen = None if bool((count == most).all()) else visible.gather(1, places)
        z = self._blocks(h.gather(1, places.unsqueeze(2).expand(-1, -1, h.shape[2])), seen)
        places = places.unsqueeze(2).expand(-1, -1, z.shape[2])
        back = z.new_zeros(len(z), h.shape[1], z.shape[2]).scatter(1, places, z)
        return back * visible.unsqueeze(2)

    def _blocks(self, h: Tensor, seen: Tensor | None) -> Tensor:
        for block in self.blocks:
            h = block(h, seen)
        z: Tensor = self.last(h)
        return z


class TransformerDecoder(nn.Module):
    """From the parts' representations, or from one of the whole sample, back to the sample.

    hᵢ = W zᵢ + pᵢ, or m + pᵢ at hidden parts with a learnt vector m;  x̂ = output(LN(Blockₗ(… Block₁(h))))

    Arguments:
        output: from vectors `(n, parts, width)` to x̂.
        parts: how many a sample has.
        dim: length of z.
        width: length of h.
        tokens: hidden parts are given the vector m instead of what z says there.
        depth: number of blocks.

    Example:
        >>> from attar.nets.patches import Unpatch
        >>> decoder = TransformerDecoder(Unpatch(1, (8, 8), (2, 2), 32), parts=16, dim=10, width=32)
        >>> decoder(torch.zeros(5, 16, 10)).shape, decoder(torch.zeros(5, 10)).shape
        (torch.Size([5, 1, 8, 8]), torch.Size([5, 1, 8, 8]))
    """

    def __init__(
        self, output: nn.Module, parts: int, dim: int, width: int, *, tokens: bool = False, depth: int = 2
    ) -> None:
        super().__init__()
        self.first = nn.Linear(dim, width)
        self.token = nn.Parameter(_INITIAL * torch.randn(width)) if tokens else None
        self.positions = nn.Parameter(_INITIAL * torch.randn(parts, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.output = output

    def forward(self, z: Tensor, hidden: Tensor | None = None, x: Tensor | None = None) -> Tensor:
        """Decode `(n, parts, dim)`, of which some may be hidden, or `(n, dim)`, which then stands for every part."""
        del x
        h = self.first(z) if z.ndim == 3 else self.first(z).unsqueeze(1)
        if self.token is not None and hidden is not None:
            h = torch.where(hidden.unsqueeze(2), self.token, h)
        h = h + self.positions
        for block in self.blocks:
            h = block(h)
        x_hat: Tensor = self.output(self.norm(h))
        return x_hat
