"""A model file down to a budget, from the command line and from Python."""

from __future__ import annotations

import json
import warnings
from itertools import cycle

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import attar
from attar.compress import load, save
from attar.data.arrays import from_arrays
from attar.data.sources import read_for_network
from attar.errors import BudgetError, CompressionError, DataError, ExportError
from attar.foreign import labels_for, read_for, said_by, samples_for
from attar.shrinking import shrink
from tests.cli.conftest import call
from tests.conftest import people


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A network that knows three groups of rows, the rows, and the same network as an ONNX file."""
    folder = tmp_path_factory.mktemp("shrink")
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = (rng.standard_normal((300, 12)) + 3 * np.eye(3, 12)[y]).astype(np.float32)
    np.savez(folder / "rows.npz", x=x, y=y)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 3))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.tensor(x)), torch.tensor(y)).backward()
        optimizer.step()
    save(net, folder / "net.attar", example=torch.tensor(x[:1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.tensor(x[:2]),), folder / "net.onnx", input_names=["x"], dynamo=False)
    return folder


@pytest.fixture(scope="module")
def shrunk(here):
    return shrink(here / "net.attar", "1200B", data=str(here / "rows.npz"), epochs=4, out=here / "run")


def test_a_network_becomes_smaller_and_both_files_say_the_same(here, shrunk) -> None:
    x = np.load(here / "rows.npz")["x"]
    assert shrunk.model.stat().st_size <= 1200 < (here / "net.attar").stat().st_size
    with torch.no_grad():
        said = load(shrunk.model)(torch.tensor(x)).numpy()
    session = onnxruntime.InferenceSession(shrunk.model.with_name("model.onnx"))
    assert np.allclose(session.run(None, {"x": x})[0], said, atol=1e-4)
    facts = shrunk.facts
    assert facts.judged == "accuracy"
    assert facts.tried[facts.chosen].bytes == shrunk.model.stat().st_size
    assert facts.tried[facts.chosen].quality > 0.9
    assert "model.onnx" in facts.files
    assert "Which tensors matter" in shrunk.page.read_text()


def test_the_same_call_trains_nothing_again(here, shrunk, monkeypatch) -> None:
    def never(*_args, **_kwargs):
        raise AssertionError

    monkeypatch.setattr("attar.compress.search.squeeze", never)
    again = shrink(here / "net.attar", "1200B", data=str(here / "rows.npz"), epochs=4, out=here / "run")
    assert again.facts.tried == shrunk.facts.tried


def test_an_onnx_file_of_others_is_rounded_and_restored(here, tmp_path) -> None:
    done = shrink(here / "net.onnx", "2KB", out=tmp_path / "run")
    assert done.model.stat().st_size <= 2048
    x = np.load(here / "rows.npz")["x"][:2]
    before, after = (
        onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
        for path in (here / "net.onnx", done.model.with_name("model.onnx"))
    )
    assert np.allclose(before, after, atol=0.1)
    with pytest.raises(BudgetError, match=r"cannot be trained: .* give this budget to attar fit"):
        shrink(here / "net.onnx", "300B", out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_would_not_run_any_more_is_not_written(here, tmp_path, monkeypatch) -> None:
    def without_its_weights(source, target) -> None:
        model = onnx.load(here / "net.onnx")
        del model.graph.initializer[:]
        onnx.save(model, target)

    monkeypatch.setattr("attar.shrinking.unpack", without_its_weights)
    with pytest.raises(ExportError, match=r"net.onnx: what it would become does not run in onnxruntime"):
        shrink(here / "net.onnx", "4KB", out=tmp_path / "run")
    assert not (tmp_path / "run" / "model.attar").exists()


def test_the_command_line(here, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    called = call("compress", here / "net.onnx", "--budget", "2KB", "-o", "small", "--json")
    assert called.code == 0
    facts = json.loads(called.out.splitlines()[-1])
    assert facts["tried"][facts["chosen"]]["bytes"] <= 2048
    called = call("unpack", "small/model.attar", "-o", "again.onnx")
    assert (called.code, called.out.strip()) == (0, "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "small/model.onnx").read_bytes()
    other = call("report", "small")
    assert other.complaint.startswith("attar: small: a compression; ")


def test_bad_input_is_one_line_and_leaves_nothing(here, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (tmp_path / "broken.attar").write_bytes(b"no model")
    (tmp_path / "renamed.txt").write_bytes((here / "net.onnx").read_bytes())
    for arguments, said in (
        (("nowhere.onnx", "--budget", "2KB"), "no such file"),
        (("broken.onnx", "--budget", "2KB"), "not a valid ONNX file"),
        (("broken.attar", "--budget", "2KB"), "not an .attar file"),
        (("renamed.txt", "--budget", "2KB"), "rename it where it is an ONNX file"),
        ((here / "net.attar", "--budget", "2KB"), "give some as data"),
        ((here / "net.attar", "--budget", "2KB", "--data", "digits"), "the network takes 12"),
        ((here / "net.onnx", "--budget", "much"), "not understood"),
        ((here / "net.onnx", "--budget", "1ms"), "stays as fast as it is"),
        ((here / "net.onnx", "--budget", "1%"), "give some as data"),
        ((here / "net.onnx", "--budget", "2KB", "--epochs", "30"), "leave epochs and seed away"),
        ((here / "net.onnx", "--budget", "2KB", "--seed", "1"), "leave epochs and seed away"),
    ):
        called = call("compress", *arguments)
        assert called.code == 2, arguments
        assert said in called.complaint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.attar", "broken.onnx", "renamed.txt"]


def test_errors_are_of_the_tree(here) -> None:
    with pytest.raises(CompressionError):
        shrink(here / "none.attar", "2KB")
    with pytest.raises(DataError):
        shrink(here / "net.attar", "2KB")


def test_an_onnx_file_of_others_is_judged_on_samples(here, tmp_path) -> None:
    done = shrink(here / "net.onnx", "4KB,5%", data=str(here / "rows.npz"), out=tmp_path / "run")
    assert done.facts.tried[1].quality > 0.95
    assert "attar.compress.load" not in done.page.read_text()
    assert "training" not in done.page.read_text()
    np.savez(tmp_path / "narrow.npz", x=np.zeros((5, 3), np.float32))
    with pytest.raises(DataError, match="takes 12 numbers a sample"):
        shrink(here / "net.onnx", "4KB", data=str(tmp_path / "narrow.npz"), out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_one_answer_in_a_hundred_may_change_where_one_percent_may(here, tmp_path, monkeypatch) -> None:
    """1 − 0.99 is 0.010000000000000009."""
    answers = np.zeros((100, 2))
    answers[:, 0] = 1
    changed = answers.copy()
    changed[0] = 0, 1
    said = cycle([answers, changed])
    monkeypatch.setattr("attar.shrinking.said_by", lambda *_: next(said))
    done = shrink(here / "net.onnx", "1%", data=str(here / "rows.npz"), out=tmp_path / "run")
    assert done.facts.tried[1].quality == 0.99
    with pytest.raises(BudgetError, match=r"change 1\.00% of the answers"):
        shrink(here / "net.onnx", "0.9%", data=str(here / "rows.npz"), out=tmp_path / "none")


def test_an_onnx_file_that_tells_no_classes_apart_is_not_judged(here, tmp_path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 1))
        torch.onnx.export(net, (torch.zeros(2, 12),), tmp_path / "one.onnx", input_names=["x"], dynamo=False)
    with pytest.raises(DataError, match="a number for each class"):
        shrink(tmp_path / "one.onnx", "4KB", data=str(here / "rows.npz"), out=tmp_path / "run")
    assert shrink(tmp_path / "one.onnx", "4KB", out=tmp_path / "run").model.exists()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_last_batch_of_a_fixed_size_is_judged_too(here, n) -> None:
    x = np.load(here / "rows.npz")["x"][:n]
    of_two = here / "net.onnx"
    assert onnxruntime.InferenceSession(of_two).get_inputs()[0].shape == [2, 12]
    one_by_one = [said_by(of_two, np.repeat(x[i : i + 1], 2, axis=0), of_two)[0] for i in range(n)]
    np.testing.assert_allclose(said_by(of_two, x, of_two), one_by_one, atol=1e-5)


def test_samples_are_read_as_a_model_that_attar_wrote_takes_them(tmp_path, table) -> None:
    model, (frame, _) = table.folder / "model.onnx", people()
    frame.to_csv(tmp_path / "people.csv", index=False)
    turned = frame[frame.columns[::-1]].iloc[3:]
    turned.to_csv(tmp_path / "turned.csv", index=False)
    said, of_turned = (
        said_by(model, read_for(str(tmp_path / name), model).x, model) for name in ("people.csv", "turned.csv")
    )
    np.testing.assert_array_equal(said[3:], of_turned)
    np.testing.assert_allclose(said, attar.load(model).predict_proba(frame), atol=1e-6)


@pytest.mark.parametrize(("taken", "given"), [((3, 4, 5), (4, 5, 3)), ((5, 6), (6, 5))], ids=["image", "series"])
def test_colours_and_steps_go_where_the_network_takes_them(tmp_path, taken, given) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(taken)), 3)), torch.randn(20, *taken)
    moved = np.moveaxis(x.numpy(), 1, -1)
    assert moved.shape[1:] == given
    save(net, tmp_path / "net.attar", example=x)
    program = load(tmp_path / "net.attar")
    assert torch.equal(samples_for(program, from_arrays(moved), "x"), x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), tmp_path / "net.onnx", input_names=["x"], dynamo=False)
    said = said_by(tmp_path / "net.onnx", moved, tmp_path / "net.onnx")
    np.testing.assert_allclose(said, net(x).detach(), atol=1e-5)
    with pytest.raises(DataError, match="and the network takes"):
        samples_for(program, from_arrays(moved.swapaxes(1, 2).reshape(20, 2, -1)), "x")


def named(here, file, names, keep=3):
    """The rows with other labels, or with those of some classes alone; the network and its samples."""
    rows = np.load(here / "rows.npz")
    kept = rows["y"] < keep
    np.savez(file, x=rows["x"][kept], y=np.array(names)[rows["y"][kept]])
    program = load(here / "net.attar")
    dataset = read_for_network(str(file), (12,))
    return labels_for(program, samples_for(program, dataset, "x"), dataset), rows["y"][kept]


def test_labels_are_those_of_the_answers(here, tmp_path) -> None:
    (y, notes), true = named(here, tmp_path / "few.npz", [0, 1, 2], keep=2)  # not every class has a sample
    assert (y.tolist(), notes) == (true.tolist(), ())
    (y, notes), true = named(here, tmp_path / "some.npz", [0, -1, 2])
    assert y.tolist() == np.where(true == 1, -1, true).tolist()
    (y, notes), true = named(here, tmp_path / "names.npz", ["ant", "bee", "cow"])
    assert y.tolist() == true.tolist()
    assert notes == ("the answers of the network are taken for ant, bee, cow, in this order",)
    (y, notes), true = named(here, tmp_path / "from_one.npz", [1, 2, 3])
    assert y.tolist() == true.tolist()
    assert notes == ("the answers of the network are taken for 1, 2, 3, in this order",)
    (y, notes), _ = named(here, tmp_path / "order.npz", ["zero", "one", "two"])
    assert y is None
    assert "for its answers from 0 on: they are not used; give numbers from 0 to 2" in notes[0]
    (y, notes), _ = named(here, tmp_path / "other.npz", ["ant", "bee", "cow"], keep=2)
    assert y is None
    assert notes == ("labels of 2 classes, and the network has 3: they are not used",)


def test_a_network_of_one_number_is_judged_by_its_labels(tmp_path) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(8, 30), nn.ReLU(), nn.Linear(30, 1)), torch.randn(200, 8)
    y = (net(x)[:, 0] > 0).long().numpy()
    save(net, tmp_path / "net.attar", example=x)
    np.savez(tmp_path / "x.npz", x=x.numpy(), y=np.array(["no", "yes"])[y])
    done = shrink(tmp_path / "net.attar", "1KB", data=str(tmp_path / "x.npz"), epochs=2, out=tmp_path / "run")
    assert done.facts.judged == "accuracy"
    assert done.facts.tried[0].quality == 1


def test_what_is_said_of_labels_is_on_the_page(here, tmp_path) -> None:
    named(here, tmp_path / "order.npz", ["zero", "one", "two"])
    done = shrink(here / "net.attar", "3KB", data=str(tmp_path / "order.npz"), epochs=2, out=tmp_path / "run")
    assert done.facts.judged == "agreement"
    assert "they are not used" in done.page.read_text()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 80, 70), (4, 9), (9, 2, 5)])
def test_arrays_in_the_shape_that_is_taken_stay_in_it(tmp_path, shape) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 3)), torch.randn(20, *shape)
    save(net, tmp_path / "net.attar", example=x)
    np.savez(tmp_path / "x.npz", x=x.numpy(), y=np.arange(20) % 3)
    program, found = load(tmp_path / "net.attar"), read_for_network(str(tmp_path / "x.npz"), shape)
    assert torch.equal(samples_for(program, found, "x"), x)
    assert found.y.tolist() == [i % 3 for i in range(20)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), tmp_path / "net.onnx", input_names=["x"], dynamo=False)
    of_onnx = read_for(str(tmp_path / "x.npz"), tmp_path / "net.onnx")
    np.testing.assert_array_equal(of_onnx.x, x)


def test_an_onnx_file_that_answers_nothing_is_not_judged_to_be_the_same(here, tmp_path) -> None:
    x = np.load(here / "rows.npz")["x"]
    x[4:6] = np.nan
    np.savez(tmp_path / "gap.npz", x=x)
    with pytest.raises(DataError, match="answers 2 of 300 samples with NaN"):
        shrink(here / "net.onnx", "3KB", data=str(tmp_path / "gap.npz"), out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_samples_with_gaps_are_refused_before_there_is_a_folder(here, tmp_path) -> None:
    x = np.load(here / "rows.npz")["x"]
    x[4, 2] = np.nan
    np.savez(tmp_path / "gap.npz", x=x)
    with pytest.raises(DataError, match="missing or infinite"):
        shrink(here / "net.attar", "1200B", data=str(tmp_path / "gap.npz"), out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("dtype", "odd"), [(torch.int64, 2.7), (torch.uint8, 300), (torch.int8, -129), (torch.bool, 2)]
)
def test_numbers_that_a_network_of_whole_numbers_does_not_take_are_refused(tmp_path, dtype, odd) -> None:
    class Codes(nn.Module):
        def forward(self, x):
            return x.float()

    x = np.eye(6, 4, dtype=np.float32)
    save(Codes(), tmp_path / "net.attar", example=torch.tensor(x[:1]).to(dtype))
    program = load(tmp_path / "net.attar")
    assert samples_for(program, from_arrays(x, kind="table"), "x").dtype == dtype
    x[3, 1] = odd
    with pytest.raises(DataError, match=f"x: the network takes {dtype}, which {odd:g} is not"):
        samples_for(program, from_arrays(x, kind="table"), "x")


def test_an_onnx_file_that_onnxruntime_refuses_is_not_judged(here, tmp_path, monkeypatch) -> None:
    def refuses(*_args, **_kwargs):
        raise RuntimeError("no such operator")

    monkeypatch.setattr("attar.foreign.onnxruntime.InferenceSession", refuses)
    with pytest.raises(DataError, match="cannot be run in onnxruntime"):
        shrink(here / "net.onnx", "4KB", data=str(here / "rows.npz"), out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
