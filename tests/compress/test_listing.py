from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attar.compress import listing
from attar.compress.program import listed, stored_names
from attar.compress.tracing import traced
from attar.errors import CompressionError

GOOD = [[["linear", "%", "#", "#"], ["relu", "%"]], [["0.weight", [4, 3], "c"], ["0.bias", [4]]], ["float32", [3]]]


def changed(path, value):
    whole = json.loads(json.dumps(GOOD))
    part = whole
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return json.dumps(whole)


def test_text_and_back_is_the_same_program() -> None:
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(3, 3), nn.LSTM(3, 4, batch_first=True)

        def forward(self, x):
            h = self.two(self.one(self.one(x)))[0]
            return h.mean(1).to(torch.float64), h.flatten(1) + x.sum()

    program = traced(Twice(), torch.randn(1, 5, 3))
    kinds = [listing.Kind(name, tuple(p.shape), "parameter") for name, p in program.named_parameters()]
    kinds.sort(key=lambda kind: stored_names(program).index(kind.name))
    text = listing.text(program, kinds)
    again, read = listing.read(text, "a.attar")
    assert read == kinds
    assert (listed(again).steps, listed(again).outputs) == (listed(program).steps, listed(program).outputs)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((0, 0, 0), "system"),
        ((0, 0, 0), "relu_"),
        ((0, 0, 0), "__import__"),
        ((0, 0, 0), None),
        ((0, 0, 1), "%1"),
        ((0, 1, 1), "%2"),
        ((0, 0, 1), "%-1"),
        ((0, 0, 1), "%٣"),
        ((0, 0, 2), "#1"),
        ((0, 1, 1), "#"),
        ((0, 1, 1), "exec"),
        ((0, 1, 1), ":complex64"),
        ((0, 1, 1), 10**20),
        ((0, 1, 1), [[[[[[1]]]]]]),
        ((0, 1), ["relu", {"A b": 1}]),
        ((0, 1), []),
        ((0,), "relu"),
        ((0,), [["relu", "%"]]),
        ((1, 0, 0), "0..weight"),
        ((1, 0, 0), ["a"]),
        ((1, 0, 0), "0.bias"),
        ((1, 0, 0), "a" * 200),
        ((1, 0, 1), [4, -3]),
        ((1, 0, 1), [2**31 - 1] * 3),
        ((1, 0, 1), [True, 3]),
        ((1, 0, 1), [1] * 17),
        ((1, 0, 2), 5),
        ((1, 0, 2), "x"),
        ((1, 0, 2), "c5"),
        ((1, 0, 2), "c0"),
        ((1, 0, 2), "w:int8"),
        ((1, 0, 2), "b:object"),
        ((2,), ["float32"]),
        ((2, 0), "object"),
        ((2, 1), 3),
    ],
)
def test_what_is_not_a_program_is_refused(path, value) -> None:
    with pytest.raises(CompressionError, match=r"a\.attar: its description "):
        listing.read(changed(path, value), "a.attar")


@pytest.mark.parametrize("text", ["", "[", "{}", "[]", "null", "[[],[],[]]", "[" * 9999, "[0,0,0]", "NaN", "1" * 5000])
def test_what_is_not_a_description_is_refused(text) -> None:
    with pytest.raises(CompressionError, match=r"a\.attar: its description "):
        listing.read(text, "a.attar")


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, len(json.dumps(GOOD)) - 1), put=st.text(max_size=3), gone=st.integers(0, 3))
def test_nothing_but_a_program_or_an_error_comes_of_it(at, put, gone) -> None:
    text = json.dumps(GOOD)
    try:
        listing.read(text[:at] + put + text[at + gone :], "a.attar")
    except CompressionError:
        return
