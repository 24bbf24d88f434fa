"""Train on the processor and on a simulated device, and print by how much what is learnt differs, as JSON.

python compare.py LIBRARY    # device.cpp, compiled
"""

from __future__ import annotations

import json
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits, load_wine
from torch import Tensor, nn

from attar.adapt.finetune import fine_tune, train_from_scratch
from attar.compress import distill, distillation
from attar.data.arrays import from_arrays
from attar.kinds import of
from attar.represent import BYOL, CCASSG, TSTCC, Autoencoder, Masked, MoCo, SimCLR
from attar.training import loop

# What is learnt on a device, as modules.
Learnt = Callable[[str], list[nn.Module]]


def main() -> None:
    """Everything that is trained, once on each."""
    plug_in(sys.argv[1])
    torch.set_num_threads(1)
    differences = {}
    for name, learnt in (*pretexts(), *networks()):
        # Sums over edges are those of a sparse matrix, which the device does not know, but for what is exported.
        torch.onnx.is_in_onnx_export = partial(bool, "graph" in name)
        there, here = (weights(learnt(device)) for device in ("simulated", "cpu"))
        differences[name] = float((there - here).abs().max())
    print(json.dumps(differences))


def plug_in(library: str) -> None:
    """Make the device known to torch, and attar train on it."""
    torch.utils.rename_privateuse1_backend("simulated")
    torch.ops.load_library(library)
    module: Any = types.ModuleType("simulated")
    module.is_available = module.is_initialized = lambda: True
    module.device_count, module.current_device = lambda: 1, lambda: 0
    module._is_in_bad_fork = lambda: False
    module.get_rng_state = lambda _: torch.ops.simulated.state()
    module.set_rng_state = lambda state, _: torch.ops.simulated.set_state(state)
    module.get_amp_supported_dtype = list
    torch._register_device_module("simulated", module)
    device_of, fabric = loop.device_of, loop._fabric
    for caller in (loop, distillation):
        caller.device_of = lambda name: torch.device("simulated", 0) if name == "simulated" else device_of(name)
    # Fabric has accelerators of its own, which in single precision it asks for nothing.
    loop._fabric = lambda precision, _: fabric(precision, torch.device("cpu"))


def weights(modules: list[nn.Module]) -> Tensor:
    """Parameters and buffers, all of which are back on the processor."""
    held = [t for module in modules for t in module.state_dict().values()]
    assert all(t.device.type == "cpu" for t in held)
    return torch.cat([t.flatten().double() for t in held])


def pretexts() -> Iterator[tuple[str, Learnt]]:
    """Every pretext on every kind that it is for."""
    settings: dict[str, Any] = {"width": 8, "epochs": 2, "batch_size": 32, "random_state": 0}
    for name, x, kind in samples():
        for pretext in (SimCLR, MoCo, BYOL, CCASSG, Autoencoder, Masked, *([TSTCC] if name == "series" else [])):

            def learnt(device: str, pretext: Any = pretext, x: Any = x, kind: Any = kind) -> list[nn.Module]:
                return [pretext(16, device=device, kind=kind, **settings).fit(x).encoder_]

            yield f"{pretext.__name__} of {name}", learnt


def samples() -> Iterator[tuple[str, Any, Any]]:
    """A few of each kind."""
    rng = np.random.default_rng(0)
    table = load_wine().data[:90]
    table[4, 2] = np.nan
    texts = [f"the {a} of {b} is {c}" for a in ("cat", "dog") for b in ("ann", "bob", "eve") for c in range(12)]
    edges = rng.integers(0, 70, (2, 200))
    graph = types.SimpleNamespace(x=rng.random((70, 12), dtype=np.float32), edge_index=edges)
    series = rng.standard_normal((80, 3, 40)).cumsum(2)
    series[3, :, 30:] = np.nan
    for name, given in (
        ("image", load_digits().images[:96]),
        ("series", series),
        ("table", table),
        ("text", texts),
        ("graph", graph),
    ):
        found = from_arrays(given, None, kind=name)
        yield name, found.x, of(name).learn(found.x, found.columns)


def networks() -> Iterator[tuple[str, Learnt]]:
    """Networks that learn from labels, and students."""
    digits = load_digits()
    images, y, kind = digits.images[:96].astype(np.float32), digits.target[:96], of("image").learn(digits.images[:96])
    yield "from scratch", lambda device: [train_from_scratch(kind, 10, images, y, steps=5, width=8, device=device)]
    yield (
        "fine-tuned",
        lambda device: [
            fine_tune(kind.encoder(16, 8), nn.Linear(16, 10), kind, images, y, steps=5, device=device)
            for _ in [torch.manual_seed(0)]
        ],
    )
    x, labels = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, -1] * 16)
    for more in ({}, {"y": labels}, {"features": {"1": "1"}}):

        def student(device: str, more: Any = more) -> list[nn.Module]:
            torch.manual_seed(0)
            teacher, small = (nn.Sequential(nn.Linear(8, w), nn.Dropout(), nn.Linear(w, 3)) for w in (16, 6))
            distill(small, teacher, x, epochs=3, batch_size=16, device=device, **more)
            return [small, teacher]

        yield " ".join(("distilled", *more)), student

    def resumed(device: str) -> list[nn.Module]:
        torch.manual_seed(0)
        net, asked = nn.Sequential(nn.Linear(8, 16), nn.Dropout(), nn.Linear(16, 3)), partial(x.to, device)
        with tempfile.TemporaryDirectory() as folder:
            # On the processor at once.
            for until in (4, None) if device == "simulated" else (None,):
                loop.train(
                    net,
                    lambda batch, _: net(asked()[batch]).square().mean(),
                    len(x),
                    epochs=2,
                    batch_size=8,
                    device=device,
                    checkpoint=Path(folder, "checkpoint"),
                    until=until,
                )
        return [net]

    yield "stopped and resumed", resumed


if __name__ == "__main__":
    main()
