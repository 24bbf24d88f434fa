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
    """Something that the samples on the map are coloured by."""

    name: str  # as the person chooses it
    values: Floats  # one per sample `(n,)`, NaN where unknown; positions in `classes` where there are any
    classes: tuple[str, ...] = ()  # names of the values, empty for numbers
    said: str = ""  # what it is, one sentence


@dataclass(frozen=True)
class Shown:
    """One sample for a person."""

    drawn: str  # by its kind, as a data: URI or inline SVG
    said: str = ""  # a few words beneath it, in one line or several
    index: int | None = None  # of the sample; None where it is one that a model made


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
    """How much of the variance lies in how many directions."""

    shares: tuple[float, ...]  # of the variance, of each principal component, descending
    effective: float  # (Σ λ)² / Σ λ², how many equal directions would have the same spread
    intrinsic: float  # how many directions samples vary in locally; NaN where unknown
    above_chance: int | None  # components with more variance than independent values would have; None where unknown
    values: int  # numbers in a sample


@dataclass(frozen=True)
class Explored:
    """Everything that the page of an exploration shows."""

    run: str  # name of its folder
    source: str  # what the samples are called
    kind: str
    n: int  # how many samples the source has
    shape: tuple[int, ...]  # of one raw sample
    verdict: str  # what a person should know first
    notes: tuple[str, ...]  # what was found on reading
    ids: npt.NDArray[np.str_]  # names of the samples on the map `(m,)`
    layouts: Mapping[str, Floats]  # by name, places of the samples `(m, 2)`
    colours: tuple[Colour, ...]  # that the map may be coloured by, the first at the beginning
    # Pictures of the samples, many in one image file, in the order of `order`; empty where pixels do not suit them.
    sheets: tuple[bytes, ...]
    cell: tuple[int, int]  # width and height of a picture in pixels
    order: Ints  # of the samples in the page `(m,)`
    words: tuple[str, ...]  # of each sample, where it is a text
    findings: tuple[Finding, ...]  # of `attar.data.quality`
    drawn: Mapping[int, Shown]  # samples of their pairs, by index
    spectrum: Spectrum
    panels: tuple[Panel, ...]  # further sections
    seconds: float
    settings: Mapping[str, str | int | float | bool | None]
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
