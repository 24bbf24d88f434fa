import numpy as np
import pytest

from attar.data.axes import pad

rng = np.random.default_rng(0)


def test_pad_keeps_every_value() -> None:
    items = [rng.normal(size=(2, k)) for k in (3, 1, 6)]
    x = pad(items, ["a", "b", "c"], "x")
    for row, item in zip(x, items, strict=True):
        assert np.array_equal(row[:, : item.shape[1]], item)
        assert np.isnan(row[:, item.shape[1] :]).all()


@pytest.mark.parametrize(("kinds", "kind"), [("ff", "f"), ("fd", "d"), ("ii", "d")])
def test_recordings_are_padded_in_as_many_bits_as_they_have(kinds: str, kind: str) -> None:
    assert pad([np.ones(n, dtype) for n, dtype in zip((3, 5), kinds)], ["a", "b"], "x").dtype.char == kind
