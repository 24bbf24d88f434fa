"""Random inputs that an ONNX file runs with, for want of samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from attar.deploy.feed import Feed
from attar.deploy.session import session_of

# Sizes of axes that a file leaves open: of the first axis of an input, and of others; and how many ways are tried.
_FIRST, _OTHER = (1, 8, 64), (64, 1, 512, 576, 105, 80)
_MOST_TRIED = 3000
_TYPES = {"float": np.float32, "float16": np.float16, "double": np.float64, "bool": np.bool_}
# A number alone is most often a rate of samples a second.
_RATE = 16000
# Whole numbers are most often codes of words.
_WORDS = 20
_SCALE = 0.1
# Tensors whose sizes are tried for open axes.
_LOOKED_AT = 20


def noise(source: Path, n: int, seed: int, first: Sequence[int] = _FIRST) -> list[Feed]:
    """Draw inputs in the shapes that a model takes; where it leaves sizes open, in the first of some that it runs with.

    Numbers are normal with a standard deviation of 0.1, whole ones below 20.

    Arguments:
        source: a model file that onnxruntime opens.
        n: how many, each for one run.
        seed: of the draw.
        first: sizes of first axes that are left open, in the order in which they are tried.

    Returns:
        The inputs; fewer where it does not run with all that are drawn, none where with no size that is tried.
    """
    session, rng = session_of(source), np.random.default_rng(seed)
    shapes = [
        # Axes of one name are of one size; where they have none, each is for itself.
        [size if isinstance(size, int) and size > 0 else size or f"{i}, {j}" for j, size in enumerate(one.shape)]
        for i, one in enumerate(session.get_inputs())
    ]
    found: list[Feed] = []
    for sizes in itertools.islice(_sizes(source, shapes, first), _MOST_TRIED):
        whole = [[sizes[size] if isinstance(size, str) else size for size in shape] for shape in shapes]
        # Numbers may not suit although sizes do, such as those of nodes that there are not.
        for _ in range(2 * n):
            state = rng.bit_generator.state
            drawn = _drawn(session.get_inputs(), whole, rng)
            try:
                session.run(None, drawn)
                found.append(drawn)
            except Exception:  # another size may be right; onnxruntime's own exceptions share no public base
                if not found:
                    rng.bit_generator.state = state
                    break
            if len(found) == n:
                break
        if found:
            break
    return found


def _sizes(source: Path, shapes: Sequence[Sequence[int | str]], first: Sequence[int]) -> Iterator[dict[str, int]]:
    """Sizes of the axes that are left open, by their names."""
    model = onnx.load(source, load_external_data=False)
    weights = {size for tensor in model.graph.initializer[:_LOOKED_AT] if len(tensor.dims) > 1 for size in tensor.dims}
    of_samples = {shape[0] for shape in shapes if shape}
    opened = list(dict.fromkeys(size for shape in shapes for size in shape if isinstance(size, str)))
    tried = [first if name in of_samples else dict.fromkeys((*_OTHER, *weights)) for name in opened]
    return (dict(zip(opened, chosen)) for chosen in itertools.product(*tried))


def _drawn(inputs: Sequence[Any], shapes: Sequence[Sequence[int]], rng: np.random.Generator) -> Feed:
    return {one.name: _draw(one.type[7:-1], shape, rng) for one, shape in zip(inputs, shapes)}


def _draw(kind: str, shape: Sequence[int], rng: np.random.Generator) -> Any:
    if kind == "string":
        return np.full(shape, "some words", object)
    if kind == "bool":
        return np.ones(shape, np.bool_)
    if kind in _TYPES:
        return (_SCALE * rng.standard_normal(shape)).astype(_TYPES[kind])
    return np.array(_RATE, kind) if not shape else rng.integers(0, _WORDS, shape).astype(kind)
