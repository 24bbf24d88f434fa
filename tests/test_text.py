"""Texts through the whole house: fit, report, predict without torch, a backbone."""

import csv
import json

import numpy as np
import onnx
import pandas as pd
import pytest

import attar
from attar import Learner
from attar.candidates import _backbone
from attar.data.arrays import from_arrays
from attar.deploy.graph import write
from attar.deploy.meta import KEY
from attar.errors import LabelError, ModelError
from attar.job import _job
from tests.cli.conftest import call
from tests.test_house import CLI, loaded_by

TOPICS = {
    "garden": ["rose", "spade", "soil", "seed", "hedge", "pond", "moss", "fern"],
    "sea": ["wave", "sail", "reef", "tide", "crab", "gull", "buoy", "kelp"],
}


def letters(n: int = 90, seed: int = 0) -> tuple[list[str], list[str]]:
    """Sentences on two topics that share their other words."""
    rng = np.random.default_rng(seed)
    topics = [list(TOPICS)[i % 2] for i in range(n)]
    texts = [
        " ".join(word for i in range(rng.integers(3, 9)) for word in (rng.choice(TOPICS[topic]), "and then the"))
        for topic in topics
    ]
    return texts, topics


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    texts, topics = letters()
    known = np.where(np.arange(90) < 12, topics, "")
    run = tmp_path_factory.mktemp("texts") / "run"
    return Learner("40KB", time=1, run=run).fit(texts, known)


def test_a_model_under_the_budget_knows_the_topics(learner):
    texts, topics = letters(60, seed=1)
    assert learner.score(texts, topics) > 0.9
    assert learner.facts_.kind == "text"
    assert learner.facts_.model_bytes <= 40_000
    names = [row.name for row in learner.leaderboard_]
    assert {"tf-idf + linear", "tf-idf + svd + linear"} <= {row.name for row in learner.leaderboard_ if row.baseline}
    assert not any("convolutions" in name or name.startswith(("raw", "pca")) for name in names)


def test_it_takes_what_texts_there_are(learner):
    odd = ["", None, "🐝 never seen", "the sea " * 5000, "\0"]
    p = learner.predict_proba(odd)
    assert np.isfinite(p).all()
    np.testing.assert_array_equal(p[0], p[1])
    np.testing.assert_allclose(learner.predict_proba(np.array(["a tide"])), learner.predict_proba(["a tide"]))
    column = pd.DataFrame({"words": ["a tide"]})
    message = pd.DataFrame({"foo": ["x"], "Message": ["a tide"], "review": ["y"]})
    for same in (
        message,
        column,
        column.assign(text="").rename(columns={"words": "text", "text": "other"}),
        [["a tide"]],
    ):
        np.testing.assert_allclose(learner.predict_proba(same), learner.predict_proba(["a tide"]))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([1.0, 2.0], "type float"),
        (np.zeros((2, 3)), "the model wants"),
        ("one text", "one text alone: give a list of strings"),
        ([["a", "b"]], "give a list of strings"),
        ([b"a tide"], "type bytes"),
        (np.array([b"a tide"]), "type bytes"),
        (pd.DataFrame({"a": ["a tide"], "b": ["x"]}), "no column 'text': call that of the texts so, or"),
    ],
)
def test_what_is_no_text_is_refused(learner, wrong, says):
    with pytest.raises(ModelError, match=says):
        learner.predict(wrong)


def test_a_table_of_texts_predicts_itself():
    texts, topics = letters(40)
    table = pd.DataFrame({"words": texts})
    assert Learner(time=1, pretexts=()).fit(table, topics).score(table, topics) > 0.8


def test_the_input_is_token_ids_of_plain_onnxruntime(learner, tmp_path):
    import onnxruntime

    session = onnxruntime.InferenceSession(learner.export(tmp_path / "m.onnx"))
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("input_ids", "tensor(int64)", [learner.facts_.shape[0]])
    feed = learner.model_.feed(["a tide and a crab"])
    (p,) = session.run(None, dict(feed))
    np.testing.assert_allclose(p, learner.predict_proba(["a tide and a crab"]), atol=1e-6)


def test_the_report_shows_the_first_words(learner):
    page = (learner.run / "report.html").read_text()
    assert "tf-idf" in page
    point = learner.facts_.latent[0]
    assert "and then" in point.thumbnail
    assert point.thumbnail.startswith("<svg")


def test_the_command_line_predicts_without_torch(learner, tmp_path):
    texts, _ = letters(20, seed=2)
    learner.export(tmp_path / "m.onnx")
    with (tmp_path / "new.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "words"])
        rows.writerows([f"n{i}", text] for i, text in enumerate(texts))
    loaded = loaded_by(CLI, "predict", "m.onnx", "new.csv", cwd=tmp_path)
    assert not loaded & {"torch", "sklearn", "scipy", "pandas", "onnx", "lightning_fabric", "datasets"}
    written = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert [row["id"] for row in written] == [f"n{i}" for i in range(20)]
    assert [row["label"] for row in written] == learner.predict(texts).tolist()
    assert attar.load(tmp_path / "m.onnx").predict(texts).tolist() == learner.predict(texts).tolist()


@pytest.mark.parametrize(
    ("tokenizer", "says"),
    [("", "its texts have no tokenizer"), ('{"form": "bpe", "merges": "AAAA"}', "not one that attar wrote")],
)
def test_a_file_without_a_sound_tokenizer_is_refused_in_one_line(learner, tmp_path, tokenizer, says):
    file = onnx.load(learner.export(tmp_path / "m.onnx"))
    (said,) = (entry for entry in file.metadata_props if entry.key == KEY)
    raw = json.loads(said.value)
    raw["columns"][0]["tokenizer"] = tokenizer
    said.value = json.dumps(raw)
    write(file, tmp_path / "bad.onnx")
    with pytest.raises(ModelError, match=says) as caught:
        attar.load(tmp_path / "bad.onnx").predict(["a tide"])
    assert "\n" not in str(caught.value)
    (tmp_path / "a.txt").write_text("a tide")
    called = call("predict", tmp_path / "bad.onnx", tmp_path / "a.txt", "-o", tmp_path / "p.csv")
    assert called.code == 2
    assert says in called.complaint


def test_one_text_or_one_class_is_too_little():
    with pytest.raises(LabelError):
        Learner(time=1).fit(["one text"], ["a"])
    with pytest.raises(LabelError):
        Learner(time=1).fit(["a text", "another one"], ["a", "a"])


def test_a_backbone_brings_its_tokenizer_into_its_file(tmp_path, plan):
    transformers = pytest.importorskip("transformers", reason="needs the extra backbone")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = sorted({word for text in letters()[0] for word in text.split()})
    fast = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["[PAD]", "[UNK]", *words])}, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.save(str(tmp_path / "tokenizer.json"))
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words) + 2, **sizes)).save_pretrained(tmp_path)

    texts, topics = letters()
    dataset = from_arrays(texts, np.where(np.arange(90) < 12, topics, ""))
    job, _ = _job(dataset, plan.model_copy(update={"backbone": f"hf:{tmp_path}"}), 0, None)
    result = _backbone(job, tmp_path / "stage")
    assert result.facts["candidates"][0]["name"] == "pretrained + linear"
    assert not any(facts["baseline"] for facts in result.facts["candidates"])
    model = attar.load(tmp_path / "stage" / "0.onnx")
    np.testing.assert_allclose(model.predict_proba(job.kind.given(job.x)), result.arrays["0.everything"], atol=1e-4)
    assert model.columns != job.meta.columns
