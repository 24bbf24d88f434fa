"""Learnt representations under a linear head, against their targets.

    python benchmarks/representations.py har               # every row, once, on the official test split
    python benchmarks/representations.py har tstcc         # some rows
    python benchmarks/representations.py har --validate    # on 7 persons cut from the training part: for tuning
    python benchmarks/representations.py matrix            # each pretext on an image, a series and a table set

UCI HAR: the encoder sees all training windows without labels; the head sees all labels, or 1 % of them (74 of 7,352,
stratified, mean of three draws). Each line: both accuracies, that of a self-trained head on the same 74 labels, and
CPU seconds of learning the representation. TS-TCC's paper reports 90.4 % with all labels.

Matrix: small encoders, 20 epochs; the head sees 5 labels per class and is judged on all other samples, mean of three
draws. Each line: the encoder untrained, and trained.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from runs import data
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import train_test_split

from attar.adapt.probe import LinearProbe
from attar.adapt.selftrain import Pool, SelfTrainedProbe
from attar.errors import DataError
from attar.represent import BYOL, TSTCC, KMeansConvolutions, MoCo, RandomConvolutions, SimCLR
from attar.represent.base import Representation

# Name of a row and what makes the representation.
HAR: dict[str, Callable[[], Representation]] = {
    "tstcc": lambda: TSTCC(256, epochs=40, random_state=0),
    "simclr": lambda: SimCLR(512, epochs=60, random_state=0),
    "moco": lambda: MoCo(512, epochs=60, random_state=0),
    "byol": lambda: BYOL(512, epochs=60, random_state=0),
    "k-means-convolutions": lambda: KMeansConvolutions(128, random_state=0),
    "random-convolutions": lambda: RandomConvolutions(random_state=0),
}
FEW, DRAWS = 74, 3
VALIDATION_PERSONS = 7


def har(names: list[str], validate: bool) -> None:
    """One line a row."""
    x, y, x_test, y_test = _har(validate)
    for name in names or HAR:
        start = time.process_time()
        representation = HAR[name]().fit(x)
        seconds = time.process_time() - start
        z, z_test = representation.transform(x), representation.transform(x_test)
        everything = LinearProbe().fit(z, y).score(z_test, y_test)
        pool, few, trained = Pool.learn(z), [], []
        for known in _draws(y):
            few.append(LinearProbe().fit(z[known], y[known]).score(z_test, y_test))
            partly = np.full(len(y), -1)
            partly[known] = y[known]
            trained.append(SelfTrainedProbe().fit_pool(pool, partly).score(z_test, y_test))
        print(
            f"har  {name:<20} all labels {100 * everything:5.2f} %   {FEW} labels {_mean(few)}, self-trained "
            f"{_mean(trained)}   {seconds:.0f} CPU seconds",
            flush=True,
        )


def _mean(accuracies: list[float]) -> str:
    return f"{100 * np.mean(accuracies):5.2f} % ({', '.join(f'{100 * accuracy:.1f}' for accuracy in accuracies)})"


def _har(validate: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    with np.load(data("uci_har.npz")) as file:
        x, y, persons = file["x_train"], file["y_train"], file["subject_train"]
        if not validate:
            return x, y, file["x_test"], file["y_test"]
    chosen = np.random.default_rng(0).permutation(np.unique(persons))[:VALIDATION_PERSONS]
    held_out = np.isin(persons, chosen)
    return x[~held_out], y[~held_out], x[held_out], y[held_out]


def _draws(y: np.ndarray) -> list[np.ndarray]:
    everything = np.arange(len(y))
    return [train_test_split(everything, train_size=FEW, stratify=y, random_state=seed)[0] for seed in range(DRAWS)]


MATRIX: dict[str, Callable[..., Representation]] = {"simclr": SimCLR, "moco": MoCo, "byol": BYOL, "tstcc": TSTCC}


def matrix(names: list[str], validate: bool) -> None:
    """One line for each pretext and set that go together."""
    del validate
    settings = {"dim": 32, "width": 8, "batch_size": 64, "random_state": 0}
    for source, (x, y) in _sets().items():
        for name in names or MATRIX:
            try:
                encoders = [MATRIX[name](epochs=e, lr=lr, **settings).fit(x) for e, lr in ((1, 1e-9), (20, 4e-3))]
            except DataError:  # a kind without time
                continue
            before, after = (100 * _five_per_class(encoder.transform(x), y) for encoder in encoders)
            print(f"matrix  {source:<16} {name:<8} untrained {before:5.1f} %   trained {after:5.1f} %", flush=True)


def _sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    digits, wine = load_digits(), load_wine()
    with np.load(data("ucr/SyntheticControl.npz")) as file:
        series = [np.concatenate([file[f"{what}_train"], file[f"{what}_test"]]) for what in "xy"]
    return {
        "digits": (digits.images.astype(np.float32), digits.target),
        "SyntheticControl": (series[0], series[1]),
        "wine": (wine.data.astype(np.float32), wine.target),
    }


def _five_per_class(z: np.ndarray, y: np.ndarray) -> float:
    z = (z - z.mean(axis=0)) / (z.std(axis=0) + 1e-6)
    scores = []
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        known = np.concatenate([rng.choice(np.flatnonzero(y == c), 5, replace=False) for c in np.unique(y)])
        rest = np.setdiff1d(np.arange(len(z)), known)
        scores.append(LinearProbe("squared").fit(z[known], y[known]).score(z[rest], y[rest]))
    return float(np.mean(scores))


BENCHMARKS = {"har": har, "matrix": matrix}


def main() -> None:
    """Run the benchmark named first, with the rows named after it, or all of it."""
    arguments = [a for a in sys.argv[1:] if a != "--validate"]
    if not arguments or arguments[0] not in BENCHMARKS:
        sys.exit(f"name a benchmark: {', '.join(BENCHMARKS)}")
    BENCHMARKS[arguments[0]](arguments[1:], "--validate" in sys.argv)


if __name__ == "__main__":
    main()
