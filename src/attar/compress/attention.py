"""Attention whose heads can be taken away."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.compress.costs import evaluated
from attar.compress.marks import floats
from attar.compress.places import replaceable
from attar.deploy.replace import replace


class Heads(nn.Module):
    """What `nn.MultiheadAttention` computes of batches, by four linear layers; fewer heads than width / head will do.

    Arguments:
        attention: whose weights are taken; of one width, without additional keys.

    Example:
        >>> attention, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.randn(3, 5, 8)
        >>> torch.allclose(Heads(attention)(x, x, x)[0], attention(x, x, x)[0], atol=1e-6)
        True
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.head, self.dropout = attention.head_dim, attention.dropout
        # `nn.TransformerEncoderLayer` asks for these two. Without a joint bias it leaves the work to `forward`.
        self.batch_first, self.in_proj_bias = attention.batch_first, None
        biases = [None] * 3 if attention.in_proj_bias is None else attention.in_proj_bias.chunk(3)
        self.query, self.key, self.value = map(_linear, attention.in_proj_weight.chunk(3), biases)
        self.out = _linear(attention.out_proj.weight, attention.out_proj.bias)
        self.train(attention.training)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """As `nn.MultiheadAttention`, with masks of either type; the weights of the attention are not given."""
        del need_weights, average_attn_weights
        if not self.batch_first:
            query, key, value = (one.transpose(0, 1) for one in (query, key, value))
        q, k, v = (
            project(one).unflatten(2, (-1, self.head)).transpose(1, 2)
            for project, one in ((self.query, query), (self.key, key), (self.value, value))
        )
        mask = None if attn_mask is None else _added(attn_mask, q.dtype)
        if mask is not None and mask.ndim == 3:
            mask = mask.reshape(len(q), -1, *mask.shape[1:])
        if key_padding_mask is not None:
            padding = _added(key_padding_mask, q.dtype)[:, None, None]
            mask = padding if mask is None else mask + padding
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=is_causal and mask is None
        )
        out: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return (out if self.batch_first else out.transpose(0, 1)), None


def split_heads(model: nn.Module, x: Tensor | None = None) -> None:
    """Put `Heads` in the place of each attention of a network, where it can stand for it.

    Arguments:
        model: changed in place.
        x: samples, by which an attention stays whose weights the network reads, or which sees a sample by itself.
    """
    found = [layer for layer in model.modules() if type(layer) is nn.MultiheadAttention and _plain(layer)]
    heads: dict[nn.Module, nn.Module] = {attention: Heads(attention) for attention in found if attention is not model}
    for parent in model.modules():
        if isinstance(parent, nn.TransformerEncoder):
            parent.use_nested_tensor = False
    if x is not None and heads:
        with evaluated(model):
            expected = floats(model(x))

            def alike() -> bool:
                pairs = zip(floats(model(x)), expected, strict=True)
                return all(torch.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True) for a, b in pairs)

            heads = replaceable(model, heads, alike)
    replace(model, heads)


def _plain(attention: nn.MultiheadAttention) -> bool:
    # A parametrised weight has a class of its own, and so is not taken.
    return (attention._qkv_same_embed_dim and attention.bias_k is None and not attention.add_zero_attn) and type(
        attention.out_proj
    ) is nn.modules.linear.NonDynamicallyQuantizableLinear


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], len(weight), bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as what is added before the softmax."""
    return mask if mask.is_floating_point() else torch.zeros_like(mask, dtype=dtype).masked_fill(mask, -torch.inf)
