"""From a network that is code to a program."""

from __future__ import annotations

import inspect
import logging
import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

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
        program = _made(module, _exported(module, x), x[:1])
        _compared(module, program, example.detach().cpu())
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
            reason = " ".join(str(error).split())[:200]
            raise CompressionError(
                f"{type(module).__name__} cannot be traced: {type(error).__name__}: {reason}"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings, and without the shortcut of transformers, which is one operation that nothing else knows."""
    logger, fast = logging.getLogger("torch"), torch.backends.mha.get_fastpath_enabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        logger.setLevel(level)


def _changes(found: ExportedProgram) -> bool:
    """Whether an operation changes what another one reads as well, or what elsewhere would be of another precision."""
    for node in found.graph.nodes:
        mutable = isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
        if mutable and not (_alone(node) and _precise(node)) and name_of(node.target) not in IDLE:
            return True
    return False


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


def _made(module: nn.Module, found: ExportedProgram, example: Tensor) -> Program:
    signature = found.graph_signature
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    if signature.buffers_to_mutate:
        raise CompressionError(
            f"{type(module).__name__} changes its own buffers when it is called; a file cannot keep that"
        )
    tensors = {**found.constants, **dict(found.state_dict)}
    refers: dict[Node, Any] = {}
    steps: list[Step] = []
    outputs: list[Result] = []
    normalised: set[Any] = set()
    user_inputs = set(signature.user_inputs)
    for node in found.graph.nodes:
        if node.op == "placeholder":
            refers[node] = Result(0) if node.name in user_inputs else Stored(names[node.name])
        elif node.op == "output":
            # Beside what is given back stands what has become of an input that is changed in place.
            specs = zip(signature.output_specs, node.args[0])
            outputs = [_told(one, refers, module) for spec, one in specs if spec.kind == OutputKind.USER_OUTPUT]
        elif node.op == "call_function":
            name = name_of(node.target)
            if name in CHECKS:
                continue
            if name in IDLE or (name == "getitem" and node.args[0] in normalised):
                refers[node] = _told(node.args[0], refers, module)
                continue
            given = list(node.args)
            if name == _NORM:
                # The same as nothing but evaluation mode, and of three results only the first is used.
                normalised.add(node)
                name, given = "batch_norm", [*given[:5], False, *given[5:], False]
            elif name == "to.device":
                name, given = "to.dtype", [one for one in given if not isinstance(one, torch.device)]
            if isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable:
                name = _functional(name)
            if not known(name):
                raise CompressionError(f"{type(module).__name__} computes {name}, which an .attar file does not hold")
            arguments = tuple(_told(one, refers, module) for one in given)
            named = {key: _told(one, refers, module) for key, one in node.kwargs.items() if key not in _NOWHERE}
            steps.append(Step(name, arguments, named))
            refers[node] = Result(len(steps))
    if not outputs or not all(isinstance(one, Result) for one in outputs):
        raise CompressionError(f"{type(module).__name__} does not give tensors that it computed from its input")
    program = Program(_needed(steps, outputs, example))
    parameters = set(signature.inputs_to_parameters.values())
    for name in stored_names(program):
        tensor = tensors[name].detach().cpu().clone()
        hold(program, name, nn.Parameter(tensor, tensor.is_floating_point()) if name in parameters else tensor)
    return program


def _functional(name: str) -> str:
    """The operation that gives what one in place leaves behind."""
    if name in _OTHERWISE:
        return _OTHERWISE[name]
    packet, dot, overload = name.partition(".")
    return packet.removesuffix("_") + dot + overload


def _told(argument: Any, refers: Mapping[Node, Any], module: nn.Module) -> Any:
    if isinstance(argument, Node):
        return refers[argument]
    if isinstance(argument, list | tuple):
        return [_told(one, refers, module) for one in argument]
    if argument is None or isinstance(argument, bool | int | float | str | torch.dtype | torch.memory_format):
        return argument
    raise CompressionError(
        f"{type(module).__name__} computes with {argument!r:.60}, which an .attar file does not hold"
    )


def _needed(steps: list[Step], outputs: list[Result], example: Tensor) -> Listing:
    """The steps that an output comes from, numbered anew."""
    wanted = {one.of for one in outputs}
    for i in range(len(steps), 0, -1):
        if i in wanted:
            wanted.update(one.of for one in references(steps[i - 1], Result))
    order = [i for i in range(1, len(steps) + 1) if i in wanted]
    number = {0: 0, **{old: new for new, old in enumerate(order, start=1)}}

    def renumbered(argument: Any) -> Any:
        if isinstance(argument, Result):
            return Result(number[argument.of])
        return [renumbered(one) for one in argument] if isinstance(argument, list) else argument

    def rebuilt(step: Step) -> Step:
        named = {key: renumbered(one) for key, one in step.named.items()}
        return Step(step.operation, tuple(renumbered(one) for one in step.arguments), named)

    kept = tuple(rebuilt(steps[i - 1]) for i in order)
    return Listing(kept, tuple(renumbered(one) for one in outputs), example)


def _compared(module: nn.Module, program: Program, example: Tensor) -> None:
    """Judge whether the program says what the module says, of batches of other sizes too."""
    for n in _OTHERS:
        x = example[torch.arange(n) % len(example)]
        with torch.no_grad(), _quiet():
            try:
                # Some change what they are given.
                expected, again = module(x.clone()), module(x.clone())
            except (RuntimeError, ValueError, TypeError, IndexError) as error:
                reason = " ".join(str(error).split())[:200]
                raise CompressionError(f"{type(module).__name__} cannot take a batch of {n}: {reason}") from error
            said = expected if isinstance(expected, list | tuple) else (expected,)
            if not all(isinstance(one, Tensor) for one in said):
                raise CompressionError(f"{type(module).__name__} does not give one tensor or a tuple of tensors")
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
