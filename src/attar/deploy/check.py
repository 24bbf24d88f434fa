"""Is an exported file still the model that it was made from?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Floats
from attar.deploy.session import load
from attar.errors import ExportError

# 1 and an odd size find a batch dimension that was frozen on export; the rest is taken at once.
_BATCHES = (1, 7)


def check(path: str | Path, x: Floats, expected: npt.ArrayLike, tolerance: float) -> float:
    """Run the file in onnxruntime and compare its probabilities with those of the original.

    d = maxᵢₖ |pᵢₖ − qᵢₖ|

    Arguments:
        path: a model file that attar wrote.
        x: raw samples `(n, *shape)`; a table with the code of the category in categorical columns.
        expected: probabilities of the original `(n, n_classes)`.
        tolerance: the largest difference that is taken for the same model.

    Returns:
        d.

    Raises:
        ExportError: d is above the tolerance, the file answers with something that is no number, or there are not as
            many probabilities as samples.
        ModelError: the file cannot be loaded.
    """
    model, reference = load(path, threads=1), np.asarray(expected, dtype=np.float64)
    if not len(x):
        raise ExportError(f"{path}: there are no samples to compare it on: give at least one")
    if reference.shape[:1] != (len(x),):
        raise ExportError(
            f"{path}: {len(x)} samples are compared with answers of shape {reference.shape}: give as many"
        )
    sizes = [size for size in _BATCHES if size < len(x)]
    answers = [model.predict_proba(x)]
    answers += [model.predict_proba(x[:size]) for size in sizes]
    largest = 0.0
    for answer in answers:
        if reference[: len(answer)].shape != answer.shape:
            raise ExportError(f"{path}: answers with shape {answer.shape}, the original with {reference.shape}")
        difference = np.abs(answer - reference[: len(answer)]).max(axis=1)
        worst = int(np.argmax(np.nan_to_num(difference, nan=np.inf)))
        if not np.isfinite(answer[worst]).all():
            raise ExportError(
                f"{path}: the probabilities of sample {worst} are not numbers: {answer[worst].tolist()!s:.60}"
            )
        if not difference[worst] <= tolerance:
            raise ExportError(
                f"{path}: differs from its original by {difference[worst]:.2g} in a probability of sample {worst}, "
                f"in a batch of {len(answer)} (tolerance {tolerance:g})"
            )
        largest = max(largest, float(difference[worst]))
    return largest
