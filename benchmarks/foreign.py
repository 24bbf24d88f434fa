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
import itertools
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import GraphProto
from onnxruntime.quantization import quantize_dynamic

from attar.compress.packed import pack, size_of, unpack
from attar.errors import AttarError, first_line

# Sizes of axes that a file leaves open: of the first axis of an input, and of others; and how many ways are tried.
_FIRST, _OTHER = (8, 1, 64), (64, 1, 512, 576, 105, 80)
_MOST_TRIED = 3000
_TYPES = {"float": np.float32, "float16": np.float16, "double": np.float64, "bool": np.bool_}
# A number alone is most often a rate of samples a second.
_RATE = 16000

Inputs = dict[str, Any]


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


def lost(file: Path, other: Path, inputs: Inputs | None) -> str:
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


def taken(file: Path) -> Inputs | None:
    """Random samples that a file runs with."""
    session, model = _session(file), onnx.load(file, load_external_data=False)
    inputs = session.get_inputs()
    weights = {n for tensor in model.graph.initializer[:20] if len(tensor.dims) > 1 for n in tensor.dims}
    # Axes of one name are of one size; where they have none, each is for itself.
    shapes = [
        [n if isinstance(n, int) and n > 0 else n or f"{i}, {j}" for j, n in enumerate(one.shape)]
        for i, one in enumerate(inputs)
    ]
    first = {shape[0] for shape in shapes if shape}
    opened = list(dict.fromkeys(n for shape in shapes for n in shape if isinstance(n, str)))
    sizes = [_FIRST if name in first else dict.fromkeys((*_OTHER, *weights)) for name in opened]
    for chosen in itertools.islice(itertools.product(*sizes), _MOST_TRIED):
        known = dict(zip(opened, chosen))
        rng = np.random.default_rng(0)
        samples = {
            one.name: _sample(one.type[7:-1], [known[n] if isinstance(n, str) else n for n in shape], rng)
            for one, shape in zip(inputs, shapes)
        }
        try:
            session.run(None, samples)
            return samples
        except Exception:  # another size may be right
            continue
    return None


def _sample(kind: str, sizes: list[Any], rng: np.random.Generator) -> Any:
    if kind == "string":
        return np.full(sizes, "some words", object)
    if kind == "bool":
        return np.ones(sizes, np.bool_)
    if kind in _TYPES:
        return (0.1 * rng.standard_normal(sizes)).astype(_TYPES[kind])
    return np.array(_RATE, kind) if not sizes else rng.integers(0, 20, sizes).astype(kind)


def _session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
