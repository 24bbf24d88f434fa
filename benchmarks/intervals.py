"""Do the intervals hold? The 90 % interval from a few labels against the accuracy on the test split.

    python benchmarks/intervals.py                # all sets, three draws
    python benchmarks/intervals.py digits wine    # some

Each line: the interval from the labelled samples alone, and the accuracy of the shipped file on samples that had no
part in anything. Sets with a split of their own keep it; of the others 30 % are held out.
"""

from __future__ import annotations

import sys

from runs import chosen, fit

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


def main() -> None:
    """Print one line a run, and how often the interval held."""
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


if __name__ == "__main__":
    main()
