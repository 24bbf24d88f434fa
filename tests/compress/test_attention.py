from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from attar.compress.attention import Heads, split_heads
from attar.compress.costs import evaluated
from attar.compress.marks import floats
from attar.compress.structure import narrowed
from tests.compress.zoo import Encoder


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_answers_are_those_of_torch_with_every_mask(bias, batch_first) -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(12, 3, bias=bias, batch_first=batch_first).eval()
    q, k = torch.randn(4, 5, 12), torch.randn(4, 6, 12)
    hidden = torch.zeros(4, 6, dtype=torch.bool)
    hidden[:, 4:] = True
    causal = torch.ones(5, 6).triu(1).bool()
    given = (q, k, k) if batch_first else tuple(x.transpose(0, 1) for x in (q, k, k))
    for masks in (
        {},
        {"key_padding_mask": hidden},
        {"attn_mask": causal},
        {"attn_mask": causal.repeat(12, 1, 1)},
        {"attn_mask": torch.randn(5, 6), "key_padding_mask": torch.randn(4, 6)},
        {"attn_mask": torch.randn(12, 5, 6)},
    ):
        torch.testing.assert_close(
            Heads(attention)(*given, **masks)[0], attention(*given, **masks, need_weights=False)[0]
        )


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_transformer_is_the_same_with_heads_split(norm_first) -> None:
    torch.manual_seed(0)
    net, x = Encoder(norm_first).eval(), torch.randn(3, 7, 3)
    hidden = torch.arange(7).expand(3, 7) >= 5
    split = copy.deepcopy(net)
    split_heads(split)
    with evaluated(net), evaluated(split):
        torch.testing.assert_close(split(x), net(x), rtol=1e-4, atol=1e-5)
        a, b = (one.encoder(one.embed(x), src_key_padding_mask=hidden)[:, :5] for one in (split, net))
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_shared_attention_stays_shared_and_others_stay() -> None:
    net = nn.ModuleList([nn.MultiheadAttention(8, 2)] * 2 + [nn.MultiheadAttention(8, 2, kdim=4, vdim=4)])
    split_heads(net)
    assert net[0] is net[1]
    assert type(net[0]) is Heads
    assert type(net[2]) is nn.MultiheadAttention


def test_a_transformer_with_fewer_heads_is_exported_for_batches_of_any_size() -> None:
    torch.manual_seed(0)
    net, x = Encoder().eval(), torch.randn(6, 7, 3)
    less = narrowed(net, 0.5, x)
    assert less.encoder.layers[0].self_attn.out.in_features < 16
    program = torch.export.export(less, (x[:2],), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False)
    torch.testing.assert_close(program.module()(x), less(x), rtol=1e-4, atol=1e-5)


def test_heads_keep_the_precision_of_the_attention() -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(12, 3, batch_first=True).double().eval()
    q = torch.randn(4, 5, 12).double()
    torch.testing.assert_close(Heads(attention)(q, q, q)[0], attention(q, q, q, need_weights=False)[0])


class Reads(nn.Module):
    """An attention that only a mean of its weights leaves, beside one whose heads can go."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.read = (nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(2))
        self.head = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x):
        x = x + self.first(x, x, x)[0]
        seen, weights = self.read(x, x, x)
        return self.head((weights @ seen).mean(1))


class Alone(Reads):
    """One sample after the other."""

    def forward(self, x):
        return torch.stack([self.head(self.read(one, one, one)[0]).mean(0) for one in x]) + self.first(x, x, x)[0].sum()


class Asks(Reads):
    """Would take no weights for an answer too."""

    def forward(self, x):
        seen, weights = self.read(*[self.first(x, x, x)[0]] * 3)
        return self.head(seen.mean(1) if weights is None else (weights @ seen).mean(1))


class Tells(Reads):
    """Answers with the weights of one attention, too."""

    def forward(self, x):
        x = x + self.first(x, x, x)[0]
        seen, weights = self.read(x, x, x)
        return self.head(seen.mean(1)), {"weights": weights}


@pytest.mark.parametrize("build", [Reads, Alone, Asks, Tells])
def test_an_attention_stays_where_the_network_reads_more_of_it_than_its_answers(build) -> None:
    torch.manual_seed(0)
    net, x = build().eval(), 4 * torch.randn(30, 5, 8)
    split = copy.deepcopy(net)
    split_heads(split, x[:4])
    assert (type(split.first), type(split.read)) == (Heads, nn.MultiheadAttention)
    torch.testing.assert_close(split(x), net(x))
    assert [one.shape for one in floats(narrowed(net, 0.1, x)(x))] == [one.shape for one in floats(net(x))]
