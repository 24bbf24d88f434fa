"""Networks as others write them, through the whole way: compressed, saved, read back, exported, compared."""

from __future__ import annotations

import copy

import numpy as np
import onnxruntime
import pytest
import torch

from attar.compress import Budget, compress, load, save, search
from attar.compress.packed import unpack
from tests.compress.zoo import SHAPES, zoo

_QUICK = ("tied", "attention", "recurrent")


@pytest.fixture(autouse=True, scope="module")
def few():
    """Without training, one size besides that of the budget."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_SHARES", (0.25,))
        yield


@pytest.mark.parametrize(
    "name", [name if name in _QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SHAPES]
)
def test_the_whole_way(name, tmp_path) -> None:
    net, x = zoo(name, 64)
    before = copy.deepcopy(net.state_dict())
    size = sum(p.numel() for p in net.parameters()) * 4
    done = compress(net, Budget(bytes=int(0.4 * size)), x, epochs=2)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values()))
    file = tmp_path / "net.attar"
    save(done.model, file)
    assert file.stat().st_size == done.chosen.bytes <= 0.4 * size
    read = load(file)
    with torch.no_grad():
        expected = done.model(x)
        assert torch.allclose(read(x), expected, atol=1e-6)
        assert torch.allclose(read(x[:1]), expected[:1], atol=1e-4)
    unpack(file, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (said,) = session.run(None, {"x": x.numpy()})
    assert np.allclose(said, expected.numpy(), atol=1e-4)
