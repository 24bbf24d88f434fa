"""What compressors are compared by: quantisers of ONNX files, what a file answers, and a row for each.

Milliseconds are the least CPU time of 20 runs on one thread, in onnxruntime, and in torch for a module; a change is
accuracy on the test part minus that of float32, in points; seconds are CPU time that a tool takes.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from onnxruntime import quantization as ort
from torch import nn

Feed = dict[str, Any]
CALIBRATION = 256
_RUNS = 20
HEADER = (
    "| network | tool | bytes | change | batch of 1, ms | batch of 64, ms | seconds |\n|---|---|--:|--:|--:|--:|--:|"
)


def begin() -> None:
    """Other tools on the path where there are some, one thread, nothing that is no row; and the head of the table."""
    sys.path.append(os.environ.get("ATTAR_PEERS", ""))
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print(HEADER)


def tools(file: Path, feeds: list[Feed], *, transformer: bool) -> Iterable[tuple[str, Callable[[Path], Any]]]:
    """Quantisers of ONNX files."""
    made = file.with_name("prepared.onnx")
    ort.quant_pre_process(str(file), str(made), skip_symbolic_shape=True)

    class Reader(ort.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> Feed | None:
            return next(self.left, None)

    def static(out: Path, method: str) -> None:
        way = ort.CalibrationMethod[method]
        ort.quantize_static(str(made), str(out), Reader(), per_channel=True, calibrate_method=way)

    # Its pages recommend static ranges for convolutions and dynamic ones for transformers.
    for method in () if transformer else ("MinMax", "Entropy", "Percentile"):
        yield f"onnxruntime, quantize_static, {method}", partial(static, method=method)
    if transformer:
        dynamic = partial(ort.quantize_dynamic, str(file))
        yield "onnxruntime, quantize_dynamic", dynamic
        yield "onnxruntime, quantize_dynamic, per channel", partial(dynamic, per_channel=True, reduce_range=True)
    try:
        nncf = import_module("nncf")
    except ImportError:
        return
    kind = {"model_type": nncf.ModelType.TRANSFORMER} if transformer else {}
    yield (
        "NNCF, quantize",
        lambda out: onnx.save(nncf.quantize(onnx.load(file), nncf.Dataset(feeds), subset_size=len(feeds), **kind), out),
    )


def runner(model: Any) -> Callable[[Feed], Any]:
    """What answers a batch: a session on a file, or a module."""
    if isinstance(model, nn.Module):
        return lambda feed: model(*map(torch.tensor, feed.values())).numpy()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)[0]


@torch.inference_mode()
def answers(model: Any, feeds: list[Feed]) -> list[Any]:
    """The answers to all batches."""
    return list(map(runner(model), feeds))


@torch.inference_mode()
def shown(
    network: str,
    accuracy: Callable[[Any], float],
    batches: tuple[Feed, Feed],
    tool: str,
    make: Callable[[Path], Any],
    reference: float,
) -> float:
    """Make a file, print its row, and return its accuracy; a tool that fails is a row that says so."""
    out = Path(f"{network}-made.onnx").absolute()
    begun = time.process_time()
    try:
        with torch.enable_grad():
            result = make(out)
        taken = time.process_time() - begun
        model = result if isinstance(result, nn.Module) else out
        right = accuracy(model)
    except Exception as error:  # whatever the tools raise
        print(f"| {network} | {tool} | fails: {type(error).__name__}: {str(error)[:80]} | | | | |", flush=True)
        return 0.0
    run, least = runner(model), []
    for batch in batches:
        times = []
        for _ in range(_RUNS):
            start = time.process_time()
            run(batch)
            times.append(time.process_time() - start)
        least.append(1000 * min(times))
    change = f"{right - reference:+.2f}" if reference else f"{right:.2f} %"
    size = out.stat().st_size
    print(f"| {network} | {tool} | {size:,} | {change} | {least[0]:.3f} | {least[1]:.2f} | {taken:.1f} |", flush=True)
    out.unlink()
    return right
