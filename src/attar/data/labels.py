"""Labels: from what a person wrote to class codes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np

from attar.data.dataset import UNLABELLED, Ints, is_missing
from attar.data.raw import RawLabels
from attar.errors import LabelError, inflected, listed

# A missing value, where numpy or pandas made text of it, and where a person or a program wrote it into a file.
_AS_TEXT = ("", "nan", "NaN", "<NA>")
MISSING = (*_AS_TEXT, "?", "NA", "N/A", "n/a", "#N/A", "NAN", "-nan", "-NaN", "null", "NULL", "None")
_WHOLE = re.compile(r"([+-]?\d+)(?:\.0*)?")
_MOST_CONTINUOUS = 20
# What typing differs in, and no sign of a number.
_TYPED = re.compile(r"(?<!\d)[\s_]+|[\s_]+(?!\d)|[.,;:!?'\"]+(?!\d)|(?<=[^\W\d])-(?=[^\W\d])")


def encode_labels(labels: RawLabels, *, exact: bool = False, where: str = "y") -> tuple[Ints, tuple[str, ...]]:
    """Turn labels into class codes.

    Arguments:
        labels: one per sample `(n,)`: integers, floats, texts or booleans. -1, None, NaN and "" mean unlabelled.
        exact: take every text as the name of a class, even "-1" and "nan".
        where: the file or argument that an error names.

    Returns:
        Codes `(n,)`, -1 where unlabelled, and the classes: sorted, by value where all are numbers. Where they are,
        those that are whole are called so from every source: 2, also where it is written 2.0.

    Raises:
        LabelError: the labels are not one-dimensional, or are continuous.

    >>> encode_labels(["cat", "", "dog", None, "cat"])
    (array([ 0, -1,  1, -1,  0]), ('cat', 'dog'))
    >>> encode_labels(np.array([10.0, 9.0, -1.0, np.nan]))
    (array([ 1,  0, -1, -1]), ('9', '10'))
    """
    shape = np.shape(labels) if isinstance(labels, np.ndarray) else (len(labels),)
    if len(shape) == 2 and shape[1] == 1 and isinstance(labels, np.ndarray):
        labels = labels[:, 0]
    elif len(shape) != 1:
        raise LabelError(f"{where}: labels of shape {shape}; give one label per sample (of one-hot rows, the argmax)")
    # Not by `tolist`, which makes 0.10000000149011612 of 0.1 in float32.
    values = list(labels)
    names = [_name(value, exact, where) for value in values]
    if not exact:
        names = [None if name == str(UNLABELLED) else name for name in whole(names)]
    present = {name for name in names if name is not None}
    if len(present) > _MOST_CONTINUOUS and not exact and _are_quantities(present):
        raise LabelError(
            f"{where}: {len(present)} different fractional labels look like a continuous target;"
            " attar predicts classes, so bin them first"
        )
    classes = sort_names(present)
    code = {name: i for i, name in enumerate(classes)}
    return np.array([UNLABELLED if n is None else code[n] for n in names], dtype=np.int64), classes


def _are_quantities(names: Iterable[str]) -> bool:
    """Whether all are numbers and some fractions.

    >>> _are_quantities(["1", "2.5"]), _are_quantities(["1", "2"]), _are_quantities(["2.5", "v1.5"])
    (True, False, False)
    """
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        return False
    return any(number % 1 > 0 for number in numbers)


def sort_names(names: Iterable[str]) -> tuple[str, ...]:
    """Sort class or category names: by value where all are numbers, else as text.

    >>> sort_names({"10", "9", "-1"})
    ('-1', '9', '10')
    """
    names = list(names)
    with suppress(ValueError):
        # NaN, which a class may be called, is in no order.
        if not any(math.isnan(float(name)) for name in names):
            return tuple(sorted(names, key=lambda name: (float(name), name)))
    return tuple(sorted(names))


def _name(value: object, exact: bool, where: str) -> str | None:
    if is_missing(value):
        return None
    if isinstance(value, str):
        text = in_utf8(value.strip())
        return (text or None) if exact else (None if text in (*_AS_TEXT, str(UNLABELLED)) else text)
    if isinstance(value, (bool, np.bool_)):  # bool is an int
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return None if value == UNLABELLED and not exact else str(int(value))
    if isinstance(value, (float, np.floating)):
        if value == UNLABELLED and not exact:
            return None
        if np.isinf(value):
            raise LabelError(f"{where}: a label is infinite; give a class, or leave it empty")
        return str(int(value)) if value == int(value) else str(value)
    if isinstance(value, bytes):
        return _name(as_text(value), exact, where)
    if isinstance(value, np.ndarray | list | tuple):
        raise LabelError(f"{where}: a label is an array; give one label per sample (of one-hot rows, the argmax)")
    raise LabelError(f"{where}: a label is of type {type(value).__name__}; give integers or texts")


def in_utf8(text: str) -> str:
    """A text that can be written: bytes of a file's name that are no UTF-8 are spelt out.

    >>> in_utf8("café"), in_utf8("caf\\udce9")
    ('café', 'caf\\\\udce9')
    """
    return text.encode("utf-8", "backslashreplace").decode()


def as_text(value: object) -> str:
    """What a person reads, of bytes too.

    >>> as_text(b"cat"), as_text(3)
    ('cat', '3')
    """
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def whole(names: Sequence[str | None]) -> list[str | None]:
    """Write "1.0" as "1" where all names are numbers: as integers beside gaps are often written, and as floats are.

    >>> whole(["1.0", None, "2"]), whole(["1.0", "1.5"]), whole(["1.0", "v1.5"])
    (['1', None, '2'], ['1', '1.5'], ['1.0', 'v1.5'])
    """
    short = {name: match[1] if (match := _WHOLE.fullmatch(name)) else name for name in {*names} if name is not None}
    with suppress(ValueError):
        if all(math.isfinite(float(name)) for name in short):
            return [None if name is None else short[name] for name in names]
    return list(names)


def words_for_none(labels: Iterable[object], words: Collection[str] = ("",)) -> list[str]:
    """Note labels that may be meant for a class, and are taken as unlabelled: -1, and some words.

    >>> words_for_none(["-1", "1", "", "-1"])
    ["2 labels are '-1': taken as unlabelled; if it is a class, call it otherwise"]
    """
    texts = [str(label).strip() for label in labels if not is_missing(label)]
    counts = Counter(text for text in texts if text and text in words)
    counts[str(UNLABELLED)] = whole([text for text in texts if text not in words]).count(str(UNLABELLED))
    return [
        f"{n} {inflected(n, 'label is', 'labels are')} '{word}': taken as unlabelled; if it is a class, "
        "call it otherwise"
        for word, n in counts.items()
        if n
    ]


def validate_labels(y: Ints, classes: Sequence[str]) -> tuple[str, ...]:
    """Check that the known labels suffice to learn from.

    Arguments:
        y: class codes `(n,)`, -1 where unlabelled.
        classes: name of each code.

    Returns:
        Notes on classes that have a single label, and on those that may be one.

    Raises:
        LabelError: no sample is labelled, all have the same class, or each has a class of its own.

    >>> validate_labels(np.array([0, 0, 1, -1]), ["cat", "dog"])
    ("class 'dog' has a single label: it is used, but its accuracy cannot be estimated",)
    """
    counts = Counter(y[y != UNLABELLED].tolist())
    if not counts:
        raise LabelError(
            "no sample is labelled; give two labels per class: as y, as a labels file, a label column or sub-folders"
        )
    if len(counts) == 1:
        name, n = classes[next(iter(counts))], next(iter(counts.values()))
        raise LabelError(
            f"one class only: all {n} labels are '{name}'; label some of a second class (-1 and blank mean unlabelled)"
        )
    return (*_alone(counts, classes), *written_in_several_ways([classes[code] for code in counts]))


def _alone(counts: Mapping[int, int], classes: Sequence[str]) -> tuple[str, ...]:
    """A note on the classes that have a single label."""
    single = sorted(code for code, n in counts.items() if n == 1)
    of_numbers = len(counts) > _MOST_CONTINUOUS and all(classes[code].lstrip("-").isdecimal() for code in counts)
    bins = "; if they are a quantity, bin them first" if of_numbers else ""
    if len(single) == len(counts):
        raise LabelError(
            f"each of the {len(counts)} classes has a single label; label at least two samples per class{bins}"
        )
    if not single:
        return ()
    names = listed([f"'{classes[code]}'" for code in single])
    if len(single) == 1:
        return (f"class {names} has a single label: it is used, but its accuracy cannot be estimated",)
    they = f"{len(single)} classes have a single label ({names}): they are used, but their"
    return (f"{they} accuracy cannot be estimated{bins}",)


def written_in_several_ways(classes: Iterable[str]) -> list[str]:
    """Note classes that may be one.

    >>> written_in_several_ways(["ok", "OK", "ok.", "fail"])
    ["classes 'OK', 'ok' and 'ok.' differ only in case, blanks or punctuation: if they are one, write them alike"]
    """
    alike: dict[str, list[str]] = {}
    for name in sort_names(classes):
        alike.setdefault(_as_typed(name), []).append(name)
    return [
        f"classes {', '.join(map(repr, names[:-1]))} and {names[-1]!r} differ only in case, blanks or punctuation:"
        " if they are one, write them alike"
        for names in alike.values()
        if len(names) > 1
    ]


def of_model(y: Ints, classes: Sequence[str], known: Sequence[str]) -> tuple[Ints, tuple[str, ...], tuple[str, ...]]:
    """Labels as a model counts its classes, which those follow that it does not know; all of these; and notes on them.

    >>> of_model(np.array([1, 0, -1]), ("b", "c"), ("a", "b"))[:2]
    (array([ 2,  1, -1]), ('a', 'b', 'c'))
    """
    every = (*known, *(name for name in classes if name not in known))
    y = np.array([*map(every.index, classes), UNLABELLED])[y]
    unknown = np.unique(y[y >= len(known)])
    if not len(unknown):
        return y, every, ()
    names = listed([f"'{every[code]}'" for code in unknown])
    notes = [f"labels that the model does not know, and cannot get right: {names}"]
    place = {_as_typed(name): name for name in known}
    likely = {name: place[_as_typed(name)] for name in every[len(known) :] if _as_typed(name) in place}
    meant = [f"'{name}' for '{other}'" for name, other in likely.items()]
    if meant:
        notes.append(f"labels that may be meant for classes of the model: {listed(meant)}; write them alike")
    return y, every, tuple(notes)


def _as_typed(name: str) -> str:
    """A name without what it may differ in by the way it is typed.

    >>> _as_typed(" Type-A."), _as_typed("-1"), _as_typed("C++"), _as_typed("v1.5")
    ('typea', '-1', 'c++', 'v1.5')
    """
    return _TYPED.sub("", name).casefold() or name
