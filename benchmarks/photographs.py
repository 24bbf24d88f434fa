"""Photographs shrunk to several sizes: what is lost, and what it costs.

    python benchmarks/photographs.py FOLDER [PIXELS ...]

FOLDER holds photographs in sub-folders that are their classes, such as a checkout of
https://github.com/alexeygrigorev/clothing-dataset-small (CC0; 3,781 photographs of ten kinds of clothes). What is not
the test part is cut in two by chance: random convolutions and a linear head learn from four fifths, with ten and fifty
labels of each class (four draws) and with all, and are judged on the fifth. The test part is not looked at.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from attar.adapt.probe import LinearProbe
from attar.data.dataset import UNLABELLED
from attar.data.sources import read
from attar.data.split import draw_labels
from attar.represent import RandomConvolutions

DRAWS = 4


def one(folder: str, side: int) -> None:
    """A line of the table."""
    start = time.process_time()
    dataset = read(folder, side=side)
    reading = time.process_time() - start
    order = np.random.default_rng(0).permutation(dataset.trained)
    new, trained = np.split(order, [len(order) // 5])
    start = time.process_time()
    representation = RandomConvolutions(random_state=0).fit(dataset.x[trained])
    z, z_new = representation.transform(dataset.x[trained]), representation.transform(dataset.x[new])
    seconds = time.process_time() - start
    y, cells = dataset.y[trained], []
    for labels in (10, 50, None):
        draws = [y] if labels is None else [draw_labels(y, per_class=labels, seed=draw) for draw in range(DRAWS)]
        right = []
        for known in draws:
            seen = known != UNLABELLED
            answers = LinearProbe().fit(z[seen], known[seen]).predict_proba(z_new).argmax(1)
            right.append(100 * float((answers == dataset.y[new]).mean()))
        cells.append(f"{'all' if labels is None else labels} labels {np.mean(right):.1f} %")
    size = " × ".join(map(str, dataset.x.shape[1:3]))
    print(f"{size}: {', '.join(cells)}; reading {reading:.0f} s, features {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for side in [int(a) for a in sys.argv[2:]] or [32, 48, 64, 96]:
        one(sys.argv[1], side)
