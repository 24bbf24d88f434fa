"""From a trained module or tree ensemble to one ONNX file that takes raw samples and answers with probabilities."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from attar.data.dataset import Column
from attar.deploy.folding import fold_batch_norm
from attar.deploy.graph import compact, describe, set_nodes, use_domain, write
from attar.deploy.meta import ModelMeta
from attar.deploy.trees import ML_OPSET, OPSET, tree_model
from attar.errors import ExportError, first_line

NUMBERS, CATEGORIES, EDGES, IDS, PROBABILITIES = "x", "categories", "edge_index", "input_ids", "probabilities"


def export(module: nn.Module, example: Tensor, path: str | Path, meta: ModelMeta) -> None:
    """Write `module` as an ONNX file with input "x" `(n, *shape)` and output "probabilities" `(n, classes)`.

    A table with categorical columns (`meta.columns`) has its numeric columns in "x" and its categorical ones as
    strings in "categories" `(n, categorical columns)`; the file maps them to codes and an unknown or empty
    string to NaN, and `module` sees `(n, features)` in the order of the columns, as in training.

    A graph, whose example is `Bound`, has the features of its nodes in "x" and its edges in "edge_index"
    `(2, edges)`, int64, both directions of each; its output has a row for each node.
    Texts come in as "input_ids", int64 token ids `(n, length)`.

    The same weights give the same bytes. Batch normalisation is folded into the layer before it.

    Arguments:
        module: raw float32 batch to probabilities; it is copied, not changed.
        example: a raw batch `(n, *shape)`; the values do not matter.
        path: written beside and renamed.
        meta: stored in the file.

    Raises:
        ExportError: the module cannot be copied, does not take the example or does not look at it, does not give one
            probability per class, or has no ONNX form.
    """
    if isinstance(example, Bound):
        inputs: dict[str, Tensor] = example.inputs
        n = len(example)
        module = _Binding(_folded(module, example), example.of)
    else:
        if not len(example):
            raise ExportError("the example holds no sample: give one, of any values")
        n = 2
        inputs = {NUMBERS: example[:1].detach().cpu().expand(n, *example.shape[1:]).contiguous()}
        module = _folded(module, inputs[NUMBERS])
    with torch.no_grad():
        try:
            said = module(*inputs.values())
        except Exception as error:  # whatever a network's own code raises
            raise ExportError(
                f"the module does not take the example: {first_line(error)}; "
                "give a float32 module, and samples of its shape"
            ) from error
    given = tuple(said.shape) if isinstance(said, Tensor) else f"a {type(said).__name__}"
    if given != (n, len(meta.classes)):
        raise ExportError(
            f"the module gives {given} for {n} samples instead of {(n, len(meta.classes))}: one per class"
        )
    axes = {NUMBERS: {0: "n"}, EDGES: {1: "edges"}, PROBABILITIES: {0: "n"}}
    # A bare sequence is what a caller has put a network and a head into: its name says nothing.
    name = "the network" if type(module) is nn.Sequential else type(module).__name__
    _finish(traced(module, inputs, [PROBABILITIES], axes, name=name), path, meta)


def _folded(module: nn.Module, example: Tensor) -> nn.Module:
    try:
        return fold_batch_norm(module, example).cpu()
    except Exception as error:  # whatever a module has in it
        raise ExportError(f"the module cannot be copied: {first_line(error)}") from error


def export_sklearn(estimator: object, n_features: int, path: str | Path, meta: ModelMeta) -> None:
    """Write a fitted tree ensemble of scikit-learn as an ONNX file, with inputs and output as in `export`.

    Missing values reach the estimator as NaN: forests and histogram gradient boosting that learnt them follow
    their own branches; else let it be a pipeline that begins with a `SimpleImputer`. Fit it on float32, which is
    what the file compares in.

    Arguments:
        estimator: `RandomForestClassifier`, `ExtraTreesClassifier`, `HistGradientBoostingClassifier` or a pipeline of a
            `SimpleImputer` and one of these, fitted on the codes `0 … n_classes - 1`.
        n_features: columns of its input.
        path: written beside and renamed.
        meta: stored in the file.

    Raises:
        ExportError: another estimator, other classes or columns, or splits on categories.
    """
    _finish(tree_model(estimator, n_features, len(meta.classes)), path, meta)


def weigh(path: str | Path, weights: npt.ArrayLike) -> None:
    """Multiply the probabilities that a file answers with by weights of the classes, so that they sum to one again.

    Arguments:
        path: a file that `export` or `export_sklearn` wrote; written anew beside and renamed.
        weights: positive `(n_classes,)`, as `attar.adapt.prior.class_weights`.
    """
    model = onnx.load(path)
    graph, said, raised, total = model.graph, "attar.said", "attar.raised", "attar.total"
    for node in graph.node:
        for k, name in enumerate(node.output):
            if name == PROBABILITIES:
                node.output[k] = said
    graph.initializer.append(numpy_helper.from_array(np.asarray(weights, dtype=np.float32), "attar.weights"))
    _constant(model, "attar.axes", [1])
    graph.node.extend(
        [
            helper.make_node("Mul", [said, "attar.weights"], [raised]),
            helper.make_node("ReduceSum", [raised, "attar.axes"], [total]),
            helper.make_node("Div", [raised, total], [PROBABILITIES]),
        ]
    )
    write(compact(model), Path(path))


@runtime_checkable
class Bound(Protocol):
    """Several inputs in one tensor, such as the features of nodes that carry the edges among them."""

    @property
    def inputs(self) -> dict[str, Tensor]:
        """Each by its name in the file."""

    def of(self, *inputs: Tensor) -> Tensor:
        """Others, bound in the same way."""

    def __len__(self) -> int: ...


class _Binding(nn.Module):
    """A module on bound inputs as one on each of them, which is what can be traced."""

    def __init__(self, module: nn.Module, bind: Callable[..., Tensor]) -> None:
        super().__init__()
        self.module, self.bind = module, bind

    def forward(self, *inputs: Tensor) -> Tensor:
        probabilities: Tensor = self.module(self.bind(*inputs))
        return probabilities


def traced(
    module: nn.Module,
    inputs: dict[str, Tensor],
    outputs: Sequence[str],
    axes: dict[str, dict[int, str]],
    *,
    name: str,
    fold: bool = True,
) -> ModelProto:
    """What a module computes, as an ONNX model that is neither cleaned nor checked.

    Arguments:
        module: from the inputs to the outputs.
        inputs: a batch of each, by its name.
        outputs: their names.
        axes: of inputs and outputs that may be of any length, by name.
        name: of the module, for messages.
        fold: whether what hangs on constants alone is computed now.

    Raises:
        ExportError: an operation has no ONNX form. OSError: the disk is full.
    """
    # The TorchScript exporter, because on torch 2.13 the dynamo one takes 1.6 to 2.3 s where this takes 0.03 s, writes
    # an adaptive pooling as four nodes around a ReduceMean where this writes GlobalAveragePool (which has an integer
    # kernel; ReduceMean has none), and prints through `logging`. Batches of any size are checked after the export.
    with tempfile.TemporaryDirectory() as folder, _quiet(), torch.no_grad():
        file = Path(folder, "traced.onnx")
        try:
            torch.onnx.export(
                module,
                tuple(inputs.values()),
                file,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=axes,
                opset_version=OPSET,
                do_constant_folding=fold,
                dynamo=False,
            )
        except OSError:  # the disk is full
            raise
        # Each part of the exporter has exceptions of its own, and assertions.
        except Exception as error:
            raise ExportError(f"{name} has no ONNX form: {first_line(error)}; replace that operation") from error
        return _with_pads(onnx.load(file))


def _with_pads(model: ModelProto) -> ModelProto:
    """Say in numbers how far filters with holes reach beyond the edge: of these, onnxruntime does not know "same"."""
    for node in model.graph.node:
        told = {one.name: one for one in node.attribute}
        if "auto_pad" in told and told["auto_pad"].s == b"SAME_UPPER" and max(told["dilations"].ints) > 1:
            wide = [step * (k - 1) for step, k in zip(told["dilations"].ints, told["kernel_shape"].ints)]
            node.attribute.remove(told["auto_pad"])
            node.attribute.append(helper.make_attribute("pads", [*(w // 2 for w in wide), *(w - w // 2 for w in wide)]))
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings, and without the graph that torch prints where it fails, below Python's own output."""
    printed = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *_: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch._C._jit_onnx_log = printed


def _finish(model: ModelProto, path: str | Path, meta: ModelMeta) -> None:
    if not model.graph.input:
        raise ExportError("the module answers without looking at its samples: let its output depend on them")
    if any(column.categories for column in meta.columns):
        _take_strings(model, meta.columns)
    if any(column.tokenizer for column in meta.columns):
        _take_ids(model)
    describe(model, meta)
    write(compact(model), Path(path))


def _take_strings(model: ModelProto, columns: Sequence[Column]) -> None:
    """Put label encoders before the model, so that categorical columns come in as strings."""
    graph, old = model.graph, model.graph.input[0].name
    numeric = [i for i, column in enumerate(columns) if not column.categories]
    categorical = [i for i, column in enumerate(columns) if column.categories]
    del graph.input[:]
    parts, order = [], []
    if numeric:
        graph.input.append(helper.make_tensor_value_info(NUMBERS, TensorProto.FLOAT, ["n", len(numeric)]))
        parts, order = [NUMBERS], list(numeric)
    graph.input.append(helper.make_tensor_value_info(CATEGORIES, TensorProto.STRING, ["n", len(categorical)]))

    nodes = []
    # Columns with the same categories share one encoder.
    groups: dict[tuple[str, ...], list[int]] = {}
    for i in categorical:
        groups.setdefault(columns[i].categories, []).append(i)
    for categories, members in groups.items():
        _constant(model, f"attar.columns.{members[0]}", [categorical.index(i) for i in members])
        nodes += _encoder(categories, members[0])
        parts.append(f"attar.codes.{members[0]}")
        order += members
    _constant(model, "attar.order", [order.index(i) for i in range(len(columns))])
    nodes += [
        helper.make_node("Concat", parts, ["attar.parts"], axis=1),
        helper.make_node("Gather", ["attar.parts", "attar.order"], ["attar.coded"], axis=1),
    ]
    for node in graph.node:
        for k, name in enumerate(node.input):
            if name == old:
                node.input[k] = "attar.coded"
    set_nodes(model, [*nodes, *graph.node])
    use_domain(model, "ai.onnx.ml", ML_OPSET)


def _encoder(categories: Sequence[str], first: int) -> list[NodeProto]:
    """From strings to the codes of their categories: some of the columns, of which this is the first."""
    codes = {category: float(code) for code, category in enumerate(categories) if category}
    return [
        helper.make_node("Gather", [CATEGORIES, f"attar.columns.{first}"], [f"attar.strings.{first}"], axis=1),
        helper.make_node(
            "LabelEncoder",
            [f"attar.strings.{first}"],
            [f"attar.codes.{first}"],
            domain="ai.onnx.ml",
            keys_strings=list(codes),
            values_floats=list(codes.values()),
            default_float=math.nan,
        ),
    ]


def _take_ids(model: ModelProto) -> None:
    """Let token ids come in as integers."""
    graph, old = model.graph, model.graph.input[0]
    length = old.type.tensor_type.shape.dim[1].dim_value
    set_nodes(model, [helper.make_node("Cast", [IDS], [old.name], to=TensorProto.FLOAT), *graph.node])
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(IDS, TensorProto.INT64, ["n", length]))


def _constant(model: ModelProto, name: str, values: list[int]) -> None:
    model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
