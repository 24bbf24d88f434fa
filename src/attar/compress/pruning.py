"""Pruning: the weights, or the channels, that matter least are taken away."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from attar._settings import is_amount, is_count
from attar.compress.checks import as_seed, check_choice, check_weights
from attar.compress.distillation import distill
from attar.compress.given import Labels, Samples, SampleSource, View, samples_and_labels, with_example
from attar.compress.importance import sensitivities
from attar.compress.layers import with_layers
from attar.compress.masks import Scope, Thinning
from attar.compress.parametrizations import settle
from attar.compress.places import copied, copyable, places
from attar.compress.structure import Criterion, narrowed
from attar.errors import CompressionError
from attar.training.modes import usual_defaults
from attar.training.progress import Progress

_BATCH = 128


@usual_defaults()
def prune(
    model: nn.Module,
    amount: float | None = None,
    *,
    x: SampleSource | None = None,
    y: Labels = None,
    threshold: float | None = None,
    structure: Literal["channels"] | tuple[int, int] | None = None,
    scope: Scope = "global",
    criterion: Criterion = "magnitude",
    epochs: int = 0,
    gradual: bool = False,
    lr: float = 2e-3,
    view: View | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> nn.Module:
    """Return a copy without the least important weights, or without the least important channels, neurons and heads.

    Weights are set to zero under a mask (`Masked`), which later training keeps. Gradually, with the share of zeros
    s(t) = s (1 − (1 − t / T)³) over the first three quarters of the training. Channels are removed for good, with all
    that depended on them: the copy is an ordinary, narrower network.

    References:
        Han et al., Learning both Weights and Connections for Efficient Neural Networks, 2015,
        https://arxiv.org/abs/1506.02626
        Zhu, Gupta, To Prune, or Not to Prune, 2017, https://arxiv.org/abs/1710.01878, eq. 1
        Mishra et al., Accelerating Sparse Deep Neural Networks, 2021, https://arxiv.org/abs/2104.08378 (2 of 4)
        Molchanov et al., Importance Estimation for Neural Network Pruning, 2019, https://arxiv.org/abs/1906.10771
        Liu et al., Learning Efficient Convolutional Networks through Network Slimming, 2017,
        https://arxiv.org/abs/1708.06519 (scales of batch normalisation)

    Arguments:
        model: any network; it is not changed. Frozen layers are compressed and trained like others.
        amount: share of the weights that become zero, or with "channels" of the multiply-accumulates that are saved;
            at least 0, below 1. None with a threshold, and with (n, m). Channels go in steps to widths that are quick
            to compute with, multiples of 8 (4 up to a width of 16, 1 up to 8), so somewhat more is saved than is asked
            for; where one step would save more than all that is asked for, as few go as save that. Less is saved where
            nothing else can go, which `progress` is told.
        x: samples `(n, *shape)`, or a data set or loader of them, with or without labels: for "channels", the criterion
            "taylor" and training.
        y: class codes `(n,)`, -1 where unlabelled; None: no labels.
        threshold: weights below it in magnitude become zero, in place of an amount.
        structure: None: each weight by itself; "channels"; or (n, m): n of each m neighbours along a row are kept.
        scope: whether weights or channels are compared across the network, or within each layer.
        criterion: of importance: "magnitude" |w|; "taylor" (g w)², the squared effect on the loss; "scale" |γ| of the
            batch normalisation that follows, for channels.
        epochs: passes over all samples to recover in, by distillation from the original; 0: none.
        gradual: whether zeros come during training rather than before it.
        lr: highest learning rate of the recovery.
        view: as in `distill`.
        seed: of all that is random.
        progress: where steps, and what is left as it is, are reported.

    Raises:
        CompressionError: an argument is missing or out of range, the weights are integers already, or a weight or what
            the network makes of a sample is not finite.

    Example:
        >>> layer = nn.Linear(10, 10, bias=False)
        >>> int((prune(layer, 0.9).weight == 0).sum()), int((prune(layer, structure=(2, 4)).weight == 0).sum())
        (90, 40)
    """
    seed = as_seed(seed)
    x, y = samples_and_labels(model, x, y)
    check_choice("scope", scope, get_args(Scope))
    check_choice("criterion", criterion, get_args(Criterion))
    _check_extent(amount, threshold, structure)
    _check_together(threshold, structure, criterion, epochs, gradual, x)
    # Weights that are computed from others, as by weight_norm, are pruned as what they are.
    model = copied(with_layers(model) if structure == "channels" else model)
    settle(model)
    check_weights(places(model))
    if structure == "channels":
        assert amount is not None
        assert x is not None
        pruned = narrowed(model, amount, x, y, scope=scope, criterion=criterion, seed=seed, progress=progress)
        student = pruned
    else:
        pruned = copied(model)
        thinning = Thinning(
            pruned,
            amount=amount,
            threshold=threshold,
            pattern=structure,
            scope=scope,
            scores=sensitivities(model, x, y, seed) if criterion == "taylor" and x is not None else None,
            steps=epochs * max(1, len(x) // _BATCH) if x is not None else 0,
        )
        if not gradual:
            thinning.thin()
        student = thinning if gradual else pruned
    if epochs and x is not None:
        distill(student, model, x, y, epochs=epochs, batch_size=_BATCH, lr=lr, view=view, seed=seed, progress=progress)
    return with_example(copyable(pruned).eval(), x)


def _check_extent(amount: float | None, threshold: float | None, structure: str | tuple[int, int] | None) -> None:
    """Hold what says how much is pruned to what it can be."""
    pattern = structure if isinstance(structure, tuple) and len(structure) == 2 else None
    if pattern is None and structure not in (None, "channels"):
        raise CompressionError(f"structure={structure!r} is unknown: take 'channels' or (n, m)")
    if [amount, threshold, pattern].count(None) != 2:
        raise CompressionError("give one of amount=, threshold= and structure=(n, m): how much is to be pruned")
    if amount is not None and not (is_amount(amount) and amount < 1):
        raise CompressionError(f"amount={amount!r}: it is the share that goes, a number from 0 and below 1")
    if threshold is not None and not is_amount(threshold):
        raise CompressionError(f"threshold={threshold!r}: it must be a finite number from 0")
    if pattern is not None and not (all(map(is_count, pattern)) and pattern[0] <= pattern[1]):
        raise CompressionError(f"structure={pattern}: of each m neighbours n are kept, 0 < n ≤ m")
    if structure == "channels" and threshold is not None:
        raise CompressionError("channels are pruned by amount=, the share of the multiply-accumulates that goes")


def _check_together(
    threshold: float | None,
    structure: str | tuple[int, int] | None,
    criterion: str,
    epochs: int,
    gradual: bool,
    x: Samples | None,
) -> None:
    """Hold settings to those that go together."""
    if threshold is not None and criterion != "magnitude":
        raise CompressionError(
            f"threshold= is of magnitudes, and criterion={criterion!r} of something else: give amount="
        )
    if criterion == "scale" and structure != "channels":
        raise CompressionError('criterion="scale" is of channels: give structure="channels", or "magnitude"')
    if gradual and (structure == "channels" or not epochs):
        raise CompressionError("gradual=True is for single weights and needs epochs= to spread the zeros over")
    if x is None and (structure == "channels" or criterion == "taylor" or epochs):
        raise CompressionError('x= is needed for structure="channels", criterion="taylor" and epochs=: give samples')
