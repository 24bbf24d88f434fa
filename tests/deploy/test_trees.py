from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from attar.deploy.check import check
from attar.deploy.graph import write
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export_sklearn
from attar.deploy.trees import tree_model
from attar.errors import ExportError

ESTIMATORS = {
    "forest": RandomForestClassifier(20, random_state=0),
    "extra trees, imputed": make_pipeline(SimpleImputer(strategy="median"), ExtraTreesClassifier(20, random_state=0)),
    "boosting": HistGradientBoostingClassifier(max_iter=10, random_state=0),
    "boosting, imputed": make_pipeline(SimpleImputer(), HistGradientBoostingClassifier(max_iter=5, random_state=0)),
}


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("data", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_equals_scikit_learn(name: str, data: object, missing: bool, tmp_path: Path) -> None:
    x, y = data(return_X_y=True)  # type: ignore[operator]
    x = x.astype(np.float32)
    if missing:
        x[np.random.default_rng(0).random(x.shape) < 0.1] = np.nan
    estimator = ESTIMATORS[name].fit(x, y)
    classes = tuple(map(str, range(y.max() + 1)))
    path = tmp_path / "model.onnx"
    export_sklearn(estimator, x.shape[1], path, ModelMeta("table", x.shape[1:], classes))
    assert check(path, x, estimator.predict_proba(x), 1e-6) < 1e-6
    first = path.read_bytes()
    export_sklearn(estimator, x.shape[1], path, ModelMeta("table", x.shape[1:], classes))
    assert path.read_bytes() == first


def test_samples_on_the_thresholds_go_the_same_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.choice(np.array([0.1, 0.2, 0.3, 1 / 3, 16777217.0]), size=(300, 3)).astype(np.float32)
    y = rng.integers(0, 2, 300)
    forest = RandomForestClassifier(20, random_state=0).fit(x, y)
    edges = np.unique(np.concatenate([tree.tree_.threshold for tree in forest.estimators_]))
    near = edges.astype(np.float32)
    near = np.concatenate([near, np.nextafter(near, np.float32(-9e9)), np.nextafter(near, np.float32(9e9))])
    points = rng.choice(near, size=(2000, 3))
    path = tmp_path / "model.onnx"
    export_sklearn(forest, 3, path, ModelMeta("table", (3,), ("0", "1")))
    assert check(path, points, forest.predict_proba(points), 1e-6) < 1e-6


@pytest.mark.parametrize("n_classes", [2, 3])
def test_one_leaf_is_a_tree(n_classes: int, tmp_path: Path) -> None:
    x, y = np.zeros((10, 2), np.float32), np.arange(10) % n_classes
    for estimator in (RandomForestClassifier(2, random_state=0), HistGradientBoostingClassifier(max_iter=2)):
        estimator.fit(x, y)
        path = tmp_path / "model.onnx"
        export_sklearn(estimator, 2, path, ModelMeta("table", (2,), tuple(map(str, range(n_classes)))))
        assert check(path, x, estimator.predict_proba(x), 1e-6) < 1e-6


def test_refusals(tmp_path: Path) -> None:
    x, y = load_wine(return_X_y=True)
    x = x.astype(np.float32)
    with pytest.raises(ExportError, match=r"the classes \[0, 1, 2\], the model has 2"):
        tree_model(RandomForestClassifier(2).fit(x, y), 13, 2)
    with pytest.raises(ExportError, match="classes"):
        tree_model(RandomForestClassifier(2).fit(x, y.astype(str)), 13, 3)
    with pytest.raises(ExportError, match="classes"):
        tree_model(RandomForestClassifier(2), 13, 3)
    with pytest.raises(ExportError, match="fitted on 13 columns, the model has 20"):
        tree_model(RandomForestClassifier(2).fit(x, y), 20, 3)
    with pytest.raises(ExportError, match="LogisticRegression"):
        tree_model(LogisticRegression(max_iter=5000).fit(x / 100, y), 13, 3)
    with pytest.raises(ExportError, match="StandardScaler"):
        tree_model(make_pipeline(StandardScaler(), RandomForestClassifier(2)).fit(x, y), 13, 3)
    coded = np.column_stack([np.arange(len(x)) % 7, x[:, 0]]).astype(np.float32)
    boosting = HistGradientBoostingClassifier(categorical_features=[0], max_iter=2, min_samples_leaf=2)
    with pytest.raises(ExportError, match="categories"):
        tree_model(boosting.fit(coded, y), 2, 3)


def test_an_imputer_that_drops_a_column_is_refused() -> None:
    x, y = load_wine(return_X_y=True)
    x = x.astype(np.float32)
    x[:, 3] = np.nan
    imputed = make_pipeline(SimpleImputer(), RandomForestClassifier(2))
    with pytest.warns(UserWarning, match="Skipping"):
        imputed.fit(x, y)
    with pytest.raises(ExportError, match="keep_empty_features"):
        tree_model(imputed, 13, 3)


def test_imputers_of_other_values_and_several_are_refused() -> None:
    x, y = load_wine(return_X_y=True)
    x = x.astype(np.float32)
    forest = RandomForestClassifier(2)
    for imputer in (SimpleImputer(missing_values=-1), SimpleImputer(missing_values=0, strategy="constant")):
        with pytest.raises(ExportError, match="the imputer fills in for"):
            tree_model(make_pipeline(imputer, forest).fit(x, y), 13, 3)
    with pytest.raises(ExportError, match="one SimpleImputer"):
        tree_model(make_pipeline(SimpleImputer(), SimpleImputer(), forest).fit(x, y), 13, 3)


def test_the_graph_is_valid_by_itself(tmp_path: Path) -> None:
    x, y = load_wine(return_X_y=True)
    model = tree_model(RandomForestClassifier(2, random_state=0).fit(x.astype(np.float32), y), 13, 3)
    write(model, tmp_path / "model.onnx")
    assert [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node] == ["TreeEnsembleRegressor"]
