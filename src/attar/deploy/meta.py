"""What a model file says about itself: the JSON that is stored under the key "attar" of its ONNX metadata."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import asdict, dataclass, field
from typing import NoReturn, TypeAlias

from attar.data.dataset import Column
from attar.errors import ModelError

KEY = "attar"
FORMAT = 1
# Under which a file has the checksum of the rest: a damaged weight would be a weight as good as any.
CHECKSUM = "attar.crc32"
# How an `.attar` file begins, which is no ONNX file and has no such description.
COMPRESSED = b"ATR"

# Axes of a sample, and how far around a node a network looks at most.
_AXES = {"image": (2, 3), "series": (2,), "table": (1,), "text": (1,), "graph": (1,)}
_FARTHEST = 100
# Hz, beyond all that is sampled.
_FASTEST = 1e15

# Of a column, what is only written where it says something.
_RARE = ("tokenizer", "first", "signs", "unit")

Extra: TypeAlias = dict[str, str | int | float]


@dataclass(frozen=True)
class ModelMeta:
    """What a person or a program must know to feed the model and to read its answers.

    Arguments:
        kind: "image", "series", "table", "text" or "graph".
        shape: of one raw sample: image `(h, w)` or `(h, w, c)`, series `(channels, steps)`, table and node of
            a graph `(features,)`, text `(tokens,)`.
        classes: the labels, in the order of the columns of "probabilities".
        columns: of a table or of nodes, in the order of their features, where they have names; of texts, one with their
            tokenizer; else empty.
        version: of attar, that wrote the file.
        extra: anything small that the writer wants to be found again.
        format: of this description itself.

    Example:
        >>> meta = ModelMeta("image", (8, 8), ("0", "1"), version="0.1.0")
        >>> ModelMeta.from_json(meta.to_json()) == meta
        True
    """

    kind: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    version: str = ""
    extra: Extra = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not self.kind:
            _refuse("its kind is empty")
        if not self.shape or min(self.shape) < 1:
            _refuse(f"its sample shape {self.shape} is not a list of positive sizes")
        if len(self.shape) not in _AXES.get(self.kind, (len(self.shape),)):
            _refuse(f"no {self.kind} has the shape {self.shape}")
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            _refuse(f"its classes {list(self.classes)} are not at least two different labels")
        self._check_columns()
        self._check_extra()

    def _check_columns(self) -> None:
        tokenizers = [column.tokenizer for column in self.columns if column.tokenizer]
        if self.kind == "text" and not tokenizers:
            _refuse("its texts have no tokenizer")
        if self.columns and not tokenizers and self.shape != (len(self.columns),):
            _refuse(f"it names {len(self.columns)} columns for samples of shape {self.shape}")
        if len({column.name for column in self.columns}) < len(self.columns):
            _refuse("two of its columns have the same name")
        if tokenizers and (len(self.columns) != 1 or len(self.shape) != 1):
            _refuse(f"it names {len(self.columns)} columns, one with a tokenizer, for samples of shape {self.shape}")
        for column in self.columns:
            if len(set(column.categories)) < len(column.categories):
                _refuse(f"column {column.name!r} has the same category twice")

    def _check_extra(self) -> None:
        """Judge what is read of `extra`, by `rate` and by `attar.deploy.session`."""
        for name, most in (("hops", _FARTHEST), ("stride", math.inf)):
            value = self.extra.get(name, 0)
            if not _is_int(value) or not 0 <= int(value) <= most:
                _refuse(f"its {name} is no whole number from 0 to {most}")
        rate = self.extra.get("rate", 0)
        if isinstance(rate, str) or not 0 <= rate < _FASTEST:
            _refuse("its sampling rate is no number from 0")
        if (units := str(self.extra.get("units", ""))) and not self._has_units(units):
            _refuse("the ranges of its units are not those of its parts")
        try:
            known = all(isinstance(name, str) for name in self.ignored)
        except (ValueError, TypeError, RecursionError):
            known = False
        if not known:
            _refuse("the columns that it ignores are no list of names")

    def _has_units(self, units: str) -> bool:
        """Whether JSON holds a range for each channel or numeric column, of images for all: two numbers or four."""
        if self.kind not in ("image", "series", "table"):
            return False
        numeric = [column for column in self.columns if not column.categories]
        parts = 1 if self.kind == "image" else len(numeric) if self.columns else self.shape[0]
        try:
            ranges = json.loads(units)
            return len(ranges) == parts and all(
                len(part) in (2, 4) and all(isinstance(one, int | float) for one in part) for part in ranges
            )
        except (ValueError, TypeError, RecursionError):
            return False

    @property
    def rate(self) -> float | None:
        """What series were sampled at in training, in Hz, where that is known."""
        return float(self.extra.get("rate", 0)) or None

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns that a person left out in training."""
        return tuple(json.loads(str(self.extra.get("ignored") or "[]")))

    def to_json(self) -> str:
        """Write as JSON: the same text for equal descriptions."""
        said = asdict(self)
        for column in said["columns"]:
            for rare in _RARE:
                if not column[rare]:
                    del column[rare]
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ModelMeta:
        """Read what `to_json` wrote.

        Raises:
            ModelError: the text is no description of this format, or comes from a newer attar.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError):
            _refuse("it is not JSON")
        if not isinstance(raw, dict) or not _is_int(raw.get("format")):
            _refuse("it has no format number")
        if raw["format"] != FORMAT:
            raise ModelError(
                f"this model file has format {raw['format']} and this attar reads format {FORMAT}: upgrade attar "
                f"(the file was written by version {raw.get('version')!s:.40})"
            )
        wrong = set(raw) ^ {"kind", "shape", "classes", "columns", "version", "extra", "format"}
        if wrong:
            _refuse(f"keys are missing or unknown: {', '.join(sorted(wrong))}")
        if not isinstance(raw["kind"], str) or not isinstance(raw["version"], str):
            _refuse("kind and version must be strings")
        if not isinstance(raw["shape"], list) or not all(_is_int(size) for size in raw["shape"]):
            _refuse("shape must be a list of whole numbers")
        return cls(
            kind=raw["kind"],
            shape=tuple(raw["shape"]),
            classes=_strings(raw["classes"], "classes"),
            columns=_columns(raw["columns"]),
            version=raw["version"],
            extra=_extra(raw["extra"]),
        )


def checksum(content: bytes | memoryview) -> str:
    """What stands under `CHECKSUM` in a file with this content beside: a CRC-32, which costs a tenth of loading it."""
    return f"{zlib.crc32(content):08x}"


def is_whole(data: bytes) -> bool:
    """Whether a file is as attar wrote it, as far as it says: older files do not.

    The checksum is the last field of the file: `metadata_props` (14) of key (1) and value (2) in protobuf.
    """
    key, size = CHECKSUM.encode(), len(checksum(b""))
    entry = b"\x0a%c%b\x12%c" % (len(key), key, size)
    field = b"\x72%c%b" % (len(entry) + size, entry)
    rest, said = memoryview(data)[: -len(field) - size], data[-len(field) - size :]
    return not said.startswith(field) or said[len(field) :] == checksum(rest).encode()


def _refuse(why: str) -> NoReturn:
    raise ModelError(f"the description of the model is not usable: {why}; export the model again")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _strings(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        _refuse(f"{name} must be a list of strings")
    return tuple(value)


def _columns(value: object) -> tuple[Column, ...]:
    if not isinstance(value, list):
        _refuse("columns must be a list")
    columns = []
    for item in value:
        if not isinstance(item, dict) or set(item) - set(_RARE) != {"name", "categories"}:
            _refuse("each column must have a name and its categories")
        name, (tokenizer, first, signs, unit) = item["name"], (item.get(rare, "") for rare in _RARE)
        if not all(isinstance(one, str) for one in (name, tokenizer, signs, unit)):
            _refuse("the name, the tokenizer, the signs and the unit of a column must be strings")
        if first not in ("", "day", "month"):
            _refuse(f"what comes first in the dates of {name!r} must be day or month")
        if signs and (signs[0] not in ".," or set(signs[1:]) - {*".,' "} or signs[0] in signs[1:]):
            _refuse(f"the signs in the numbers of {name!r} must be a point or a comma, and others between thousands")
        columns.append(
            Column(name, _strings(item["categories"], f"categories of {name!r}"), tokenizer, first, signs, unit)
        )
    return tuple(columns)


def _extra(value: object) -> Extra:
    if not isinstance(value, dict):
        _refuse("extra must be an object")
    for key, item in value.items():
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            _refuse(f"extra {key!r} must be a string or a number")
        if isinstance(item, float) and not math.isfinite(item):
            _refuse(f"extra {key!r} is not finite")
    return dict(value)
