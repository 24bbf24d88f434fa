"""Networks as others write them, each with samples."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Digits(nn.Module):
    """The example of torch for MNIST, narrower."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, 1), nn.Conv2d(4, 8, 3, 1)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(8 * 16, 16), nn.Linear(16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        x = F.relu(self.fc1(torch.flatten(self.dropout1(x), 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


class Branches(nn.Module):
    """Residual and concatenating branches, grouped and depthwise convolutions, sums in place."""

    def __init__(self):
        super().__init__()
        self.grouped = nn.Conv2d(4, 8, 3, padding=1, groups=2, bias=False)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.norm, self.head = nn.BatchNorm2d(12), nn.Linear(12, 3)

    def forward(self, x):
        x = torch.cat([x, F.relu(self.grouped(x))], 1)
        x += F.relu(self.norm(self.depthwise(x)), inplace=True)
        return self.head(x.mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(8, 24)

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = (z.reshape(n, t, 2, 4).transpose(1, 2) for z in self.project(x).chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t * 8)


class Shared(nn.Module):
    """Tied weights, a constant, and tensors whose names a program might want for itself."""

    def __init__(self):
        super().__init__()
        self.steps, self.outputs = nn.Linear(6, 6), nn.Linear(6, 6)
        self.outputs.weight = self.steps.weight
        self.register_buffer("example_", torch.linspace(-1, 1, 6))
        self.plain = torch.arange(6.0)

    def forward(self, x):
        return self.outputs(torch.tanh(self.steps(x).view(x.size(0), -1)) * self.example_) + self.plain


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(30, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.embed(x).mean(1))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 4)), torch.rand(5, 1, 6, 6)


def digits():
    return Digits(), torch.rand(5, 1, 12, 12)


def branches():
    net = Branches()
    net.norm.running_mean.normal_(), net.norm.running_var.uniform_(0.5, 2)
    return net, torch.rand(5, 4, 6, 6)


def lstm():
    return Recurrent(nn.LSTM(4, 6, batch_first=True)), torch.rand(5, 7, 4)


def gru():
    return Recurrent(nn.GRU(4, 3, batch_first=True, bidirectional=True)), torch.rand(5, 7, 4)


def transformer():
    return Transformer(), torch.rand(5, 7, 8)


def attention():
    return Attention(), torch.rand(5, 7, 8)


def shared():
    return Shared(), torch.rand(5, 6)


def words():
    return Words(), torch.randint(0, 30, (5, 7), dtype=torch.int64)


def upwards():
    layers = (nn.ConvTranspose2d(2, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Dropout()), torch.rand(5, 2, 5, 5)


def along():
    layers = (nn.Conv1d(3, 8, 5), nn.GELU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(64, 2))
    return nn.Sequential(*layers), torch.rand(5, 3, 20)


NETWORKS = [mlp, digits, branches, lstm, gru, transformer, attention, shared, words, upwards, along]
