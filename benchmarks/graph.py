"""Self-supervised encoders on Cora, Planetoid split, under a linear head.

    python benchmarks/graph.py                       # all pretexts, seeds 0 to 4
    python benchmarks/graph.py cca-ssg 20            # one of them, seeds 0 to 19
    python benchmarks/graph.py masked 1 --validate   # on the validation nodes alone; the test nodes stay unseen

An encoder learns from the features and edges of all nodes, without a label. The head is a logistic regression on its
output at the 140 training nodes; its regularisation is chosen on the 500 validation nodes, and so was everything above.
The 1 000 test nodes are looked at once per seed. Baselines: the features, and the features averaged over neighbours.
These averages also stand beside what each encoder learnt, both of the same spread, as in `attar fit`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from runs import data
from sklearn.linear_model import LogisticRegression

from attar.data.graphs import from_npz
from attar.data.nodes import Nodes
from attar.kinds.graph import Graph
from attar.represent import CCASSG, Masked, SimCLR
from attar.represent.pretext import Pretext

Floats = npt.NDArray[np.floating]
BESIDE = " beside propagated features"
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def pretexts(kind: Graph, seed: int) -> dict[str, Pretext]:
    """What is compared, each on all nodes at once."""
    n = len(kind.links.features)
    return {
        "cca-ssg": CCASSG(512, width=64, epochs=50, batch_size=n, lr=1e-3, kind=kind, random_state=seed),
        "simclr": SimCLR(256, width=64, epochs=100, batch_size=n, temperature=0.4, kind=kind, random_state=seed),
        "masked": Masked(256, width=64, epochs=200, batch_size=n, kind=kind, random_state=seed),
    }


def probe(z: Floats, y: Floats, split: dict[str, Floats], test: bool) -> tuple[float, float]:
    """Accuracy on the validation nodes of the best of some regularisations, and of the same head on the test nodes."""
    z = (z - z.mean(0)) / max(float(z.std()), 1e-12)
    train, validation = split["train_idx"], split["val_idx"]
    heads = [LogisticRegression(C=c, max_iter=500).fit(z[train], y[train]) for c in STRENGTHS]
    best = max(heads, key=lambda head: float(head.score(z[validation], y[validation])))
    last = split["test_idx"] if test else validation
    return float(best.score(z[validation], y[validation])), float(best.score(z[last], y[last]))


def main(names: list[str], seeds: int, test: bool) -> None:
    """All rows of the table."""
    path = Path(data("graph/cora.npz"))
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    nodes, y = from_npz(arrays, path).x, arrays["y"]
    assert isinstance(nodes, Nodes)
    kind = Graph.learn(nodes)
    module = kind.own_baselines()["propagated features"]
    import torch

    own = module(torch.tensor(nodes)).numpy()
    for name, z in (
        ("features", kind.preprocess()(torch.tensor(nodes)).asked.numpy()),
        ("propagated features", own),
    ):
        validation, last = probe(z, y, arrays, test)
        print(f"{name:<20} validation {100 * validation:.1f} %, test {100 * last:.1f} %", flush=True)
    scores: dict[str, list[float]] = {f"{name}{also}": [] for name in names for also in ("", BESIDE)}
    for seed in range(seeds):
        for name in names:
            start = time.process_time()
            z = pretexts(kind, seed)[name].fit(nodes).transform(nodes)
            seconds = time.process_time() - start
            both = np.hstack([part / part.var(0).sum() ** 0.5 for part in (z, own)])
            for row, values in ((name, z), (name + BESIDE, both)):
                validation, last = probe(values, y, arrays, test)
                scores[row].append(last)
                print(
                    f"{row:<20} seed {seed}: validation {100 * validation:.1f} %, test {100 * last:.1f} %, "
                    f"{seconds:.0f} s of processor time",
                    flush=True,
                )
    for row, of_seeds in scores.items():
        print(
            f"{row:<20} mean {100 * np.mean(of_seeds):.2f} % ± {100 * np.std(of_seeds):.2f}, {seeds} seeds", flush=True
        )


if __name__ == "__main__":
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("-") and not argument.isdigit()]
    counts = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(wanted or ["cca-ssg", "simclr", "masked"], (counts or [5])[0], "--validate" not in sys.argv)
