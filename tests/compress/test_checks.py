from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.compress.factorization import factorize
from attar.compress.pruning import prune
from attar.errors import CompressionError

WAYS = {
    "channels": lambda net, x: prune(net, 0.5, x=x, structure="channels"),
    "channels, taylor": lambda net, x: prune(net, 0.5, x=x, structure="channels", criterion="taylor"),
    "recovery": lambda net, x: prune(net, 0.5, x=x, epochs=1),
    "taylor": lambda net, x: prune(net, 0.5, x=x, criterion="taylor"),
    "factorize": lambda net, x: factorize(net, x, share=0.7),
}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)), torch.randn(
        64, 8
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", [0, 40])
def test_samples_that_are_not_finite_are_said(way, value, where) -> None:
    net, x = network()
    x[where] = value
    with pytest.raises(CompressionError, match=r"with NaN or infinity: give|are not finite; correct the samples"):
        WAYS[way](net, x)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["2.weight", "0.bias"])
def test_weights_that_are_not_finite_are_said(way, name) -> None:
    net, x = network()
    net.get_parameter(name).data[3] = torch.nan
    with pytest.raises(CompressionError, match=f"^{name}: some weights are not finite"):
        WAYS[way](net, x)


class Chosen(nn.Sequential):
    def forward(self, x):
        return super().forward(x).argmax(1)


class Fixed(nn.Sequential):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


TRAINED = {name: WAYS[name] for name in ("channels, taylor", "taylor", "recovery")}


@pytest.mark.parametrize("way", TRAINED)
@pytest.mark.parametrize(
    ("kind", "message"), [(Chosen, "numbers of torch.int64"), (Fixed, "Fixed turns gradients off")]
)
def test_answers_that_teach_nothing_are_said(way, kind, message) -> None:
    net, x = network()
    with pytest.raises(CompressionError, match=message):
        TRAINED[way](kind(*net), x)


@pytest.mark.parametrize("way", WAYS)
def test_a_network_that_takes_missing_values_is_compressed(way) -> None:
    class Filled(nn.Sequential):
        def forward(self, x):
            return super().forward(x.nan_to_num())

    net, x = network()
    x[[0, 40]] = torch.nan
    assert WAYS[way](Filled(*net), x)(x).isfinite().all()
