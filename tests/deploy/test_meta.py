import dataclasses
import json

import pytest

from attar.data.dataset import Column
from attar.deploy.meta import Extra, ModelMeta
from attar.errors import ModelError

META = ModelMeta(
    "table",
    (2,),
    ("ja", "nein", "häh?"),
    (Column("größe"), Column("color", ("red", "", "grün"))),
    version="0.1.0",
    extra={"dim": 16, "temperature": 0.5, "encoder": "convnet"},
)


def test_round_trip() -> None:
    assert ModelMeta.from_json(META.to_json()) == META


@pytest.mark.parametrize(("name", "said"), [("first", "day"), ("signs", ",."), ("unit", "kg")])
def test_how_cells_were_written_is_kept_only_where_it_is_known(name: str, said: str) -> None:
    raw = json.loads(META.to_json())
    raw["columns"][0][name] = said
    meta = ModelMeta.from_json(json.dumps(raw))
    assert getattr(meta.columns[0], name) == said
    assert ModelMeta.from_json(meta.to_json()) == meta
    assert said in meta.to_json()
    assert name not in META.to_json()


def test_equal_descriptions_have_the_same_text() -> None:
    other = dataclasses.replace(META, extra=dict(reversed(META.extra.items())))
    assert other.to_json() == META.to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"format": None},
        {"format": True},
        {"format": "1"},
        {"kind": 3},
        {"kind": ""},
        {"shape": []},
        {"shape": [0]},
        {"shape": [2.5]},
        {"shape": [True]},
        {"shape": "2"},
        {"shape": [3]},
        {"classes": ["a"]},
        {"classes": ["a", "a"]},
        {"classes": [1, 2]},
        {"classes": {"a": 0}},
        {"columns": 3},
        {"columns": [{"name": "a"}, {"name": "b"}]},
        {"columns": [{"name": "a", "categories": []}, {"name": "a", "categories": []}]},
        {"columns": [{"name": "a", "categories": []}, {"name": "b", "categories": ["u", "u"]}]},
        {"columns": [{"name": "a", "categories": [], "first": "year"}, {"name": "b", "categories": []}]},
        {"columns": [{"name": "a", "categories": [], "first": ["day"]}, {"name": "b", "categories": []}]},
        {"columns": [{"name": "a", "categories": [], "signs": ";"}, {"name": "b", "categories": []}]},
        {"columns": [{"name": "a", "categories": [], "signs": ",,"}, {"name": "b", "categories": []}]},
        {"columns": [{"name": "a", "categories": [], "unit": 1}, {"name": "b", "categories": []}]},
        {"kind": "text"},
        {"kind": "text", "columns": []},
        {"kind": "text", "columns": [{"name": "a", "categories": [], "tokenizer": ""}]},
        {"extra": []},
        {"extra": {"a": [1]}},
        {"extra": {"a": True}},
        {"extra": {"a": None}},
        {"version": None},
        {"surprise": 1},
    ],
)
def test_hostile_descriptions_are_refused(change: dict[str, object]) -> None:
    raw = json.loads(META.to_json()) | change
    with pytest.raises(ModelError, match="export the model again"):
        ModelMeta.from_json(json.dumps(raw))


@pytest.mark.parametrize(
    ("kind", "shape", "extra"),
    [
        ("series", (5,), {}),
        ("image", (5,), {}),
        ("table", (5, 2), {}),
        ("graph", (5,), {"hops": 10**12}),
        ("graph", (5,), {"hops": "two"}),
        ("series", (1, 5), {"stride": "x"}),
        ("series", (1, 5), {"stride": 2.5}),
        ("series", (1, 5), {"rate": "x"}),
        ("series", (1, 5), {"rate": -3.0}),
        ("series", (1, 5), {"rate": 10**400}),
        ("graph", (1,), {"units": "[[1,2]]"}),
        ("table", (2,), {"units": "x"}),
        ("table", (2,), {"units": "7"}),
        ("table", (2,), {"units": "[[1,2]]"}),
        ("table", (2,), {"units": "[[1,2],[3]]"}),
        ("table", (2,), {"units": '[[1,2],["a",2]]'}),
        ("table", (2,), {"ignored": "zip"}),
        ("table", (2,), {"ignored": "[1]"}),
        ("table", (2,), {"ignored": "3"}),
    ],
)
def test_what_models_read_of_a_description_is_judged_before(kind: str, shape: tuple[int, ...], extra: Extra) -> None:
    raw = {"kind": kind, "shape": shape, "classes": ["a", "b"], "columns": [], "version": "", "format": 1}
    with pytest.raises(ModelError, match="export the model again"):
        ModelMeta.from_json(json.dumps(raw | {"extra": extra}))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "{", "[" * 100_000, '{"format":1}', '{"format":NaN}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ModelError):
        ModelMeta.from_json(text)


def test_a_number_that_is_not_finite_is_refused() -> None:
    text = META.to_json().replace('"temperature":0.5', '"temperature":NaN')
    with pytest.raises(ModelError, match="finite"):
        ModelMeta.from_json(text)


def test_a_newer_format_says_upgrade() -> None:
    raw = json.loads(META.to_json()) | {"format": 2, "version": "9.0", "unheard": "of"}
    with pytest.raises(ModelError, match=r"upgrade attar .*9\.0"):
        ModelMeta.from_json(json.dumps(raw))
