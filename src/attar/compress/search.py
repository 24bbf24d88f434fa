"""The mix of channels, ranks, zeros and bits that fits a budget at the least loss."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attar._fingerprint import fingerprint
from attar.compress.answers import answers, check_classes
from attar.compress.attempts import Attempt, Attempts, Judge
from attar.compress.budget import Budget, as_budget, budget_second, milliseconds, readable
from attar.compress.checks import as_seed, check_answers, check_single, check_two_epochs
from attar.compress.distillation import distill
from attar.compress.given import Labels, Samples, SampleSource, View, as_array, class_codes, gathered, rows, samples_for
from attar.compress.layers import with_layers
from attar.compress.limits import Limits, quality_then_bytes
from attar.compress.parametrizations import codes_of, frozen
from attar.compress.places import copied, places
from attar.compress.program import Program, listed
from attar.compress.saved import as_program
from attar.compress.saved import size as bytes_of
from attar.compress.sensitivity import Way, mix, sensitivities, written
from attar.compress.shapes import WHOLE, shapes
from attar.compress.squeezing import squeeze
from attar.data.dataset import UNLABELLED
from attar.data.split import some
from attar.deploy.folding import fold_batch_norm
from attar.errors import BudgetError, CompressionError, TrainingError
from attar.training.modes import usual_defaults
from attar.training.progress import Progress, Silent

# Sizes without training that are tried, as shares of the network in floating point: for the front, and for a budget
# that is met without training.
_SHARES = (0.25, 0.19, 0.14, 0.1)
# Where all of these lose too much, as with few weights beside a long description.
_LARGER = (0.35, 0.5, 0.7)
# Bits of a code that training is tried with, by whether the file has less than so many bits a weight.
_FEW, _MANY, _BETWEEN = (3, 2), (3, 4), 1.0
# Samples from which channels and ranks are chosen.
_SOME = 512
# Epochs of a first look at every way, of all.
_LOOK = 4
# For a loss alone: each size is this share of the one before.
_SMALLER = 0.6
_ASIDE, _MOST_ASIDE = 0.2, 5000
# What a person is told to do where nothing fits.
_MORE = "allow more, or more epochs"
_MORE_OF_INTEGERS = "weights that are integers already stay as they are: give the network from before, or allow more"


@dataclass(frozen=True, repr=False)
class Compressed:
    """A network that fits its budget, and what else was tried.

    Arguments:
        model: that fits; computes what the file that `save` writes of it does.
        chosen: its figures.
        dense: those of the network before, as float32.
        attempts: all that was tried, the network before among them.
        ways: of each tensor, what fewer bits and more zeros cost.
        judged: "accuracy" where classes of samples set aside were known, else "agreement" with the network before, or
            "R²" of its answers where they are no logits of classes.
        n_judged: how many samples that is.
    """

    model: Program
    chosen: Attempt
    dense: Attempt
    attempts: tuple[Attempt, ...]
    ways: dict[str, tuple[Way, ...]]
    judged: str
    n_judged: int

    @property
    def front(self) -> tuple[Attempt, ...]:
        """What nothing else beats in both bytes and quality, from the smallest on."""
        best: list[Attempt] = []
        for one in sorted(self.attempts, key=lambda a: (a.bytes, -a.quality)):
            if not best or one.quality > best[-1].quality:
                best.append(one)
        return tuple(best)

    def __iter__(self) -> Iterator[Any]:
        """The network and the front, as in `model, front = compress(…)`."""
        return iter((self.model, self.front))

    def __repr__(self) -> str:
        """The figures in a line; the network and all that was tried would fill pages."""
        time = "" if self.chosen.latency_ms is None else f", {milliseconds(self.chosen.latency_ms)} a sample"
        return (
            f"Compressed({self.chosen.name}: {readable(self.dense.bytes)} → {readable(self.chosen.bytes)}{time}, "
            f"{100 * self.chosen.quality:.1f} % {self.judged} on {self.n_judged:,} samples, {len(self.attempts)} tried)"
        )


@budget_second
@usual_defaults()
def compress(
    model: nn.Module,
    budget: Budget | str,
    X: SampleSource,
    y: Labels = None,
    *,
    epochs: int = 12,
    view: View | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Compressed:
    """Find the mix of channels, ranks, zeros and bits whose file fits the budget at the least loss.

    Every tensor is tried by itself with fewer bits and more zeros, and the mix of these that costs least is written
    without training. Where that loses more than 0.3 % (or than the budget says), networks of full width, with fewer
    channels and of low rank are each trained to the budget for a few epochs, by distillation from the original; the
    best of them is trained for all. What decides are samples that are set aside: a fifth of them, at most 5 000.

    References:
        He et al., AMC: AutoML for Model Compression and Acceleration, 2018, https://arxiv.org/abs/1802.03494
        Jamieson, Talwalkar, Non-stochastic Best Arm Identification, 2016, https://arxiv.org/abs/1502.07943 (halving)

    Arguments:
        model: any network from a batch to one tensor; it is not changed. Weights that are integers already, as those of
            a network that was compressed before, stay as they are.
        budget: bytes of the file that `save` writes; milliseconds in onnxruntime of what `unpack` writes: of what is
            within both the best, and of equals the smallest; with an `accuracy_drop` and no bytes, the smallest file
            that loses no more; or as text, such as "50KB,1%".
        X: samples `(n, *shape)`, none of which needs a label, or a data set or loader of them.
        y: class codes `(n,)`, -1 where unlabelled; None: no labels but those in the items of X.
        epochs: of training the one that is chosen, at least 2.
        view: of a batch of samples, for training; None: the samples as they are.
        seed: of all that is random.
        folder: to keep what is finished in, and to go on from with the same network, samples and settings.
        progress: where steps are reported, and each attempt with its figures.

    Raises:
        BudgetError: nothing that was tried fits, or a time is given and the network has no ONNX form.
        CompressionError: the network cannot be traced, there are fewer than two samples, or the folder is of another
            search.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net, x = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4)), torch.randn(256, 16)
        >>> small = compress(net, Budget(bytes=1500), x)
        >>> small.chosen.bytes <= 1500, small.dense.bytes > 4000, small.chosen.quality > 0.9
        (True, True, True)
    """
    budget = as_budget(budget)
    if budget == Budget():
        raise BudgetError("the budget allows everything: say bytes, milliseconds or what may be lost")
    check_single(model)
    check_two_epochs(epochs)
    seed = as_seed(seed)
    x, y = gathered(X, y)
    x = samples_for(model, x)
    if len(x) < 2:
        raise CompressionError(f"{len(x)} samples: some are set aside to judge by; give at least two")
    progress = progress or Silent()
    with tempfile.TemporaryDirectory() as scratch:
        return _Search(model, budget, x, y, epochs, view, seed, Path(folder or scratch), progress).run()


class _Search:
    def __init__(
        self,
        model: nn.Module,
        budget: Budget,
        x: Samples,
        y: Labels,
        epochs: int,
        view: View | None,
        seed: int,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.budget, self.epochs, self.view, self.seed, self.progress = budget, epochs, view, seed, progress
        self.model = fold_batch_norm(frozen(with_layers(model)), rows(x, torch.arange(1)))
        labels = class_codes(y, len(x))
        aside, rest = _apart(labels, seed)
        self.x, self.labels = rows(x, rest), labels[rest]
        self.before = answers(self.model, self.x)
        check_classes(labels, self.before)
        judged = rows(x, aside)
        judge = Judge(judged, answers(self.model, judged), labels[aside])
        check_answers((self.before, judge.before))
        example = rows(x, aside[:1])
        # Traced once: what is written of it many times need not be traced again.
        self.whole = as_program(self.model, example)
        # The time decides which narrower networks there are, and the bytes stand in the names of attempts.
        settings = f"{listed(self.whole).steps} {epochs} {seed} {_named(view)} {budget.latency_ms}"
        tensors = map(as_array, self.whole.state_dict().values())
        asked = fingerprint(np.asarray(settings), *tensors, np.asarray(x), labels.numpy())
        self.attempts = Attempts(folder, judge, example, progress, asked)
        self._traced = {WHOLE: self.whole}

    def run(self) -> Compressed:
        dense = self.limits.dense
        if self.budget.latency_ms is not None and dense.latency_ms is None:
            raise BudgetError(
                "the network has no ONNX form whose time could be measured: give bytes or what may be lost, and no time"
            )
        ways = sensitivities(self.whole, self.x, progress=self.progress)
        for title, size in self._sizes_to_round_to():
            self._try(f"rounded to {title}", partial(self._rounded, ways, size))
        if not self.limits.are_met(self.attempts.all):
            for size in self._sizes_to_train_to():
                trained = self._trained(size)
                if trained is None or not self.limits.keeps(trained):
                    break
        tried, judge = self.attempts.all, self.attempts.judge
        chosen = self.limits.best(tried)
        if chosen is None:
            integers = any(codes_of(place) is not None for place in places(self.model))
            raise self.limits.refusal(tried, judge.measure, _MORE_OF_INTEGERS if integers else _MORE)
        return Compressed(self.attempts.program(chosen), chosen, dense, tried, ways, judge.measure, len(judge.before))

    @cached_property
    def limits(self) -> Limits:
        return Limits(self.budget, dense=self.attempts.of("float32", lambda _: self.whole))

    def _sizes_to_round_to(self) -> Iterator[tuple[str, int]]:
        """Names and bytes of what is tried without training; those before are measured when one is asked for."""
        most = self.budget.bytes
        for share in _SHARES:
            yield f"{share:.0%}", int(share * self.limits.dense.bytes)
        if most is not None:
            if most < self.limits.dense.bytes:
                yield _exactly(most), most
        elif self.budget.accuracy_drop is not None:
            for share in _LARGER:
                if sum(map(self.limits.keeps, self.attempts.all)) > 1:
                    return
                yield f"{share:.0%}", int(share * self.limits.dense.bytes)

    def _sizes_to_train_to(self) -> Iterator[int]:
        """The bytes of the budget; where there are none, sizes of which the largest is first."""
        if self.budget.bytes is not None:
            yield self.budget.bytes
        elif self.budget.accuracy_drop is None:
            yield int(0.25 * self.limits.dense.bytes)
        else:
            size = 0.5 * min(one.bytes for one in self.attempts.all)
            while size > 64:
                yield int(size)
                size *= _SMALLER

    def _rounded(self, ways: dict[str, tuple[Way, ...]], size: int, _: Path) -> nn.Module:
        """The mix for a file of at most so many bytes, whose description is only known once it is written."""
        rest = 8 * self.limits.dense.bytes - sum(as_is.size for as_is, *_ in ways.values())
        allowed = 8.0 * size - max(rest, 0.0)
        if allowed < 0:
            raise CompressionError(f"what stays as it is takes more than {readable(size)}")
        while True:
            chosen = mix(ways, allowed)
            small = written(self.whole, chosen)
            if (over := bytes_of(small, self.attempts.example) - size) <= 0:
                return small
            # To the next smaller mix at least: few bytes less may allow the same one.
            allowed = min(allowed - 8 * over, sum(way.size for way in chosen.values()) - 1)

    def _trained(self, size: int) -> Attempt | None:
        """The best of the ways to train a network to so many bytes; None where there is none."""
        weights = sum(place.value.numel() for place in places(self.model))
        of_a_code = _FEW if 8 * size < _BETWEEN * weights else _MANY
        short = max(2, self.epochs // _LOOK)
        looks: dict[tuple[str, int], Attempt] = {}
        for name in self._shapes:
            for bits in of_a_code if name == WHOLE else of_a_code[:1]:
                title = f"{_title(name, bits, size)}, first look"
                look = self._try(title, partial(self._train, name, size, bits, short))
                if look is not None:
                    looks[name, bits] = look
        if not looks:
            return None
        name, bits = max(looks, key=lambda way: quality_then_bytes(looks[way]))
        whole = self._try(_title(name, bits, size), partial(self._train, name, size, bits, self.epochs))
        tried = looks.values() if whole is None else (whole, *looks.values())
        return max(tried, key=lambda a: a.quality)

    @cached_property
    def _shapes(self) -> dict[str, nn.Module]:
        """The networks that training begins with, which are the same for every size."""
        few = rows(self.x, torch.from_numpy(some(len(self.x), _SOME, self.seed)))
        return shapes(self.model, few, self._fast_enough, seed=self.seed, progress=self.progress)

    def _train(self, name: str, size: int, bits: int, epochs: int, folder: Path) -> nn.Module:
        """A network brought to what the original says, and then into so many bytes."""
        if name not in self._traced:
            self._traced[name] = as_program(self._shapes[name], self.attempts.example)
        start: nn.Module = self._traced[name]
        if name != WHOLE:
            start = copied(start)
            distill(
                start,
                self.before,
                self.x,
                self.labels,
                epochs=max(1, epochs // 2),
                lr=2e-3,
                view=self.view,
                seed=self.seed,
                checkpoint=folder / "recovery.safetensors",
                progress=self.progress,
            )
        return squeeze(
            start,
            self.x,
            self.labels,
            bytes=size,
            bits=bits,
            epochs=epochs,
            teacher=self.before,
            view=self.view,
            seed=self.seed,
            checkpoint=folder,
            progress=self.progress,
        )

    def _fast_enough(self, network: nn.Module) -> bool:
        if self.budget.latency_ms is None:
            return True
        latency = self.attempts.latency(network)
        return latency is not None and latency <= self.budget.latency_ms

    def _try(self, name: str, make: Callable[[Path], nn.Module]) -> Attempt | None:
        """An attempt, or none where it cannot be made."""
        try:
            return self.attempts.of(name, make)
        except (CompressionError, TrainingError) as error:
            self.progress.say(f"{name}: left out, since {error}")
            return None


def _title(shape: str, bits: int, size: int) -> str:
    return f"{shape}, {bits} bits, {_exactly(size)}"


def _exactly(size: int) -> str:
    """Bytes in the name of an attempt, by which it is found again: two sizes that read alike are two attempts."""
    return f"{size:,} B"


def _named(view: object) -> str:
    """A name that a view has in every process, with what it is made with; its `repr` may hold an address."""
    if isinstance(view, partial):
        settings = *map(repr, view.args), *(f"{name}={value!r}" for name, value in sorted(view.keywords.items()))
        return f"{_named(view.func)}({', '.join(settings)})"
    return str(getattr(view, "__qualname__", type(view).__qualname__))


def _apart(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the samples to judge by, of labelled ones where there are enough, and of the others."""
    n = len(labels)
    order = torch.tensor(np.random.default_rng(seed).permutation(n))
    known = order[labels[order] != UNLABELLED]
    # Of few labels, none can be spared: then what is compared are answers.
    pool = known if len(known) >= 100 else order
    aside = pool[: max(1, min(round(_ASIDE * len(pool)), _MOST_ASIDE))]
    rest = torch.ones(n, dtype=torch.bool)
    rest[aside] = False
    return aside.sort().values, rest.nonzero()[:, 0]
