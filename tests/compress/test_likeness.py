from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from attar.compress.likeness import likeness
from attar.errors import ExportError

X = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)


def model(file, weight, *after):
    """A linear layer, and what comes after it."""
    names = ["h", *(f"h{i}" for i in range(1, len(after)))][: len(after)]
    nodes = [helper.make_node("MatMul", ["x", "w"], [names[0] if after else "y"])]
    for i, (kind, options) in enumerate(after):
        nodes.append(helper.make_node(kind, [names[i]], ["y" if i == len(after) - 1 else names[i + 1]], **options))
    kind = TensorProto.INT64 if after and after[-1][0] == "ArgMax" else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(proto.SerializeToString())
    return file


FEEDS = [{"x": X[:16]}, {"x": X[16:]}]
SOFTMAX, ARGMAX, SIGMOID = ("Softmax", {}), ("ArgMax", {"axis": 1}), ("Sigmoid", {})
UNIT = ("LpNormalization", {"axis": 1})
OTHER = W + 0.8 * np.random.default_rng(2).standard_normal((6, 3)).astype(np.float32)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_a_model_is_like_itself(tmp_path) -> None:
    file = model(tmp_path / "a.onnx", W, SOFTMAX)
    found = likeness(file, file, FEEDS)
    assert (found.same, found.n_answers, found.probabilities, found.largest) == (1.0, 20, True, 0.0)
    assert found.cosine == pytest.approx(1)
    assert np.array_equal(found.before, found.after)


def test_probabilities_and_logits_are_as_by_hand(tmp_path) -> None:
    for after, answers in (((), lambda z: z), ((SOFTMAX,), softmax)):
        one, two = (model(tmp_path / f"{i}.onnx", w, *after) for i, w in enumerate((W, OTHER)))
        found = likeness(one, two, FEEDS)
        a, b = answers(X @ W), answers(X @ OTHER)
        assert found.same == (a.argmax(1) == b.argmax(1)).mean() < 1
        cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert found.cosine == pytest.approx(cosines.mean(), abs=1e-5)
        unit = 1 if after else np.ptp(a)
        assert found.largest == pytest.approx(np.abs(a - b).max() / unit, rel=1e-4)
        assert np.allclose(found.after, b, atol=1e-5)


@pytest.mark.parametrize(
    ("after", "columns", "same"),
    [
        ((ARGMAX,), 3, True),
        ((SIGMOID,), 1, True),
        ((), 1, False),
        ((UNIT,), 3, False),  # places, not logits
    ],
)
def test_what_is_of_classes(after, columns, same, tmp_path) -> None:
    one, two = (model(tmp_path / f"{i}.onnx", w[:, :columns].copy(), *after) for i, w in enumerate((W, OTHER)))
    found = likeness(one, two, FEEDS)
    assert (found.same is not None) == same
    if same:
        classes = [(X @ w[:, :columns]).argmax(1) if columns > 1 else (X @ w[:, :1])[:, 0] > 0 for w in (W, OTHER)]
        assert found.same == (classes[0] == classes[1]).mean()
    assert (found.cosine is None) == (columns == 1 or after == (ARGMAX,))
    # Numbers of classes have no distance.
    assert (found.largest is None) == (after == (ARGMAX,))


def test_answers_of_any_size_are_measured_by_what_they_span(tmp_path) -> None:
    """One that is wrong by all that it says is so in grams as in tons."""
    for unit in (1e-4, 1, 1e4):
        one, two = (model(tmp_path / f"{i}.onnx", (unit * w[:, :1]).astype(np.float32)) for i, w in enumerate((W, -W)))
        a = X @ W[:, :1]
        assert likeness(one, two, FEEDS).largest == pytest.approx(np.abs(2 * a).max() / np.ptp(a), rel=1e-3)


def test_what_answers_are_is_told_by_all_of_them_and_not_by_the_first(tmp_path) -> None:
    one, two = (model(tmp_path / f"{i}.onnx", w[:, :1].copy()) for i, w in enumerate((W, OTHER)))
    a = (X @ W[:, :1])[:, 0]
    share = int(np.flatnonzero((a >= 0) & (a <= 1))[0])
    feeds = [{"x": X[i : i + 1]} for i in (share, *np.flatnonzero(a > 1))]
    assert likeness(one, two, feeds).same is None
    assert likeness(one, two, feeds[:1]).same is not None


def test_no_answer_before_is_none_that_changed(tmp_path) -> None:
    holes = X.copy()
    holes[3:7] = np.nan
    one, two = (model(tmp_path / f"{i}.onnx", w, SOFTMAX) for i, w in enumerate((W, OTHER)))
    kept = np.delete(X, range(3, 7), 0)
    found, alone = (likeness(one, two, [{"x": x}]) for x in (holes, kept))
    assert (found.n_answers, found.same, found.cosine) == (16, alone.same, pytest.approx(alone.cosine))


def test_a_class_and_probabilities_are_compared_each_for_itself(tmp_path) -> None:
    """As scikit-learn's classifiers answer: the class, and behind it the probabilities."""
    files = [model(tmp_path / f"{i}.onnx", w, SOFTMAX) for i, w in enumerate((W, OTHER))]
    for file in files:
        proto = onnx.load(file)
        proto.graph.node.append(helper.make_node("ArgMax", ["y"], ["label"], axis=1, keepdims=0))
        proto.graph.output.insert(0, helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]))
        onnx.save(proto, file)
    found, a, b = likeness(*files, FEEDS), softmax(X @ W), softmax(X @ OTHER)
    assert found.same == (a.argmax(1) == b.argmax(1)).mean()
    assert (found.output, found.largest) == ("y", pytest.approx(np.abs(a - b).max(), rel=1e-4))
    assert np.allclose(found.before, a, atol=1e-5)


def test_nan_after_is_refused_and_before_left_out(tmp_path) -> None:
    holes = W.copy()
    holes[0, 0] = np.nan
    whole, broken = model(tmp_path / "a.onnx", W), model(tmp_path / "b.onnx", holes)
    with pytest.raises(ExportError, match=r"a\.onnx: in integers it answers with NaN or infinity"):
        likeness(whole, broken, FEEDS)
    assert likeness(broken, whole, FEEDS).largest == 0


def test_samples_that_are_not_taken_are_told(tmp_path, capfd) -> None:
    file = model(tmp_path / "a.onnx", W)
    with pytest.raises(ExportError, match=r"a\.onnx: cannot be compared on these samples: "):
        likeness(file, file, [{"x": X[:, :5]}])
    capfd.readouterr()
