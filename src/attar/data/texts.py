"""Texts as samples: which column holds them, and from texts to token ids."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from attar.data.clock import is_clock
from attar.data.dataset import CODED, LEFT_OUT, Array, ArrowColumn, ArrowTable, Column, Floats, Ints, Note, is_missing
from attar.data.images import is_image
from attar.data.raw import held_out
from attar.data.tokens import Tokenizer, padded
from attar.data.written import is_number, is_text, looks_like_a_number
from attar.errors import DataError, inflected, listed

TEXT_NAMES = ("text", "sentence", "message", "review", "document", "content")
# Texts rather than categories: this share of them are different, or they have so many words in the mean.
_DISTINCT, _WORDS = 0.5, 3.0
# In so many rows, texts that all differ do so for a reason.
_FEW = 20
# Names that a column called split gives the parts of a set, but for the test part.
_PARTS = frozenset({"train", "training", "dev", "val", "valid", "validation", "all", "unsup", "unsupervised", "test"})
_SOUNDS = frozenset({".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aif", ".aiff"})
_ENDING = re.compile(r"\.[a-z]\w{1,4}")
SPLIT = "split"
# Tokens of a text that are kept: all of nearly every text, in steps, and never more than this.
_KEPT, _STEP, LONGEST = 0.99, 8, 256


def text_column(table: ArrowTable, kind: str | None, known: Collection[str], where: str) -> str | None:
    """Find the column that makes a table a set of texts.

    It is the only column of features, or the only one beside a column `split` that names the parts of the set; and its
    texts have three words or more in the mean, or half of them are different and it is called text (or sentence,
    message, review, document, content). Short texts that repeat themselves are categories. Of several columns that all
    hold such texts, half of which are different in each, it is the first that is called so, or else the longest.

    Arguments:
        table: the columns of features.
        kind: "text": there is such a column, the first of such a name or else the longest; another: there is none;
            None: see.
        known: names of a model's columns, taken first.
        where: the file that an error names.

    Raises:
        DataError: the kind is text and no column holds any.
    """
    if kind not in (None, "text"):
        return None
    found = {
        str(field.name): table.column(i).to_pylist() for i, field in enumerate(table.schema) if is_text(field.type)
    }
    if kind == "text":
        if not found:
            raise DataError(f"{where}: no column holds texts; give one called text")
        return _likeliest(found, known)
    features: list[str] = [
        name for name in table.column_names if not (name == SPLIT and _is_split(found.get(name, [])))
    ]
    if not features or any(name not in found or not _are_texts(found[name], name) for name in features):
        return None
    if len(features) == 1:
        return features[0]
    if not all(_mostly_differ(found[name]) for name in features):  # categories, too, can have several words
        return None
    return _likeliest({name: found[name] for name in features}, known)


def beside(table: ArrowTable, texts: str) -> list[str]:
    """A note on the columns that are not learnt from, where there are any beside that of the texts."""
    names = [name for name in table.column_names if name != texts]
    columns, are = inflected(len(names), "column", "columns"), inflected(len(names), "is", "are")
    return [f"{len(names)} {columns} beside the texts {are} not learnt from ({listed(names)})"] if names else []


def categories_alone(columns: Sequence[Column], kind: str | None) -> list[str]:
    """A note where the only column of a table is taken for categories, as short texts that repeat themselves are."""
    if kind is not None or len(columns) != 1 or not columns[0].categories:
        return []
    name = columns[0].name
    return [Note(f"column '{name}' is taken for categories: if it holds texts, give the kind text", name, CODED)]


def without_names(table: ArrowTable, kind: str | None, known: Collection[str]) -> tuple[ArrowTable, list[str]]:
    """Leave out columns such as a customer's number: texts, none of which occurs twice, of which nothing can be learnt.

    Texts that may be the samples stay, as does a column that is alone.

    Arguments:
        table: the columns of features.
        kind: as of `text_column`.
        known: names of a model's columns, which stay.

    Returns:
        The table, and notes.
    """
    if kind == "text":
        return table, []
    found = [str(f.name) for f in table.schema if f.name not in known and is_text(f.type)]
    found = [name for name in found if _all_differ(table.column(name))]
    named = [name for name in found if not _are_texts(table.column(name).to_pylist(), name)]
    rest = table.drop_columns(named)
    if rest.num_columns == 0:
        return table, []
    left_out = named
    if text_column(rest, kind, known, "") is None and rest.num_columns > len(found) - len(named):
        rest, left_out = table.drop_columns(found), found
    return rest, [
        Note(
            f"column '{name}' is another text in every row, and no feature: "
            + ("call it 'id' if it names the rows" if name in named else "if it is the sample, give the kind text"),
            name,
            LEFT_OUT,
        )
        for name in left_out
    ]


def _all_differ(column: ArrowColumn) -> bool:
    cells = [cell for cell in column.to_pylist() if cell]
    differ = len(cells) >= _FEW and len(set(cells)) == len(cells)
    return differ and not any(map(looks_like_a_number, cells)) and not is_clock(column)


def _is_called_text(name: str) -> bool:
    return name.lower() in TEXT_NAMES


def are_texts(x: object) -> bool:
    """Whether a list or array of one axis holds texts: a string at least, no number, and not numbers alone in strings.

    Bytes are taken for texts too, so that they are refused as such.

    >>> are_texts(["a b", None]), are_texts(["1.5", "2"]), are_texts([1.0, 2.0]), are_texts([[1.0]])
    (True, False, False, False)
    """
    if getattr(x, "ndim", 1) != 1:
        return False
    cells = x.tolist() if hasattr(x, "tolist") else x
    if not isinstance(cells, list | tuple) or not cells:
        return False
    strings = [cell for cell in cells if isinstance(cell, str | bytes)]
    others = any(not isinstance(cell, str | bytes) and not is_missing(cell) for cell in cells)
    numbers = (isinstance(cell, str) and is_number(cell) for cell in strings if cell.strip())
    return bool(strings) and not others and not all(numbers)


def refuse_names(x: object) -> None:
    """Refuse names of files, from which nothing would be learnt of what is in them.

    Raises:
        DataError: all texts or paths in a list or array of one axis are names of images or sounds, or of files.
    """
    cells = x.ravel().tolist() if isinstance(x, np.ndarray) and x.dtype.kind in "OUT" else x
    if hasattr(cells, "tolist") and not isinstance(cells, np.ndarray) and getattr(cells, "ndim", 1) == 1:
        cells = cells.tolist()
    if not isinstance(cells, list | tuple) or not cells:
        return
    names = [Path(cell) for cell in cells if isinstance(cell, str | PathLike)]
    others = any(not isinstance(cell, str | PathLike) and not is_missing(cell) for cell in cells)
    if names and not others and (all(map(_is_called_media, names)) or all(map(_is_file, names))):
        raise DataError(
            f"x: names of files, like '{names[0]}'; give their folder to `attar fit`, or what is in them as arrays, or"
            " kind='text' if the names are the texts"
        )


def _is_called_media(name: Path) -> bool:
    end = name.suffix.lower()
    return end in _SOUNDS or bool(_ENDING.fullmatch(end) and is_image(end))


def _is_file(name: Path) -> bool:
    try:
        return name.is_file()
    except (OSError, ValueError):  # no name that a file could have
        return False


def test_part(table: ArrowTable) -> tuple[Ints | None, list[str]]:
    """Indices of the rows that a column `split` sets aside, if any, and what a person should know of the others."""
    parts = [str(part).lower() for part in table.column(SPLIT).to_pylist()] if SPLIT in table.column_names else []
    return held_out(parts) if _is_split(parts) else (None, [])


def tokenize(
    x: Array | Sequence[object],
    columns: Sequence[Column],
    test: Ints | None,
    where: str,
    length: int | None = None,
    most: int = LONGEST,
) -> tuple[Floats, Column, list[str]]:
    """Turn texts into token ids.

    Arguments:
        x: texts `(n,)`, None or NaN where missing.
        columns: one, that names the texts and may bring its tokenizer; none where nothing is known.
        test: indices from which nothing is learnt.
        where: the source that an error names.
        length: of the result; None: of nearly every text, so that few are cut.
        most: tokens of a text, where no length is given.

    Returns:
        Ids `(n, length)`, NaN after the end of a text; the column with its tokenizer; notes.

    Raises:
        DataError: a cell is no text, or all texts are empty.
    """
    texts = _clean(x, where)
    empty = sum(not text for text in texts)
    if empty == len(texts):
        raise DataError(f"{where}: all {len(texts)} texts are empty; give some that are not")
    notes = [f"{empty} of {len(texts)} texts {inflected(empty, 'is', 'are')} empty or missing"] if empty else []
    learnt = texts if test is None else [texts[i] for i in np.delete(np.arange(len(texts)), test)]
    column = columns[0] if columns else Column("text")
    if not column.tokenizer:
        if not any(learnt):
            raise DataError(f"{where}: all texts outside the test part are empty; give some that are not")
        column = replace(column, tokenizer=Tokenizer.learn(learnt).state)
    tokenizer = Tokenizer(column.tokenizer)
    ids = tokenizer.ids(texts)
    lengths = np.array([len(one) for one in ids])
    if length is None:
        seen = lengths if test is None else np.delete(lengths, test)
        enough = int(np.ceil(np.quantile(seen, _KEPT) / _STEP)) * _STEP
        length = int(np.clip(min(enough, max(int(seen.max()), 1)), 1, most))
        notes.append(
            f"a vocabulary of {tokenizer.size} tokens; texts are {lengths.min()} to {lengths.max()} tokens long"
        )
    cut = np.flatnonzero(lengths > length)
    if cut.size:
        are, tokens = inflected(cut.size, "is", "are"), inflected(length, "token", "tokens")
        notes.append(f"{cut.size} of {len(texts)} texts {are} cut after {length} {tokens}")
    x = padded(ids, length)
    if tokenizer.marked:
        x[cut] = tokenizer.encode([texts[i] for i in cut], length)
    return x, column, notes


def _clean(x: Array | Sequence[object], where: str) -> list[str]:
    texts = []
    for i, cell in enumerate(x.ravel().tolist() if isinstance(x, np.ndarray) else x):
        if not isinstance(cell, str) and not is_missing(cell):
            raise DataError(
                f"{where}: text {i} is of type {type(cell).__name__}; give texts as strings, None where one is missing"
            )
        texts.append(cell.strip() if isinstance(cell, str) else "")
    return texts


def _likeliest(found: Mapping[str, Sequence[str | None]], known: Collection[str]) -> str:
    named = [name for name in found if name in known] or list(filter(_is_called_text, found))
    return max(named[:1] or found, key=lambda name: sum(len(cell or "") for cell in found[name]))


def _are_texts(cells: Sequence[str | None], name: str) -> bool:
    known = _known(cells)
    if not known or all(map(is_number, known)):
        return False
    if sum(len(cell.split()) for cell in known) >= _WORDS * len(known):
        return True
    return _is_called_text(name) and _mostly_differ(known)


def _mostly_differ(cells: Sequence[str | None]) -> bool:
    known = _known(cells)
    return len(set(known)) >= _DISTINCT * len(known)


def _known(cells: Sequence[str | None]) -> list[str]:
    return [cell for cell in cells if cell is not None and cell.strip()]


def _is_split(parts: Sequence[object]) -> bool:
    return bool(parts) and {str(part).lower() for part in parts} <= _PARTS
