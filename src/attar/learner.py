"""The main job as one scikit-learn estimator."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from attar._files import write_whole
from attar._settings import check_count, is_positive
from attar.errors import DataError, LabelError

if TYPE_CHECKING:
    from torch import nn

    from attar.data.dataset import Dataset
    from attar.deploy.session import Model
    from attar.job import Outcome
    from attar.preparation import Options
    from attar.report.facts import Facts
    from attar.training.progress import Progress


class Learner(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """From unlabelled samples and a handful of labels to a small classifier, and how good it is.

    Representations are learnt from all samples, heads from the labels; every candidate is cross-validated on the
    labels, one is chosen, and what does not fit the budget is distilled into a student that does. Predictions come
    from the very ONNX file that `export` writes.

    Arguments:
        budget: what the file may cost, as "100KB", "0.5ms" or "100KB,0.5ms"; None: no limit.
        kind: "image", "series", "table", "text" or "graph"; None: from X.
        ignore: columns of a table that are no features, as ("row", "price"); `predict` needs none of them.
        category: columns whose numbers, or dates, are names of categories, as ("month",).
        time: seconds that training is fitted to, and about what `fit` takes where it is a minute or more: reading,
            baselines and validation take what they take. None: the default schedule.
        pretexts: to try, as ("simclr", "masked"); (): none; None: those that suit the kind of data.
        backbone: a pretrained encoder that is tried too: "hf:NAME_OR_PATH", or a torch module from raw float32 samples
            `(n, *shape)`, as in X, to `(n, d)`, such as `module_` of a fitted representation.
        backbone_epochs: passes over the samples that it is trained on for, without labels; 0: it stays as it is.
        device: that networks are trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        balanced: whether each class counts the same, however rare: candidates are judged by the mean accuracy over the
            classes, and answers are those of a model to which all classes are as frequent.
        random_state: seed of everything random; None: another for each fit, which then cannot go on in its run.
        run: folder to keep the run in (stages, report, model); a fit that was killed goes on there. None: none is kept.
        progress: True: bars on the terminal; or where else to report, as in `attar.training.progress`; None: nowhere.

    Attributes:
        classes_: labels `(n_classes,)`, sorted, as they were given in y.
        accuracy_: share of new samples that the model gets right (of `balanced`, the mean of that over the classes),
            estimated by cross-validation on the labelled samples and corrected for the choice among candidates.
        accuracy_interval_: low and high end of its 90 % confidence interval.
        leaderboard_: every candidate that was tried, baselines included, the best first; printed as a table.
        facts_: everything that the report shows.
        model_: the exported file, opened as by `attar.load`.
        n_features_in_: numbers in one sample; columns of a table that has names.
        feature_names_in_: of a table whose columns have names: a DataFrame of pandas or polars, a table of Arrow, or
            dicts.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(n_class=2, return_X_y=True)
        >>> X, known = X[:60].reshape(-1, 8, 8), np.where(np.arange(60) < 8, y[:60], -1)
        >>> learner = Learner(budget="20KB", time=1, random_state=0).fit(X, known)
        >>> learner.score(X, y[:60]) > 0.85, learner.leaderboard_[0].name != ""
        (True, True)
    """

    def __init__(
        self,
        budget: str | None = None,
        *,
        kind: str | None = None,
        ignore: str | Sequence[str] = (),
        category: str | Sequence[str] = (),
        time: float | None = None,
        pretexts: tuple[str, ...] | None = None,
        backbone: str | nn.Module | None = None,
        backbone_epochs: int = 0,
        device: str = "cpu",
        balanced: bool = False,
        random_state: int | None = 0,
        run: str | Path | None = None,
        progress: Progress | bool | None = None,
    ) -> None:
        self.budget = budget
        self.kind = kind
        self.ignore = ignore
        self.category = category
        self.time = time
        self.pretexts = pretexts
        self.backbone = backbone
        self.backbone_epochs = backbone_epochs
        self.device = device
        self.balanced = balanced
        self.random_state = random_state
        self.run = run
        self.progress = progress

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Learn from all samples and the labels that are known.

        Arguments:
            X: images `(n, h, w[, c])`, series `(n, channels, steps)` or a list of series of different lengths,
                a table `(n, features)`, DataFrame, table of Arrow or list of dicts from name to value, a list of texts,
                or a graph as an object with `x` and `edge_index`, such as torch-geometric's `Data`, whose samples are
                its nodes.
            y: labels `(n,)`; -1, None, NaN or "" where unlabelled. `predict` gives them back as they are. None: those
                that a graph has itself as `y`. Where a graph has a `train_mask`, only labels in it are learnt from, and
                those in its `test_mask` are the test part.
            groups: names `(n,)` of what each sample is of, such as a patient or a machine; the accuracy is then that
                on samples of new ones. None: samples have nothing to do with each other.

        Returns:
            The learner itself.

        Raises:
            DataError: the samples or arguments cannot be used; LabelError: the labels cannot.
            BudgetError: nothing fits the budget.
        """
        from attar.data.arrays import from_arrays
        from attar.fit import fit_dataset
        from attar.preparation import prepared

        options = self._options()
        budget, reporting = options.limits(), _reporting(self.progress)
        y = _labels_of(X) if y is None else y
        _hold_labels(y)
        dataset = prepared(from_arrays(X, y, kind=self.kind, groups=groups, marks=options.marks), options)
        module = None if isinstance(self.backbone, str) else self.backbone
        with tempfile.TemporaryDirectory() as scratch, reporting as progress:
            outcome = fit_dataset(
                dataset,
                options,
                budget,
                progress,
                folder=Path(scratch, "run") if self.run is None else Path(self.run),
                source="Python arrays",
                # All layers of a network would leave no room for the other settings.
                command=repr(self if module is None else copy(self).set_params(backbone=_Brief(module))),
                backbone=module,
            )
            self._keep(outcome)
        self.classes_ = _as_given(self.model_.meta.classes, dataset, y)
        self._name_features(X)
        return self

    def _options(self) -> Options:
        from attar.data.marks import Marks
        from attar.preparation import Options

        seed = int(check_random_state(None).randint(2**31 - 1)) if self.random_state is None else self.random_state
        check_count("random_state", seed, 0)
        check_count("backbone_epochs", self.backbone_epochs, 0)
        if self.time is not None and not is_positive(self.time):
            raise DataError(f"time must be a number of seconds above 0, or None; got {self.time!r}")
        if not isinstance(self.pretexts, tuple | list | None):
            raise DataError(f"pretexts must be a tuple of names; give {_tuple_of(self.pretexts)}")
        if self.balanced not in (True, False):  # any text would be true
            raise DataError(f"balanced is {self.balanced!r}: give True or False")
        marks = Marks.of(self.ignore, self.category)
        return Options(
            # Numbers of numpy too become those of JSON.
            seed=int(seed),
            seconds=None if self.time is None else float(self.time),
            budget=self.budget,
            kind=self.kind,
            ignore=marks.ignore,
            category=marks.category,
            pretexts=self.pretexts,
            backbone=self.backbone if isinstance(self.backbone, str) else None,
            backbone_epochs=int(self.backbone_epochs),
            device=str(self.device),
            balanced=bool(self.balanced),
        )

    def _keep(self, outcome: Outcome) -> None:
        from attar.deploy.session import load
        from attar.report.ranking import Ranking

        self.model_: Model = load(outcome.model)
        self.facts_: Facts = outcome.facts
        self.accuracy_, self.accuracy_interval_ = self.facts_.accuracy, self.facts_.interval
        self.leaderboard_ = Ranking(self.facts_.leaderboard)

    def _name_features(self, X: Any) -> None:
        from attar.data.held import framed, names

        frame = framed(X)
        called = [] if frame is None else names(frame)
        # Those of a table that are not learnt from, such as ids, are counted as they are named.
        self.n_features_in_ = len(called) or int(np.prod(self.facts_.shape))
        self.__dict__.pop("feature_names_in_", None)
        if called and all(isinstance(name, str) for name in called):
            self.feature_names_in_ = np.array(called, dtype=object)

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Probability of each class.

        Arguments:
            X: samples like those in `fit`, in the same unit: `model_.doubts(X)` says where they look as if in another.
                Images of another size are resized; the end of a shorter series is missing, and that of a longer one is
                cut off.

        Returns:
            float32 `(n, n_classes)`, in the order of `classes_`.

        Raises:
            ModelError: the samples are unlike those in `fit`.
        """
        check_is_fitted(self)
        return self.model_.predict_proba(X)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable label of each sample `(n,)`, one of `classes_`; arguments and errors as `predict_proba`."""
        check_is_fitted(self)
        labels: npt.NDArray[Any] = self.classes_[self.model_.predict_proba(X).argmax(axis=1)]
        return labels

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Logarithm of the probability of each class; arguments, shape and errors as `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the labelled samples that are right.

        Arguments:
            X: samples as of `predict`.
            y: labels `(n,)` as of `fit`; samples that are unlabelled are left out.
            sample_weight: of each sample `(n,)`; None: all count the same.

        Raises:
            ModelError: as `predict_proba`; LabelError: no sample is labelled, or there are other numbers of labels or
                weights.
        """
        from attar.data.labels import encode_labels

        check_is_fitted(self)
        labels = _flat(y)
        # Together with the classes, so that all are read alike.
        codes = encode_labels([*labels, *self.model_.meta.classes])[0]
        codes, classes = np.split(codes, [len(labels)])
        known = codes >= 0
        if not known.any():
            raise LabelError("no sample is labelled: give the label of some, to say how many are right")
        said = self.predict_proba(X).argmax(axis=1)
        if len(said) != len(labels):
            raise LabelError(f"{len(said)} samples but {len(labels)} labels; give one for each, -1 where unknown")
        weights = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weights.shape != (len(labels),):
            raise LabelError(f"{len(labels)} labels but weights of shape {weights.shape}; give one for each")
        said, weights = said[known], weights[known]
        if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.any()):
            raise LabelError("weights of labelled samples must be finite, from 0 on, and not all 0")
        # By name, or as Python compares: 1 is True.
        right = (classes[said] == codes[known]) | (self.classes_.astype(object)[said] == labels[known].astype(object))
        return float(np.average(right, weights=weights))

    def export(self, path: str | Path) -> Path:
        """Write the ONNX file, to be read with `attar.load`, `attar predict` or plain onnxruntime.

        Returns:
            The path, whose folder is made where it does not exist.
        """
        check_is_fitted(self)
        path = Path(path)
        write_whole(path, self.model_.data)
        return path

    def report(self, path: str | Path) -> Path:
        """Write the report as one self-contained HTML page; returns as `export`."""
        from attar.report.page import render

        check_is_fitted(self)
        path = Path(path)
        write_whole(path, render(self.facts_))
        return path

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags


class _Brief:
    """What stands for an object where all of it would be too long."""

    def __init__(self, one: object) -> None:
        self.one = one

    def __repr__(self) -> str:
        return f"{type(self.one).__name__}(…)"


def _tuple_of(name: object) -> str:
    return "()" if name == "none" else f"({name if isinstance(name, str) else 'simclr'!r},)"


def _reporting(progress: Any) -> AbstractContextManager[Progress]:
    """What a fit reports to while it is under way."""
    if progress is True:
        from attar._terminal import Terminal

        return Terminal()
    if progress in (None, False):
        from attar.training.progress import Silent

        return nullcontext(Silent())
    if not (hasattr(progress, "task") and hasattr(progress, "say")):
        raise DataError(f"progress is {progress!r}: give True for bars on the terminal, or None")
    return nullcontext(progress)


def _flat(y: Any) -> npt.NDArray[Any]:
    """Labels `(n,)` as an array; NaN where a masked array has none."""
    from attar.data.held import plain

    labels: npt.NDArray[Any] = np.asarray(plain(y))
    return labels[:, 0] if labels.shape[1:] == (1,) else labels


def _labels_of(X: Any) -> Any:
    """The labels that a graph has itself."""
    from attar.data.graphs import is_graph

    y = getattr(X, "y", None) if is_graph(X) else None
    if y is None:
        raise LabelError(
            "Learner requires y to be passed, but the target y is None: give a label for each sample, -1 where unknown"
        )
    return y


def _hold_labels(y: Any) -> None:
    labels = _flat(y)
    if not labels.ndim:
        raise LabelError(f"y is of type {type(y).__name__}: give a list or an array with a label for each sample")
    if labels.dtype.kind == "S" or (labels.dtype == object and any(isinstance(one, bytes) for one in labels.flat)):
        raise LabelError("y holds bytes, which are no labels to give back: decode them, as by np.char.decode(y)")


def _as_given(classes: tuple[str, ...], dataset: Dataset, y: Any) -> npt.NDArray[Any]:
    """Labels as they came, one of each class, where a file has their names."""
    codes = [dataset.classes.index(name) for name in classes]
    labels = _flat(y)[[np.argmax(dataset.y == code) for code in codes]]
    kind = getattr(y, "dtype", None)
    kind = getattr(getattr(kind, "categories", None), "dtype", kind)
    if getattr(kind, "kind", "") in ("i", "u"):  # floats beside gaps that are masked, or of pandas' nullable integers
        return labels.astype(kind if isinstance(kind, np.dtype) else np.int64)
    # In the type that they would have had without gaps.
    return np.array(labels.tolist()) if labels.dtype == object else labels
