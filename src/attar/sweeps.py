"""Which risk curves suit which data: what is varied, from where, and what the curve advises, by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from torch import nn

from attar.adapt.folds import stratified_folds
from attar.data.dataset import Doubles, Floats, Ints
from attar.errors import DataError, LabelError
from attar.represent import RandomConvolutions, RandomFeatures, Raw, TfIdf
from attar.risk import Curve, epoch_curve, forest_grid, network_curve
from attar.risk.advice import Advice, advise, mean_of
from attar.risk.columns import PENALTIES, columns_curve, noise_curve, penalty_curve, samples_curve
from attar.risk.labels import more_labels, wrong_labels
from attar.trials.base import apply

if TYPE_CHECKING:
    from attar.kinds.base import Kind
    from attar.risk import ForestGrid
    from attar.training.progress import Progress


FOLDS = 5
# Rounds of cross-validation of what is quick, of trees, and of networks.
_ROUNDS, _TREE_ROUNDS, _NETWORK_ROUNDS = 6, 3, 2
# Where models stand without advice: attar's numbers of features without a ridge, scikit-learn's number of trees with
# as many leaves as there are samples, and its network (of images and series one of convolutions, narrower).
_KERNELS, _FEATURES, _TREES, _EPOCHS = 256, 2048, 100, 200
_WIDTH = {"mlp": 100, "conv": 16}
_RECIPE = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-4, "batch_size": 200, "seeds": 1}
_WIDTHS = {"mlp": (2, 5, 10, 20, 50, 100, 200), "conv": (2, 4, 8, 16, 32)}
_MOST_TREES, _MOST_EPOCHS = 400, 1600
# Samples seen in all epochs, at most; but at least twice as many epochs as the default.
_SEEN = 320_000
_NOISE = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
_SAMPLE = np.geomspace(0.15, 1, 8)


@dataclass(frozen=True)
class Labelled:
    """Labelled samples, in the views that models have of them.

    Arguments:
        kind: that has learnt from all training samples.
        x: raw training samples, with a label or without.
        labelled: which have one.
        codes: their classes.
        seed: of everything random.
        together: which of the labelled samples are left out together; None: each by itself.
    """

    kind: Kind
    x: Floats
    labelled: Ints
    codes: Ints
    seed: int
    together: Ints | None = None
    _seen: dict[str, Doubles] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def _features(self) -> nn.Module:
        tried: dict[str, Callable[[], Any]] = {
            "random-convolutions": lambda: RandomConvolutions(_KERNELS, kind=self.kind, random_state=self.seed),
            "tf-idf-svd": lambda: TfIdf(kind=self.kind, random_state=self.seed),
            "random-features": lambda: RandomFeatures(_FEATURES, kind=self.kind, random_state=self.seed),
        }
        own = self.kind.own_baselines()
        if own:
            return next(iter(own.values()))
        make = next((make for name, make in tried.items() if name in self.kind.baselines), None)
        representation = Raw(kind=self.kind) if make is None else make()
        module: nn.Module = representation.fit(self.x).module_
        return module

    @cached_property
    def _inputs(self) -> nn.Module:
        if not self.kind.quantities:
            return self._features
        preprocess = self.kind.preprocess().eval()
        shaped = len(self.kind.shape) > 1
        return preprocess if shaped else nn.Sequential(preprocess, self.kind.flat()).eval()

    def seen(self, view: str, x: Floats | None = None) -> Doubles:
        """Samples as "features" of a linear model or "inputs" of a network; the labelled ones where none are given."""
        if x is None:
            # Every axis asks for them, and of large images they take longer than most axes.
            if view not in self._seen:
                self._seen[view] = self.seen(view, self.x[self.labelled])
            return self._seen[view]
        module = self._features if view == "features" else self._inputs
        return apply(module, x, self.kind.batch(64)).astype(np.float64)


# From training samples and classes, test samples and classes, and a seed.
Measure = Callable[[Doubles, Ints, Doubles, Ints, int], Curve]


@dataclass(frozen=True)
class Axis:
    """Something to vary.

    Arguments:
        view: of the samples.
        default: where the model stands without advice.
        measure: the curve.
        rounds: of cross-validation.
    """

    view: str
    default: float
    measure: Measure
    rounds: int = _ROUNDS


@dataclass(frozen=True)
class Sweep:
    """One axis, measured.

    Arguments:
        curve: the mean over the folds.
        advice: what it says to do.
        looked_at: risks of default and advised setting on test samples, squared error or whatever the curve measures
            and share of wrong answers; None where there are none.
    """

    curve: Curve
    advice: Advice
    looked_at: tuple[Curve, Curve] | None = None


OVER = {
    "features": ("features", "λ"),
    "leaves": ("leaves", "trees"),
    "width": ("width",),
    "epochs": ("epochs",),
    "samples": ("samples",),
    "label-noise": ("label noise",),
}
"""Axes of each name that a person may ask for."""
AXES = tuple(axis for group in OVER.values() for axis in group)
"""What can be varied."""


def sweep(data: Labelled, over: str, progress: Progress, test: tuple[Floats, Ints] | None = None) -> Sweep:
    """Vary one thing, by repeated cross-validation on the labelled samples.

    Arguments:
        data: labelled samples.
        over: one of `AXES`.
        progress: where to report.
        test: raw samples and classes that are looked at once, at the default and at the advised setting.

    Raises:
        DataError: an axis that there is not.
        LabelError: too few labels to leave some out.
    """
    axis = axis_of(over, data, least_training(data.codes, data.seed, data.together))
    samples = data.seen(axis.view)
    found = cross_validated(axis, over, samples, data.codes, data.seed, progress, data.together)
    if test is None:
        return found
    curve = axis.measure(samples, data.codes, data.seen(axis.view, test[0]), test[1], data.seed)
    return replace(found, looked_at=(_at(curve, found.advice.default), _at(curve, found.advice.setting)))


def cross_validated(
    axis: Axis,
    over: str,
    samples: Any,
    codes: Ints,
    seed: int,
    progress: Progress,
    together: Ints | None = None,
) -> Sweep:
    """An axis by repeated cross-validation.

    Arguments:
        axis: what to vary.
        over: its name.
        samples: labelled ones, as the axis sees them.
        codes: their classes.
        seed: of folds and curves.
        progress: where to report.
        together: samples that belong together are left out together.
    """
    everything, rounds = np.arange(len(codes)), list[list[Curve]]()
    with progress.task(f"over {over}", axis.rounds * FOLDS) as task:
        for folds in _rounds(codes, axis.rounds, seed, together):
            rounds.append([])
            for fold, own in folds:
                others = np.setdiff1d(everything, fold)
                rounds[-1].append(axis.measure(samples[others], codes[others], samples[fold], codes[fold], own))
                task.advance()
    n_train = least_training(codes, seed, together)
    advice = {"samples": more_labels, "label noise": wrong_labels}.get(over, advise)(
        rounds, axis.default, share=(len(codes) - n_train) / n_train
    )
    return Sweep(mean_of(rounds), advice)


def axis_of(over: str, data: Labelled, n: int) -> Axis:
    """The axis of a name, for models of so many training samples.

    Raises:
        DataError: there is none.
    """
    if over not in _MAKERS:
        raise DataError(f"over is {over!r}: give one of {', '.join(AXES)}")
    return _MAKERS[over](data, n)


def _seeded(curve: Callable[..., Curve], **settings: Any) -> Measure:
    return lambda x, y, t, u, seed: curve(x, y, t, u, **settings, random_state=seed)


def _over_features(data: Labelled, n: int) -> Axis:
    p = data.seen("features").shape[1]
    return Axis("features", p, _seeded(columns_curve, sizes=sizes_around(n, p)))


def _over_ridge(*_: object) -> Axis:
    return Axis("features", float(PENALTIES[0]), lambda x, y, t, u, _: penalty_curve(x, y, t, u))


def _over_leaves(_: Labelled, n: int) -> Axis:
    grid = _forests(_whole(np.geomspace(2, n, 12), n), _TREES)
    return Axis("inputs", n, lambda *of: grid(*of).over_leaves(_TREES), _TREE_ROUNDS)


def _over_trees(_: Labelled, n: int) -> Axis:
    grid = _forests(n, _whole(np.concatenate([np.geomspace(1, _MOST_TREES, 14), [_TREES]]), _MOST_TREES))

    def measure(*of: Any) -> Curve:
        forests = grid(*of)
        return forests.over_trees(int(forests.leaves[0]))

    return Axis("inputs", _TREES, measure, _TREE_ROUNDS)


def _over_width(data: Labelled, _: int) -> Axis:
    net = _net_for(data)
    measure = _seeded(network_curve, net=net, values=_WIDTHS[net], epochs=_EPOCHS, **_RECIPE)
    return Axis("inputs", _WIDTH[net], measure, _NETWORK_ROUNDS)


def _over_epochs(data: Labelled, n: int) -> Axis:
    net, most = _net_for(data), int(np.clip(_SEEN / n, 2 * _EPOCHS, _MOST_EPOCHS))
    places = np.unique(np.append(np.geomspace(1, most, 25).round(), _EPOCHS))
    curve = _seeded(epoch_curve, net=net, width=_WIDTH[net], epochs=most, points=30, **_RECIPE)
    return Axis("inputs", _EPOCHS, lambda *of: _on(curve(*of), places), _NETWORK_ROUNDS)


def _over_samples(_: Labelled, n: int) -> Axis:
    sizes = np.unique([max(2, size) for size in _whole(_SAMPLE * n, n)])
    return Axis("features", n, _seeded(samples_curve, sizes=sizes))


def _over_label_noise(*_: object) -> Axis:
    return Axis("features", 0.0, _seeded(noise_curve, shares=_NOISE))


_MAKERS: dict[str, Callable[[Labelled, int], Axis]] = {
    "features": _over_features,
    "λ": _over_ridge,
    "leaves": _over_leaves,
    "trees": _over_trees,
    "width": _over_width,
    "epochs": _over_epochs,
    "samples": _over_samples,
    "label noise": _over_label_noise,
}


def sizes_around(n: int, p: int) -> list[int]:
    """Numbers of features from few to all p, close together where there are as many as samples."""
    near = n * np.array([0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.95, 1, 1.05, 1.2, 1.5, 2])
    return _whole(np.concatenate([near, np.geomspace(2 * n, max(p, 2 * n), 10), [p]]), p)


def least_training(codes: Ints, seed: int = 0, together: Ints | None = None) -> int:
    """Samples that every fold leaves to train on.

    Arguments:
        codes: classes of the labelled samples `(n,)`.
        seed: of the folds, as of `cross_validated`.
        together: likewise.

    Raises:
        LabelError: too few labels to leave some out.
    """
    if len(np.unique(codes)) < 2:
        raise LabelError("all labels are of one class; label samples of at least two")
    # Of samples apart, every round leaves out as many.
    rounds = _rounds(codes, 1 if together is None else _ROUNDS, seed, together)
    n, few = len(codes), "give two of each class or more"
    if any(len(folds) < 2 for folds in rounds):
        raise LabelError(f"{n} labels are too few to leave some out: {few}")
    least = n - max(len(fold) for folds in rounds for fold, _ in folds)
    if least < 2:
        raise LabelError(f"{n} labels are too few to leave some out: {few}")
    return least


def _rounds(codes: Ints, rounds: int, seed: int, together: Ints | None) -> list[list[tuple[npt.NDArray[np.intp], int]]]:
    """What each fold of each round leaves out, and a seed of its own.

    What chance favours in one fold, such as an order of features, chooses in no other.
    """
    rng = np.random.default_rng(seed)
    return [
        [(fold, int(rng.integers(2**31))) for fold in stratified_folds(codes, FOLDS, rng, together)]
        for _ in range(rounds)
    ]


def _whole(values: npt.ArrayLike, most: int) -> list[int]:
    return [int(v) for v in np.unique(np.clip(np.round(np.asarray(values)), 1, most))]


def _forests(leaves: int | list[int], trees: int | list[int]) -> Callable[..., ForestGrid]:
    def grid(x: Any, y: Ints, t: Any, u: Ints, seed: int) -> ForestGrid:
        flat, on = x.reshape(len(x), -1), t.reshape(len(t), -1)
        return forest_grid(flat, y, on, u, leaves=leaves, trees=trees, bootstrap=True, random_state=seed)

    return grid


def _net_for(data: Labelled) -> str:
    return "conv" if data.seen("inputs").ndim > 2 else "mlp"


def _on(curve: Curve, places: Doubles) -> Curve:
    """A curve over epochs at these, between those measured: with other numbers of samples, epochs end elsewhere."""

    def between(values: Doubles) -> Doubles:
        found: Doubles = np.interp(np.log(places), np.log(curve.axis), values)
        return found

    inner = None if curve.zero_one is None else _on(curve.zero_one, places)
    return Curve(
        places,
        between(curve.train_risk),
        between(curve.test_risk),
        over=curve.over,
        loss=curve.loss,
        threshold=curve.threshold,
        zero_one=inner,
    )


def _at(curve: Curve, place: float) -> Curve:
    i = [int(np.argmin(np.abs(curve.axis - place)))]
    inner = None if curve.zero_one is None else _at(curve.zero_one, place)
    return Curve(
        curve.axis[i], curve.train_risk[i], curve.test_risk[i], over=curve.over, loss=curve.loss, zero_one=inner
    )
