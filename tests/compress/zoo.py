"""Networks as others write them, small, with random weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MnistCnn(nn.Module):
    """The network of the torch examples, narrower."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(16 * 16, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        x = F.relu(self.fc1(torch.flatten(self.dropout1(x), 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


class Residual(nn.Module):
    """Blocks beside shortcuts, as in ResNet-18."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.down = None
        if (n_in, stride) != (n_out, 1):
            self.down = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(h + (x if self.down is None else self.down(x)))


def resnet() -> nn.Module:
    stem = [nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    blocks = [Residual(8, 8, 1), Residual(8, 8, 1), Residual(8, 16, 2), Residual(16, 16, 1)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


class Branches(nn.Module):
    """Concatenated branches, a grouped and a depthwise convolution, and the input beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(1, 4, 1)
        self.grouped = nn.Conv2d(12, 12, 3, padding=1, groups=3)
        self.depthwise, self.bn = nn.Conv2d(12, 24, 3, padding=1, groups=12), nn.BatchNorm2d(24)
        self.act = nn.PReLU(24)
        self.last = nn.Conv2d(25, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.cat([torch.relu(self.one(x)), self.other(x)], 1)
        h = self.act(self.bn(self.depthwise(torch.relu(self.grouped(h)))))
        return self.last(torch.cat([h, x], 1)).mean((2, 3))


class Dense(nn.Module):
    """Each layer reads all before it, as in DenseNet, behind a normalisation of groups."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.bn = nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.BatchNorm2d(14)
        self.b, self.c = nn.Conv2d(8, 6, 3, padding=1, bias=False), nn.Conv2d(14, 10, 3, padding=1)
        self.d = nn.Conv2d(24, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.a(x)))
        h = torch.cat([h, self.b(h)], 1)
        return self.d(torch.cat([h, torch.relu(self.c(torch.relu(self.bn(h))))], 1)).mean((2, 3))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 12)
        self.lstm = nn.LSTM(12, 8, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(16, 20), nn.ReLU(), nn.Linear(20, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(torch.relu(self.embed(x)))[0][:, -1])


class Encoder(nn.Module):
    def __init__(self, norm_first: bool = False) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x)).mean(1))


class Attention(nn.Module):
    """Attention written by hand, whose number of heads is an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = 4
        self.embed, self.qkv, self.out = nn.Linear(3, 16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        q, k, v = self.qkv(self.norm(h)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        h = h + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return self.head(h.mean(1))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 12), nn.Linear(12, 12), nn.Linear(12, 12)
        self.c.weight = self.b.weight
        self.d, self.head = nn.Linear(12, 9), nn.Linear(9, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.c(torch.relu(self.b(torch.relu(self.a(x))))))
        return self.head(torch.tanh(self.d(h)))


class Functional(Tied):
    """A weight that is read where no layer is called."""

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.c(torch.relu(self.a(x))))
        return self.head(torch.tanh(F.linear(h, self.d.weight, self.d.bias)))


class Shuffled(nn.Module):
    """A fixed order of channels, a split and numbers of channels in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv1d(2, 8, 3), nn.Conv1d(4, 6, 3), nn.Conv1d(10, 5, 1)
        self.d, self.head = nn.Conv1d(5, 12, 1), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        left, right = torch.relu(self.a(x)).unflatten(1, (4, 2)).transpose(1, 2).flatten(1, 2).split(4, dim=1)
        h = torch.cat([self.b(left), right[..., 1:-1]], 1)
        return self.head(torch.relu(self.d(torch.relu(self.c(h)))).mean(2))


SHAPES: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "mnist": (MnistCnn, (1, 12, 12)),
    "resnet": (resnet, (1, 12, 12)),  # type: ignore[dict-item]
    "branches": (Branches, (1, 6, 6)),
    "dense": (Dense, (1, 6, 6)),
    "recurrent": (Recurrent, (7, 3)),
    "encoder": (Encoder, (7, 3)),
    "attention": (Attention, (7, 3)),
    "tied": (Tied, (6,)),
    "functional": (Functional, (6,)),
    "shuffled": (Shuffled, (2, 9)),
}


def zoo(name: str, n: int = 24) -> tuple[nn.Module, Tensor]:
    """A network in evaluation mode, with statistics of normalisation as after training, and samples for it."""
    build, shape = SHAPES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, x = build(), torch.randn(n, *shape)
        net.train()
        with torch.no_grad():
            for _ in range(20):
                net(torch.randn(n, *shape))
    return net.eval(), x
