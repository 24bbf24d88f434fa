"""A model file that computes in integers, from the command line and from Python."""

from __future__ import annotations

import os
import warnings
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from attar.calibrating import given
from attar.compress.inventory import Inventory
from attar.compress.likeness import Likeness
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.errors import AttarError, BudgetError, CompressionError, DataError, ExportError, LabelError
from attar.quantizing import _agreed, _notes, _spare, _sped, _way, quantize_file


class Attention(nn.Module):
    """Tokens that look at each other, where a mask lets them."""

    def __init__(self):
        super().__init__()
        self.table, self.query, self.out = nn.Embedding(40, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, ids, mask):
        x = self.table(ids)
        scores = self.query(x) @ x.transpose(1, 2) - 100 * (1 - mask[:, None].float())
        return self.out((scores.softmax(-1) @ x).mean(1))


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(16 * 9, 10), nn.Softmax(1),
    ).eval()  # fmt: skip


def exported(net, arguments, file, names, *, opened=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {name: {0: "n"} for name in names} if opened else None
        torch.onnx.export(net.eval(), arguments, file, input_names=names, dynamic_axes=axes, dynamo=False)
    return file


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Networks of others, of attar, and samples for them."""
    folder = tmp_path_factory.mktemp("quantize")
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8).astype(np.float32)[:300]
    np.savez(folder / "digits.npz", x=x, y=y[:300])
    example, net = torch.tensor(x[:1, None]), convolutions()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.nll_loss(net(torch.tensor(x[:, None])).clamp(1e-6).log(), torch.tensor(y[:300])).backward()
        optimizer.step()
    exported(net, (example,), folder / "conv.onnx", ["image"])
    exported(net, (example,), folder / "one.onnx", ["image"], opened=False)
    exported(nn.Sequential(net[0], nn.AdaptiveAvgPool2d(1), nn.Flatten()), (example,), folder / "pure.onnx", ["image"])
    rng = np.random.default_rng(0)
    ids, mask = rng.integers(0, 40, (60, 7)), np.ones((60, 7), np.int64)
    np.savez(folder / "tokens.npz", ids=ids, mask=mask, y=np.where(np.arange(60) < 50, np.arange(60) % 3, -1))
    torch.manual_seed(0)
    exported(Attention(), (torch.tensor(ids[:1]), torch.tensor(mask[:1])), folder / "text.onnx", ["ids", "mask"])
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10), nn.Softmax(1)).eval()
    meta = ModelMeta("image", (8, 8), tuple(map(str, range(10))), ())
    export(wide, torch.tensor(x[:1]), folder / "own.onnx", meta)
    return folder


def answers(file, samples):
    session = onnxruntime.InferenceSession(file)
    return np.concatenate([session.run(None, {session.get_inputs()[0].name: one[None]})[0] for one in samples])


def operators(file):
    return Counter(node.op_type for node in onnx.load(file).graph.node)


def test_samples_calibrate_and_others_judge(here, tmp_path) -> None:
    done = quantize_file(here / "conv.onnx", tmp_path / "small.onnx", data=str(here / "digits.npz"))
    assert (done.way, done.n_calibrated, done.n_judged, done.random) == ("static", 150, 150, False)
    assert operators(done.model)["QuantizeLinear"]
    assert done.bytes == done.model.stat().st_size < done.bytes_before == (here / "conv.onnx").stat().st_size
    # What is said of the answers, once more and by hand.
    calibrating, judged = given(here / "conv.onnx", str(here / "digits.npz")).split(256, 0)
    assert not set(calibrating) & set(judged)
    x, y = (np.load(here / "digits.npz")[name] for name in "xy")
    before, after = (answers(file, x[judged, None]) for file in (here / "conv.onnx", done.model))
    assert done.likeness.same == (before.argmax(1) == after.argmax(1)).mean()
    assert done.likeness.largest == pytest.approx(np.abs(before - after).max(), abs=1e-6)
    right, now = before.argmax(1) == y[judged], after.argmax(1) == y[judged]
    told = done.correctness
    assert (told.n, told.before, told.after) == (150, right.mean(), now.mean())
    assert (told.lost, told.won) == ((right & ~now).sum(), (now & ~right).sum())
    assert told.before_interval[0] < told.before <= told.before_interval[1]
    assert told.before > 0.8
    assert f"{100 * right.mean():.1f} % of the 150 with a label" in done.lines()[-1]


@pytest.mark.parametrize("name", ["conv", "own"])
def test_labels_of_a_file_count_as_those_of_the_samples(here, name, tmp_path) -> None:
    x, y = (np.load(here / "digits.npz")[one] for one in "xy")
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "labels.csv").write_text("id,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(y)))
    header = ",".join([*(f"p{i}" for i in range(64)), "digit"])
    np.savetxt(tmp_path / "x.csv", np.c_[x.reshape(-1, 64), y], "%d", ",", header=header, comments="")
    known = quantize_file(here / f"{name}.onnx", tmp_path / "0.onnx", data=str(here / "digits.npz"), method="minmax")
    found = quantize_file(
        here / f"{name}.onnx", tmp_path / "1.onnx", data=str(tmp_path / "x.npy"), labels=tmp_path / "labels.csv",
        method="minmax",
    )  # fmt: skip
    assert found.correctness == known.correctness is not None
    if name == "conv":
        column = quantize_file(
            here / "conv.onnx", tmp_path / "2.onnx", data=str(tmp_path / "x.csv"), label_column="digit", method="minmax"
        )
        assert column.correctness == known.correctness


def test_labels_that_cannot_be_used_are_told(here, tmp_path) -> None:
    (tmp_path / "labels.csv").write_text("id,label\n0,1\n")
    with pytest.raises(LabelError, match=r"own.onnx: labels are of samples; give these as data"):
        quantize_file(here / "own.onnx", tmp_path / "0.onnx", labels=tmp_path / "labels.csv")
    with pytest.raises(LabelError, match=r"tokens.npz: labels of arrays by the names of inputs are an array y"):
        quantize_file(here / "text.onnx", tmp_path / "0.onnx", data=str(here / "tokens.npz"), label_column="y")
    with pytest.raises(CompressionError, match="is read from"):
        quantize_file(
            here / "own.onnx", tmp_path / "labels.csv", data=str(here / "digits.npz"), labels=tmp_path / "labels.csv"
        )


def test_samples_without_an_answer_are_neither_right_nor_wrong(here, tmp_path) -> None:
    x, y = (np.load(here / "digits.npz")[name] for name in "xy")
    holes = x.copy()
    holes[::3] = np.nan
    np.savez(tmp_path / "holes.npz", x=holes, y=y)
    done = quantize_file(here / "conv.onnx", tmp_path / "small.onnx", data=str(tmp_path / "holes.npz"), method="minmax")
    _, judged = given(here / "conv.onnx", str(tmp_path / "holes.npz")).split(256, 0)
    answered = judged[judged % 3 > 0]
    before = answers(here / "conv.onnx", x[answered, None]).argmax(1)
    assert done.likeness.n_answers == done.correctness.n == len(answered) < len(judged)
    assert done.correctness.before == (before == y[answered]).mean()


def test_the_seed_draws_who_calibrates(here, tmp_path) -> None:
    data = str(here / "digits.npz")
    one, again, other = (quantize_file(here / "conv.onnx", tmp_path / f"{i}", data=data, seed=i // 2) for i in range(3))
    assert one.model.read_bytes() == again.model.read_bytes() != other.model.read_bytes()


def test_without_samples_linear_layers_are_rounded_as_they_come(here, tmp_path) -> None:
    done = quantize_file(here / "own.onnx", tmp_path / "small.onnx")
    assert (done.way, done.n_calibrated, done.random, done.correctness) == ("dynamic", 0, True, None)
    assert operators(done.model)["MatMulInteger"] == 2
    assert "weak evidence: give samples as data" in done.lines()[0]


def test_weights_alone_take_four_bits(here, tmp_path) -> None:
    data = str(here / "digits.npz")
    done = quantize_file(here / "own.onnx", tmp_path / "small.onnx", bits=4, block=16, data=data)
    assert (done.way, done.n_calibrated, done.n_judged) == ("weights", 0, 300)
    assert operators(done.model)["MatMulNBits"] == 1
    assert done.correctness.n == 300
    assert "learnt nothing" not in done.lines()[0]


def test_a_budget_takes_four_bits_where_they_matter_least(here, tmp_path) -> None:
    data = str(here / "digits.npz")
    whole = quantize_file(here / "conv.onnx", tmp_path / "a.onnx", data=data, method="minmax")
    size = whole.bytes - 500
    assert quantize_file(here / "conv.onnx", tmp_path / "b.onnx", data=data, budget=f"{size}B").bytes <= size


def test_several_inputs_are_arrays_by_their_names(here, tmp_path) -> None:
    done = quantize_file(here / "text.onnx", tmp_path / "small.onnx", data=str(here / "tokens.npz"))
    assert (done.way, done.n_calibrated, done.n_judged) == ("dynamic", 30, 30)
    assert any(note.startswith("the network is right on ") for note in done.notes) or done.correctness.n < 30
    with pytest.raises(DataError, match=r"text\.onnx: takes ids, mask; give an \.npz file with an array for each"):
        quantize_file(here / "text.onnx", tmp_path / "other.onnx", data=str(here / "digits.npz"))
    np.savez(tmp_path / "odd.npz", ids=np.zeros((4, 7), int), mask=np.zeros((5, 7), int))
    with pytest.raises(DataError, match=r"odd\.npz: give each input and y an array with a row for each sample, and"):
        quantize_file(here / "text.onnx", tmp_path / "other.onnx", data=str(tmp_path / "odd.npz"))


def test_a_model_of_one_sample_at_a_time(here, tmp_path) -> None:
    done = quantize_file(here / "one.onnx", tmp_path / "small.onnx", data=str(here / "digits.npz"))
    assert (done.way, done.n_judged) == ("static", 150)
    assert done.likeness.n_answers == 150


def test_the_test_part_of_a_source_judges(here, tmp_path) -> None:
    x, y = (np.load(here / "digits.npz")[name] for name in "xy")
    np.savez(tmp_path / "parts.npz", x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    samples = given(here / "own.onnx", str(tmp_path / "parts.npz"))
    calibrating, judged = samples.split(256, 0)
    assert np.array_equal(judged, np.sort(samples.dataset.test))
    assert len(calibrating) == 200
    assert not set(calibrating) & set(judged)


@pytest.mark.parametrize(
    ("inventory", "dynamic", "data", "way"),
    [
        (Inventory(0, 0, 99, attention=True), None, "x", "dynamic"),
        (Inventory(0, 0, 99, attention=True), False, "x", "static"),
        (Inventory(2, 100, 99, attention=True), None, "x", "static"),
        (Inventory(0, 0, 99, attention=False), None, "x", "static"),
        (Inventory(0, 0, 99, attention=False), True, "x", "dynamic"),
        (Inventory(2, 100, 99, attention=False), None, None, "dynamic"),
    ],
)
def test_what_suits_a_model_is_chosen(inventory, dynamic, data, way, tmp_path) -> None:
    assert _way(inventory, tmp_path, 8, dynamic, data, learnt=False) == way


@pytest.mark.parametrize(
    ("file", "options", "error", "message"),
    [
        ("pure.onnx", {}, DataError, "convolutions are rounded by ranges that samples show; give some as data"),
        ("own.onnx", {"dynamic": False}, DataError, "static ranges are those that samples show; give some as data"),
        ("own.onnx", {"bits": 5}, CompressionError, "bits 5: give 8, or 4"),
        ("own.onnx", {"method": "best"}, CompressionError, "method 'best': give minmax, percentile, entropy"),
        ("own.onnx", {"block": 32}, CompressionError, "a block is of weights in 4 bits"),
        ("own.onnx", {"bits": 4, "dynamic": True}, CompressionError, "with 4 bits weights alone are rounded"),
        ("own.onnx", {"bits": 4, "budget": "1KB"}, CompressionError, "a budget is of ranges that samples show"),
        ("own.onnx", {"budget": "1ms"}, BudgetError, "of a file in integers bytes alone are held"),
        ("own.onnx", {"bits": 4, "block": 7}, ExportError, "blocks of 7 weights"),
        ("text.onnx", {"bits": 4}, ExportError, "text.onnx: has no linear layer of 16,384 weights or more"),
        ("digits.npz", {}, AttarError, "digits.npz: cannot be run in onnxruntime"),
        ("none.onnx", {}, CompressionError, "none.onnx: no such file; name an .onnx file"),
        (".", {}, CompressionError, "is a folder; name an .onnx file in it"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(here, tmp_path, file, options, error, message) -> None:
    with pytest.raises(error) as caught:
        quantize_file(here / file, tmp_path / "small.onnx", **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_nothing_that_is_read_is_overwritten(here, tmp_path) -> None:
    file, beside = tmp_path / "net.onnx", tmp_path / "net.data"
    onnx.save(onnx.load(here / "own.onnx"), file, save_as_external_data=True, location=beside.name, size_threshold=64)
    os.link(file, tmp_path / "other name.onnx")
    before = {one: one.read_bytes() for one in tmp_path.iterdir()}
    for kept in (file, beside, tmp_path / "other name.onnx"):
        with pytest.raises(CompressionError, match=f"{kept.name}: is read from, and would be overwritten"):
            quantize_file(file, kept)
    quantize_file(file)
    with pytest.raises(CompressionError, match=r"net-int8\.onnx: is there already; name it with --out"):
        quantize_file(file)
    (tmp_path / "net-int8.onnx").unlink()
    assert {one: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_a_file_in_a_folder_that_is_read_is_not_overwritten(tmp_path) -> None:
    (tmp_path / "data" / "deeper").mkdir(parents=True)
    kept, other = tmp_path / "data" / "deeper" / "1.csv", tmp_path / "data.onnx"
    for file in (kept, other):
        file.touch()
    with pytest.raises(CompressionError, match=r"1\.csv: is read from, and would be overwritten"):
        _spare(kept, [tmp_path / "data"])
    _spare(other, [tmp_path / "data"])
    _spare(kept.with_name("new.onnx"), [tmp_path / "data"])


def test_where_nothing_can_be_written_is_told_before_the_work(here) -> None:
    with pytest.raises(CompressionError, match=r"q\.onnx: cannot be written in .*digits\.npz; name a file elsewhere"):
        quantize_file(here / "own.onnx", here / "digits.npz" / "q.onnx")


@pytest.mark.parametrize("way", ["static", "dynamic"])
def test_layers_that_stay_in_floats_are_told(way) -> None:
    layers = Inventory(3, 9, 9, attention=False, recurrent=1)
    _, recurrent, *others = _notes(way, layers, 2)
    assert recurrent == "1 recurrent layer stays in floats"
    assert [one[:30] for one in others] == (["3 convolutions stay in floats:"] if way == "dynamic" else [])


def test_integers_are_not_rounded_again(here, tmp_path) -> None:
    done = quantize_file(here / "own.onnx", tmp_path / "small.onnx")
    with pytest.raises(ExportError, match=r"small\.onnx: holds integers already \(\w+\); give the float file"):
        quantize_file(done.model, tmp_path / "smaller.onnx")


def test_samples_that_do_not_suit(here, tmp_path) -> None:
    np.savez(tmp_path / "wide.npz", x=np.zeros((9, 8, 9), np.float32))
    np.savez(tmp_path / "single.npz", x=np.zeros((1, 1, 8, 8), np.float32))
    for data, message in (("wide", "takes 1 × 8 × 8 numbers a sample, and these"), ("single", "1 sample is too few")):
        with pytest.raises(DataError, match=message):
            quantize_file(here / "conv.onnx", tmp_path / "small.onnx", data=str(tmp_path / f"{data}.npz"))


@pytest.mark.parametrize(
    ("same", "probabilities", "cosine", "largest", "output", "said"),
    [
        (0.5, True, 0.9, 0.012, None, "50.00 % of the answers are the same (probabilities differ by at most 0.012)"),
        (0.5, False, 0.9, 0.012, None, "50.00 % of the answers are the same (cosine 0.9000)"),
        (0.5, False, None, 0.012, "b", "50.00 % of the answers are the same (they differ by at most 1.2 % of what"),
        (0.5, False, None, None, None, "50.00 % of the answers are the same"),
        (
            None,
            False,
            0.9,
            0.5,
            "b",
            "the answers have a cosine of 0.9000 to those before and differ by at most 50 % of",
        ),
        (None, False, None, 0.5, "b", "the answers differ by at most 50 % of what they span in 'b'"),
    ],
)
def test_how_alike_answers_are_is_said(same, probabilities, cosine, largest, output, said) -> None:
    assert _agreed(Likeness(same, 7, probabilities, cosine, largest, output, None, None), 7).startswith(said)


@pytest.mark.parametrize(
    ("ratio", "said"), [(1.94, "1.9 times faster"), (1.02, "no faster"), (0.5, "2.0 times slower. Keep the float file")]
)
def test_what_is_no_faster_is_said_to_be(ratio, said) -> None:
    assert _sped(ratio).startswith(said)


def branched(source, target, *, whole=False):
    """Another file of a network, in which branches stand for its first Relu, whose input they read, or for all."""
    model = onnx.load(source)
    graph, make = model.graph, onnx.helper
    first = next(node for node in graph.node if node.op_type == "Relu")
    inner = list(graph.node) if whole else [first]
    output = make.make_tensor_value_info(inner[-1].output[0], onnx.TensorProto.FLOAT, None)
    branch = make.make_graph(inner, "branch", [], [output])
    sized = [
        make.make_node("Size", [graph.input[0].name], ["size"]),
        make.make_node("Cast", ["size"], ["any"], to=onnx.TensorProto.BOOL),
        make.make_node("If", ["any"], [output.name], then_branch=branch, else_branch=branch),
    ]
    nodes = sized if whole else [one for node in graph.node for one in (sized if node is first else [node])]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(("name", "arguments"), [("conv", {"data": "digits.npz"}), ("own", {}), ("own", {"bits": 4})])
def test_layers_beside_a_branch_are_in_integers(here, name, arguments, tmp_path) -> None:
    file = branched(here / f"{name}.onnx", tmp_path / "branched.onnx")
    arguments = {key: str(here / value) if key == "data" else value for key, value in arguments.items()}
    plain, done = (
        quantize_file(one, tmp_path / f"{i}.onnx", **arguments) for i, one in enumerate((here / f"{name}.onnx", file))
    )
    counts, whole = operators(done.model), operators(plain.model)
    assert counts["If"] == 1
    assert all(counts[kind] == whole[kind] for kind in ("MatMulInteger", "MatMulNBits", "Conv", "Gemm"))
    assert done.likeness.same > 0.95


def test_layers_inside_a_branch_are_told(here, tmp_path) -> None:
    file = branched(here / "conv.onnx", tmp_path / "branched.onnx", whole=True)
    with pytest.raises(ExportError, match=r"branched.onnx: all its layers are inside branches or loops"):
        quantize_file(file, data=str(here / "digits.npz"))
