from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.compress.quantization import quantize
from attar.deploy.folding import factor_and_shift, fold_batch_norm, pairs


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(
            nn.Conv2d(3, 6, 3, groups=3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 4, 1, bias=False),
            nn.BatchNorm2d(4),
        ),
        nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, affine=False)), nn.BatchNorm2d(6)),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)),
        nn.Sequential(
            nn.Flatten(), nn.Linear(192, 5), nn.BatchNorm1d(5), nn.Linear(5, 5), nn.BatchNorm1d(5, affine=False)
        ),
        nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)),
    ],
)
def test_folding_changes_nothing(net: nn.Sequential) -> None:
    torch.manual_seed(0)
    for _ in range(10):
        net(torch.randn(16, 3, 8, 8) * 2 + 1)
    net.eval()
    x = torch.randn(9, 3, 8, 8)
    folded = fold_batch_norm(net, x)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), net(x), atol=1e-5, rtol=0)
    assert len(folded) == len(net)  # type: ignore[arg-type]


def test_folding_reaches_every_neighbour(image_net: nn.Module) -> None:
    kinds = {type(module) for module in fold_batch_norm(image_net, torch.zeros(1, 8, 8)).modules()}
    assert kinds.isdisjoint({nn.BatchNorm1d, nn.BatchNorm2d})


def test_folding_one_layer_used_twice() -> None:
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.BatchNorm1d(4), nn.ReLU(), shared).eval()
    with torch.no_grad():
        net[1].running_mean += 1  # type: ignore[operator]
        x = torch.randn(5, 4)
        torch.testing.assert_close(fold_batch_norm(net, x)(x), net(x))


class Residual(nn.Module):
    """Attributes rather than a sequence, a branch, and an output that two layers read."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm_a = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)
        self.b, self.norm_b = nn.Conv2d(3, 3, 1, groups=3), nn.BatchNorm2d(3, affine=False)
        self.read_twice, self.norm_c = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.shared, self.norm_d, self.norm_e = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.head, self.norm_f = nn.Linear(3, 5), nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm_a(self.a(x))) + self.norm_b(self.b(x))
        c = self.read_twice(h)
        h = c + self.norm_c(c)
        h = self.norm_e(self.shared(torch.relu(self.norm_d(self.shared(h)))))
        y: Tensor = self.norm_f(self.head(h.mean((2, 3))))
        return y


class DependsOnData(Residual):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else -x)


class OfTokens(nn.Module):
    """A batch norm over another axis than that of the linear layer before it, which may be as long."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, width), nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.layer(x))
        return y


class OfTokensByData(OfTokens):
    """Where only the neighbours in a sequence can be told."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.both = nn.Sequential(self.layer, self.norm)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.both(x if x.sum() > 0 else -x)
        return y


def seen(net: nn.Module, *shape: int) -> nn.Module:
    """A network whose batch norms have seen something, and have weights of their own."""
    torch.manual_seed(0)
    for _ in range(5):
        net(torch.randn(16, *shape) * 2 + 1)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.affine:
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    return net.eval()


@pytest.mark.parametrize(
    ("net", "left"), [(Residual(), {"norm_c", "norm_d", "norm_e"}), (DependsOnData(), set("abcdef"))]
)
def test_folding_follows_the_data(net: nn.Module, left: set[str]) -> None:
    seen(net, 3, 6, 6)
    x = torch.randn(9, 3, 6, 6)
    folded = fold_batch_norm(net, x)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), net(x), atol=1e-5, rtol=1e-5)
    kept = {name for name, layer in folded.named_modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)}
    assert kept == {name if len(name) > 1 else f"norm_{name}" for name in left}


class Tapped(nn.Module):
    """What the layers of a sequence say is read between them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> Tensor:
        tap = self.layers[0](x)
        return tap + self.layers[1:](tap)


def test_a_sequence_that_is_read_in_between_is_folded_where_it_is_not() -> None:
    net, x = seen(Tapped(), 3, 6, 6), torch.randn(9, 3, 6, 6)
    folded = fold_batch_norm(net, x)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), net(x), atol=1e-5, rtol=1e-5)
    assert [type(layer).__name__ for layer in folded.layers] == ["Conv2d", "BatchNorm2d", "Conv2d", "Identity"]


@pytest.mark.parametrize("branching", [False, True])
def test_a_sequence_is_folded_however_often_it_is_called(branching: bool) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            return self.block(self.block(x if not branching or x.sum() > 0 else -x))

    net, x = seen(Twice(), 3, 6, 6), torch.randn(9, 3, 6, 6)
    folded = fold_batch_norm(net)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), net(x), atol=1e-5, rtol=1e-5)
    assert isinstance(folded.block[1], nn.Identity)


@pytest.mark.parametrize("width", [6, 5])
@pytest.mark.parametrize("kind", [OfTokens, OfTokensByData])
def test_a_norm_over_another_axis_stays(kind: type[OfTokens], width: int) -> None:
    net, x = seen(kind(width), 5, 4), torch.randn(3, 5, 4)
    assert not pairs(net, x)
    for example in (x, None, x[..., :2]):
        assert torch.equal(fold_batch_norm(net, example)(x), net(x))


def test_a_linear_layer_keeps_its_norm_where_no_sample_tells_the_axis() -> None:
    net = seen(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)), 4)
    assert [type(fold_batch_norm(net, one)[1]).__name__ for one in (None, torch.zeros(1, 4))] == [  # type: ignore[index]
        "BatchNorm1d",
        "Identity",
    ]


def test_a_layer_under_two_names_stays() -> None:
    net = Residual()
    net.again = net.a
    assert {pair.layer for pair in pairs(seen(net, 3, 6, 6), torch.randn(2, 3, 6, 6))} == {"b", "head"}


class Tied(nn.Module):
    """Something of a layer or of its norm is used besides."""

    def __init__(self, used: Callable[["Tied", Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(5, 4), nn.BatchNorm1d(4)
        self.used = used

    def forward(self, x: Tensor) -> Tensor:
        return self.used(self, self.norm(self.layer(x)))


@pytest.mark.parametrize(
    "used",
    [
        lambda net, z: F.linear(z, net.layer.weight.t()),
        lambda net, z: z - net.layer.bias,
        lambda net, z: z * net.norm.weight,
    ],
)
def test_what_is_used_besides_stays(used: Callable[[Tied, Tensor], Tensor]) -> None:
    net, x = seen(Tied(used), 5), torch.randn(9, 5)
    assert not pairs(net, x)
    assert torch.equal(fold_batch_norm(net, x)(x), net(x))
    with torch.no_grad():
        rounded = quantize(net, x, bits=16)(x)
    torch.testing.assert_close(rounded, net(x), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("hook", ["register_forward_hook", "register_forward_pre_hook"])
def test_layers_with_hooks_stay(hook: str, place: int) -> None:
    net, x = seen(nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)), 3, 8), torch.randn(9, 3, 8)
    getattr(net[place], hook)(lambda _, *given: given[-1][0] + 1 if "pre" in hook else given[-1] + 1)  # type: ignore[index]
    assert torch.equal(fold_batch_norm(net, x)(x), net(x))


def test_a_norm_is_a_factor_and_a_shift() -> None:
    for norm in (nn.BatchNorm1d(4), nn.BatchNorm1d(4, affine=False)):
        seen(norm, 4)
        factor, shift = factor_and_shift(norm)
        x = torch.randn(7, 4)
        torch.testing.assert_close(factor * x + shift, norm(x))


class Listed(nn.Module):
    """Layers that are called by a list."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm, self.head = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)
        self.steps = [(self.layer, self.norm), (self.head,)]

    def forward(self, x: Tensor) -> Tensor:
        for steps in self.steps:
            for step in steps:
                x = step(x)
        return x


def test_layers_that_a_list_calls_are_folded_in_it_and_rounded() -> None:
    torch.manual_seed(0)
    net, x = Listed(), 3 * torch.randn(50, 4) + 1
    net(x)
    net.eval()
    folded = fold_batch_norm(net, x)
    assert folded.steps == [(folded.layer, folded.norm), (folded.head,)]
    assert isinstance(folded.norm, nn.Identity)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), net(x))
        torch.testing.assert_close(quantize(net, x, bits=12)(x), net(x), atol=0.01, rtol=0)
    assert isinstance(net.steps[0][1], nn.BatchNorm1d)
