"""What a report shows: the facts of one finished run, as JSON in the run folder."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Share of samples from which a compressed model stands for what it came from.
_FAITHFUL = 0.98


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Fact, extra="ignore"):  # runs of earlier versions have a note, which was always empty
    """One candidate of the leaderboard.

    Arguments:
        name: representation and head, as in "simclr + propagation".
        accuracy: estimated by repeated cross-validation on the labelled samples, 0 to 1.
        interval: 90 %, of this candidate alone.
        bytes: of its exported file.
        latency_ms: per sample in onnxruntime on one thread.
        baseline: True for the candidates that learn nothing from the unlabelled samples.
        chosen: True for the one that went on.
        seconds: spent on fitting and validating it.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    bytes: int
    latency_ms: float
    baseline: bool
    chosen: bool
    seconds: float


class Step(_Fact):
    """One stage of compression, measured: the model before, after distillation, after quantisation."""

    name: str
    bytes: int
    latency_ms: float
    # Share of training samples given the same class as by the uncompressed choice; the mean over its classes where each
    # counts the same.
    agreement: float | None = None
    accuracy: float | None = None  # on the test split, None where there is none
    note: str = ""


def otherwise(shipped: Step, test_accuracy: float | None) -> float:
    """How many samples a compressed model gives another class than the candidate that it stands for.

    0 where these are too few to matter, or where a test part says how right the model itself is.

    >>> step = Step(name="int8", bytes=500, latency_ms=2.0, agreement=0.75, accuracy=None)
    >>> otherwise(step, None), otherwise(step, 0.7), otherwise(step.model_copy(update={"agreement": 0.99}), None)
    (0.25, 0.0, 0.0)
    """
    if test_accuracy is not None or shipped.agreement is None or shipped.agreement >= _FAITHFUL:
        return 0.0
    return 1 - shipped.agreement


def unlike(balanced: bool) -> str:
    """What the share of `otherwise` is of."""
    return "the samples of a class, in the mean," if balanced else "the samples"


class CurvePoint(_Fact):
    """Estimated accuracy of the chosen candidate when trained on `labels` labels."""

    labels: int
    accuracy: float
    low: float
    high: float


class Group(_Fact):
    """How often the model is right on samples of one group, on those that `Facts.confusion_of` names."""

    name: str
    n: int
    accuracy: float


class LatentPoint(_Fact):
    """One sample on the latent map."""

    id: str
    x: float
    y: float
    predicted: str
    probability: float
    label: str | None  # None where unlabelled
    thumbnail: str  # drawn by the kind: inline SVG or a data: URI; empty for none


class Facts(_Fact):
    """Everything that a report shows."""

    run: str  # name of the run folder
    source: str
    kind: str
    n: int = Field(ge=1)
    n_labelled: int
    n_test: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    labels_per_class: tuple[int, ...]  # labelled training samples in each class
    notes: tuple[str, ...]
    verdict: str
    why: str  # one sentence: why this candidate was chosen
    balanced: bool = False  # whether every accuracy below is the mean of those on each class
    accuracy: float  # of the chosen candidate, corrected for having been chosen
    interval: tuple[float, float]
    test_accuracy: float | None
    test_interval: tuple[float, float] | None
    leaderboard: tuple[Row, ...]  # the most accurate first; one of them is the chosen one
    confusion: tuple[tuple[int, ...], ...]  # [true][predicted], in the order of `classes`; empty where there is none
    confusion_of: str  # "test split" where there is one, or "cross-validation on the labelled samples" and how often
    groups: tuple[Group, ...] = ()  # the least accurate first
    curve: tuple[CurvePoint, ...]
    # "regime": a sentence on the chosen model; "sweeps": `report.swept.Shown` as JSON; "without": why there are none
    risk: dict[str, Any] = {}
    latent: tuple[LatentPoint, ...] = Field(min_length=1)
    latent_of: str  # which representation the map shows
    # From the chosen candidate to the shipped file, which may be one.
    compression: tuple[Step, ...] = Field(min_length=1)
    budget: str | None
    largest_difference: float  # in probability, of the file from the model it was made from
    model_path: str
    model_bytes: int
    model_latency_ms: float
    seconds: float
    settings: dict[str, str | int | float | bool | None]
    versions: dict[str, str]
    command: str  # what repeats the run

    @property
    def chosen(self) -> Row:
        """The candidate that went on."""
        return next(row for row in self.leaderboard if row.chosen)

    @property
    def measure(self) -> str:
        """What every accuracy is, in words."""
        return "balanced accuracy" if self.balanced else "accuracy"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        n = len(self.classes)
        if self.confusion and [len(row) for row in self.confusion] != [n] * n:
            raise ValueError(f"confusion must be {n} × {n}, one row and one column for each of `classes`")
        if len(self.labels_per_class) != n:
            raise ValueError(f"labels_per_class must hold {n} counts, one for each of `classes`")
        if sum(row.chosen for row in self.leaderboard) != 1:
            raise ValueError("one row of the leaderboard must be the one that was chosen, and no other")
        return self
