import math

import pytest
import torch

from attar.nets.patches import Patches, Unpatch
from attar.nets.transformer import Block, TransformerDecoder, TransformerEncoder


def _encoder(**options):
    torch.manual_seed(0)
    return TransformerEncoder(Patches(1, (8, 8), (2, 2), 32), parts=16, dim=6, width=32, **options).double()


@pytest.mark.parametrize("width", [1, 6, 32, 48])
def test_a_block_equals_the_formula(width):
    torch.manual_seed(0)
    block = Block(width).double()
    h = torch.randn(3, 5, width, dtype=torch.float64)
    seen = torch.tensor([[True] * 5, [True, False, True, False, False], [False] * 4 + [True]])
    out, size = h.clone(), width // block.heads
    for n in range(3):
        q, k, v = block.qkv(block.before_attention(h[n])).split(width, dim=1)
        heads = []
        for a in range(block.heads):
            part = slice(a * size, (a + 1) * size)
            scores = q[:, part] @ k[seen[n]][:, part].T / math.sqrt(size)
            heads.append(scores.softmax(dim=1) @ v[seen[n]][:, part])
        out[n] = h[n] + block.out(torch.cat(heads, dim=1))
    out = out + block.mlp(out)
    torch.testing.assert_close(block(h, seen), out)


def test_without_positions_the_order_of_parts_does_not_matter():
    torch.manual_seed(0)
    block, order = Block(32).double(), torch.randperm(7)
    h = torch.randn(2, 7, 32, dtype=torch.float64)
    torch.testing.assert_close(block(h)[:, order], block(h[:, order]))


def test_skipping_equals_a_transformer_of_the_visible_parts_alone():
    encoder = _encoder()
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    # Not as many in each sample.
    hidden = torch.rand(4, 16) < torch.tensor([0.2, 0.4, 0.6, 0.8])[:, None]
    z = encoder.parts(x, hidden)
    for i in range(4):
        h = (encoder.embed(x[i : i + 1])[0] + encoder.positions)[:, ~hidden[i]]
        for block in encoder.blocks:
            h = block(h)
        torch.testing.assert_close(z[i, ~hidden[i]], encoder.last(h)[0])
        assert (z[i, hidden[i]] == 0).all()


def test_without_skipping_hidden_parts_are_encoded_as_given():
    encoder = _encoder(skips=False)
    x, hidden = torch.randn(4, 1, 8, 8, dtype=torch.float64), torch.rand(4, 16) < 0.5
    assert torch.equal(encoder.parts(x, hidden), encoder.parts(x))


def test_the_decoder_ignores_what_is_said_of_hidden_parts():
    decoder = TransformerDecoder(Unpatch(1, (8, 8), (2, 2), 32), parts=16, dim=6, width=32, tokens=True)
    z, hidden = torch.randn(4, 16, 6), torch.rand(4, 16) < 0.5
    other = torch.where(hidden[:, :, None], torch.randn(4, 16, 6), z)
    assert torch.equal(decoder(z, hidden), decoder(other, hidden))
    assert not torch.equal(decoder(z), decoder(other))


def test_one_vector_stands_for_every_part():
    decoder = TransformerDecoder(Unpatch(1, (8, 8), (2, 2), 32), parts=16, dim=6, width=32)
    z = torch.randn(4, 6)
    torch.testing.assert_close(decoder(z), decoder(z[:, None].expand(-1, 16, -1)))


def test_half_precision_never_sees_what_is_not_to_be_seen():
    block = Block(32).to(torch.bfloat16)
    h = torch.randn(2, 4, 32, dtype=torch.bfloat16)
    seen = torch.tensor([[True, True, False, False]] * 2)
    changed = torch.where(seen[:, :, None], h, 100 * h)
    assert torch.equal(block(h, seen)[seen], block(changed, seen)[seen])
