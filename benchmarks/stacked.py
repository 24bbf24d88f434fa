"""24 small networks trained together, one after another in a plain loop, and by torch.func.vmap.

    python benchmarks/stacked.py [THREADS]

MNIST, 2 000 images averaged to 14 × 14, batches of 32, SGD with momentum. One by one: torch.nn and torch.optim, as
short as they go. vmap: gradients of a functional call, where all have the same width. Seconds of the clock for the same
steps, in turn in the same run, the best of three.

"alike": for how many networks the outputs for 1 000 test images differ by less than 1e-4 of their root mean square from
those of the same network trained alone. "float64": the largest such difference where both are trained in float64. In
float32, rounding now and then puts a unit on the other side of ReLU's bend, and from there two runs part, whatever the
order in which they add.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F
from runs import data
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from attar.risk.stacked import plain_network
from attar.risk.together import Recipe, Training, sample_order, train_together

K, BATCH, STEPS, LR, MOMENTUM, REPEATS = 24, 32, 100, 0.02, 0.9, 3


def images(name: str, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Training samples and one-hot classes, and test samples; mean 0 and deviation 1."""
    with np.load(data(f"{name}.npz")) as file:
        x, y, test = (file[key] for key in ("x_train", "y_train", "x_test"))
    x, test = (
        torch.tensor(a.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5)) / 255, dtype=torch.float32)
        for a in (x[:n], test[:1000])
    )
    return (x - x.mean()) / x.std(), torch.eye(10)[torch.tensor(y[:n].astype(int))], (test - x.mean()) / x.std()


def one_after_another(networks: list[nn.Sequential], x: Tensor, y: Tensor) -> None:
    classes = y.argmax(1)
    for seed, network in enumerate(networks):
        optimizer = torch.optim.SGD(network.parameters(), lr=LR, momentum=MOMENTUM, foreach=True)
        stream = chain.from_iterable(rows.split(1) for rows in sample_order(seed, torch.arange(len(x))))
        for rows in torch.cat([next(stream) for _ in range(STEPS * BATCH)]).view(STEPS, BATCH):
            optimizer.zero_grad()
            F.cross_entropy(network(x[rows]), classes[rows]).backward()
            optimizer.step()


def by_vmap(networks: list[nn.Sequential], x: Tensor, y: Tensor) -> None:
    classes = y.argmax(1)
    parameters, _ = stack_module_state(networks)
    parameters = {name: p.detach() for name, p in parameters.items()}
    velocity = {name: torch.zeros_like(p) for name, p in parameters.items()}

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(networks[0], parameters, (x,)), y)

    step = vmap(grad(loss))
    for _ in range(STEPS):
        rows = torch.randint(0, len(x), (K, BATCH))
        gradients = step(parameters, x[rows], classes[rows])
        for name, p in parameters.items():
            p.sub_(velocity[name].mul_(MOMENTUM).add_(gradients[name]), alpha=LR)


def together(networks: list[nn.Sequential], x: Tensor, y: Tensor) -> None:
    train_together(networks, [Training(y, LR, BATCH, STEPS, seed) for seed in range(K)], x, Recipe(momentum=MOMENTUM))


def seconds(run: Callable[[list[nn.Sequential], Tensor, Tensor], None], *args: object) -> float:
    start = time.perf_counter()
    run(*args)  # type: ignore[arg-type]
    return time.perf_counter() - start


@torch.no_grad()
def differences(ones: list[nn.Sequential], others: list[nn.Sequential], x: Tensor) -> list[float]:
    return [float((a(x) - b(x)).abs().max() / a(x).square().mean().sqrt()) for a, b in zip(ones, others)]


def main(threads: int) -> None:
    """Print a row for each set of networks."""
    torch.set_num_threads(threads)
    x, y, test = images("mnist", 2000)
    mixed = [4, 8, 12, 16, 24, 32, 48, 64] * 3
    print(f"{threads} threads; {K} networks, {STEPS} steps each, batches of {BATCH}")
    print(f"{'networks':34} {'one by one':>11} {'vmap':>8} {'together':>9} {'faster':>7} {'alike':>8} {'float64':>7}")
    for name, net, depth, widths in (
        ("mlp, width 16", "mlp", 1, [16] * K),
        ("mlp, width 64", "mlp", 1, [64] * K),
        ("mlp, widths 4 to 64", "mlp", 1, mixed),
        ("mlp, 3 layers, widths 4 to 64", "mlp", 3, mixed),
        ("conv, 3 layers, width 4", "conv", 3, [4] * K),
        ("conv, 3 layers, widths 2 to 16", "conv", 3, [2, 3, 4, 6, 8, 10, 12, 16] * 3),
    ):
        start = [plain_network(net, x.shape[1:], 10, width, depth, seed) for seed, width in enumerate(widths)]
        runs = {"one": one_after_another, "together": together} | ({"vmap": by_vmap} if len(set(widths)) == 1 else {})
        taken: dict[str, list[float]] = {key: [] for key in runs}
        kept: dict[str, list[nn.Sequential]] = {}
        for _ in range(REPEATS):
            for key, run in runs.items():
                kept[key] = copy.deepcopy(start)
                taken[key].append(seconds(run, kept[key], x, y))
        same = sum(d < 1e-4 for d in differences(kept["one"], kept["together"], test))
        twice = [[copy.deepcopy(network).double() for network in start] for _ in range(2)]
        one_after_another(twice[0], x.double(), y)
        together(twice[1], x.double(), y)
        exact = max(differences(twice[0], twice[1], test.double()))
        one, all_ = min(taken["one"]), min(taken["together"])
        vmapped = f"{min(taken['vmap']):7.2f}s" if "vmap" in taken else "–"
        print(
            f"{name:34} {one:10.2f}s {vmapped:>8} {all_:8.2f}s {one / all_:6.1f}x {same:5}/{K} {exact:7.0e}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
