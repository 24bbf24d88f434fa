from __future__ import annotations

import numpy as np
import onnx
import pytest

from attar.adapt import LinearProbe, NaiveBayes, SelfTrainedProbe
from attar.data.arrays import from_arrays
from attar.deploy.session import load
from attar.job import _job
from attar.represent import TfIdf
from attar.trials.terms import heads_on_terms

RNG = np.random.default_rng(0)
TOPICS = [["ant", "bee", "moth", "wasp", "fly", "gnat"], ["oak", "fir", "elm", "ash", "yew", "pine"]]
BOTH = ["the", "and", "one", "two", "near"]
LABELS = np.arange(90) % 2
TEXTS = [" ".join(RNG.choice(TOPICS[c] + BOTH, RNG.integers(3, 12))) for c in LABELS]
NAMES = ["tf-idf + svd + linear", "tf-idf + svd + self-trained", "tf-idf + svd + self-trained and naive Bayes"]


def tried(plan, texts, y, folder, dim=8):
    job, _ = _job(from_arrays(texts, y), plan, 0, None, balanced=False)
    tfidf = TfIdf(dim, kind=job.kind, random_state=0).fit(job.x)
    folder.mkdir(exist_ok=True)
    return job, tfidf, heads_on_terms(job, "tf-idf + svd", tfidf, folder)


@pytest.fixture(scope="module")
def known():
    return np.where(np.arange(len(LABELS)) < 12, LABELS, -1)


def test_the_mean_of_both_is_that_of_the_heads_by_themselves(plan, known, tmp_path):
    job, tfidf, found = tried(plan, TEXTS, known, tmp_path)
    assert [one["name"] for one in found.facts["candidates"]] == NAMES
    z, u = tfidf.transform(job.x), TfIdf(None, kind=job.kind).fit_transform(job.x)
    trained = SelfTrainedProbe().fit(z, job.y)
    counts = 8 * u[:, tfidf.words_]
    bayes = NaiveBayes().fit(counts, job.y, trained.predict_proba(z))
    mean = (trained.predict_proba(z) + bayes.predict_proba(counts)) / 2
    np.testing.assert_allclose(found.arrays["2.everything"], mean, atol=1e-4)
    np.testing.assert_allclose(found.arrays["1.everything"], trained.predict_proba(z), atol=1e-4)
    linear = LinearProbe(random_state=0).fit(z[job.labelled], job.codes)
    np.testing.assert_allclose(found.arrays["0.everything"], linear.predict_proba(z), atol=1e-5)


def test_their_files_say_the_same_and_hold_no_singular_vectors(plan, known, tmp_path):
    job, tfidf, found = tried(plan, TEXTS, known, tmp_path)
    for i, one in enumerate(found.facts["candidates"]):
        said = load(tmp_path / one["file"]).predict_proba(job.x)
        np.testing.assert_allclose(said, found.arrays[f"{i}.everything"], atol=1e-5)
        shapes = [list(each.dims) for each in onnx.load(tmp_path / one["file"]).graph.initializer]
        assert not any(tfidf.dim_ in shape and len(tfidf.terms_) in shape for shape in shapes)
        tables = [shape for shape in shapes if sorted(shape) == sorted([2, len(tfidf.terms_)])]
        assert len(tables) == (2 if "Bayes" in one["name"] else 1)


def test_what_is_held_out_is_answered_without_its_label(plan, known, tmp_path):
    # Where labels have nothing to do with words, whoever saw the label would be right.
    drawn = np.append(np.arange(12) // 2 % 2, known[12:])
    texts = [f"{text} w{i}w w{i}w" for i, text in enumerate(TEXTS)] * 2
    job, _, found = tried(plan, texts, np.concatenate([drawn, np.full(90, -1)]), tmp_path)
    own = np.take_along_axis(found.arrays["2.held_out"], job.codes[None, :, None], axis=2)
    assert own.mean() < 0.75
    _, _, other = tried(plan, TEXTS, known, tmp_path / "other")
    assert np.take_along_axis(other.arrays["2.held_out"], known[:12][None, :, None], axis=2).mean() > 0.8


@pytest.mark.parametrize("dim", [None, 8])
def test_texts_of_no_word_have_the_other_heads(plan, dim, tmp_path):
    texts = ["東京大学", "大阪東京", "x" * 9, "", "!?", "大学 q", "q", "q 東京", "大阪", "?"] * 4
    y = np.where(np.arange(40) < 20, np.arange(40) % 2, -1)
    job, tfidf, found = tried(plan, texts, y, tmp_path, dim)
    assert [one["name"] for one in found.facts["candidates"]] == NAMES
    tfidf.words_ = np.zeros_like(tfidf.words_)
    (tmp_path / "none").mkdir()
    found = heads_on_terms(job, "tf-idf + svd", tfidf, tmp_path / "none")
    assert [one["name"] for one in found.facts["candidates"]] == NAMES[:2]
    assert found.facts["left_out"] == [f"{NAMES[2]} is left out: no word is in two samples"]


def test_with_few_unlabelled_samples_the_linear_head_comes_first(plan, known, tmp_path):
    def ranks(y):
        (folder := tmp_path / str((y >= 0).sum())).mkdir()
        found = tried(plan, TEXTS, y, folder)[2]
        return [one["rank"] for one in found.facts["candidates"]]

    assert ranks(np.where(np.arange(90) < 8, LABELS, -1)) == [1, 1, 0]
    assert ranks(known) == [1, 3, 2]
