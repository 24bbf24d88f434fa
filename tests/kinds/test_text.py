import re

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from attar.data.arrays import from_arrays
from attar.kinds.text import Text

TEXTS = ["a bee flies over the field", "<b>no</b> & yes", "", "one", "the quick brown fox is gone and gone"] * 4


@pytest.fixture(scope="module")
def dataset():
    return from_arrays(TEXTS)


@pytest.fixture(scope="module")
def kind(dataset):
    return Text.learn(dataset.x, dataset.columns)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_vocabulary_is_that_of_the_tokenizer_or_of_the_samples(dataset, kind):
    assert kind.vocabulary >= 258
    assert Text.learn(dataset.x).vocabulary == int(np.nanmax(dataset.x)) + 1
    assert Text.learn(np.full((3, 4), np.nan, dtype=np.float32)).vocabulary == 3


def test_ids_beyond_the_vocabulary_count_as_padding(kind):
    x = torch.tensor([[5.0, kind.vocabulary, torch.nan, -1.0]])
    assert kind.preprocess()(x).tolist() == [[5.0, 0.0, 0.0, 0.0]]


def test_hidden_tokens_are_masked_replaced_or_kept_in_the_shares_of_bert():
    kind = Text((500,), 50)
    x = torch.full((400, 500), 7.0)
    hidden = torch.rand(400, 500, generator=generator()) < 0.15
    seen = kind.hide(x, hidden, generator(1))
    assert torch.equal(seen[~hidden], x[~hidden])
    found = seen[hidden].long()
    n = len(found)
    others = (found > 1) & (found != 7)
    # A replacement is any of the 48 tokens, the hidden one among them.
    counts = [int((found == 1).sum()), int(others.sum()), int((found == 7).sum())]
    assert chisquare(counts, [0.8 * n, 0.1 * n * 47 / 48, n * (0.1 + 0.1 / 48)]).pvalue > 1e-3
    drawn = torch.bincount(found[others], minlength=50)[2:]
    assert chisquare(drawn[drawn > 0].numpy()).pvalue > 1e-3
    assert int((drawn > 0).sum()) == 47


def test_the_masked_loss_is_the_mean_surprise_at_hidden_places(kind, dataset):
    x = kind.preprocess()(torch.from_numpy(dataset.x))
    hidden = kind.present(x) & (torch.rand(x.shape, generator=generator()) < 0.4)
    scores = torch.randn(int(hidden.sum()), kind.vocabulary, generator=generator(1), dtype=torch.float64)
    places = hidden.nonzero().tolist()
    surprise = [torch.logsumexp(row, 0) - row[int(x[i, j])] for row, (i, j) in zip(scores, places)]
    torch.testing.assert_close(kind.masked_loss(scores, x, hidden), torch.stack(surprise).mean())
    nothing = torch.zeros_like(hidden)
    assert kind.masked_loss(scores[:0], x, nothing) == 0


def test_filling_puts_the_likeliest_token_at_hidden_places_alone(kind, dataset):
    x = kind.preprocess()(torch.from_numpy(dataset.x))
    hidden = torch.zeros(x.shape, dtype=torch.bool)
    hidden[0, 1] = hidden[1, 0] = True
    scores = torch.zeros(2, kind.vocabulary)
    scores[:, 0] = 9.0  # padding is no answer
    scores[0, 11] = scores[1, 12] = 1.0
    filled = kind.fill(scores, x, hidden)
    assert filled[hidden].tolist() == [11.0, 12.0]
    assert torch.equal(filled[~hidden], x[~hidden])


def test_the_part_networks_see_no_padding(kind, dataset):
    x = kind.preprocess()(torch.from_numpy(dataset.x))[:2]
    torch.manual_seed(0)
    encoder = kind.part_encoder(8, 16).eval()
    hidden = torch.zeros(x.shape, dtype=torch.bool)
    hidden[0, 0] = True
    length = int((x[0] != 0).sum())
    short = kind.hide(x[:1], hidden[:1], generator())
    changed = short.clone()
    with torch.no_grad():
        z = encoder.parts(short, hidden[:1])[:, :length]
        encoder.embed.table.weight[0] = 5.0  # what stands for padding
        torch.testing.assert_close(encoder.parts(changed, hidden[:1])[:, :length], z)
        whole = encoder(x)
        torch.testing.assert_close(torch.cat([encoder(x[:1]), encoder(x[1:])]), whole)
    assert kind.part_decoder(8, 16)(encoder.parts(x, hidden), hidden, x).shape == (1, kind.vocabulary)


def test_a_view_is_the_text_with_fewer_tokens_in_the_same_order(kind, dataset):
    x = kind.preprocess()(torch.from_numpy(dataset.x))
    for seed in range(20):
        view = kind.view(x, generator(seed))
        for before, after in zip(x.tolist(), view.tolist()):
            words = [one for one in after if one]
            assert after == words + [0.0] * (len(after) - len(words))
            rest = iter(one for one in before if one)
            assert all(word in rest for word in words)  # a subsequence
            assert bool(words) == any(before)


def test_a_view_deletes_tokens_and_one_span_at_its_rates():
    kind = Text((200,), 300)
    x = torch.arange(2.0, 202.0).expand(500, -1)
    left = (kind.view(x, generator()) != 0).float().mean()
    assert abs(float(left) - 0.85 * 0.875) < 0.01


def test_reconstruction_is_cross_entropy_and_restoring_takes_the_likeliest(kind, dataset):
    x = kind.preprocess()(torch.from_numpy(dataset.x))
    scores = torch.nn.functional.one_hot(x.long(), kind.vocabulary).float() * 50
    assert kind.reconstruction_loss(scores, x) < 1e-6
    np.testing.assert_array_equal(kind.restore(scores).numpy(), dataset.x)
    # Nothing after the padding that ends a text is scored, or restored.
    ended = (x == 0).cumsum(dim=1) > 1
    after = torch.where(ended.unsqueeze(2), torch.randn(scores.shape, generator=generator()), scores)
    assert bool(ended.any())
    torch.testing.assert_close(kind.reconstruction_loss(after, x), kind.reconstruction_loss(scores, x))
    np.testing.assert_array_equal(kind.restore(after).numpy(), dataset.x)
    uniform = torch.zeros_like(scores)
    torch.testing.assert_close(kind.reconstruction_loss(uniform, x), torch.tensor(float(np.log(kind.vocabulary))))


def test_a_drawing_shows_the_first_words_and_nothing_else(kind, dataset):
    assert "a bee flies over the field" in kind.draw(dataset.x[0])
    assert "&lt;b&gt;no&lt;/b&gt; &amp; yes" in kind.draw(dataset.x[1])
    assert "<text" not in kind.draw(dataset.x[2])
    long = from_arrays(["word " * 200, "x\u0000\u202ey"])
    drawn = Text.learn(long.x, long.columns)
    assert drawn.draw(long.x[0]).count("<text") == 3
    assert "…" in drawn.draw(long.x[0])
    assert "x··y" in drawn.draw(long.x[1])
    assert "5 9 7" in Text((3,), 10).draw(np.array([5, 9, 7], dtype=np.float32))


def test_a_drawing_breaks_between_words_and_gives_wide_letters_room():
    joined = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    texts = from_arrays(["the battery is not as good as the one before it", "\u6700\u9ad8" * 20, joined, "x" * 31])
    drawn = [re.findall(">([^<]+)</text>", Text.learn(texts.x, texts.columns).draw(text)) for text in texts.x]
    assert drawn == [
        ["the battery is not as good as", "the one before it"],
        ["\u6700\u9ad8" * 7 + "\u6700", "\u9ad8\u6700" * 7 + "\u9ad8", "\u6700\u9ad8" * 5],
        [joined],
        ["x" * 30, "x"],
    ]
