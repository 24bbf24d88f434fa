"""Parts of lightly and Lightning to compare with, which live outside of attar's environment.

    pip install --target PEERS --no-deps lightly "lightning>=2.5,!=2.6.2,!=2.6.3" torchmetrics
    ATTAR_PEERS=PEERS python benchmarks/…

lightly wants torchvision, which has no build for every torch. What is compared here needs nothing of it, so only those
files of lightly are imported that stand without it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


def peers() -> tuple[Any, Any, Any]:
    """`lightly.loss.NTXentLoss`, `lightly.models.modules.SimCLRProjectionHead`, and `lightning.pytorch`."""
    folder = Path(os.environ.get("ATTAR_PEERS", ""))
    if not (folder / "lightly").is_dir() or not (folder / "lightning").is_dir():
        sys.exit(f"skipped: no peers under ATTAR_PEERS={str(folder)!r}; {__doc__.splitlines()[2].strip()}")
    sys.path.append(str(folder))
    lightning = import_module("lightning.pytorch")
    for name in ("lightly", "lightly.loss", "lightly.models", "lightly.models.modules"):
        # Without running their `__init__`, which imports all that needs torchvision.
        package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = package
    try:
        import torchvision  # noqa: F401
    except ImportError:
        for name in ("torchvision", "torchvision.ops"):
            sys.modules[name] = ModuleType(name)
        sys.modules["torchvision.ops"].StochasticDepth = object  # type: ignore[attr-defined]
    return (
        import_module("lightly.loss.ntx_ent_loss").NTXentLoss,
        import_module("lightly.models.modules.heads").SimCLRProjectionHead,
        lightning,
    )
