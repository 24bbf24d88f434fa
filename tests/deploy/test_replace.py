from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from attar.deploy.replace import put, replace

Step = namedtuple("Step", ["layer", "name"])


class Holding(nn.Module):
    def __init__(self, gathered: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.layer: nn.Module = nn.Linear(2, 2)
        self.same, self.held = self.layer, gathered(self.layer)


@pytest.mark.parametrize(
    "gathered",
    [
        lambda layer: [layer, None],
        lambda layer: (1, (layer,)),
        lambda layer: {"a": [layer], 3: layer},
        lambda layer: [Step(layer, "a")],
    ],
)
def test_a_layer_is_replaced_wherever_it_is_held(gathered: Callable[[nn.Module], Any]) -> None:
    net, new = Holding(gathered), nn.Identity()
    replace(net, {net.layer: new})
    assert net.layer is net.same is new
    assert net.held == gathered(new)
    assert type(net.held) is type(gathered(new))


def test_a_layer_of_two_names_stays_elsewhere_until_it_has_none() -> None:
    net = Holding(lambda layer: [layer])
    old, new = net.layer, nn.Identity()
    put(net, "layer", new)
    assert net.layer is new
    assert net.same is net.held[0] is old
    put(net, "same", new)
    assert net.same is net.held[0] is new
