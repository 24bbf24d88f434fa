"""Learnt representations under a linear head, against their targets.

    python benchmarks/representations.py har               # every row, once, on the official test split
    python benchmarks/representations.py har tstcc         # some rows
    python benchmarks/representations.py har --validate    # on 7 persons cut from the training part: for tuning

UCI HAR: the encoder sees all training windows without labels; the head sees all labels, or 1 % of them (74 of 7,352,
stratified, mean of three draws). Each line: both accuracies, that of a self-trained head on the same 74 labels, and
CPU seconds of learning the representation; and two more for the 100 directions of it in which neighbours are closest,
or windows of one recording, which their overlap tells (`local_axes`): both are learnt without labels as well. TS-TCC's
paper reports 90.4 % with all labels.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from runs import data
from sklearn.model_selection import train_test_split

from attar.adapt.probe import LinearProbe
from attar.adapt.propagate import Frame
from attar.adapt.selftrain import Pool, SelfTrainedProbe
from attar.data.windows import recordings
from attar.represent import BYOL, TSTCC, KMeansConvolutions, MoCo, RandomConvolutions, SimCLR
from attar.represent.base import Representation

# Name of a row and what makes the representation.
HAR: dict[str, Callable[[], Representation]] = {
    "tstcc": lambda: TSTCC(256, epochs=56, random_state=0),
    "simclr": lambda: SimCLR(512, epochs=60, random_state=0),
    "moco": lambda: MoCo(512, epochs=60, random_state=0),
    "byol": lambda: BYOL(512, epochs=60, random_state=0),
    "k-means-convolutions": lambda: KMeansConvolutions(128, random_state=0),
    "random-convolutions": lambda: RandomConvolutions(random_state=0),
}
FEW, DRAWS, LOCAL = 74, 3, 100
VALIDATION_PERSONS = 7


def har(names: list[str], validate: bool) -> None:
    """One line a row."""
    x, y, x_test, y_test = _har(validate)
    for name in names or HAR:
        start = time.process_time()
        representation = HAR[name]().fit(x)
        seconds = time.process_time() - start
        z, z_test = representation.transform(x), representation.transform(x_test)
        _line(name, (z, y), (z_test, y_test), seconds)
        start = time.process_time()
        local = Pool.learn(z).frame(LOCAL)
        seconds += time.process_time() - start
        _line(f"{name}, local", (local.coordinates(z), y), (local.coordinates(z_test), y_test), seconds)
        start = time.process_time()
        cut = recordings(x)
        pool = Pool.learn(z, together=None if cut is None else cut[0].recordings)
        within = Frame(pool.mean, pool.axes[:, :LOCAL])
        seconds += time.process_time() - start
        _line(f"{name}, recordings", (within.coordinates(z), y), (within.coordinates(z_test), y_test), seconds)


def _line(name: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], seconds: float) -> None:
    z, y = train
    everything = LinearProbe().fit(z, y).score(*test)
    pool, few, trained = Pool.learn(z), [], []
    for known in _draws(y):
        few.append(LinearProbe().fit(z[known], y[known]).score(*test))
        partly = np.full(len(y), -1)
        partly[known] = y[known]
        trained.append(SelfTrainedProbe().fit_pool(pool, partly).score(*test))
    print(
        f"har  {name:<28} all labels {100 * everything:5.2f} %   {FEW} labels {_mean(few)}, self-trained "
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


def main() -> None:
    """Run the rows named, or all of them."""
    har([a for a in sys.argv[1:] if a not in ("har", "--validate")], "--validate" in sys.argv)


if __name__ == "__main__":
    main()
