"""What a model file costs: bytes on disk, and time for one sample on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attar.deploy.session import load
from attar.errors import ModelError

_BLOCKS = 5
# Seconds of all repeats: of a slow model, few say as much.
_LONG = 1.0


@dataclass(frozen=True)
class Measurement:
    """What a model file costs.

    Arguments:
        bytes: size of the file.
        latency_ms: median time of one sample, one thread, in milliseconds.
    """

    bytes: int
    latency_ms: float


def measure(path: str | Path, x: Any, repeats: int = 100) -> Measurement:
    """Measure a model file in onnxruntime, after a warm-up.

    The repeats are taken in five blocks and the smallest of the blocks' medians counts: whatever else the
    machine does can only slow a block down.

    Arguments:
        path: a model file that attar wrote.
        x: samples as `Model.predict_proba` takes them; the first is used.
        repeats: rounded up to a multiple of five; fewer where they take longer than a second, five at least.

    Raises:
        ModelError: the file cannot be loaded, or there is no sample, or it does not suit the file.
    """
    model = load(path, threads=1)
    feed = model.feed(x[:1])
    if not all(map(len, feed.values())):
        raise ModelError(f"{path}: there is no sample to measure the time of: give one")
    return Measurement(Path(path).stat().st_size, latency(lambda: model.run(feed), repeats))


def latency(run: Callable[[], object], repeats: int = 100) -> float:
    """Milliseconds of a call, as `measure` takes them."""
    start = time.perf_counter()
    run()
    affordable = int(_LONG / _BLOCKS / max(time.perf_counter() - start, 1e-9))
    per_block = max(1, min(-(-repeats // _BLOCKS), affordable))
    for _ in range(min(10, per_block) - 1):
        run()
    medians = []
    for _ in range(_BLOCKS):
        times = []
        for _ in range(per_block):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        medians.append(float(np.median(times)))
    return 1000 * min(medians)
