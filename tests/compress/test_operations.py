from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attar.compress.operations import _OPERATIONS, function
from attar.compress.packed import unpack
from attar.compress.program import listed
from attar.compress.saved import load, save


class Computed(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.register_buffer("weight", torch.linspace(-1, 1, 64).reshape(8, 8))
        self.register_buffer("which", torch.tensor([1, 3, 0]))
        self.register_buffer("mask", torch.tensor([True, False] * 4))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def assigned(net, x):
    y = x.clone()
    y[y < 0] = 0
    return y


torch.manual_seed(0)
ROWS, SEQUENCES, IMAGES, VOLUMES = (
    torch.randn(5, 8),
    torch.randn(5, 4, 8),
    torch.randn(5, 4, 8, 8),
    torch.randn(2, 2, 4, 4, 4),
)
# Whatever operation is called so, with a form in ONNX.
WITH = {
    "glu": (ROWS, lambda net, x: F.glu(x)),
    "argsort": (ROWS, lambda net, x: x.argsort(1)),
    "upsample_bicubic2d.vec": (IMAGES, lambda net, x: F.interpolate(x, scale_factor=2, mode="bicubic")),
    "upsample_trilinear3d.vec": (VOLUMES, lambda net, x: F.interpolate(x, scale_factor=2, mode="trilinear")),
    "upsample_nearest3d.vec": (VOLUMES, lambda net, x: F.interpolate(x, scale_factor=2)),
    "col2im": (torch.randn(5, 12, 9), lambda net, x: F.fold(x, (4, 4), (2, 2))),
    "outer": (ROWS, lambda net, x: x @ torch.outer(net.weight[0], net.weight[1])),
    "tensordot": (ROWS, lambda net, x: torch.tensordot(x, net.weight, dims=1)),
    "linalg_norm": (ROWS, lambda net, x: torch.linalg.norm(x, dim=1)),
    "linalg_cross": (ROWS, lambda net, x: torch.linalg.cross(x[:, :3], x[:, 3:6])),
    "pairwise_distance": (ROWS, lambda net, x: F.pairwise_distance(x, x.flip(1))),
    "var": (ROWS, lambda net, x: x / net.weight.var(unbiased=False)),
    "var_mean.dim": (ROWS, lambda net, x: torch.var_mean(x, 1, unbiased=False)[0]),
    "std_mean.dim": (ROWS, lambda net, x: torch.std_mean(x, 1)[0]),
    "prod": (ROWS, lambda net, x: x * net.weight[0].prod()),
    "aminmax": (ROWS, lambda net, x: torch.aminmax(x, dim=1)[1]),
    "scatter.value": (ROWS, lambda net, x: torch.zeros_like(x).scatter_(1, x.argmax(1, keepdim=True), 1.0)),
    "scatter.src": (ROWS, lambda net, x: torch.zeros_like(x).scatter(1, x.argsort(1), x)),
    "scatter_add": (ROWS, lambda net, x: torch.ones_like(x).scatter_add(1, x.argsort(1), x)),
    "index_put": (ROWS, assigned),
    "index_add": (ROWS, lambda net, x: x.index_add(1, net.which, x[:, :3])),
    "masked_scatter": (ROWS, lambda net, x: x.masked_scatter(net.mask, 2 * x)),
    "logit": (ROWS.sigmoid(), lambda net, x: torch.logit(x)),
    "clamp_min.Tensor": (ROWS, lambda net, x: torch.clamp_min(x, net.weight[0])),
    "clip": (ROWS, lambda net, x: torch.clip(x, min=0)),
    "multiply.Tensor": (ROWS, lambda net, x: torch.multiply(x, net.weight[0])),
    "true_divide.Tensor": (ROWS, lambda net, x: torch.true_divide(x, net.weight[0])),
    "rsub.Tensor": (ROWS, lambda net, x: torch.rsub(x, net.weight[0])),
    "fmod.Tensor": (ROWS, lambda net, x: torch.fmod(x, net.weight[0])),
    "swapdims": (SEQUENCES, lambda net, x: x.swapdims(1, 2)),
    "moveaxis.int": (SEQUENCES, lambda net, x: x.moveaxis(1, 2)),
    "broadcast_to": (ROWS, lambda net, x: torch.broadcast_to(x[:, None], (x.shape[0], 3, 8))),
    "tensor_split.sections": (ROWS, lambda net, x: x.tensor_split(3, 1)[1]),
}
# Those that torch has no form in ONNX for.
WITHOUT = {
    "logaddexp": (ROWS, lambda net, x: torch.logaddexp(x, 2 * x)),
    "cumprod": (ROWS, lambda net, x: x.cumprod(1)),
    "cummax": (ROWS, lambda net, x: x.cummax(1)[0]),
    "argsort.stable": (ROWS, lambda net, x: x.argsort(dim=1, stable=True)),
    "_upsample_bilinear2d_aa.vec": (IMAGES, lambda net, x: F.interpolate(x, (3, 3), mode="bilinear", antialias=True)),
    "_upsample_nearest_exact2d.vec": (IMAGES, lambda net, x: F.interpolate(x, (3, 3), mode="nearest-exact")),
    "adaptive_max_pool3d": (VOLUMES, lambda net, x: F.adaptive_max_pool3d(x, 2)),
    "median.dim": (ROWS, lambda net, x: x.median(1)[0]),
    "quantile.scalar": (ROWS, lambda net, x: x.quantile(0.3, dim=1)),
    "asinh": (ROWS, lambda net, x: torch.asinh(x)),
    "mT": (SEQUENCES, lambda net, x: x.mT),
    "diag_embed": (ROWS, lambda net, x: torch.diag_embed(x)),
}


@pytest.mark.parametrize("name", [*WITH, *WITHOUT])
def test_an_operation_is_kept(name, tmp_path) -> None:
    x, forward = (WITH | WITHOUT)[name]
    net = Computed(forward).eval()
    save(net, tmp_path / "a.attar", x[:1])
    read = load(tmp_path / "a.attar")
    assert name in [step.operation for step in listed(read).steps]
    assert torch.equal(read(x), net(x))
    if name in WITH:
        unpack(tmp_path / "a.attar", tmp_path / "a.onnx")


def test_operations_change_nothing_and_reach_nothing() -> None:
    for name in _OPERATIONS:
        schema = function(name)._schema
        assert not schema.is_mutable, name
        assert not any("Generator" in str(argument.type) for argument in schema.arguments), name
