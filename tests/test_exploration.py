"""The whole exploration: every kind, hostile samples, going on, and a page that holds what was found."""

import base64
import json
import re
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import attar
from attar.errors import DataError, LabelError, RunError
from attar.training.progress import Silent


@pytest.fixture(autouse=True, scope="module")
def _quick():
    """One path between two samples costs as much as all the rest, and growing trees as much as what is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attar.density._scores.TREES", 8)
        patch.setattr("attar.survey.PAIRS", 1)
        yield


def on_page(page):
    """What the map of a page is made from: its header, and its columns."""
    written = re.search(r'id="places-data">([^<]*)<', page.read_text(encoding="utf-8"))[1]
    whole = zlib.decompress(base64.b64decode(written))
    size = int.from_bytes(whole[:4], "little")
    header, at, columns = json.loads(whole[4 : 4 + size]), 4 + size, []
    kinds = [("<i4", 1)] + [("<u2", 2)] * len(header["layouts"])
    kinds += [("<i4" if colour["classes"] else "<f4", 1) for colour in header["colours"]]
    for kind, times in kinds:
        columns.append(np.frombuffer(whole, kind, times * header["n"], at))
        at += columns[-1].nbytes
    assert at == len(whole)
    return header, columns


def titles(page):
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", page.read_text(encoding="utf-8"))


def table(n=40, d=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def with_value(value):
    x = table()
    x[3, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "why"),
    [
        (np.zeros((0, 3)), "at least one sample"),
        (np.zeros((4, 0)), "at least one sample and one feature"),
        (table(1), "at least two"),
        (with_value(np.inf), "infinite"),
        (table().astype(np.float64) * 1e300, "beyond float32"),
        (np.full((4, 2), np.nan), "no value in any sample"),
    ],
    ids=["empty", "no feature", "one sample", "infinite", "huge", "all missing"],
)
def test_what_cannot_be_explored_is_refused_before_anything_is_written(x, why, tmp_path):
    with pytest.raises(DataError, match=why):
        attar.explore(x, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [{"side": 8}, {"window": 3}, {"stride": 2}])
def test_what_a_file_is_cut_by_is_refused_of_an_array_and_not_ignored(tmp_path, given):
    with pytest.raises(DataError, match="a file or a folder"):
        attar.explore(np.eye(9), out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [{"labels": "labels.csv"}, {"label_column": "kind"}, {"group_column": "who"}])
def test_labels_of_an_array_are_refused_and_not_ignored(tmp_path, given):
    with pytest.raises(LabelError, match="a file or a folder"):
        attar.explore(np.eye(9), out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "x",
    [
        table(2),
        table(5, 1),
        table(40, 1),
        np.ones((20, 3), dtype=np.float32),
        np.repeat(table(3), 6, axis=0),
        table(6, 50),
        with_value(np.nan),
        with_value(3e38),
        with_value(1e30) * 1e-30,
        np.random.default_rng(0).random((9, 5, 5)),
        np.zeros((12, 6, 6)),
    ],
    ids=["two", "five of one", "one feature", "constant", "copies", "wide", "nan", "large", "tiny", "images", "black"],
)
def test_poor_samples_get_a_page(x, tmp_path):
    done = attar.explore(x, out=tmp_path / "run")
    header, (index, *columns) = on_page(done.page)
    assert sorted(index.tolist()) == list(range(len(x)))
    assert done.facts.n == header["n"] == len(x)
    assert all(np.isfinite(layout).all() for layout in done.facts.layouts.values())
    assert len(columns) == len(header["layouts"]) + len(header["colours"])
    # Of fewer than ten different samples none is judged.
    assert ("The oddest samples" in titles(done.page)) == (len(np.unique(x, axis=0)) >= 10)


def test_images_are_rebuilt_drawn_and_gone_between(tmp_path):
    x = load_digits().data[:420].reshape(-1, 8, 8).astype(np.float32)
    before = torch.get_rng_state()
    done = attar.explore(x, out=tmp_path / "run", seconds=0.1)
    assert torch.equal(torch.get_rng_state(), before)
    assert titles(done.page)[:8] == [
        "Map",
        "Quality",
        "Directions",
        "The oddest samples",
        "The most typical samples",
        "Samples rebuilt",
        "Samples drawn from p(x)",
        "Between two samples",
    ]
    facts = done.facts
    lines = {line.name: line for panel in facts.panels for line in panel.lines}
    assert "PCA, 16 components" in lines
    # In a tenth of a second an autoencoder learns less than components know.
    assert "autoencoder, 16 values" not in lines
    said = next(panel.said for panel in facts.panels if panel.title == "Samples rebuilt")
    assert re.search(r"lost: PCA, 16 components: [\d.]+ %\. Autoencoder: [\d.]+ %, no better than that, and not", said)
    (oddest,) = next(panel.lines for panel in facts.panels if panel.title == "The oddest samples")
    assert oddest.samples[0].said.startswith(f"{facts.ids[oddest.samples[0].index]}\np = ")
    np.testing.assert_allclose(np.sum(facts.spectrum.shares), 1, rtol=1e-4)
    v = x.reshape(len(x), -1)
    variances = np.linalg.eigvalsh(np.cov(v.T.astype(np.float64)))[::-1]
    np.testing.assert_allclose(facts.spectrum.shares, variances / variances.sum(), atol=1e-5)
    assert facts.spectrum.effective == pytest.approx(variances.sum() ** 2 / (variances**2).sum(), rel=1e-3)
    header, columns = on_page(done.page)
    assert [header["ids"][i] for i in range(5)] == [str(columns[0][i]) for i in range(5)]


def test_series_tables_and_texts(tmp_path):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    series = np.sin(np.arange(40) * rng.uniform(0.2, 0.6, (60, 2, 1))).astype(np.float32)
    series[3, :, 30:] = np.nan
    done = attar.explore(series, out=tmp_path / "series", kind="series")
    assert done.facts.sheets
    assert "Between two samples" in titles(done.page)

    frame = pd.DataFrame({"size": rng.standard_normal(50), "colour": np.array(["red", "blue"])[rng.integers(0, 2, 50)]})
    frame = frame.assign(month=rng.integers(1, 4, 50), row=np.arange(50))
    done = attar.explore(frame, out=tmp_path / "table", ignore="row", category=["month"])
    named = {colour.name: colour for colour in done.facts.colours}
    assert named["colour"].classes == ("blue", "red")
    np.testing.assert_allclose(named["size"].values, frame["size"], rtol=1e-6)
    assert named["month"].classes == ("1", "2", "3")
    assert "row" not in named
    assert done.facts.settings["ignore"] == "row"

    pytest.importorskip("tokenizers")
    words = np.array(["rose", "tulip", "engine", "wheel", "petal", "brake"])
    texts = [" ".join(words[rng.integers(0, 6, 8)]) for _ in range(40)]
    done = attar.explore(texts, out=tmp_path / "texts")
    assert done.facts.words == tuple(texts)
    assert "Samples drawn from p(x)" not in titles(done.page)


def test_of_a_sample_of_which_nothing_is_known_the_mean_is_not_known(tmp_path):
    series = np.random.default_rng(0).standard_normal((12, 1, 16)).astype(np.float32)
    series[3] = np.nan
    facts = attar.explore(series, out=tmp_path / "run", seconds=0).facts
    (mean,) = [colour.values for colour in facts.colours if colour.name == "mean"]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(mean)), [3])
    np.testing.assert_allclose(mean[0], series[0].mean(), rtol=1e-5)


def test_groups_colour_the_map(tmp_path):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.standard_normal(60), "b": rng.standard_normal(60), "who": ["q", "p", None] * 20})
    frame.to_csv(tmp_path / "log.csv", index=False)
    facts = attar.explore(tmp_path / "log.csv", group_column="who", out=tmp_path / "run").facts
    (group,) = [colour for colour in facts.colours if colour.name == "group"]
    assert group.classes == ("p", "q")
    np.testing.assert_array_equal(group.values, [1, 0, np.nan] * 20)
    assert "20 of 60 samples are of no group" in facts.notes
    assert not any("judged" in note for note in facts.notes)


def test_nodes_of_a_graph_are_refused(tmp_path):
    graph = SimpleNamespace(x=table(6), edge_index=np.array([[0, 1, 2], [1, 2, 3]]))
    with pytest.raises(DataError, match="as a table"):
        attar.explore(graph, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Killed(Exception):
    """As if the process ended."""


class Impatient(Silent):
    """Progress that ends the process when a task is announced."""

    def __init__(self, name):
        self.name = name

    def task(self, name, total):
        if name == self.name:
            raise Killed
        return super().task(name, total)


@pytest.fixture(scope="module")
def few():
    return load_digits().data[:40].reshape(-1, 8, 8).astype(np.float32)


@pytest.fixture(scope="module")
def whole(few, tmp_path_factory):
    return attar.explore(few, out=tmp_path_factory.mktemp("whole") / "run").facts


@pytest.mark.parametrize(
    "name",
    ["map", pytest.param("neighbours", marks=pytest.mark.slow), pytest.param("oddest samples", marks=pytest.mark.slow)],
)
def test_a_killed_exploration_goes_on_to_the_same_page(name, few, whole, tmp_path):
    x = few
    with pytest.raises(Killed):
        attar.explore(x, out=tmp_path / "run", progress=Impatient(name))
    again = attar.explore(x, out=tmp_path / "run").facts
    for layout in whole.layouts:
        np.testing.assert_array_equal(whole.layouts[layout], again.layouts[layout])
    for one, other in zip(whole.colours, again.colours):
        np.testing.assert_array_equal(one.values, other.values)
    assert whole.panels == again.panels
    assert whole.sheets == again.sheets


def test_a_folder_belongs_to_one_exploration(tmp_path):
    attar.explore(table(), out=tmp_path / "run")
    with pytest.raises(RunError, match="another command"):
        attar.explore(table(seed=1), out=tmp_path / "run")


def test_more_samples_than_can_be_compared_are_drawn_from(tmp_path, monkeypatch):
    monkeypatch.setattr("attar.exploration.MOST", 25)
    done = attar.explore(table(), out=tmp_path / "run")
    assert done.facts.n == 40
    assert len(done.facts.ids) == 25
    assert "25 of 40 samples, drawn at random, are looked at" in done.facts.notes
