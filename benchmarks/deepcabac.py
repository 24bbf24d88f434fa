"""NNCodec's coder alone, run by the Python of an environment that has nncodec: tensors in, sizes and seconds out.

    PEER/bin/python benchmarks/deepcabac.py tensors.npz

`pip install --no-deps nncodec` with numpy beside it is enough: only its compiled coder is loaded. Of the ways in which
it can write a tensor (scan orders, estimation of its contexts' rates) the smallest counts, without any header.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import numpy as np

UNARY = 11


def coder() -> Any:
    (file,) = Path(sysconfig.get_paths()["purelib"]).glob("nncodec/extensions/deepCABAC*.so")
    spec = importlib.util.spec_from_file_location("nncodec.extensions.deepCABAC", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    module = coder()
    with np.load(sys.argv[1]) as file:
        tensors = [np.ascontiguousarray(file[key], np.int32) for key in file.files]
    off = (module.HdspMode.AlwaysOff, np.zeros(0, np.int8))
    coded: list[tuple[bytes, int]] = []
    for rates, scan in itertools.product((0, 1), (0, 1)):
        encoder = module.Encoder()
        for codes in tensors:
            encoder.initCtxModels(UNARY, rates)
            rows = np.array([not row.any() for row in codes], np.int32)
            encoder.encodeLayer(codes, 0, scan if codes.ndim > 1 else 0, 1, 0, 1, rows, *off, 0, 0)
        coded.append((encoder.finish(), scan))
    data, scan = min(coded, key=lambda one: len(one[0]))
    start = time.process_time()
    decoder = module.Decoder()
    decoder.setStream(data)
    for codes in tensors:
        found = np.zeros_like(codes)
        decoder.initCtxModels(UNARY)
        decoder.decodeLayer(found, 0, scan if codes.ndim > 1 else 0, 1, 0, *off, 0, 0)
        assert np.array_equal(found, codes)
    print(json.dumps({"bytes": len(data), "seconds": time.process_time() - start}))


if __name__ == "__main__":
    main()
