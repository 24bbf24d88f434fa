"""Programs as text, and back: JSON that holds numbers, names and operations of a fixed list, and is judged strictly."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch

from attar.compress.operations import known
from attar.compress.program import Listing, Program, Result, Step, Stored, listed
from attar.errors import CompressionError

_NAME = re.compile(r"[A-Za-z0-9_]{1,100}(\.[A-Za-z0-9_]{1,100}){0,31}")
_KEY = re.compile(r"[a-z_][a-z0-9_]{0,40}")
# Axes of a tensor, tensors, operations, arguments in all, and lists within lists.
_AXES, _TENSORS, _STEPS, _ARGUMENTS, _DEEP = 16, 1 << 16, 1 << 18, 1 << 20, 4
_LONGEST = 1 << 31

# What an argument may be beside numbers, words and tensors.
DTYPES = {
    name: getattr(torch, name)
    for name in ("float32", "float16", "bfloat16", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
}
FORMATS = {name: getattr(torch, name) for name in ("contiguous_format", "preserve_format", "channels_last")}
# How forms of tensors are written; the first need not be.
_FORMS = {
    "parameter": "",
    "buffer": "b",
    "coded": "c",
    "coded, with zero": "z",
    "codebook": "k",
    "wide parameter": "w",
    "wide buffer": "v",
    "sparse parameter": "s",
    "sparse buffer": "t",
}
# Those of integers, and of what decodes them.
_CODED = ("coded", "coded, with zero", "codebook")
_FORM = re.compile(r"([bczkwvst]?)(\d{0,9})(?::([a-z0-9]+))?")


@dataclass(frozen=True)
class Kind:
    """How a tensor is kept.

    Arguments:
        name: of the tensor.
        shape: of the tensor.
        form: a key of the forms above.
        rows: scales of coded numbers, or values of a codebook.
        dtype: of a tensor that is kept as it is.
    """

    name: str
    shape: tuple[int, ...]
    form: str
    rows: int = 0
    dtype: str = "float32"

    @property
    def is_coded(self) -> bool:
        """Whether it is kept as integers and what decodes them."""
        return self.form in _CODED


def text(program: Program, kinds: Sequence[Kind]) -> str:
    """The description of a program.

    A result is "%", the latest one, or "%i", the i-th before it. A tensor is "#", the next of the list that no
    operation had before, or "#i", the i-th of it. Other strings begin with ":" if they are dtypes, with "~" if memory
    formats, and with "'" if they are text.
    """
    listing = listed(program)
    number = {kind.name: i for i, kind in enumerate(kinds)}
    had = 0

    def told(argument: Any, latest: int) -> Any:
        nonlocal had
        if isinstance(argument, Result):
            return "%" if argument.of == latest else f"%{latest - argument.of}"
        if isinstance(argument, Stored):
            first = number[argument.name] == had
            had += first
            return "#" if first else f"#{number[argument.name]}"
        if isinstance(argument, torch.dtype):
            return ":" + _plain(argument)
        if isinstance(argument, torch.memory_format):
            return "~" + _plain(argument)
        if isinstance(argument, str):
            return "'" + argument
        if isinstance(argument, list | tuple):
            return [told(one, latest) for one in argument]
        return argument

    steps = []
    for latest, step in enumerate(listing.steps):
        line = [step.operation, *(told(one, latest) for one in step.arguments)]
        if step.named:
            line.append({key: told(one, latest) for key, one in step.named.items()})
        steps.append(line)
    outputs = [len(steps) - one.of for one in listing.outputs]
    example = [_plain(listing.example.dtype), list(listing.example.shape[1:])]
    whole = [steps, [_entry(kind) for kind in kinds], example, *([] if outputs == [0] else [outputs])]
    return json.dumps(whole, separators=(",", ":"))


def read(description: str, name: str) -> tuple[Program, list[Kind]]:
    """The program of a description, without its tensors, and how they are kept.

    Arguments:
        description: what `text` gave, or anything else.
        name: of the file, for messages.

    Raises:
        CompressionError: it is not the description of a program.
    """
    try:
        return _Reading(name).whole(json.loads(description))
    except (ValueError, RecursionError) as error:
        if isinstance(error, CompressionError):
            raise
        raise CompressionError(f"{name}: its description is not JSON") from error


class _Reading:
    """Judges a description, part by part."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kinds: list[Kind] = []
        self._had = 0
        self._arguments = 0

    def whole(self, given: Any) -> tuple[Program, list[Kind]]:
        if not isinstance(given, list) or len(given) not in (3, 4):
            self._refuse("is not a program")
        steps, kinds, example = (self._list(one) for one in given[:3])
        if len(steps) > _STEPS or len(kinds) > _TENSORS or len(example) != 2:
            self._refuse("has too many operations or tensors")
        self._kinds = [self._kind(one) for one in kinds]
        if len({kind.name for kind in self._kinds}) < len(self._kinds):
            self._refuse("has two tensors of one name")
        read = [self._step(one, latest) for latest, one in enumerate(steps)]
        if self._had < len(self._kinds):
            self._refuse("has a tensor that nothing uses")
        back = self._list(given[3]) if len(given) == 4 else [0]
        if not back or not all(type(one) is int and 0 <= one <= len(read) for one in back):
            self._refuse("gives results that there are not")
        if example[0] not in DTYPES:
            self._refuse("takes samples of an unknown type")
        sample = torch.zeros((), dtype=DTYPES[example[0]]).expand(1, *self._shape(example[1]))
        return Program(Listing(tuple(read), tuple(Result(len(read) - one) for one in back), sample)), self._kinds

    def _kind(self, given: Any) -> Kind:
        entry = self._list(given)
        if len(entry) not in (2, 3) or not isinstance(entry[0], str) or not _NAME.fullmatch(entry[0]):
            self._refuse(
                f"has a tensor without a proper name, {str(entry[:1])[1:-1]:.60}: names have letters, digits and _, "
                "and dots in between"
            )
        name, shape, *rest = entry
        written = rest[0] if rest else ""
        match = _FORM.fullmatch(written) if isinstance(written, str) else None
        if match is None:
            self._refuse(f"keeps {name} in an unknown form")
        letter, rows, dtype = match.groups()
        form = next(key for key, of_form in _FORMS.items() if of_form == letter)
        kind = Kind(name, self._shape(shape), form, int(rows or 1) if form in _CODED else 0, dtype or "float32")
        self._check_kind(kind)
        return kind

    def _check_kind(self, kind: Kind) -> None:
        """Hold a tensor to types and rows that its form can have."""
        wide, sparse = kind.form.startswith("wide"), kind.form.startswith("sparse")
        if (
            kind.dtype not in DTYPES
            or (wide and kind.dtype not in ("int32", "int64", "float64"))
            or (sparse and not DTYPES[kind.dtype].is_floating_point)
        ):
            self._refuse(f"keeps {kind.name} in an unknown type")
        if kind.is_coded and (kind.rows < 1 or (kind.form != "codebook" and math.prod(kind.shape) % kind.rows)):
            self._refuse(f"divides {kind.name} into {kind.rows} rows")

    def _step(self, given: Any, latest: int) -> Step:
        line = self._list(given)
        if not line or not isinstance(line[0], str) or not known(line[0]):
            self._refuse(f"has an operation that is not allowed, {str(line[0])[:40]!r}" if line else "has no operation")
        named = line.pop() if isinstance(line[-1], dict) else {}
        if not all(_KEY.fullmatch(key) for key in named):
            self._refuse("names an argument that there is not")
        arguments = tuple(self._argument(one, latest, 0) for one in line[1:])
        return Step(line[0], arguments, {key: self._argument(one, latest, 0) for key, one in named.items()})

    def _argument(self, given: Any, latest: int, deep: int) -> Any:
        self._arguments += 1
        if self._arguments > _ARGUMENTS or deep > _DEEP:
            self._refuse("has too many arguments")
        if given is None or isinstance(given, bool | float) or (isinstance(given, int) and abs(given) < 1 << 63):
            return given
        if isinstance(given, list):
            return [self._argument(one, latest, deep + 1) for one in given]
        if not isinstance(given, str) or not given:
            self._refuse("has an argument of an unknown type")
        return self._marked(given[0], given[1:], latest)

    def _marked(self, mark: str, rest: str, latest: int) -> Any:
        """What a string stands for, by its first letter (see `text`)."""
        if mark == "'":
            return rest
        if mark == ":" and rest in DTYPES:
            return DTYPES[rest]
        if mark == "~" and rest in FORMATS:
            return FORMATS[rest]
        if mark == "%" and (not rest or _digits(rest)) and int(rest or 0) <= latest:
            return Result(latest - int(rest or 0))
        if mark == "#" and not rest and self._had < len(self._kinds):
            self._had += 1
            return Stored(self._kinds[self._had - 1].name)
        if mark == "#" and _digits(rest) and int(rest) < self._had:
            return Stored(self._kinds[int(rest)].name)
        return self._refuse(f"has an argument that is not understood, {mark + rest[:39]!r}")

    def _shape(self, given: Any) -> tuple[int, ...]:
        shape = tuple(self._list(given))
        whole = len(shape) <= _AXES and all(type(one) is int and 0 <= one < _LONGEST for one in shape)
        if not whole or math.prod(max(one, 1) for one in shape) >= 1 << 62:
            self._refuse("has a shape that no tensor has")
        return shape

    def _list(self, given: Any) -> list[Any]:
        if not isinstance(given, list):
            self._refuse("has something in place of a list")
        return given

    def _refuse(self, what: str) -> NoReturn:
        raise CompressionError(f"{self._name}: its description {what}")


def _entry(kind: Kind) -> list[Any]:
    rows = str(kind.rows) if kind.rows > 1 else ""
    form = _FORMS[kind.form] + rows + ("" if kind.dtype == "float32" else f":{kind.dtype}")
    return [kind.name, list(kind.shape), *([form] if form else [])]


def _plain(value: torch.dtype | torch.memory_format) -> str:
    return str(value).removeprefix("torch.")


def _digits(given: str) -> bool:
    return given.isascii() and given.isdigit() and len(given) < 10
