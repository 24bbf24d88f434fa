"""Devices: what is refused, and that what is trained on another one is what is trained on the processor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.cpp_extension import include_paths

from attar import Learner
from attar.errors import DataError
from attar.nets.nodes import Nodes
from attar.represent import SimCLR
from attar.training.devices import device_of, precision_of

GPU = torch.cuda.is_available()
SIMULATED = Path(__file__).parent / "simulated"


@pytest.mark.parametrize("name", ["gpu", "mps", 0, None, "meta", "cpu,cuda"])
def test_what_is_not_trained_on_is_refused(name: Any) -> None:
    with pytest.raises(DataError, match=r'device is .*: give "cpu", "cuda", "cuda:1" or "auto"'):
        device_of(name)


@pytest.mark.parametrize(
    ("capabilities", "layer", "values", "expected"),
    [
        ({"avx512_bf16": True}, torch.nn.Conv2d(1, 1, 3), 2**20, "bf16-mixed"),
        ({"amx_bf16": True}, torch.nn.Conv1d(1, 1, 3), 2**20, "bf16-mixed"),
        ({"avx512_bf16": True}, torch.nn.Conv2d(1, 1, 3), 2**20 - 1, "32-true"),
        ({"avx512_bf16": True}, torch.nn.Linear(1, 1), 2**20, "32-true"),
        ({"avx512_bf16": False, "avx512_f": True}, torch.nn.Conv2d(1, 1, 3), 2**20, "32-true"),
    ],
)
def test_short_numbers_for_much_data_convolutions_and_processors_that_have_them(
    capabilities: dict[str, bool], layer: torch.nn.Module, values: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    network = torch.nn.Sequential(torch.nn.Identity(), layer)
    assert precision_of("auto", network, values, "cpu") == expected
    assert precision_of("32-true", network, values, "cpu") == "32-true"


def test_a_pretext_trains_in_the_precision_that_its_data_call_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr("attar.training.devices._LITTLE", 2000)
    x = np.random.default_rng(0).random((40, 8, 8), dtype=np.float32)

    def trained(n: int, **settings: Any) -> torch.Tensor:
        encoder = SimCLR(8, width=4, epochs=1, batch_size=8, random_state=0, **settings).fit(x[:n]).encoder_
        return torch.nn.utils.parameters_to_vector(encoder.parameters()).detach()

    assert torch.equal(trained(40), trained(40, precision="bf16-mixed"))
    assert not torch.equal(trained(40), trained(40, precision="32-true"))
    assert torch.equal(trained(30), trained(30, precision="32-true"))


@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    assert device_of("auto") == torch.device("cpu")
    x = np.random.default_rng(0).random((40, 8, 8), dtype=np.float32)
    with pytest.raises(DataError, match=r"device is 'cuda', and torch .* finds no GPU here"):
        SimCLR(16, width=4, epochs=1, device="cuda").fit(x)
    with pytest.raises(DataError, match=r"device is 'cuda:1', and torch .* finds no GPU here"):
        Learner(device="cuda:1").fit(x, np.arange(40) % 2)


def test_nodes_take_their_edges_along() -> None:
    nodes = Nodes.of(torch.zeros(3, 2), torch.tensor([[0, 1], [1, 2]]), seeds=torch.tensor([1]))
    moved = nodes.to("meta")
    assert {moved.device.type, moved.edge_index.device.type, moved.seeds.device.type} == {"meta"}
    halved = nodes.to(torch.float16)
    assert (halved.dtype, halved.edge_index.dtype, halved.sizes) == (torch.float16, torch.long, (3,))


def _compiles() -> bool:
    if shutil.which("g++") is None:
        return False
    return subprocess.run(["g++", "-std=c++20", "-fsyntax-only", "-x", "c++", "/dev/null"], check=False).returncode == 0


@pytest.mark.slow
def test_another_device_learns_the_same(tmp_path: Path) -> None:
    if sys.platform != "linux" or not _compiles():
        pytest.skip("no g++ of C++20 to compile the simulated device with")
    library = tmp_path / "device.so"
    libraries = Path(torch.__file__).parent / "lib"
    headers = [f"-I{path}" for path in include_paths()]
    compiled = ["g++", "-O0", "-w", "-shared", "-fPIC", "-std=c++20", *headers, str(SIMULATED / "device.cpp")]
    subprocess.run([*compiled, "-o", str(library), f"-L{libraries}", "-ltorch_cpu", "-lc10"], check=True)
    command = [sys.executable, "-W", "ignore", str(SIMULATED / "compare.py"), str(library)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    differences = json.loads(ran.stdout)
    assert len(differences) > 30
    # Attention is computed in another order there.
    assert max(differences.values()) < 0.01, differences
    assert differences["stopped and resumed"] == 0


@pytest.mark.skipif(not GPU, reason="there is no GPU")
def test_a_gpu_learns_what_the_processor_does() -> None:
    x = load_digits().images[:256]
    fits = [SimCLR(16, width=8, epochs=5, batch_size=64, device=d, random_state=0).fit(x) for d in ("cpu", "cuda")]
    assert all(p.device.type == "cpu" for p in fits[1].encoder_.parameters())
    # Other numbers are drawn.
    assert fits[1].loss_curve_[-1] == pytest.approx(fits[0].loss_curve_[-1], rel=0.2)
