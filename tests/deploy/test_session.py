import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
import torch
from onnx import TensorProto, helper
from scipy import sparse
from torch import nn

from attar.data.dataset import Column, Floats, Form
from attar.data.images import resize
from attar.data.sources import read_for_prediction
from attar.deploy.graph import describe, write
from attar.deploy.meta import CHECKSUM, Extra, ModelMeta, is_whole
from attar.deploy.onnx import export
from attar.deploy.session import load, loads
from attar.deploy.units import described
from attar.errors import DataError, ModelError

Samples = Callable[..., Floats]


def test_channels_of_series_have_names(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 2), nn.Softmax(1))
    meta = ModelMeta("series", (2, 3), ("a", "b"), extra={"channels": "vibration [g]\ncurrent"})
    export(net, torch.zeros(1, 2, 3), tmp_path / "m.onnx", meta)
    assert load(tmp_path / "m.onnx").columns == (Column("vibration [g]"), Column("current"))


def test_describes_itself(image_file: Path, series_file: Path, table_file: Path) -> None:
    model = load(image_file)
    assert (model.kind, model.shape, model.columns, model.meta.version) == ("image", (8, 8), (), "0.1.0")
    assert model.classes.tolist() == list(range(10))
    assert model.classes.dtype == np.int64
    assert repr(model).startswith("Model(kind='image', shape=(8, 8), classes=[0, 1, 2,")
    assert load(series_file).classes.tolist() == ["a", "b", "c", "d"]
    assert [column.name for column in load(table_file).columns] == ["age", "color", "height", "shade", "size"]


def test_predicts_the_labels_as_they_were(image_file: Path, series_file: Path, samples: Samples) -> None:
    x = samples(20, 8, 8)
    labels = load(image_file).predict(x)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, load(image_file).predict_proba(x).argmax(1))
    assert set(load(series_file).predict(samples(20, 3, 40))) <= {"a", "b", "c", "d"}


def test_a_large_input_in_batches_is_the_same(image_file: Path, image_net: nn.Module, samples: Samples) -> None:
    x, done = samples(2500, 8, 8), list[int]()
    with torch.no_grad():
        expected = image_net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(load(image_file, threads=1).predict_proba(x, done.append), expected, atol=1e-5)
    assert sum(done) == 2500
    assert len(done) > 1


def test_any_numbers_will_do(image_file: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (3, 8, 8)).astype(np.uint8)
    model = load(image_file)
    expected = model.predict_proba(x.astype(np.float32))
    for same in (x, x.tolist(), x.astype(np.float64), x.astype(object), np.asfortranarray(x), x.astype(np.int64)):
        np.testing.assert_array_equal(model.predict_proba(same), expected)


def test_images_of_another_size_are_resized_as_a_file_of_them_is(image_file: Path, tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 255, (5, 16, 12), dtype=np.uint8)
    np.save(tmp_path / "large.npy", large)
    model = load(image_file)
    expected = model.predict_proba(read_for_prediction(str(tmp_path / "large.npy"), Form("image", (8, 8))).x)
    np.testing.assert_array_equal(model.predict_proba(large), expected)
    mixed = [*large[:3], resize(large[3].astype(np.float32), 8, 8)]
    np.testing.assert_array_equal(model.predict_proba(mixed), expected[:4])


def test_no_samples_no_answers(image_file: Path, table_file: Path) -> None:
    assert load(image_file).predict_proba(np.zeros((0, 8, 8))).shape == (0, 10)
    assert load(table_file).predict(np.zeros((0, 5), dtype=object)).shape == (0,)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((8, 8)),
        np.zeros((2, 8, 3)),
        [np.zeros((9, 9)), np.zeros((9, 9, 3))],
        np.zeros((0, 9, 9)),
        np.zeros((2, 8, 8, 1)),
        np.float32(3),
        np.array(3.0),
        [],
        [[1, 2], [3]],
        np.full((2, 8, 8), "a"),
        np.full((2, 8, 8), "1", dtype=object),
        np.full((2, 8, 8), 1j),
        None,
        {},
        "image.png",
        np.zeros((2, 8, 8), dtype="datetime64[s]"),
    ],
)
def test_other_samples_are_refused(image_file: Path, x: object) -> None:
    with pytest.raises(ModelError, match="samples") as error:
        load(image_file).predict(x)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_infinite_values_and_those_beyond_float32_are_refused_by_their_row(
    image_file: Path, series_file: Path, table_file: Path, value: float
) -> None:
    image, series, coded = np.zeros((3, 8, 8)), np.zeros((3, 3, 40)), np.zeros((3, 5))
    image[2, 1, 1] = series[2, 0, 5] = coded[2, 2] = value
    rows = [[1.5, "red", 2.0, "blue", "S"], [1.5, "red", 2.0, "blue", "S"], [1.5, "red", value, "blue", "S"]]
    frame = pd.DataFrame(rows, columns=["age", "color", "height", "shade", "size"])
    for file, x in ((image_file, image), (series_file, series), (series_file, list(series))):
        with pytest.raises(ModelError, match="sample 2: a value is infinite, or too large"):
            load(file).predict(x)
    for table in (coded, rows, frame):
        with pytest.raises(ModelError, match="column 'height', row 2: a value is infinite, or too large"):
            load(table_file).predict(table)


def test_shorter_series_end_in_nan(series_file: Path, samples: Samples) -> None:
    model, x = load(series_file), samples(4, 3, 40)
    x[:, :, 30:] = np.nan
    x[1, :, 20:] = np.nan
    expected = model.predict_proba(x)
    np.testing.assert_array_equal(model.predict_proba([x[0, :, :30], x[1, :, :20], x[2], x[3]]), expected)
    np.testing.assert_array_equal(model.predict_proba(x[:, :, :30]), expected)


def test_longer_series_are_cut(series_file: Path, samples: Samples) -> None:
    model, x = load(series_file), samples(4, 3, 50)
    expected = model.predict_proba(x[:, :, :40])
    np.testing.assert_array_equal(model.predict_proba(x), expected)
    np.testing.assert_array_equal(model.predict_proba([x[0], x[1, :, :41], x[2, :, :40], x[3]]), expected)


@pytest.mark.parametrize(
    "x",
    [np.zeros((2, 4, 40)), np.zeros((3, 40)), [np.zeros((4, 40))], [np.zeros(40)], [[["a"]] * 3]],
)
def test_series_of_other_channels_are_refused(series_file: Path, x: object) -> None:
    with pytest.raises(ModelError):
        load(series_file).predict(x)


NAMES = ["age", "color", "height", "shade", "size"]
ROWS = [[1.5, "grün", 2.0, "blue", "S"], [None, "unheard", 3.0, "", None], [0.5, "red", np.nan, "red", "L"]]


def test_tables_in_every_form(table_file: Path) -> None:
    model = load(table_file)
    frame = pd.DataFrame(ROWS, columns=["age", "color", "height", "shade", "size"])
    coded = np.array([[1.5, 1, 2, 0, 1], [np.nan, np.nan, 3, np.nan, np.nan], [0.5, 2, np.nan, 2, 0]])
    expected = np.nan_to_num(coded, nan=9).astype(np.float32)  # TableNet shows what it gets, missing as 9
    shuffled = frame[["size", "shade", "age", "color", "height"]].assign(more=1)
    categorical = frame.astype({"color": "category", "size": "category", "age": "Float64", "shade": "string"})
    missing = frame.astype(object).where(frame.notna(), pd.NA)
    arrow = pa.Table.from_pandas(shuffled)
    for x in (
        arrow,
        pa.RecordBatchReader.from_batches(arrow.schema, arrow.to_batches()),
        pa.Table.from_pandas(categorical),
        frame,
        shuffled,
        categorical,
        coded,
        coded.astype(np.float32),
        np.array(ROWS, dtype=object),
        ROWS,
        missing,
    ):
        np.testing.assert_array_equal(model.predict_proba(x), expected)


def test_numbers_written_as_text(table_file: Path) -> None:
    x = np.array([["1.5", "red", "2", "blue", "S"]])
    np.testing.assert_array_equal(load(table_file).predict_proba(x), [[1.5, 2, 2, 0, 1]])


def test_categories_that_are_numbers_and_dates(tmp_path: Path) -> None:
    columns = (Column("grade", ("1", "2", "3")), Column("day"))
    net = nn.Linear(2, 2, bias=False)
    net.weight.data = torch.eye(2)
    export(net, torch.zeros(1, 2), tmp_path / "m.onnx", ModelMeta("table", (2,), ("a", "b"), columns))
    day = np.array(["1970-01-02", "NaT", "1970-01-03"], dtype="datetime64[s]")
    for grade in ([3, 1, 2], [3.0, 1.0, 2.0], ["3", "1", "2"], pd.Categorical([3, 1, 2])):
        answer = load(tmp_path / "m.onnx").predict_proba(pd.DataFrame({"day": day, "grade": grade}))
        np.testing.assert_array_equal(answer[0], [2, 86400])
        np.testing.assert_array_equal(answer[2], [1, 172800])
        assert np.isnan(answer[1, 1])


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (pd.DataFrame({"age": [1], "color": ["red"], "shade": ["red"]}), "'height', 'size'"),
        (pa.table({"age": [1], "color": ["red"], "shade": ["red"]}), "'height', 'size'"),
        (pd.DataFrame([[1, "red", 2, "red", "S", 3]], columns=[*NAMES, "height"]), "two columns .* called 'height'"),
        (sparse.eye(5), r"^x: a sparse matrix; give x.toarray\(\)$"),
        (
            pa.table({"age": [[1]], "color": ["red"], "height": [2], "shade": ["red"], "size": ["S"]}),
            "'age' holds list",
        ),
        (np.array([[1, "red", "tall", "red", "S"]], dtype=object), "'height', row 0 is 'tall'"),
        (np.array([[1, "red", 1, "red"]], dtype=object), r"\(n, 5\)"),
        (np.zeros((2, 4)), r"\(n, 5\)"),
        (np.zeros(5), r"\(n, 5\)"),
        (np.array([[0, 3, 0, 0, 0]]), "'color', row 0"),
        (np.array([[0, 0, 0, 0, 0], [0, 0, 0, -1, 0]]), "'shade', row 1"),
        (np.array([[0, 0.5, 0, 0, 0]]), "'color', row 0"),
        (np.array([[0, np.inf, 0, 0, 0]]), "'color', row 0"),
    ],
)
def test_other_tables_are_refused(table_file: Path, x: object, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        load(table_file).predict(x)


def test_where_training_invented_the_names_columns_go_by_position(tmp_path: Path) -> None:
    net = nn.Linear(2, 2, bias=False)
    net.weight.data = torch.eye(2)
    meta = ModelMeta("table", (2,), ("a", "b"), (Column("x0"), Column("x1")))
    export(net, torch.zeros(1, 2), tmp_path / "m.onnx", meta)
    model = load(tmp_path / "m.onnx")
    frame = pd.DataFrame({"w": [1.0], "v": [2.0]})
    for same in (frame, pa.Table.from_pandas(frame), frame.set_axis(["x0", "x1"], axis=1)[["x1", "x0"]]):
        np.testing.assert_array_equal(model.predict_proba(same), [[1, 2]])
    with pytest.raises(ModelError, match=r"has 3 columns and the model wants 2, which had no names in training"):
        model.predict(frame.assign(u=3))
    with pytest.raises(ModelError, match="has no column 'x1'"):
        model.predict(frame.rename(columns={"w": "x0"}))


def test_what_is_masked_is_missing(image_file: Path, series_file: Path, samples: Samples) -> None:
    image = np.ma.array(samples(2, 8, 8), mask=np.tile(np.eye(8), (2, 1, 1)))
    one = np.ma.array(samples(3, 40), mask=np.tile(np.arange(40) > 20, (3, 1)))
    for file, masked, filled in (
        (image_file, image, image.filled(np.nan)),
        (series_file, [one], one.filled(np.nan)[None]),
    ):
        answers = load(file).predict_proba(masked)
        np.testing.assert_array_equal(answers, load(file).predict_proba(filled))
        assert not np.array_equal(answers, load(file).predict_proba(np.ma.getdata(masked).reshape(filled.shape)))


def test_images_of_16_bits_are_doubted_where_8_were_learnt_from(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (20, 4, 4))
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.Softmax(1))
    for name, scale in (("8", 1), ("16", 257)):
        extra: Extra = {"units": described((x * scale).astype(np.float32), "image")}
        meta = ModelMeta("image", (4, 4), ("a", "b"), extra=extra)
        export(net, torch.zeros(1, 4, 4), tmp_path / f"{name}.onnx", meta)
    model, deep = load(tmp_path / "8.onnx"), (257 * x).astype(np.uint16)
    for images in (deep, list(deep)):
        with pytest.warns(UserWarning, match=r"of 16 bits, and the model has learnt from values of 0 to 255"):
            model.predict(images)
    model.predict(x.astype(np.uint16))
    model.predict(deep / 257)
    load(tmp_path / "16.onnx").predict(deep)


def test_a_tensor_with_gradients_is_taken(image_file: Path) -> None:
    model, x = load(image_file), torch.ones(2, 8, 8, requires_grad=True)
    np.testing.assert_array_equal(model.predict_proba(x), model.predict_proba(np.ones((2, 8, 8))))


def test_files_that_are_no_models(tmp_path: Path, image_file: Path) -> None:
    with pytest.raises(ModelError, match="no such"):
        load(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="folder"):
        load(tmp_path)
    data = image_file.read_bytes()
    for content in (b"", b"hello", b"\x00" * 1000, data[: len(data) // 2], b"PK\x03\x04" + data):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(ModelError) as error:
            load(tmp_path / "other")
        assert "\n" not in str(error.value)


def test_a_model_of_somebody_else(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [value], [output])
    write(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="not one of attar's"):
        load(tmp_path / "m.onnx")


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_model_that_has_other_classes_than_it_says(outputs: int, tmp_path: Path, image_file: Path) -> None:
    proto = onnx.load(image_file)
    wide = np.ones((1, outputs), np.float32)
    proto.graph.output[0].name = proto.graph.node[-1].output[0] = "one"
    proto.graph.node.append(helper.make_node("MatMul", ["first", "wide"], ["probabilities"]))
    proto.graph.node.insert(len(proto.graph.node) - 1, helper.make_node("Slice", ["one", "0", "1", "1"], ["first"]))
    proto.graph.initializer.extend([onnx.numpy_helper.from_array(wide, "wide")])
    proto.graph.initializer.extend([onnx.numpy_helper.from_array(np.array([i]), str(i)) for i in (0, 1)])
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", outputs]))
    write(proto, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=rf"answers with shape \(4, {outputs}\) instead of \(4, 10\)"):
        load(tmp_path / "m.onnx").predict(np.zeros((4, 8, 8), np.float32))


def test_a_model_that_takes_no_samples(tmp_path: Path) -> None:
    said = onnx.numpy_helper.from_array(np.full((2, 2), 0.5, np.float32), "said")
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [2, 2])
    graph = helper.make_graph([helper.make_node("Neg", ["said"], ["probabilities"])], "g", [], [output], [said])
    proto = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    describe(proto, ModelMeta("table", (3,), ("a", "b")))
    write(proto, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"answers with shape \(2, 2\) instead of \(4, 2\)"):
        load(tmp_path / "m.onnx").predict(np.zeros((4, 3)))


def test_a_model_of_a_newer_attar(tmp_path: Path, image_file: Path) -> None:
    model = onnx.load(image_file)
    model.metadata_props[0].value = json.dumps(json.loads(model.metadata_props[0].value) | {"format": 99})
    write(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"m\.onnx: .*upgrade"):
        load(tmp_path / "m.onnx")


def test_a_damaged_file_is_refused(tmp_path: Path, series_file: Path) -> None:
    data = series_file.read_bytes()
    assert is_whole(data)
    middle = len(data) // 2
    for damaged in (data[:middle] + bytes(50) + data[middle + 50 :], data[:-1] + b"-"):
        (tmp_path / "m.onnx").write_bytes(damaged)
        with pytest.raises(ModelError, match=r"m\.onnx: is damaged, or was changed after attar wrote it; copy it anew"):
            load(tmp_path / "m.onnx")


def test_a_file_without_a_checksum_is_loaded(series_file: Path, samples: Samples) -> None:
    model = onnx.load(series_file)
    assert model.metadata_props[-1].key == CHECKSUM
    del model.metadata_props[-1]
    before = loads(model.SerializeToString())
    np.testing.assert_array_equal(before.predict(samples(9, 3, 40)), load(series_file).predict(samples(9, 3, 40)))


def test_a_model_can_be_copied(series_file: Path, samples: Samples) -> None:
    model, x = load(series_file, threads=1), samples(9, 3, 40)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert again is not model
        np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
        assert again.__reduce__()[0].keywords == {"threads": 1}


@pytest.mark.parametrize("threads", [1.5, "2", -1, True])
def test_threads_are_a_whole_number(series_file: Path, threads: Any) -> None:
    with pytest.raises(DataError, match=rf"^threads is {threads!r}: give a whole number from 0$"):
        load(series_file, threads=threads)


def test_threads_are_not_started_by_the_thousand(series_file: Path) -> None:
    with pytest.raises(DataError, match=r"^threads is 1000000: give 1024 at most, or 0 for one per core$"):
        load(series_file, threads=10**6)


def test_needs_only_numpy_and_onnxruntime(image_file: Path) -> None:
    program = (
        "import sys, numpy; from attar.deploy.session import load; load(sys.argv[1]).predict(numpy.zeros((2, 8, 8)));"
        "print(sorted({'torch', 'sklearn', 'scipy', 'pandas', 'onnx', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, image_file], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
    assert not done.stderr
