"""Code a network by NNCodec at several quantisation parameters; runs in an environment that has `nncodec`.

    PYTHON benchmarks/nncodec_files.py network.npz FOLDER -32 -28 -24

For each parameter it prints the bytes of the bitstream, and writes what is decoded from it to FOLDER/PARAMETER.npz.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import io
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

# What NNCodec imports for its own image pipelines, and does not need here.
UNUSED = ("torchvision", "cv2", "PIL", "wandb", "flwr", "timm", "tensorflow", "pandas", "h5py", "ptflops")


class Unused(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers an import with something that accepts everything."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if name.partition(".")[0] in UNUSED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> MagicMock:
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__ = [], spec
        return module

    def exec_module(self, module: object) -> None:
        pass


def main() -> None:
    """Code, decode, print."""
    sys.meta_path.insert(0, Unused())
    from nncodec import nn

    tensors, folder = dict(np.load(sys.argv[1])), Path(sys.argv[2])
    for parameter in sys.argv[3:]:
        with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
            coded = nn.encode(tensors, {"qp": int(parameter), "results": scratch, "verbose": False})
            decoded = nn.decode(coded, {"verbose": False})
        np.savez(folder / f"{parameter}.npz", **decoded)
        print(parameter, len(coded), flush=True)


if __name__ == "__main__":
    main()
