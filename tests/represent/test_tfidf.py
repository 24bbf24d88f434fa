from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from attar.data.arrays import from_arrays
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.errors import DataError
from attar.kinds.text import Text
from attar.represent import Raw, SimCLR, TfIdf

RNG = np.random.default_rng(0)
WORDS = np.array(["ant", "bee", "cow", "dog", "eel", "fox", "gnu", "hen"])
TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, 20, 60)]


@pytest.fixture(scope="module")
def dataset():
    return from_arrays([*TEXTS, ""])


@pytest.fixture(scope="module")
def kind(dataset):
    return Text.learn(dataset.x, dataset.columns)


def documents(kind, x):
    """The codes of the terms of each sample."""
    codes = torch.nn.Sequential(kind.preprocess(), kind.terms())(torch.tensor(x))
    return [row[row > 0].long().tolist() for row in codes]


def by_scikit_learn(kind, x):
    vectorizer = TfidfVectorizer(analyzer=lambda document: document, sublinear_tf=True, min_df=2)
    return vectorizer.fit_transform(documents(kind, x)), vectorizer.get_feature_names_out().astype(int)


def test_it_is_the_tfidf_of_scikit_learn(dataset, kind):
    expected, terms = by_scikit_learn(kind, dataset.x)
    tfidf = TfIdf(None, kind=kind).fit(dataset.x)
    np.testing.assert_array_equal(tfidf.terms_, terms)
    found = tfidf.transform(dataset.x)
    np.testing.assert_allclose(found, expected.toarray(), atol=1e-6)
    assert not found[-1].any()  # the empty text


def test_so_are_its_singular_vectors(dataset, kind):
    expected, _ = by_scikit_learn(kind, dataset.x)
    svd = TruncatedSVD(5, algorithm="arpack", random_state=0).fit(expected)
    found = TfIdf(5, kind=kind, random_state=0).fit_transform(dataset.x).astype(np.float64)
    projected = svd.transform(expected)
    # The sign of a singular vector is free.
    sign = np.sign((found * projected).sum(axis=0))
    np.testing.assert_allclose(found * sign, projected, atol=2e-4)


def test_tokens_of_which_nothing_is_known_are_the_terms(dataset):
    unknown = Text.learn(dataset.x)
    tokens = np.unique(dataset.x[np.isfinite(dataset.x)])
    often = [token for token in tokens if (dataset.x == token).any(axis=1).sum() > 1]
    np.testing.assert_array_equal(TfIdf(None, kind=unknown).fit(dataset.x).terms_, often)


def test_of_too_many_terms_the_rarest_are_left_out(dataset, kind):
    found = documents(kind, dataset.x)
    frequency = {
        term: sum(term in document for document in found) for term in TfIdf(None, kind=kind).fit(dataset.x).terms_
    }
    kept = TfIdf(None, terms=9, kind=kind).fit(dataset.x).terms_
    assert len(kept) == 9
    assert min(frequency[term] for term in kept) >= max(n for term, n in frequency.items() if term not in kept)


def test_where_no_term_is_shared_all_are_counted():
    x = np.array([[2, 3], [4, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(TfIdf(None).fit(x).terms_, [2, 3, 4])


@pytest.mark.parametrize("dim", [None, 4])
def test_texts_without_a_word_are_all_alike(dim):
    bare = from_arrays(["!!!", "??", "", "!?"] * 3)
    tfidf = TfIdf(dim, kind=Text.learn(bare.x, bare.columns)).fit(bare.x)
    assert tfidf.dim_ == 1
    assert not tfidf.transform(bare.x).any()
    assert not tfidf.words_.any()


def test_words_are_told_from_pairs_and_letters(dataset, kind):
    tfidf = TfIdf(None, kind=kind).fit(dataset.x)
    assert tfidf.words_.sum() == len(WORDS)
    assert TfIdf(None).fit(dataset.x).words_.all()


def test_all_directions_keep_all_distances(dataset, kind):
    u = TfIdf(None, kind=kind).fit_transform(dataset.x).astype(np.float64)
    z = TfIdf(u.shape[1], kind=kind, random_state=0).fit_transform(dataset.x).astype(np.float64)
    np.testing.assert_allclose(z @ z.T, u @ u.T, atol=1e-5)


@pytest.mark.parametrize("dim", [None, 4])
def test_padding_and_unknown_tokens_change_nothing(dataset, kind, dim):
    x = dataset.x[:20]
    tfidf = TfIdf(dim, kind=kind, random_state=0).fit(dataset.x)
    module, z = tfidf.module_, tfidf.transform(x)
    padded = np.pad(x, ((0, 0), (0, 7)), constant_values=np.nan)
    np.testing.assert_allclose(module(torch.tensor(padded)).numpy(), z, atol=1e-6)
    padded[:, -1] = kind.vocabulary  # none that the tokenizer knows
    np.testing.assert_allclose(module(torch.tensor(padded)).numpy(), z, atol=1e-6)


def test_the_order_of_terms_changes_nothing():
    x = np.array([[2, 3, 3, np.nan], [4, 2, 3, 5], [5, 4, np.nan, np.nan]], dtype=np.float32)
    module = TfIdf(None).fit(x).module_
    torch.testing.assert_close(module(torch.tensor(x)), module(torch.tensor(x).flip(1)))


@pytest.mark.parametrize("texts", [["the ant"], ["the ant"] * 5])
def test_texts_that_are_all_the_same_have_one_representation(texts):
    alike = from_arrays(texts)
    z = TfIdf(3, kind=Text.learn(alike.x, alike.columns), random_state=0).fit_transform(alike.x)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(z, np.tile(z[:1], (len(texts), 1)))


def test_the_dimension_is_bounded_by_the_samples(dataset, kind):
    assert TfIdf(128, kind=kind).fit(dataset.x[:6]).dim_ == 5


@pytest.mark.parametrize("dim", [None, 4])
def test_the_file_equals_the_module(dataset, kind, dim, tmp_path):
    tfidf = TfIdf(dim, kind=kind, random_state=0).fit(dataset.x)
    whole = torch.nn.Sequential(tfidf.module_, torch.nn.Linear(tfidf.dim_, 2), torch.nn.Softmax(dim=1)).eval()
    export(
        whole,
        torch.tensor(dataset.x[:1]),
        tmp_path / "m.onnx",
        ModelMeta("text", kind.shape, ("a", "b"), dataset.columns),
    )
    with torch.no_grad():
        expected = whole(torch.tensor(dataset.x)).numpy()
    for batch in (dataset.x, [*TEXTS, None]):
        np.testing.assert_allclose(load(tmp_path / "m.onnx").predict_proba(batch), expected, atol=1e-5)


@pytest.mark.parametrize(
    "make", [TfIdf, partial(Raw, kind="text"), partial(SimCLR, kind="text"), partial(SimCLR, kind=Text((4,), 9))]
)
@pytest.mark.parametrize(("wrong", "said"), [(0.5, "0.5"), (-3.0, "-3"), (3e9, r"3e\+09")])
def test_what_is_no_id_of_a_token_is_refused(make, wrong, said):
    ids = np.array([[3, 4, 5, np.nan], [6, 7, 3, 4], [3, 4, 5, 6]])
    bad = ids.copy()
    bad[1, 2] = wrong
    small = {"epochs": 0, "width": 4} if "SimCLR" in str(make) else {}
    fitted = make(**small).fit(ids)
    for refuse in (fitted.transform, make(**small).fit):
        with pytest.raises(DataError, match=f"X: text 1 has {said}, which is no id of a token"):
            refuse(bad)
    # As padding, and as ids that no text of those learnt from has.
    assert np.isfinite(fitted.transform(ids + 100)).all()


def test_what_is_no_code_is_refused():
    with pytest.raises(DataError, match="no rows of codes"):
        TfIdf(kind="table").fit(RNG.standard_normal((20, 3)))
