"""Do the intervals hold? The 90 % interval from a few labels against the accuracy on the test split.

    python benchmarks/intervals.py                # all sets, three draws
    python benchmarks/intervals.py digits wine    # some
    python benchmarks/intervals.py persons        # UCI HAR, judged by window, and by person as a group

Each line: the interval from the labelled samples alone, and the accuracy of the shipped file on samples that had no
part in anything. Sets with a split of their own keep it; of the others 30 % are held out.
"""

from __future__ import annotations

import sys

import numpy as np
from runs import chosen, data, fit

from attar.adapt.intervals import estimate
from attar.adapt.probe import LinearProbe
from attar.adapt.validate import correctness, cross_validate
from attar.represent import RandomConvolutions

# Name and labels per class.
SETS = {
    "digits": 5,
    "breast-cancer": 10,
    "wine": 10,
    "basic-motions": 5,
    "ucr/CBF.npz": 5,
    "ucr/Plane.npz": 5,
    "ucr/SyntheticControl.npz": 5,
    "ucr/GunPointAgeSpan.npz": 10,
    "ucr/ECG200.npz": 10,
    "ucr/ItalyPowerDemand.npz": 10,
}
DRAWS = 3
# Persons whose labels are drawn, labels of each, and draws of persons.
PERSONS, LABELS, PERSON_DRAWS = 8, 12, 40


def main() -> None:
    """Print one line a run, and how often the interval held."""
    if sys.argv[1:] == ["persons"]:
        persons()
        return
    held, runs, width = 0, 0, 0.0
    for name in sys.argv[1:] or SETS:
        for seed in range(DRAWS):
            facts = fit(name, labels_per_class=SETS[name], seed=seed)
            low, high = facts.interval
            test = facts.test_accuracy or 0.0
            inside = low <= test <= high
            held, runs, width = held + inside, runs + 1, width + high - low
            print(
                f"{name:<28} seed {seed}  n {facts.n_labelled:>3}  {100 * facts.accuracy:5.1f} % "
                f"({100 * low:5.1f} to {100 * high:5.1f})  test {100 * test:5.1f}  {'held' if inside else 'MISSED'}  "
                f"{chosen(facts)}",
                flush=True,
            )
    print(f"held in {held} of {runs} runs, mean width {100 * width / runs:.1f} points")


def persons() -> None:
    """How often intervals hold what new persons show, where windows are judged by themselves, and in groups."""
    with np.load(data("uci_har.npz")) as file:
        x, y, person = (
            np.concatenate([file[f"{name}_{part}"] for part in ("train", "test")]) for name in ("x", "y", "subject")
        )
    z = RandomConvolutions(64, kind="series", random_state=0).fit(x).transform(x)
    rng = np.random.default_rng(0)
    held, promised, widths = np.zeros(2, int), np.zeros(2), np.zeros(2)
    truths = []
    for _ in range(PERSON_DRAWS):
        some = rng.permutation(np.unique(person))[:PERSONS]
        labelled = np.concatenate([rng.permutation(np.flatnonzero(person == one))[:LABELS] for one in some])
        codes = np.unique(y[labelled], return_inverse=True)[1]

        def answer(
            parts: list[np.ndarray], labelled: np.ndarray = labelled, codes: np.ndarray = codes
        ) -> list[np.ndarray]:
            return [LinearProbe().fit(z[labelled[part]], codes[part]).predict_proba(z[labelled]) for part in parts]

        others = ~np.isin(person, some)
        truths.append(LinearProbe().fit(z[labelled], y[labelled]).score(z[others], y[others]))
        for i, together in enumerate((None, person[labelled])):
            right = correctness(cross_validate(answer, codes, folds=5, repeats=3, seed=0, together=together), codes)
            accuracy, (low, high) = estimate(right, together)
            held[i] += low <= truths[-1] <= high
            promised[i] += accuracy / PERSON_DRAWS
            widths[i] += (high - low) / PERSON_DRAWS
    print(f"new persons {100 * np.mean(truths):.1f} %")
    for i, by in enumerate(("window", "person")):
        print(
            f"by {by}: promised {100 * promised[i]:.1f} %, held in {held[i]} of {PERSON_DRAWS}, mean width "
            f"{100 * widths[i]:.1f} points",
            flush=True,
        )


if __name__ == "__main__":
    main()
