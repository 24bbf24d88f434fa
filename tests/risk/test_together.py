"""Each network ends where a plain loop over it alone ends, whatever is trained beside it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.errors import DataError, TrainingError
from attar.risk.stacked import plain_network
from attar.risk.together import Recipe, Training, sample_order, train_together

STEPS, N = 110, 40


def schedule(name: str, step: int) -> float:
    if name == "cosine":
        return (1 + math.cos(math.pi * step / STEPS)) / 2
    return 1.0 if name == "constant" else 1 / (1 + step / 512) ** 0.5


def alone(network: nn.Sequential, training: Training, x: Tensor, recipe: Recipe) -> None:
    """As a textbook has it."""
    common = {"lr": training.lr, "weight_decay": recipe.weight_decay}
    optimizer = (
        torch.optim.SGD(network.parameters(), momentum=recipe.momentum, **common)
        if recipe.optimizer == "sgd"
        else torch.optim.Adam(network.parameters(), betas=(recipe.momentum, 0.999), **common)
    )
    rows = torch.arange(len(x)) if training.rows is None else training.rows
    stream = chain.from_iterable(sample_order(training.seed, rows))
    for step in range(training.steps):
        batch = torch.stack([next(stream) for _ in range(training.batch_size)])
        optimizer.param_groups[0]["lr"] = training.lr * schedule(recipe.schedule, step)
        outputs = network(x[batch])
        loss = (
            F.cross_entropy(outputs, training.y[batch])
            if recipe.loss == "cross-entropy"
            else (outputs - training.y[batch]).square().sum(1).mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def problem(net: str, lr: float = 0.02) -> tuple[list[nn.Sequential], list[Training], Tensor]:
    """Widths that are padded and that are not, two batch sizes, fewer samples, other labels and rates."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, 6, 6) if net == "conv" else (12,)
    x = torch.randn(N, *shape, generator=generator)
    networks, trainings = [], []
    for i, width in enumerate((1, 16, 3, 20, 3)):
        networks.append(plain_network(net, shape, 4, width, 2, seed=i))
        y = torch.eye(4)[torch.randint(0, 4, (N,), generator=generator)]
        rows = torch.arange(5, 30) if i == 1 else None
        trainings.append(Training(y, (lr, lr / 2)[i % 2], (8, 8, 8, 8, 20)[i], STEPS, seed=i, rows=rows))
    return networks, trainings, x


@pytest.mark.parametrize("net", ["mlp", "conv"])
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe("squared error", "sgd", 0.0, 0.01, "inverse square root"),
        Recipe("cross-entropy", "adam", 0.9, 0.01, "cosine"),
    ],
)
def test_training_together_is_training_alone(net: str, recipe: Recipe) -> None:
    networks, trainings, x = problem(net)
    networks, x = [network.double() for network in networks], x.double()
    trainings = [replace(training, y=training.y.double()) for training in trainings]
    expected = copy.deepcopy(networks)
    train_together(networks, trainings, x, recipe)
    for network, other, training in zip(networks, expected, trainings):
        alone(other, training, x, recipe)
        torch.testing.assert_close(network(x), other(x), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(optimizer="adam")])
def test_in_single_precision_the_same_to_four_digits(recipe: Recipe) -> None:
    networks, trainings, x = problem("mlp", lr=0.02 if recipe.optimizer == "sgd" else 0.001)
    expected = copy.deepcopy(networks)
    train_together(networks, trainings, x, recipe)
    for network, other, training in zip(networks, expected, trainings):
        alone(other, training, x, recipe)
        torch.testing.assert_close(network(x), other(x), rtol=1e-4, atol=1e-4)


def test_looks_see_the_networks_as_they_are_then() -> None:
    networks, trainings, x = problem("mlp")
    seen: dict[int, dict[int, Tensor]] = {}

    def look(step: int, ids: list[int], answer: Callable[[Tensor], Tensor]) -> None:
        seen.setdefault(step, {}).update(zip(ids, answer(x)))

    starts = [network(x).detach() for network in networks]
    told: list[tuple[int, int]] = []
    train_together(networks, trainings, x, Recipe(), looks=[0, 60], look=look, on_step=lambda *done: told.append(done))
    assert sorted(seen) == [0, 60, STEPS]
    for i, network in enumerate(networks):
        torch.testing.assert_close(seen[0][i], starts[i])
        torch.testing.assert_close(seen[STEPS][i], network(x).detach())
    shorter, trainings, _ = problem("mlp")
    train_together(shorter, [replace(t, steps=60) for t in trainings], x, Recipe())
    for i, network in enumerate(shorter):
        torch.testing.assert_close(seen[60][i], network(x).detach())
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_every_sample_is_seen_once_an_epoch() -> None:
    order = sample_order(3, torch.tensor([4, 7, 9]))
    for _ in range(5):
        assert sorted(next(order).tolist()) == [4, 7, 9]


def test_a_loss_that_breaks_away_is_an_error() -> None:
    networks, trainings, x = problem("mlp")
    trainings[3] = replace(trainings[3], lr=1e6)
    with pytest.raises(TrainingError, match=r"learning rate 1e\+06 and batches of 8"):
        train_together(networks, trainings, x, Recipe("squared error"))


@pytest.mark.parametrize(
    "wrong",
    [{"loss": "hinge"}, {"optimizer": "lbfgs"}, {"schedule": "warm"}, {"momentum": 1.0}, {"weight_decay": -1.0}],
)
def test_a_recipe_says_what_it_does_not_know(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        Recipe(**wrong)  # type: ignore[arg-type]
