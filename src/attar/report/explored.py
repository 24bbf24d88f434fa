"""What the page of an exploration shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Floats, Ints
from attar.data.quality import Finding


@dataclass(frozen=True)
class Colour:
    """Something that the samples on the map are coloured by.

    Arguments:
        name: as the person chooses it.
        values: one per sample `(n,)`, NaN where unknown; positions in `classes` where there are any.
        classes: names of the values, empty for numbers.
        said: what it is, one sentence.
    """

    name: str
    values: Floats
    classes: tuple[str, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class Shown:
    """One sample for a person.

    Arguments:
        drawn: by its kind, as a data: URI or inline SVG.
        said: a few words beneath it, in one line or several.
        index: of the sample; None where it is one that a model made.
    """

    drawn: str
    said: str = ""
    index: int | None = None


@dataclass(frozen=True)
class Line:
    """Samples side by side, and what they are."""

    name: str
    samples: tuple[Shown, ...]


@dataclass(frozen=True)
class Panel:
    """A section of the page: lines of samples beneath a heading and a sentence, one above the other where `aligned`."""

    title: str
    said: str
    lines: tuple[Line, ...]
    aligned: bool = False


@dataclass(frozen=True)
class Spectrum:
    """How much of the variance lies in how many directions.

    Arguments:
        shares: of the variance, of each principal component, descending.
        effective: (Σ λ)² / Σ λ², how many equal directions would have the same spread.
        intrinsic: how many directions samples vary in locally; NaN where unknown.
        above_chance: components with more variance than independent values would have; None where unknown.
        values: numbers in a sample.
    """

    shares: tuple[float, ...]
    effective: float
    intrinsic: float
    above_chance: int | None
    values: int


@dataclass(frozen=True)
class Explored:
    """Everything that the page of an exploration shows.

    Arguments:
        run: name of the run.
        source: what the samples are called.
        kind: of the samples.
        n: how many samples the source has.
        shape: of one raw sample.
        verdict: what a person should know first.
        notes: what was found on reading.
        ids: names of the samples on the map `(m,)`.
        layouts: by name, places of the samples `(m, 2)`.
        colours: that the map may be coloured by, the first at the beginning.
        sheets: pictures of the samples, many in one image file, in the order of `order`; empty where pixels do not
            suit them.
        cell: width and height of a picture in pixels.
        order: of the samples in the page `(m,)`.
        words: of each sample, where it is a text.
        findings: of `attar.data.quality`, and drawn samples by index for their pairs.
        spectrum: of the principal components.
        panels: further sections.
        seconds, settings, versions, command: of the run.
    """

    run: str
    source: str
    kind: str
    n: int
    shape: tuple[int, ...]
    verdict: str
    notes: tuple[str, ...]
    ids: npt.NDArray[np.str_]
    layouts: Mapping[str, Floats]
    colours: tuple[Colour, ...]
    sheets: tuple[bytes, ...]
    cell: tuple[int, int]
    order: Ints
    words: tuple[str, ...]
    findings: tuple[Finding, ...]
    drawn: Mapping[int, Shown]
    spectrum: Spectrum
    panels: tuple[Panel, ...]
    seconds: float
    settings: Mapping[str, str | int | float | bool | None]
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
