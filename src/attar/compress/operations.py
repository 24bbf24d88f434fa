"""What a program may compute: torch's own operations that change nothing and reach nothing but their arguments."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

# Of torch.ops.aten; "name" is "name.default".
_NAMES = """
linear addmm mm bmm matmul dot mv baddbmm einsum bilinear addmv outer inner tensordot kron linalg_vecdot
linalg_multi_dot linalg_cross conv1d conv2d conv3d conv1d.padding conv2d.padding conv3d.padding convolution
conv_transpose1d conv_transpose2d.input conv_transpose3d.input
batch_norm layer_norm group_norm instance_norm rms_norm native_layer_norm native_group_norm
lstm.input gru.input rnn_tanh.input rnn_relu.input embedding scaled_dot_product_attention
lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell embedding_bag embedding_bag.padding_idx
max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d max_pool2d_with_indices
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
max_pool1d_with_indices max_pool3d_with_indices
upsample_nearest1d upsample_nearest2d upsample_nearest2d.vec upsample_bilinear2d upsample_bilinear2d.vec
upsample_linear1d.vec upsample_nearest1d.vec upsample_bicubic2d upsample_bicubic2d.vec upsample_trilinear3d.vec
upsample_nearest3d.vec _upsample_nearest_exact1d.vec _upsample_nearest_exact2d.vec _upsample_bilinear2d_aa.vec
_upsample_bicubic2d_aa.vec pixel_shuffle pixel_unshuffle channel_shuffle pad constant_pad_nd reflection_pad1d
reflection_pad2d replication_pad1d replication_pad2d im2col col2im
relu relu6 leaky_relu prelu elu selu celu gelu silu mish sigmoid tanh softplus hardtanh hardswish
hardsigmoid log_sigmoid softmax.int log_softmax.int _softmax _log_softmax threshold hardshrink softshrink glu
add.Tensor add.Scalar sub.Tensor sub.Scalar mul.Tensor mul.Scalar div.Tensor div.Scalar div.Tensor_mode rsub.Scalar
rsub.Tensor true_divide.Tensor true_divide.Scalar divide.Tensor divide.Scalar multiply.Tensor multiply.Scalar
subtract.Tensor subtract.Scalar heaviside hypot copysign.Tensor fmax fmin logaddexp logaddexp2 xlogy.Tensor
pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar maximum minimum max.other min.other remainder.Scalar remainder.Tensor
remainder.Scalar_Tensor floor_divide fmod.Scalar fmod.Tensor addcmul addcdiv lerp.Scalar lerp.Tensor
neg positive abs sign sgn signbit exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sin cos tan asin acos
atan atan2 sinh cosh asinh acosh atanh sinc deg2rad rad2deg erf erfc erfinv special_expit logit lgamma digamma floor
ceil round round.decimals trunc frac clamp clamp.Tensor clamp_min clamp_min.Tensor clamp_max clamp_max.Tensor clip
clip.Tensor nan_to_num isnan isinf isfinite isposinf isneginf isclose isin.Tensor_Tensor
eq.Tensor eq.Scalar ne.Tensor ne.Scalar lt.Tensor lt.Scalar le.Tensor le.Scalar gt.Tensor gt.Scalar ge.Tensor
ge.Scalar not_equal.Tensor less.Tensor less_equal.Tensor greater.Tensor greater_equal.Tensor logical_and logical_or
logical_not logical_xor bitwise_and.Tensor bitwise_or.Tensor bitwise_not bitwise_xor.Tensor __xor__.Tensor
__and__.Scalar __or__.Scalar __lshift__.Scalar __rshift__.Scalar zero
where.self where.ScalarOther where.ScalarSelf where.Scalar masked_fill.Scalar masked_fill.Tensor
sum sum.dim_IntList mean mean.dim nansum nanmean var var.correction var.dim std std.correction std.dim
var_mean.correction var_mean.dim std_mean.correction std_mean.dim prod prod.dim_int count_nonzero
amax amin max.dim min.dim max min aminmax argmax argmin any any.dim any.dims all all.dim all.dims median.dim kthvalue
quantile quantile.scalar logsumexp linalg_norm linalg_vector_norm linalg_matrix_norm norm.ScalarOpt_dim dist cumsum
cumprod logcumsumexp cummax cummin diff topk sort sort.stable argsort argsort.stable cdist pairwise_distance
cosine_similarity __and__.Tensor __or__.Tensor
flatten.using_ints squeeze squeeze.dim squeeze.dims unsqueeze transpose.int permute t trace diag diag_embed
numpy_T mT movedim.int movedim.intlist moveaxis.int moveaxis.intlist swapaxes swapdims broadcast_tensors expand_as
repeat_interleave.self_int tile
slice.Tensor select.int narrow split.Tensor split_with_sizes chunk unbind.int cat concat stack hstack vstack
dstack column_stack tensor_split.sections tensor_split.indices fliplr flipud atleast_1d atleast_2d atleast_3d
scatter.src scatter.value scatter_add scatter_reduce.two index_add index_copy index_put index_fill.int_Scalar take
index_select gather index.Tensor take_along_dim flip roll tril triu diagonal unfold clone contiguous to.dtype
type_as detach alias lift_fresh_copy detach_copy _to_copy to.dtype_layout one_hot view_as reshape_as rot90
fill.Scalar fill.Tensor copy select_scatter slice_scatter masked_scatter zeros_like ones_like full_like
scalar_tensor eye eye.m linspace meshgrid meshgrid.indexing tril_indices triu_indices
bucketize.Tensor searchsorted.Tensor
"""
_OPERATIONS = frozenset(_NAMES.split())
# Of Python, on sizes and on lists of results.
_PLAIN: dict[str, Callable[..., Any]] = {
    "getitem": operator.getitem,
    **{f"int.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod", "neg")},
    **{"int.min": min, "int.max": max},
}
# What does nothing in evaluation mode, and what only checks.
_IDLE = "dropout feature_dropout alpha_dropout feature_alpha_dropout dropout_ lift_fresh_copy alias detach detach_"
_CHECKS = "_assert_tensor_metadata sym_constrain_range_for_size sym_constrain_range _assert_scalar _assert_async.msg"
IDLE, CHECKS = frozenset(_IDLE.split()), frozenset(_CHECKS.split())
# By the functions that people call: torch.ops, when it is traced once more, takes a size for a constant.
_OF_TENSORS = "view reshape expand broadcast_to repeat new_zeros new_ones new_full"
_OF_TORCH = "zeros ones full arange arange.start arange.start_step"
_CALLED: dict[str, Callable[..., Any]] = {
    **_PLAIN,
    **{"sym_size.int": Tensor.size, "sym_numel": Tensor.numel, "unflatten.int": Tensor.unflatten},
    **{name: getattr(Tensor, name) for name in _OF_TENSORS.split()},
    **{name: getattr(torch, name.partition(".")[0]) for name in _OF_TORCH.split()},
}


def known(name: str) -> bool:
    """Whether a program may hold an operation."""
    return name in _OPERATIONS or name in _CALLED


@cache
def function(name: str) -> Callable[..., Any]:
    """What an operation computes.

    Example:
        >>> function("add.Tensor")(torch.ones(2), 1)
        tensor([2., 2.])
    """
    if name in _CALLED:
        return _CALLED[name]
    packet, _, overload = name.partition(".")
    found: Callable[..., Any] = getattr(getattr(torch.ops.aten, packet), overload or "default")
    return found


def name_of(target: Any) -> str:
    """The name of what a node of a traced graph calls.

    Example:
        >>> name_of(torch.ops.aten.linear.default), name_of(torch.ops.aten.add.Tensor), name_of(operator.mul)
        ('linear', 'add.Tensor', 'int.mul')
    """
    if isinstance(target, torch._ops.OpOverload):
        name: str = target._schema.name.removeprefix("aten::")
        return f"{name}.{target._schema.overload_name}".rstrip(".")
    plain = str(getattr(target, "__name__", target))
    return plain if plain in _PLAIN else f"int.{plain}"
