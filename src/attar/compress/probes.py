"""What goes on inside an ONNX model while it answers samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from attar.data.dataset import Floats
from attar.deploy.branches import read_by
from attar.deploy.feed import Feed
from attar.deploy.graph import initializers
from attar.deploy.session import session_of

_TINY = 1e-7
# By how much the sum of probabilities may differ from 1, of all precisions.
_NEARLY = 1e-2


def channel_means(model: ModelProto, axes: Mapping[str, int], batches: Sequence[Feed]) -> dict[str, Floats]:
    """The mean of each channel of values inside the model, by their names; `axes` tells where the channels are."""
    # The sum over all but the channels, and how many numbers each channel has had.
    sums: dict[str, Floats | float] = dict.fromkeys(axes, 0.0)
    counts = dict.fromkeys(axes, 0)
    for found in inner(model, list(axes), batches):
        for (name, axis), values in zip(axes.items(), found):
            rows = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
            sums[name] = sums[name] + rows.sum(0, dtype=np.float64)
            counts[name] += len(rows)
    return {name: np.asarray(sums[name] / counts[name]) for name in axes}


def inner(model: ModelProto, names: Sequence[str], batches: Sequence[Feed]) -> Iterator[list[Floats]]:
    """Values inside the model, by their names, batch by batch."""
    watched = ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return run(watched, batches)


def parts(model: ModelProto, names: Sequence[str]) -> Iterator[ModelProto]:
    """Cut a model at values inside it: for each a model that answers with it, and takes of the others what it needs.

    Arguments:
        model: its nodes in order.
        names: of values that nodes compute, each after those that it needs.
    """
    constants = initializers(model)
    place = {name: i for i, node in enumerate(model.graph.node) for name in node.output}
    given = {value.name: value for value in model.graph.input if value.name not in constants}
    given |= {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names}
    for name in names:
        inside, taken, found = {place[name]}, set[str](), [place[name]]
        while found:
            read = read_by(model.graph.node[found.pop()]) - {""}
            taken |= read
            found += [place[one] for one in read - given.keys() if one in place and place[one] not in inside]
            inside |= {*found}
        part = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
        part.graph.name = "part"
        part.graph.node.extend(model.graph.node[i] for i in sorted(inside))
        part.graph.initializer.extend(constants[one] for one in sorted(taken & constants.keys()))
        part.graph.input.extend(given[one] for one in sorted(taken & given.keys()))
        part.graph.output.append(given[name])
        yield part


def divergence(model: ModelProto, batches: Sequence[Feed], expected: Sequence[Floats]) -> float:
    """Σ KL(expected ‖ answers) over all samples, of probabilities; of other answers Σ (expected − answers)²."""
    total = 0.0
    of_probabilities = all(are_probabilities(known) for known in expected)
    for known, (answers, *_) in zip(expected, run(model, batches)):
        if of_probabilities:
            known, said = np.maximum(known, _TINY), np.maximum(answers, _TINY)
            total += float((known * np.log(known / said)).sum())
        else:
            total += float(np.square(np.asarray(known, np.float64) - answers).sum())
    return total


def are_probabilities(answers: Floats) -> bool:
    """Whether answers are none below 0, and sum to 1 along their last axis."""
    return bool(answers.min(initial=0.0) >= 0) and np.allclose(answers.sum(-1), 1, atol=_NEARLY)


def run(model: ModelProto, batches: Sequence[Feed]) -> Iterator[list[Floats]]:
    """The answers of a model, batch by batch."""
    session = session_of(model.SerializeToString())
    for feed in batches:
        yield session.run(None, {one.name: feed[one.name] for one in session.get_inputs()})
