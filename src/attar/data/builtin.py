"""Real sets that come with scikit-learn and aeon, by name."""

from __future__ import annotations

import difflib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from attar.data.dataset import Column
from attar.data.raw import Raw, join
from attar.data.timeseries import read_ts
from attar.errors import DataError, MissingExtraError

_SKLEARN = {"digits": "load_digits", "breast-cancer": "load_breast_cancer", "wine": "load_wine", "iris": "load_iris"}
_AEON = {
    "acsf1": "ACSF1",
    "arrow-head": "ArrowHead",
    "basic-motions": "BasicMotions",
    "gunpoint": "GunPoint",
    "italy-power-demand": "ItalyPowerDemand",
    "japanese-vowels": "JapaneseVowels",
    "osu-leaf": "OSULeaf",
    "pickup-gesture-wiimote-z": "PickupGestureWiimoteZ",
    "unit-test": "UnitTest",
}
NAMES = (*_SKLEARN, *_AEON)


def find(name: str) -> str | None:
    """Return the built-in set that a name means, however it is written; None where there is none.

    >>> find("BasicMotions"), find("breast_cancer"), find("nowhere")
    ('basic-motions', 'breast-cancer', None)
    """
    return {_plain(known): known for known in NAMES}.get(_plain(name))


def suggest(name: str) -> str:
    """End of an error's sentence: the built-in set that may have been meant, or all of them.

    >>> suggest("digit")
    "did you mean the built-in set 'digits'?"
    """
    close = difflib.get_close_matches(_plain(name), [_plain(known) for known in NAMES], 1, 0.7)
    if close:
        return f"did you mean the built-in set '{find(close[0])}'?"
    return f"give a file, a folder, hf:owner/name or a built-in set ({', '.join(NAMES[:6])}, …)"


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def read_builtin(name: str) -> Raw:
    """Read a built-in set; those of aeon keep their own test part.

    Arguments:
        name: one of `NAMES`.

    Raises:
        DataError: the installed aeon no longer brings this set along.
        MissingExtraError: a set of aeon where aeon is not installed.

    >>> read_builtin("digits").x.shape
    (1797, 8, 8)
    """
    if name in _SKLEARN:
        from sklearn import datasets

        bunch = getattr(datasets, _SKLEARN[name])()
        y = [str(bunch.target_names[code]) for code in bunch.target]
        if name == "digits":
            return Raw(np.asarray(bunch.images), y, exact=True, kind="image")
        columns = tuple(Column(str(feature)) for feature in bunch.feature_names)
        return Raw(np.asarray(bunch.data), y, exact=True, columns=columns, kind="table")
    spec = find_spec("aeon")
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"{name}: this set comes with aeon; pip install 'attar[series]'")
    folder = Path(spec.origin).parent / "datasets" / "data" / _AEON[name]
    if not folder.is_dir():
        raise DataError(f"{name}: the installed aeon no longer brings this set along; download it as .ts or NPZ")
    parts = {part.lower(): read_ts(folder / f"{_AEON[name]}_{part}.ts") for part in ("TRAIN", "TEST")}
    return replace(join(parts), exact=True)
