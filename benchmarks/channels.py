"""Series of several channels: random convolutions with and without what lies between the channels, and two peers.

    python benchmarks/channels.py FOLDER --out channels.jsonl            # a line a set and draw
    python benchmarks/channels.py FOLDER --out channels.jsonl --table    # means, and gains over convolutions alone

FOLDER holds NPZ files with x (n, channels, steps), y (n,), and where known the persons or recordings, group (n,). Of
more than 1,000 samples 1,000 are drawn. A third is set aside in each draw, of whole groups where there are six and the
others have all classes; of the rest five samples of each class have their label, and all are seen by the self-trained
head. Peers are those of ucr.py: MiniRocket and Hydra of aeon with ridge regression.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from ucr import Array, Codes, hydra, lines_of, minirocket

from attar.adapt import LinearProbe, SelfTrainedProbe
from attar.data.dataset import UNLABELLED
from attar.represent import RandomConvolutions

MOST, LABELS = 1000, 5
WITHOUT, WITH = "convolutions alone", "with correlations and levels"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--sets", nargs="*", help="names; all without it")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("channels.jsonl"))
    asked = parser.parse_args()
    if asked.table:
        table([line for line in lines_of(asked.out) if asked.sets is None or line["set"] in asked.sets])
        return
    for path in sorted(asked.folder.glob("*.npz"), key=lambda path: path.stat().st_size):
        if asked.sets is not None and path.stem not in asked.sets:
            continue
        done = {line["draw"] for line in lines_of(asked.out) if line["set"] == path.stem}
        if missing := [draw for draw in range(asked.draws) if draw not in done]:
            x, y, group = samples(path)
            fitted = RandomConvolutions(kind="series", random_state=0).fit(x)
            z = fitted.transform(x)
            convolved = fitted.module_[-1].sizes[0]  # type: ignore[index]
            for draw in missing:
                line = {"set": path.stem, "draw": draw, "n": len(x), "shape": x.shape[1:]}
                line |= accuracies(x, y, {WITHOUT: z[:, :convolved], WITH: z}, *split(y, group, draw))
                print(json.dumps(line), flush=True)
                with asked.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")


def samples(path: Path) -> tuple[Array, Codes, Codes | None]:
    """At most so many samples, their codes and groups."""
    with np.load(path) as arrays:
        x, y, group = arrays["x"].astype(np.float32), arrays["y"], arrays.get("group")
    drawn = np.random.default_rng(0).permutation(len(x))[:MOST]
    enough = np.flatnonzero(np.bincount(y[drawn]) >= LABELS + 3)
    drawn = drawn[np.isin(y[drawn], enough)]
    return x[drawn], np.unique(y[drawn], return_inverse=True)[1], None if group is None else group[drawn]


def split(y: Codes, group: Codes | None, draw: int) -> tuple[Codes, Codes, Codes]:
    """Places of those that are labelled, seen, and judged."""
    rng = np.random.default_rng(draw)
    judged = np.zeros(len(y), bool)
    if group is not None and len(np.unique(group)) >= 6:
        names = rng.permutation(np.unique(group))
        judged = np.isin(group, names[: len(names) // 3])
    if not judged.any() or len(np.unique(y[~judged])) < len(np.unique(y)):
        judged = np.zeros(len(y), bool)
        judged[rng.permutation(len(y))[: len(y) // 3]] = True
    seen = np.flatnonzero(~judged)
    labelled = [rng.permutation(seen[y[seen] == code])[:LABELS] for code in np.unique(y)]
    return np.concatenate(labelled), seen, np.flatnonzero(judged)


def accuracies(
    x: Array, y: Codes, of: dict[str, Array], labelled: Codes, seen: Codes, judged: Codes
) -> dict[str, float]:
    """Of each representation with two heads, and of each peer."""
    found = {}
    known = np.full(len(y), UNLABELLED)
    known[labelled] = y[labelled]
    for name, z in of.items():
        linear = LinearProbe(random_state=0).fit(z[labelled], y[labelled])
        trained = SelfTrainedProbe(random_state=0).fit(z[seen], known[seen])
        found[f"{name}, linear"] = float((linear.predict(z[judged]) == y[judged]).mean())
        found[f"{name}, self-trained"] = float((trained.predict(z[judged]) == y[judged]).mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, peer in (("MiniRocket", minirocket), ("Hydra", hydra)):
            found[name] = float((peer(x[labelled], y[labelled], x[judged]) == y[judged]).mean())
    return found


def table(lines: list[dict[str, object]]) -> None:
    """Means over sets, and the gain over convolutions alone with its standard error over sets."""
    sets = sorted({str(line["set"]) for line in lines})
    methods = [name for name in lines[0] if name not in ("set", "draw", "n", "shape")]
    means = np.array([[np.mean([line[m] for line in lines if line["set"] == s]) for m in methods] for s in sets])
    print(f"{len(sets)} sets\n\n| | mean | over convolutions alone | better, worse |\n|---|---|---|---|")
    for place, method in enumerate(methods):
        base = methods.index(f"{WITHOUT}, self-trained" if method.endswith("self-trained") else f"{WITHOUT}, linear")
        gain = 100 * (means[:, place] - means[:, base])
        error = gain.std(ddof=1) / len(gain) ** 0.5
        counts = f"{(gain > 1e-9).sum()}, {(gain < -1e-9).sum()}"
        print(f"| {method} | {100 * means[:, place].mean():.1f} % | {gain.mean():+.1f} ± {error:.1f} | {counts} |")


if __name__ == "__main__":
    main()
