"""Tree ensembles of scikit-learn as one ONNX node, equal to the original to the last split.

Written here instead of with skl2onnx (1.20), which fails on histogram gradient boosting with protobuf 7, follows
the wrong branch where a forest learnt missing values itself, and stores 13 % of bytes that nothing reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from attar.data.dataset import is_missing
from attar.errors import ExportError

OPSET, ML_OPSET = 18, 3
_Numbers: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class _Tree:
    """One tree: x[feature] ≤ threshold goes left, a missing x goes left where `missing_left`.

    Arguments:
        left, right, feature, threshold, missing_left, is_leaf: of each node `(n_nodes,)`.
        value: what a leaf adds to each score `(n_nodes, n_scores)`.
        told: whether it says so, for onnxruntime has a base for those scores alone that a leaf names.
    """

    left: _Numbers
    right: _Numbers
    feature: _Numbers
    threshold: _Numbers
    missing_left: _Numbers
    is_leaf: _Numbers
    value: _Numbers
    told: _Numbers


def tree_model(estimator: object, n_features: int, n_classes: int) -> ModelProto:
    """Return a model from "x" `(n, n_features)` to "probabilities" `(n, n_classes)`.

    Arguments:
        estimator: a fitted `RandomForestClassifier`, `ExtraTreesClassifier` or `HistGradientBoostingClassifier`, or a
            pipeline of a `SimpleImputer` and one of these.
        n_features: columns of its input.
        n_classes: its classes must be the codes `0 … n_classes - 1`.

    Raises:
        ExportError: another estimator, other classes or columns, or splits on categories.
    """
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.pipeline import Pipeline

    known = np.asarray(getattr(estimator, "classes_", ())).tolist()
    if known != list(range(n_classes)):
        raise ExportError(
            f"the estimator knows the classes {known}, the model has {n_classes}: fit it on all their codes"
        )
    columns = getattr(estimator, "n_features_in_", n_features)
    if columns != n_features:
        raise ExportError(f"the estimator was fitted on {columns} columns, the model has {n_features}: give as many")
    nodes, constants, scores = [], [], "x"
    last: Any = estimator
    if isinstance(estimator, Pipeline):
        (*before, last) = (step for _, step in estimator.steps)
        if len(before) > 1:
            raise ExportError(f"a pipeline of {len(before) + 1} steps has no ONNX form here: let one SimpleImputer do")
        for step in before:
            nodes += [
                helper.make_node("IsNaN", [scores], ["missing"]),
                helper.make_node("Where", ["missing", "fill", scores], ["filled"]),
            ]
            constants.append(numpy_helper.from_array(_fill(step, n_features), "fill"))
            scores = "filled"
    if isinstance(last, RandomForestClassifier | ExtraTreesClassifier):
        trees = [_forest_tree(member.tree_, len(last.estimators_)) for member in last.estimators_]
        nodes.append(_ensemble(trees, np.zeros(n_classes), scores, "probabilities"))
    elif isinstance(last, HistGradientBoostingClassifier):
        nodes += _boosting(last, scores)
    else:
        raise ExportError(f"{type(last).__name__} has no ONNX form here: use a forest or histogram gradient boosting")
    graph = helper.make_graph(
        nodes,
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", n_features])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", n_classes])],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _fill(step: object, n_features: int) -> _Numbers:
    from sklearn.impute import SimpleImputer

    if not isinstance(step, SimpleImputer) or step.add_indicator:
        raise ExportError(
            f"a pipeline with {type(step).__name__} has no ONNX form here: only a SimpleImputer may come first"
        )
    if not is_missing(step.missing_values):
        raise ExportError(f"the imputer fills in for {step.missing_values!r}: missing values are NaN in a model file")
    fill = np.asarray(step.statistics_, dtype=np.float32)
    if len(fill) != n_features or np.isnan(fill).any():
        raise ExportError("the imputer drops columns that are always missing: set keep_empty_features=True")
    return fill


def _forest_tree(tree: Any, n_trees: int) -> _Tree:
    value = tree.value[:, 0, :]
    value = value / value.sum(axis=1, keepdims=True) / n_trees
    return _Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left,
        is_leaf=tree.children_left < 0,
        value=value,
        told=value != 0,
    )


def _boosting(estimator: Any, x: str) -> list[NodeProto]:
    if estimator.is_categorical_ is not None and np.any(estimator.is_categorical_):
        raise ExportError("gradient boosting that splits categories has no ONNX form here: unset categorical_features")
    trees, baseline = [], np.asarray(estimator._baseline_prediction, dtype=np.float64).ravel()
    for iteration in estimator._predictors:
        for score, predictor in enumerate(iteration):
            table = predictor.nodes
            value = np.zeros((len(table), len(baseline)))
            value[:, score] = table["value"]
            trees.append(
                _Tree(
                    left=table["left"],
                    right=table["right"],
                    feature=table["feature_idx"],
                    threshold=table["num_threshold"],
                    missing_left=table["missing_go_to_left"],
                    is_leaf=table["is_leaf"].astype(bool),
                    value=value,
                    told=np.arange(len(baseline)) == np.full((len(table), 1), score),
                )
            )
    scores = _ensemble(trees, baseline, x, "scores")
    if len(baseline) > 1:
        return [scores, helper.make_node("Softmax", ["scores"], ["probabilities"])]
    return [
        scores,
        helper.make_node("Neg", ["scores"], ["other"]),
        helper.make_node("Concat", ["other", "scores"], ["both"], axis=1),
        helper.make_node("Sigmoid", ["both"], ["probabilities"]),
    ]


def _ensemble(trees: Iterable[_Tree], base: _Numbers, x: str, output: str) -> NodeProto:
    # A regressor, because it writes no labels and knows no special rule for two classes.
    parts: dict[str, list[_Numbers]] = {}

    def add(name: str, values: _Numbers) -> None:
        parts.setdefault(name, []).append(values)

    for i, tree in enumerate(trees):
        inner, n = ~tree.is_leaf, len(tree.left)
        add("nodes_treeids", np.full(n, i))
        add("nodes_nodeids", np.arange(n))
        add("nodes_modes", np.where(inner, "BRANCH_LEQ", "LEAF"))
        add("nodes_featureids", np.where(inner, tree.feature, 0))
        add("nodes_values", np.where(inner, _round_down(tree.threshold), 0))
        add("nodes_truenodeids", np.where(inner, tree.left, 0))
        add("nodes_falsenodeids", np.where(inner, tree.right, 0))
        add("nodes_missing_value_tracks_true", np.where(inner, tree.missing_left, 0))
        leaf, score = np.nonzero(tree.told & tree.is_leaf[:, None])
        add("target_treeids", np.full(len(leaf), i))
        add("target_nodeids", leaf)
        add("target_ids", score)
        add("target_weights", tree.value[leaf, score])
    lists = {name: np.concatenate(values) for name, values in parts.items()}
    if not lists["nodes_missing_value_tracks_true"].any():
        del lists["nodes_missing_value_tracks_true"]
    return helper.make_node(
        "TreeEnsembleRegressor",
        [x],
        [output],
        domain="ai.onnx.ml",
        n_targets=len(base),
        base_values=base.tolist() if base.any() else None,
        **{name: values.tolist() for name, values in lists.items()},
    )


def _round_down(threshold: _Numbers) -> _Numbers:
    """Return the largest float32 that is not above: for a float32 x, x ≤ t exactly where x ≤ round_down(t)."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)
