"""What a curve is measured on: numbers stay numbers, everything else is classes, and noise keeps its share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch

from attar.errors import DataError
from attar.risk.task import Task

X = np.arange(6.0).reshape(3, 2)


def test_numbers_become_columns_and_names_become_classes() -> None:
    numbers = Task.of(X, [1.0, 2.0, 3.0], X, [0.0, 0.0, 0.0])
    assert numbers.classes is None
    assert numbers.y.tolist() == [[1.0], [2.0], [3.0]]
    for y in (["b", "a", "b"], [2, 1, 2], [True, False, True]):
        task = Task.of(X, y, X, y)
        assert task.classes is not None
        assert task.classes[task.y.argmax(1)].tolist() == y


def test_numbers_in_an_array_of_objects_are_no_classes() -> None:
    """As a column of a table that holds names in others."""
    objects = np.array([["a", 1.5], ["b", 2.5], ["a", np.float32(3.5)]], dtype=object)
    task = Task.of(X, objects[:, 1], X, objects[:, 1])
    assert task.classes is None
    assert task.y.ravel().tolist() == [1.5, 2.5, 3.5]
    assert Task.of(X, objects[:, 0], X, objects[:, 0]).classes is not None
    wholes = np.array([1, 2.5, Decimal("3.5")], dtype=object)
    assert Task.of(X, wholes, X, wholes).y.ravel().tolist() == [1.0, 2.5, 3.5]
    objects[1, 1] = np.nan
    with pytest.raises(DataError, match="y has a missing or infinite value in row 1"):
        Task.of(X, objects[:, 1], X, [0.0, 0.0, 0.0])


def test_whole_numbers_of_any_type_are_the_same_classes() -> None:
    task = Task.of(X, [0, 1, 1], X, [1.0, 0.0, 1.0])
    assert task.y_test.tolist() == [[0, 1], [1, 0], [0, 1]]


def test_a_class_of_the_test_samples_alone_has_a_column() -> None:
    task = Task.of(X, ["a", "a", "a"], X[:1], ["z"])
    assert task.y.tolist() == [[1, 0]] * 3
    assert task.y_test.tolist() == [[0, 1]]


@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_noise_changes_exactly_its_share_of_the_training_labels(share: float) -> None:
    y = np.arange(200) % 4
    task = Task.of(np.zeros((200, 1)), y, np.zeros((200, 1)), y)
    noisy = task.with_noise(share, np.random.default_rng(0))
    assert (noisy.y.argmax(1) != y).sum() == round(200 * share)
    assert (noisy.y_test == task.y_test).all()
    assert (task.y.argmax(1) == y).all()
    if share == 1:
        moved = np.bincount((noisy.y.argmax(1) - y) % 4, minlength=4)
        assert moved[0] == 0
        assert moved[1:].min() > 40


def test_one_class_has_no_noise() -> None:
    task = Task.of(X, [1, 1, 1], X, [1, 1, 1])
    assert task.with_noise(0.5, np.random.default_rng(0)).y.tolist() == [[1.0]] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X": np.empty((0, 2))}, "X has shape"),
        ({"X": [[np.nan, 0], [0, 0], [0, 0]]}, "X has a missing or infinite value in row 0"),
        ({"X": [["a"]]}, "X is not numeric"),
        ({"X_test": np.ones((3, 5))}, r"shape \(2,\) and those of X_test \(5,\)"),
        ({"y": [1]}, "X has 3 rows and y has shape"),
        ({"y": [1.0, np.nan, 2.0], "y_test": [1.0, 1.0, 1.0]}, "y has a missing or infinite value in row 1"),
        ({"y": [1.0, 1.0, 2.0], "y_test": np.ones((3, 2))}, "give the same columns"),
        ({"y": np.ones((3, 2), dtype=int)}, "one class for each"),
        ({"y": np.array(["a", None, "b"], dtype=object)}, "cannot be compared"),
        ({"y_test": [0.5, 1.0, 1.5]}, "y has type int64 and y_test float64"),
        ({"y_test": [0.0, np.nan, 1.0]}, "y has type int64 and y_test float64"),
        ({"y": ["0", "1", "1"]}, "y has type <U1 and y_test int64"),
        ({"X": X * 1j}, "X is not numeric"),
        ({"X": np.ma.masked_equal(X, 3.0)}, "X has a missing or infinite value in row 1"),
    ],
)
def test_bad_input_is_named(arguments: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"X": X, "y": [0, 1, 1], "X_test": X, "y_test": [0, 1, 1]}
    with pytest.raises(DataError, match=message):
        Task.of(**(good | arguments))  # type: ignore[arg-type]


def test_tensors_with_gradients_are_samples_and_targets() -> None:
    x = torch.tensor(X, requires_grad=True)
    assert Task.of(x, x[:, 0], x, x[:, 0]).y.tolist() == X[:, :1].tolist()


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan, None])
def test_a_share_out_of_range_is_refused(share: Any) -> None:
    with pytest.raises(DataError, match="label noise is"):
        Task.of(X, [0, 1, 1], X, [0, 1, 1]).with_noise(share, np.random.default_rng(0))
    with pytest.raises(DataError, match="holds numbers"):
        Task.of(X, [0.0, 1.0, 1.0], X, [0.0, 1.0, 1.0]).with_noise(0.1, np.random.default_rng(0))
