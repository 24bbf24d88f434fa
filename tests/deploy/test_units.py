import json

import numpy as np
import pytest
import torch
from torch import nn

from attar.data.dataset import Column
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.deploy.units import described, doubts


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(20, 5, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "shape"), [("image", (8, 8)), ("image", (6, 6, 3)), ("series", (3, 40)), ("table", (5,))]
)
def test_the_same_unit_is_not_doubted_and_another_is(kind: str, shape: tuple[int, ...]) -> None:
    learnt = described(drawn(200, *shape), kind)
    for n in (1, 50):
        new = drawn(n, *shape, seed=1)
        assert doubts(learnt, new, kind) == []
        assert len(doubts(learnt, new * 10, kind)) == 1
        assert len(doubts(learnt, new + 1000, kind)) == 1
        assert len(doubts(learnt, new / 1000 if kind == "table" else new / 10, kind)) == 1


def test_ranges_are_those_of_a_loop() -> None:
    x = drawn(30, 2, 7)
    x[:, 1, 4:] = np.nan
    found = np.array(json.loads(described(x, "series")))
    for channel in range(2):
        there = [sample[channel][~np.isnan(sample[channel])].astype(np.float64) for sample in x]
        means, spreads = np.array([one.mean() for one in there]), np.array([one.std() for one in there])
        expected = [means.min(), means.max(), *np.percentile(spreads, [2, 98])]
        np.testing.assert_allclose(found[channel], expected, rtol=1e-3)


def test_the_part_is_named_and_the_rest_is_not() -> None:
    columns = (Column("age"), Column("town", ("a", "b")), Column("weight"))
    x = np.column_stack([drawn(50), np.ones(50), drawn(50)]).astype(np.float32)
    new = x[:, [0, 2]] * [1, 1000]
    (said,) = doubts(described(x, "table", columns), new, "table", columns)
    assert "'weight' 20" in said
    assert "age" not in said
    (said,) = doubts(described(drawn(50, 2, 30), "series"), drawn(5, 2, 30) * [[[1], [100]]], "series")
    assert "(channel 1 mean" in said


def test_gaps_constants_exceptions_and_nothing_at_all() -> None:
    x = drawn(100, 3)
    x[:, 1], x[::2, 2] = 7, np.nan
    learnt = described(x, "table")
    new = x[:9].copy()
    new[:, 1] = 7.5  # the model cannot have learnt from a constant
    assert doubts(learnt, new, "table") == []
    new[:, 2] = np.nan
    assert doubts(learnt, new, "table") == []
    new[0, 0] = 1e9  # one odd row is no other unit
    assert doubts(learnt, new, "table") == []
    assert doubts(learnt, x[:0], "table") == []
    assert doubts("", x, "table") == []
    silent = drawn(500, 1, 20)
    silent[0] = 3
    assert doubts(described(silent, "series"), silent[1:9] / 10, "series") != []
    assert described(x, "text") == described(x, "graph") == described(x[:, :0], "table") == ""
    assert described(x, "table", (Column("a", ("x",)),) * 3) == ""
    assert described(drawn(3, 101), "table") == described(drawn(3, 101, 4), "series") == ""
    assert len(described(1e6 * drawn(3, 100), "table")) < 3000


def test_only_some_of_many_samples_are_looked_at() -> None:
    assert described(np.repeat(drawn(4096, 3), 3, axis=0), "table") == described(drawn(4096, 3), "table")


def test_a_model_says_what_it_doubts(tmp_path) -> None:
    x = np.abs(drawn(30, 4, 4))
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.Softmax(1))
    for name, extra in (("m", {"units": described(x, "image")}), ("old", {})):
        meta = ModelMeta("image", (4, 4), ("a", "b"), extra=extra)
        export(net, torch.from_numpy(x), tmp_path / f"{name}.onnx", meta)
    assert load(tmp_path / "m.onnx").doubts(x) == []
    assert "is the unit another?" in load(tmp_path / "m.onnx").doubts(list(x / 255))[0]
    assert load(tmp_path / "old.onnx").doubts(x / 255) == []
