"""ONNX files that others exported: bytes after `attar compress`, beside what else makes them smaller, and what is lost.

    python benchmarks/foreign.py FOLDER

Each file is packed and unpacked, and run in onnxruntime before and after on the same random samples, in the shapes that
it says it takes; where it leaves a size open, the first of some is taken that it runs with. "Lost" is the largest
difference of an output to the largest number of that output, or to 1 where that is less; "alike" the share of rows of
the first output with the largest number in the same place. Beside it: onnxruntime's `quantize_dynamic` with its own
settings, and `zstd -19` of the original, which loses nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import GraphProto
from onnxruntime.quantization import quantize_dynamic

from attar.compress.packed import pack, size_of, unpack
from attar.deploy.feed import Feed
from attar.deploy.noise import noise
from attar.errors import AttarError, first_line

# Sizes of the first axis that are tried, where it is open.
_FIRST = (8, 1, 64)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    files = sorted(parser.parse_args().folder.glob("*.onnx"))
    onnxruntime.set_default_logger_severity(4)
    print("| file | nodes | bytes | attar | lost | alike | dynamic | lost | alike | zstd −19 | packed, unpacked in |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for file in files:
        print(f"| {file.stem} | {nodes(onnx.load(file, load_external_data=False).graph)} | {row(file)} |", flush=True)


def row(file: Path) -> str:
    """What became of one file."""
    whole, inputs = size_of(file), taken(file)
    with tempfile.TemporaryDirectory() as scratch:
        small, ours, dynamic = (Path(scratch, name) for name in ("small.attar", "ours.onnx", "dynamic.onnx"))
        began = time.process_time()
        try:
            pack(file, small)
            packed = time.process_time()
            unpack(small, ours)
            took = f"{packed - began:.1f}, {time.process_time() - packed:.1f} s"
            told = f"{small.stat().st_size:,} ({whole / small.stat().st_size:.2f}×) | {lost(file, ours, inputs)}"
        except AttarError as error:
            told, took = f"{str(error).removeprefix(f'{file}: ')} | |", ""
        try:
            quantize_dynamic(file, dynamic)
            other = (
                f"{dynamic.stat().st_size:,} ({whole / dynamic.stat().st_size:.2f}×) | {lost(file, dynamic, inputs)}"
            )
        except Exception as error:  # it has errors of its own
            other = f"{first_line(error)[:60]} | |"
    tensors = onnx.load(file, load_external_data=False).graph.initializer
    beside = {entry.value for one in tensors for entry in one.external_data if entry.key == "location"}
    given = b"".join(one.read_bytes() for one in (file, *(file.parent / name for name in sorted(beside))))
    zstd = len(subprocess.run(["zstd", "-19", "-c", "-q"], input=given, capture_output=True, check=True).stdout)
    return f"{whole:,} | {told} | {other} | {zstd:,} ({whole / zstd:.2f}×) | {took}"


def nodes(graph: GraphProto) -> int:
    """Nodes, those of branches and loops too."""
    inner = [one.g for node in graph.node for one in node.attribute if one.HasField("g")]
    return len(graph.node) + sum(map(nodes, inner))


def lost(file: Path, other: Path, inputs: Feed | None) -> str:
    """How much the outputs of another file differ."""
    if inputs is None:
        return "not run |"
    try:
        before, after = (_session(one).run(None, inputs) for one in (file, other))
    except Exception as error:  # onnxruntime's own exceptions share no public base
        return f"does not run: {first_line(error)[:60]} |"
    most = 0.0
    for a, b in zip(before, after, strict=True):
        if np.shape(a) != np.shape(b):
            return "another shape |"
        one, two = np.asarray(a, np.float64), np.asarray(b, np.float64)
        most = max(most, float(np.abs(one - two).max(initial=0)) / max(1.0, float(np.abs(one).max(initial=0))))
    kind = np.asarray(before[0]).dtype.kind
    alike = kind == "f" and before[0].ndim > 1 and before[0].shape[-1] > 1
    agreed = f"{100 * float((before[0].argmax(-1) == after[0].argmax(-1)).mean()):.1f} %" if alike else ""
    return f"{100 * most:.2f} % | {agreed}"


def taken(file: Path) -> Feed | None:
    """Random samples that a file runs with."""
    return next(iter(noise(file, 1, 0, _FIRST)), None)


def _session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
