"""From a network that is code to a program."""

from __future__ import annotations

import inspect
import logging
import operator
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import ExportGraphSignature, OutputKind
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.utils._pytree import tree_map_only

from attar.compress.costs import layer_by_layer
from attar.compress.given import in_one_line
from attar.compress.listing import DTYPES, FORMATS
from attar.compress.operations import CHECKS, IDLE, known, name_of
from attar.compress.program import Listing, Program, Result, Step, Stored, hold, references, stored_names
from attar.errors import CompressionError
from attar.training.modes import evaluating

# Not 1, which tracing takes for a constant.
_TRACED = 3
# Other batches than the traced one, to find a size that was taken for a constant.
_OTHERS = (1, 2)
_NORM = "_native_batch_norm_legit_no_training"
_NOWHERE = ("device", "layout", "pin_memory")
# In place, under another name than what gives a result.
_OTHERWISE = {"pow_.Scalar": "pow.Tensor_Scalar", "pow_.Tensor": "pow.Tensor_Tensor"}


def traced(module: nn.Module, example: Tensor) -> Program:
    """The program of a network in evaluation mode.

    Arguments:
        module: a batch `(n, *shape)` to a tensor or a tuple of tensors; left as it is.
        example: at least one sample.

    Raises:
        CompressionError: it cannot be traced, holds an operation that a file cannot, or treats batches of another size
            otherwise.

    Example:
        >>> program = traced(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout()), torch.zeros(1, 3))
        >>> program, [name for name, _ in program.named_parameters()]
        (Program(
          2 operations
          (0): Module()
        ), ['0.weight', '0.bias'])
    """
    if not isinstance(example, Tensor) or example.ndim < 1 or not len(example):
        raise CompressionError("the example must be a tensor with at least one sample: give example=x[:1]")
    x = example[:1].detach().cpu().expand(_TRACED, *example.shape[1:]).contiguous()
    with evaluating(module):
        program = _translated(module, _exported(module, x), x[:1])
        _check_answers(module, program, example.detach().cpu())
    return program.eval()


def _exported(module: nn.Module, x: Tensor) -> ExportedProgram:
    shape = {axis: Dim.STATIC if axis else Dim.AUTO for axis in range(x.ndim)}
    with _quiet():
        try:
            first = next(iter(inspect.signature(module.forward).parameters.values()), None)
            # All that *args takes is one argument.
            gathers = first is not None and first.kind is first.VAR_POSITIONAL
            shapes = ((shape,),) if gathers else (shape,)
            # What was traced until it failed is printed there.
            with torch.enable_grad(), redirect_stderr(StringIO()):
                found = torch.export.export(module, (x,), dynamic_shapes=shapes, strict=False)
            return found.run_decompositions({}) if _changes(found) else found
        except GuardOnDataDependentSymNode as error:
            advice = "compute all branches and choose by torch.where, or leave the branch outside"
            if any(isinstance(layer, nn.TransformerEncoder | nn.TransformerDecoder) for layer in module.modules()):
                advice += "; torch's transformers with a mask branch unless is_causal (tgt_is_causal) is given too"
            raise CompressionError(
                f"{type(module).__name__} branches on the values of a tensor, which cannot be traced: {advice}"
            ) from error
        # Whatever else a network does that cannot be traced has an exception of its own.
        except Exception as error:
            raise CompressionError(
                f"{type(module).__name__} cannot be traced: {type(error).__name__}: {in_one_line(error)}"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings, and without the shortcut of transformers."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with layer_by_layer(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _changes(found: ExportedProgram) -> bool:
    """Whether an operation changes what another one reads as well, or what elsewhere would be of another precision."""
    return any(
        _is_in_place(node) and not (_alone(node) and _precise(node)) and name_of(node.target) not in IDLE
        for node in found.graph.nodes
    )


def _is_in_place(node: Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _alone(node: Node) -> bool:
    """Whether an operation in place changes a result that only it reads, or only through the views that it is of."""
    changed = node.args[0] if node.args else None
    while isinstance(changed, Node) and changed.op == "call_function" and len(changed.users) == 1:
        if not _is_view(changed):
            return True
        changed = changed.args[0]
    return False


def _precise(node: Node) -> bool:
    """Whether an operation in place reads no floats but those of the precision that it keeps."""
    read = [one.meta["val"] for one in (node, *node.all_input_nodes) if isinstance(one.meta.get("val"), Tensor)]
    return len({one.dtype for one in read if one.is_floating_point()}) < 2


def _is_view(node: Node) -> bool:
    """Whether a result shares the memory of an argument."""
    made = node.args[0] if node.target is operator.getitem else node
    if not isinstance(made, Node) or not isinstance(made.target, torch._ops.OpOverload):
        return False
    return any(one.alias_info is not None and not one.alias_info.is_write for one in made.target._schema.returns)


def _translated(module: nn.Module, traced: ExportedProgram, example: Tensor) -> Program:
    name, signature = type(module).__name__, traced.graph_signature
    if signature.buffers_to_mutate:
        raise CompressionError(f"{name} changes its own buffers when it is called; a file cannot keep that")
    translation = _Translation(name, signature)
    for node in traced.graph.nodes:
        translation.take(node)
    # Beside what is given back stands what has become of an input that is changed in place.
    given_back = zip(signature.output_specs, traced.graph.output_node().args[0])
    outputs = [translation.argument(one) for spec, one in given_back if spec.kind == OutputKind.USER_OUTPUT]
    if not outputs or not all(isinstance(one, Result) for one in outputs):
        raise CompressionError(f"{name} does not give tensors that it computed from its input")
    program = Program(_needed(translation.steps, outputs, example))
    tensors = {**traced.constants, **traced.state_dict}
    parameters = set(signature.inputs_to_parameters.values())
    for stored in stored_names(program):
        tensor = tensors[stored].detach().cpu().clone()
        hold(program, stored, nn.Parameter(tensor, tensor.is_floating_point()) if stored in parameters else tensor)
    return program


class _Translation:
    """Nodes of a traced graph, taken one after another, as steps of a program.

    Arguments:
        name: of the network, for messages.
        signature: which nodes are tensors of the network, and which its input.
    """

    def __init__(self, name: str, signature: ExportGraphSignature) -> None:
        self.steps: list[Step] = []
        self._name = name
        self._user_inputs = set(signature.user_inputs)
        self._tensors = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        # What the program has for each node: a tensor of its own, or the result of a step.
        self._values: dict[Node, Any] = {}

    def take(self, node: Node) -> None:
        """Translate a node, those before it having been taken."""
        if node.op == "placeholder":
            self._values[node] = Result(0) if node.name in self._user_inputs else Stored(self._tensors[node.name])
        elif node.op == "call_function" and name_of(node.target) not in CHECKS:
            self._values[node] = self.argument(node.args[0]) if _passes_on(node) else self._computed(node)

    def argument(self, given: Any) -> Any:
        """What a program has for an argument of a node."""
        if isinstance(given, Node):
            return self._values[given]
        if isinstance(given, list | tuple):
            return [self.argument(one) for one in given]
        if given is None or isinstance(given, bool | int | float | str):
            return given
        if given in DTYPES.values() or given in FORMATS.values():
            return given
        raise CompressionError(f"{self._name} computes with {given!r:.60}, which an .attar file does not hold")

    def _computed(self, node: Node) -> Result:
        """The result of a new step."""
        name, arguments = _operation(node)
        if not known(name):
            raise CompressionError(f"{self._name} computes {name}, which an .attar file does not hold")
        named = {key: self.argument(one) for key, one in node.kwargs.items() if key not in _NOWHERE}
        self.steps.append(Step(name, tuple(map(self.argument, arguments)), named))
        return Result(len(self.steps))


def _passes_on(node: Node) -> bool:
    """Whether the result of a call is its first argument, as it is."""
    name, first = name_of(node.target), node.args[0] if node.args else None
    # Of the three results of a batch norm, only the first is used, which `_operation` makes the only one.
    of_norm = isinstance(first, Node) and first.op == "call_function" and name_of(first.target) == _NORM
    return name in IDLE or (name == "getitem" and of_norm)


def _operation(node: Node) -> tuple[str, list[Any]]:
    """What a program computes for a call: the name of the operation, and its arguments as in the graph."""
    name, arguments = name_of(node.target), list(node.args)
    if name == _NORM:
        # The same as nothing but evaluation mode.
        return "batch_norm", [*arguments[:5], False, *arguments[5:], False]
    if name == "to.device":
        return "to.dtype", [one for one in arguments if not isinstance(one, torch.device)]
    return _functional(name) if _is_in_place(node) else name, arguments


def _functional(name: str) -> str:
    """The operation that gives what one in place leaves behind."""
    if name in _OTHERWISE:
        return _OTHERWISE[name]
    packet, dot, overload = name.partition(".")
    return packet.removesuffix("_") + dot + overload


def _needed(steps: list[Step], outputs: list[Result], example: Tensor) -> Listing:
    """The steps that an output comes from, numbered anew."""
    wanted = {one.of for one in outputs}
    for i in range(len(steps), 0, -1):
        if i in wanted:
            wanted.update(one.of for one in references(steps[i - 1], Result))
    order = [i for i in range(1, len(steps) + 1) if i in wanted]
    number = {0: 0, **{old: new for new, old in enumerate(order, start=1)}}

    def renumbered(given: Any) -> Any:
        return tree_map_only(Result, lambda one: Result(number[one.of]), given)

    kept = (steps[i - 1] for i in order)
    renewed = tuple(Step(one.operation, *renumbered((one.arguments, one.named))) for one in kept)
    return Listing(renewed, renumbered(tuple(outputs)), example)


def _check_answers(module: nn.Module, program: Program, example: Tensor) -> None:
    """Hold the program to what the module says, of batches of other sizes too."""
    for n in _OTHERS:
        x = example[torch.arange(n) % len(example)]
        with torch.no_grad(), _quiet():
            try:
                # Some change what they are given.
                expected, again = module(x.clone()), module(x.clone())
            except (RuntimeError, ValueError, TypeError, IndexError) as error:
                raise CompressionError(
                    f"{type(module).__name__} cannot take a batch of {n}: {in_one_line(error)}"
                ) from error
            said = expected if isinstance(expected, list | tuple) else (expected,)
            if not all(isinstance(one, Tensor) for one in said):
                raise CompressionError(
                    f"{type(module).__name__} does not give one tensor or a tuple of tensors: give a module whose "
                    "forward picks them, such as the logits of a dict"
                )
            if not _alike(said, again):
                raise CompressionError(
                    f"{type(module).__name__} answers the same samples in another way when it is called again, by "
                    "chance or by what it remembers: a file cannot hold that; make it answer alike in evaluation mode"
                )
            try:
                if _alike(said, program(x)):
                    continue
            except (RuntimeError, ValueError, TypeError, IndexError):
                pass
            raise CompressionError(
                f"{type(module).__name__} depends on the size of the batch: a file cannot hold that; a size of the "
                "batch is x.shape[0], and len(x) is a number"
            )


def _alike(said: Sequence[Tensor], again: Any) -> bool:
    """Whether two answers are the same, but for their last digits."""
    pairs = zip(said, again if isinstance(again, list | tuple) else (again,), strict=True)
    return all(
        a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-5, equal_nan=True)
        for a, b in pairs
    )
