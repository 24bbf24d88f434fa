"""How much the loss would change without a weight: its gradient times the weight."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.compress.answers import answer, are_logits, check_classes
from attar.compress.checks import check_answers, check_gradient
from attar.compress.given import Labels, Samples, class_codes, rows
from attar.compress.places import copied, places
from attar.data.dataset import UNLABELLED

# Gradients of so many batches of so many samples.
_BATCHES, _SIZE = 64, 16


def effects(model: nn.Module, x: Samples, y: Labels = None, seed: int = 0) -> Iterator[dict[str, Tensor]]:
    """The first-order change of the loss, g ⊙ w, on some batches of samples.

    The loss is the cross-entropy. Where a sample has no label, one is drawn from the probabilities that the network
    itself gives, so that the mean of (g w)² is w² times the diagonal of the Fisher information, over the samples of a
    batch; where a network answers with something other than a row of two logits or more, the loss is half the squared
    distance to its answer and unit noise.

    References:
        Molchanov et al., Importance Estimation for Neural Network Pruning, 2019, https://arxiv.org/abs/1906.10771

    Arguments:
        model: in evaluation mode for this; not changed.
        x: samples `(n, *shape)`; some are drawn.
        y: class codes `(n,)`, -1 where unlabelled; None: no labels.
        seed: of what is drawn.

    Returns:
        For each batch g ⊙ w by the name of its place, for all that have a gradient.

    Raises:
        CompressionError: an answer is not finite or has no gradient, or a class is unknown to the network.
    """
    model = copied(model).eval()
    of = {place.name: place.original() for place in places(model)}
    trained = {name: w.requires_grad_() for name, w in of.items() if w.is_floating_point()}
    labels = class_codes(y, len(x))
    if not trained:
        return
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(x), generator=generator)[: _BATCHES * _SIZE]
    for batch in torch.split(order, _SIZE):
        # Whoever calls may have turned gradients off.
        with torch.enable_grad():
            said = answer(model, rows(x, batch))
            check_answers([said])
            check_gradient(model, said)
            loss = _loss(said, labels[batch], generator)
        found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        yield {name: g * w.detach() for (name, w), g in zip(trained.items(), found) if g is not None}


def sensitivities(model: nn.Module, x: Samples, y: Labels = None, seed: int = 0) -> dict[str, Tensor]:
    """The sum of (g ⊙ w)² over batches, by the name of its place: the importance of each weight by itself."""
    found: dict[str, Tensor] = {}
    for effect in effects(model, x, y, seed):
        for name, value in effect.items():
            found[name] = found.get(name, torch.zeros(())) + value.square()
    return found


def _loss(said: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    check_classes(labels, said)
    if not are_logits(said):
        noise = torch.randn(said.shape, generator=generator)
        return 0.5 * (said - said.detach() - noise).square().sum() / len(said)
    drawn = torch.multinomial(torch.softmax(said.detach(), 1), 1, generator=generator)[:, 0]
    return F.cross_entropy(said, torch.where(labels == UNLABELLED, drawn, labels))
