"""MNIST and Fashion-MNIST with ten labels per class out of 60 000 images.

    python benchmarks/images.py mnist fashion_mnist               # once, on the official test split
    python benchmarks/images.py mnist fashion_mnist --validate    # on 10 000 images cut from the training part

Random convolutions and twenty epochs of SimCLR of all training images, and on each the heads that the main job tries,
for three draws of labels: the representation and the neighbour graph are made once for all draws. For each head the
accuracy on images of which nothing was seen, that of the mean of both self-trained heads and propagations, and the
processor time of everything up to the last answer. SimCLR trains in bfloat16, as it does in `attar fit` where that is
faster.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from runs import data

from attar.adapt.probe import LinearProbe
from attar.adapt.propagate import LabelPropagation, neighbour_graph
from attar.adapt.selftrain import Pool, SelfTrainedProbe
from attar.data.dataset import UNLABELLED
from attar.data.split import draw_labels
from attar.represent import RandomConvolutions, SimCLR

PER_CLASS, DRAWS, EPOCHS = 10, 3, 20
VALIDATED = 10_000
# As the main job has them for so much data.
KERNELS, POOL = 128, 8192


def one(name: str, validate: bool) -> None:
    """One line for each representation and head."""
    x, y, x_new, y_new = _images(name, validate)
    draws = [draw_labels(y, per_class=PER_CLASS, seed=draw) for draw in range(DRAWS)]
    pooled, sums = _pooled(draws), [np.zeros(()) for _ in draws]
    for title, representation in {
        "random convolutions": RandomConvolutions(KERNELS, kind="image", random_state=0),
        "simclr": SimCLR(epochs=EPOCHS, kind="image", precision="bf16-mixed", random_state=0),
    }.items():
        start = time.process_time()
        z, z_new = representation.fit(x).transform(x), representation.transform(x_new)
        represented = time.process_time() - start
        pool = Pool.learn(z[pooled])
        frame = pool.frame()
        graph = neighbour_graph(frame.place(z))
        right: dict[str, list[float]] = {}
        for draw, known in enumerate(draws):
            labelled = known != UNLABELLED
            trained = SelfTrainedProbe().fit_pool(pool, known[pooled]).predict_proba(z_new)
            spread = LabelPropagation().fit_graph(frame, graph, known).answer(frame.place(z_new))
            sums[draw] = sums[draw] + trained + spread
            for head, said in {
                "linear": LinearProbe().fit(z[labelled], y[labelled]).predict_proba(z_new),
                "self-trained": trained,
                "propagation": spread,
                "self-trained and propagation": trained + spread,
            }.items():
                right.setdefault(head, []).append(float((said.argmax(1) == y_new).mean()))
        seconds = time.process_time() - start
        print(
            f"{name}, {title}: {seconds:.0f} s of processor time, {represented:.0f} of them for {z.shape[1]} features",
            flush=True,
        )
        for head, accuracies in right.items():
            _line(f"{name}, {title}", head, accuracies)
    _line(name, "the mean of all four", [float((said.argmax(1) == y_new).mean()) for said in sums])


def _line(name: str, head: str, accuracies: list[float]) -> None:
    each = ", ".join(f"{100 * a:.1f}" for a in accuracies)
    print(f"{name:<34} {head:<30} {100 * np.mean(accuracies):.2f} %  ({each})", flush=True)


def _pooled(draws: list[np.ndarray]) -> np.ndarray:
    """Indices of the samples that a head trains itself on: all that some draw has labelled, and others at random."""
    labelled = np.flatnonzero(np.any(np.stack(draws) != UNLABELLED, axis=0))
    others = np.random.default_rng(0).permutation(np.setdiff1d(np.arange(len(draws[0])), labelled))
    return np.sort(np.concatenate([labelled, others[: POOL - len(labelled)]]))


def _images(name: str, validate: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    with np.load(data(f"{name}.npz")) as file:
        x, y = file["x_train"].astype(np.float32), file["y_train"].astype(np.int64)
        if not validate:
            return x, y, file["x_test"].astype(np.float32), file["y_test"].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    kept, held_out = order[VALIDATED:], order[:VALIDATED]
    return x[kept], y[kept], x[held_out], y[held_out]


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = [a for a in sys.argv[1:] if a != "--validate"] or ["mnist", "fashion_mnist"]
    for name in names:
        one(name, "--validate" in sys.argv)
