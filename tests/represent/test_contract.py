"""The contract that every representation keeps, on tables (scikit-learn's own checks), recordings and images."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from attar.data.arrays import from_arrays
from attar.errors import DataError
from attar.kinds import of
from attar.represent.base import Representation
from attar.represent.kmeans_convolutions import KMeansConvolutions
from attar.represent.pca import PCA
from attar.represent.random_convolutions import RandomConvolutions
from attar.represent.random_features import RandomFeatures
from attar.represent.raw import Raw
from attar.represent.simclr import SimCLR
from attar.represent.tfidf import TfIdf

# Those that take a table, kept small and quick: scikit-learn's checks run each of them some fifty times.
TABLE: list[Representation] = [
    PCA(),
    PCA(n_components=1, whiten=True, random_state=0),
    Raw(),
    RandomFeatures(8, random_state=0),
]

SHAPES = {"table": (12,), "series": (3, 20), "grey image": (8, 8), "colour image": (8, 8, 3)}
# How to make one, the kinds it takes, and a parameter with two values to search over.
MAKERS: list[tuple[Callable[[], Representation], tuple[str, ...], tuple[str, list[Any]]]] = [
    (lambda: PCA(n_components=3, random_state=0), tuple(SHAPES), ("n_components", [2, 3])),
    (lambda: Raw(), tuple(SHAPES), ("kind", [None])),
    (lambda: RandomFeatures(8, random_state=0), tuple(SHAPES), ("dim", [4, 8])),
    (
        lambda: RandomConvolutions(8, 2, random_state=0),
        ("series", "grey image", "colour image"),
        ("n_kernels", [8, 16]),
    ),
    (
        lambda: KMeansConvolutions(8, random_state=0),
        ("series", "grey image", "colour image"),
        ("n_kernels", [8, 16]),
    ),
]
CASES = [
    pytest.param(make, kind, grid, id=f"{type(make()).__name__}-{kind}")
    for make, kinds, grid in MAKERS
    for kind in kinds
]


def samples(kind: str, n: int = 40) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal((n, *SHAPES[kind])).astype(np.float32) + 2


@parametrize_with_checks(TABLE)
def test_scikit_learn_checks(estimator: Representation, check: Callable[[Representation], None]) -> None:
    check(estimator)


@pytest.mark.parametrize(("make", "kind", "grid"), CASES)
class TestContract:
    def test_fit_returns_the_estimator_and_learns_shapes(self, make, kind, grid) -> None:
        x = samples(kind)
        estimator = make()
        assert estimator.fit(x) is estimator
        z = estimator.transform(x)
        assert estimator.shape_ == SHAPES[kind]
        assert estimator.n_features_in_ == np.prod(SHAPES[kind])
        assert z.shape == (len(x), estimator.dim_)
        assert z.dtype == np.float32
        assert np.isfinite(z).all()
        assert len(estimator.get_feature_names_out()) == estimator.dim_

    def test_there_is_no_module_before_fit(self, make, kind, grid) -> None:
        with pytest.raises(NotFittedError):
            _ = make().module_

    def test_clone_and_parameters(self, make, kind, grid) -> None:
        estimator = make()
        name, values = grid
        twin = clone(estimator).set_params(**{name: values[0]})
        assert twin.get_params()[name] == values[0]
        assert clone(estimator.fit(samples(kind))).get_params() == estimator.get_params()

    def test_same_seed_same_result(self, make, kind, grid) -> None:
        x = samples(kind)
        np.testing.assert_array_equal(make().fit(x).transform(x), make().fit(x).transform(x))

    def test_fit_forgets_the_fit_before(self, make, kind, grid) -> None:
        x = samples(kind)
        np.testing.assert_array_equal(make().fit(5 * x[:20] - 3).fit(x).transform(x), make().fit(x).transform(x))

    def test_samples_are_not_changed(self, make, kind, grid) -> None:
        x = samples(kind)
        before = x.copy()
        x.flags.writeable = False
        make().fit(x).transform(x)
        np.testing.assert_array_equal(x, before)

    def test_a_sample_does_not_depend_on_its_batch(self, make, kind, grid) -> None:
        x = samples(kind)
        estimator = make().fit(x)
        whole = estimator.transform(x)
        single = np.concatenate([estimator.transform(x[i : i + 1]) for i in range(len(x))])
        np.testing.assert_allclose(single, whole, atol=1e-5, rtol=1e-5)

    def test_the_module_is_the_same_map(self, make, kind, grid) -> None:
        x = samples(kind)
        estimator = make().fit(x)
        module = estimator.module_
        assert not module.training
        with torch.no_grad():
            z = module(torch.from_numpy(x))
        assert z.dtype == torch.float32
        np.testing.assert_allclose(z.numpy(), estimator.transform(x), atol=1e-4, rtol=1e-4)

    def test_float64_and_fortran_order_are_the_same_samples(self, make, kind, grid) -> None:
        x = samples(kind)
        estimator = make().fit(x)
        for same in (x.astype(np.float64), np.asfortranarray(x)):
            np.testing.assert_allclose(estimator.transform(same), estimator.transform(x), atol=1e-4, rtol=1e-4)

    def test_pipeline_and_grid_search(self, make, kind, grid) -> None:
        x = samples(kind)
        y = np.arange(len(x)) % 2
        name, values = grid
        step = type(make()).__name__.lower()
        pipeline = make_pipeline(make(), LogisticRegression())
        search = GridSearchCV(pipeline, {f"{step}__{name}": values}, cv=2, error_score="raise").fit(x, y)
        assert search.predict(x).shape == y.shape

    def test_another_shape_is_refused(self, make, kind, grid) -> None:
        x = samples(kind)
        estimator = make().fit(x)
        with pytest.raises(ValueError, match=rf"is expecting {estimator.n_features_in_} features as input"):
            estimator.transform(x[..., :-1])
        if x.ndim > 2:
            with pytest.raises(ValueError, match="is expecting samples of shape"):
                estimator.transform(x.reshape(len(x), -1))

    def test_one_sample_alone_is_told_from_many(self, make, kind, grid) -> None:
        estimator = make().fit(samples(kind))
        if kind != "table":
            with pytest.raises(DataError, match="one sample alone has n = 1"):
                estimator.transform(samples(kind)[0])

    def test_infinite_and_empty_are_refused(self, make, kind, grid) -> None:
        x = samples(kind)
        with pytest.raises(ValueError, match="0 sample"):
            make().fit(x[:0])
        x[3, 0] = np.inf
        with pytest.raises(ValueError, match="infinity"):
            make().fit(x)

    def test_missing_values_as_the_tag_says(self, make, kind, grid) -> None:
        x = samples(kind)
        x[3, 0] = np.nan
        estimator = make()
        if estimator.__sklearn_tags__().input_tags.allow_nan:
            assert np.isfinite(estimator.fit(x).transform(x)).all()
        else:
            with pytest.raises(ValueError, match="NaN"):
                estimator.fit(x)


@pytest.mark.parametrize("estimator", TABLE, ids=repr)
def test_column_names_are_kept_and_checked(estimator: Representation) -> None:
    table = pd.DataFrame(samples("table"), columns=[f"c{i}" for i in range(12)])
    fitted = clone(estimator).fit(table)
    assert list(fitted.feature_names_in_) == list(table.columns)
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(table[table.columns[::-1]])
    assert not hasattr(fitted.fit(samples("series")), "feature_names_in_")


@pytest.mark.parametrize(
    ("estimator", "complaint"),
    [
        (RandomFeatures(0), "RandomFeatures needs dim"),
        (RandomConvolutions(0), "RandomConvolutions needs n_kernels"),
        (KMeansConvolutions(8, 1.5), "KMeansConvolutions needs n_thresholds"),
        (TfIdf(0), "TfIdf needs dim"),
        (TfIdf(terms=0), "TfIdf needs terms"),
    ],
    ids=repr,
)
def test_sizes_that_cannot_be_are_refused_by_name(estimator: Representation, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        estimator.fit(samples("table").round().clip(min=0))  # ids of tokens too


@pytest.mark.parametrize("texts", [["one text", "another"], np.array(["one text", None], dtype=object)])
def test_texts_are_refused_with_a_way_that_leads_to_a_representation(texts: Any) -> None:
    said = r"^X holds texts; .* d = attar\.data\.arrays\.from_arrays\(X\), .*kinds\.of\(.text.\)\.learn\(d\.x, .*\)$"
    for estimator in (TfIdf(), PCA(), SimCLR()):
        with pytest.raises(DataError, match=said):
            estimator.fit(texts)
    d = from_arrays(texts)
    kind = of("text").learn(d.x, d.columns)
    assert SimCLR(4, width=2, epochs=0, kind=kind).fit_transform(d.x).shape == (2, 4)
    with pytest.raises(ValueError, match="could not convert"):
        PCA().fit([["a", "b"], ["c", "d"]])


def test_columns_that_are_no_numbers_are_refused_with_a_way_that_leads_to_a_representation() -> None:
    table = pd.DataFrame({"a": np.arange(4.0), "b": list("xyxy"), "when": pd.date_range("2020", periods=4)})
    for estimator in (PCA(), SimCLR()):
        with pytest.raises(DataError, match=r"^X has columns that are no numbers \('b', 'when'\); .*of\(.table.\)"):
            estimator.fit(table)
    d = from_arrays(table)
    assert SimCLR(4, width=2, epochs=0, kind=of("table").learn(d.x, d.columns)).fit_transform(d.x).shape == (4, 4)
    gap = table[["a"]].assign(c=pd.array([1, 2, None, np.iinfo(np.int64).max], dtype="Int64"), a=np.inf)
    with pytest.raises(ValueError, match="infinity"):
        SimCLR().fit(gap)


def test_series_of_different_lengths_are_refused_with_the_way_to_pad_them() -> None:
    series = [np.ones((2, steps)) for steps in (9, 9, 7)]
    with pytest.raises(DataError, match=r"^X holds samples of 2 shapes; .*from_arrays\(X\)\.x, which pads"):
        SimCLR().fit(series)
    assert SimCLR(4, width=2, epochs=0).fit_transform(from_arrays(series).x).shape == (3, 4)


FAR = np.random.default_rng(0).standard_normal((200, 4)) + np.array([0, 0, 0, 1.7e9])


@pytest.mark.parametrize(
    ("estimator", "x", "named"),
    [
        (Raw(), FAR, "column '3' changes by"),
        (Raw(), FAR.tolist(), "column '3' changes by"),
        (Raw(), torch.tensor(FAR), "column '3' changes by"),
        (RandomFeatures(8), pd.DataFrame(FAR, columns=["a", "b", "c", "time"]), "column 'time' changes by"),
        (Raw(), (FAR * 1e3).astype(np.int64), "column '3' changes by"),
        (RandomConvolutions(8), samples("series").astype(float) + 1e8 * np.eye(3)[:, [1]], "channel 1 changes by"),
        (KMeansConvolutions(8, kind="series"), samples("table").astype(float) + 1e8, "channel 0 changes by"),
        (SimCLR(4, width=4, epochs=0), samples("grey image").astype(float) + 1e8, "64 pixel values lie"),
    ],
)
def test_what_float32_would_blur_is_said(estimator: Representation, x: Any, named: str) -> None:
    with pytest.warns(
        UserWarning, match=f"^{type(estimator).__name__}: {named}.* blurs? .*: subtract (its|their) mean"
    ):
        estimator.fit(x)


def test_nothing_is_said_of_what_float32_holds() -> None:
    near = np.random.default_rng(0).standard_normal((200, 4))
    for x in (near, near + 1000, near.astype(np.float32) + 1e8, (near * 1e8 + 1e9).astype(int), np.full((9, 2), 1e9)):
        Raw().fit(x)
    Raw().fit(near).transform(FAR)
    PCA(2).fit(FAR)


def test_five_axes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(4, 2, 2, 2, 2\)"):
        PCA(1).fit(np.zeros((4, 2, 2, 2, 2)))


def test_no_torch_until_a_module_is_asked_for() -> None:
    code = "import sys, attar.represent.pca; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
