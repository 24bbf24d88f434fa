"""Series with few labels: attar against what an engineer of time series takes today, on the same labels.

    python benchmarks/few_shot.py attar "attar, 50 KB" --out few.jsonl                  # without a budget and with one
    python benchmarks/few_shot.py QUANT MultiRocketHydra "1-NN DTW" --out few.jsonl     # of aeon
    ATTAR_PEERS=PEERS python benchmarks/few_shot.py InceptionTime --out few.jsonl       # of tsai
    python benchmarks/few_shot.py table --out few.jsonl

The sets are four that come with aeon and the first fifteen by name of $ATTAR_DATA/ucr (or ../shared/data/ucr); others
are named by --sets, also by the path of an NPZ file. As many labels per class as --labels says are drawn from the
official training part, the same for all, and the official test part is looked at once for each line. A line that the
file holds already is not computed again.

attar has ten seconds for each fit and trains no pretext. QUANT and MultiRocketHydra are as they come; DTW is 1-NN with
a window of a tenth of the series. InceptionTime is tsai's TSClassifier with InceptionTimePlus, standardised by sample,
100 epochs of one cycle at 3e-4. Peers get missing values filled with the mean of their series. Bytes are those of the
ONNX file, of tsai's weights in float32, of the labelled series, and of the pickled classifier.

    pip install --target PEERS --no-deps tsai fastai fastcore "fastprogress<1.1" fasttransform fastdownload \\
        plum-dispatch beartype cloudpickle imbalanced-learn sklearn-compat matplotlib contourpy cycler kiwisolver \\
        fonttools pyparsing

fastai imports torchvision, which has no build for every torch; nothing that runs here uses it, so a stub stands for it.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
from runs import chosen, data, fit
from ucr import Array, Codes, filled, lines_of, table

from attar.data.sources import read
from attar.preparation import Options, prepared

BUNDLED = ["gunpoint", "arrow-head", "japanese-vowels", "osu-leaf"]
# From labelled samples, their codes, test samples and a seed to the codes of these and the bytes of the model.
Peer = Callable[[Array, Codes, Array, int], tuple[Codes, int]]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["attar", "attar, 50 KB", *PEERS, "table"])
    parser.add_argument("--labels", type=int, default=5, help="per class")
    parser.add_argument("--sets", nargs="*", help="names of sets, or paths")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("few.jsonl"))
    asked = parser.parse_args()
    if "table" in asked.what:
        table(lines_of(asked.out))
        return
    for source in (
        asked.sets or BUNDLED + sorted(path.stem for path in Path(data("ucr/CBF.npz")).parent.glob("*.npz"))[:15]
    ):
        for method in asked.what:
            done = lines_of(asked.out)
            key = {"set": Path(source).stem, "method": method, "labels": asked.labels, "seed": asked.seed}
            if not any(key.items() <= line.items() for line in done):
                path = source if source in BUNDLED or source.endswith(".npz") else f"ucr/{source}.npz"
                line = json.dumps({**key, **(_peer if method in PEERS else _attar)(path, key)})
                print(line, flush=True)
                with asked.out.open("a") as file:
                    file.write(line + "\n")


def _attar(source: str, key: dict[str, object]) -> dict[str, object]:
    start = time.process_time()
    budget = "50KB" if key["method"] == "attar, 50 KB" else None
    facts = fit(source, labels_per_class=key["labels"], seed=key["seed"], seconds=10.0, pretexts=(), budget=budget)
    spent = round(time.process_time() - start, 1)
    return {"accuracy": facts.test_accuracy, "bytes": facts.model_bytes, "cpu_seconds": spent, "note": chosen(facts)}


def _peer(source: str, key: dict[str, object]) -> dict[str, object]:
    method, seed = PEERS[str(key["method"])], int(str(key["seed"]))
    dataset = prepared(read(data(source)), Options(labels_per_class=int(str(key["labels"])), seed=seed))
    assert dataset.test is not None
    known = np.setdiff1d(dataset.labelled, dataset.test)
    x, x_test = filled(dataset.x[known]), filled(dataset.x[dataset.test])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if (method, x.shape[1] > 1) not in _warm:  # what is compiled at its first use is not what the method costs
            rng = np.random.default_rng(0)
            method(rng.normal(size=(8, *x.shape[1:])).astype(np.float32), np.arange(8) % 2, x[:2], 0)
            _warm.add((method, x.shape[1] > 1))
        start = time.process_time()
        answers, size = method(x, dataset.y[known], x_test, seed)
    right = float((answers == dataset.y[dataset.test]).mean())
    return {"accuracy": right, "bytes": size, "cpu_seconds": round(time.process_time() - start, 1), "note": ""}


_warm: set[tuple[Peer, bool]] = set()


def _quant(x: Array, y: Codes, x_test: Array, seed: int) -> tuple[Codes, int]:
    from aeon.classification.interval_based import QUANTClassifier

    model = QUANTClassifier(random_state=seed).fit(x, y)
    return model.predict(x_test), len(pickle.dumps(model))


def _rocket_hydra(x: Array, y: Codes, x_test: Array, seed: int) -> tuple[Codes, int]:
    from aeon.classification.convolution_based import MultiRocketHydraClassifier

    model = MultiRocketHydraClassifier(random_state=seed, n_jobs=1).fit(x, y)
    return model.predict(x_test), len(pickle.dumps(model))


def _dtw(x: Array, y: Codes, x_test: Array, _: int) -> tuple[Codes, int]:
    from aeon.classification.distance_based import KNeighborsTimeSeriesClassifier

    model = KNeighborsTimeSeriesClassifier(n_neighbors=1, distance="dtw", distance_params={"window": 0.1}).fit(x, y)
    return model.predict(x_test), x.nbytes


def _inception(x: Array, y: Codes, x_test: Array, seed: int) -> tuple[Codes, int]:
    import torch

    if not any(isinstance(finder, _Stub) for finder in sys.meta_path):
        folder = Path(os.environ.get("ATTAR_PEERS", ""))
        if not (folder / "tsai").is_dir():
            sys.exit(f"skipped: no tsai under ATTAR_PEERS={str(folder)!r}; how to install it: --help")
        sys.path.append(str(folder))
        sys.meta_path.append(_Stub())
    learner = import_module("tsai.tslearner").TSClassifier(
        x,
        y.astype(str),
        arch=import_module("tsai.models.InceptionTimePlus").InceptionTimePlus,
        tfms=[None, import_module("tsai.data.core").TSClassification()],
        batch_tfms=[import_module("tsai.data.preprocessing").TSStandardize(by_sample=True)],
        verbose=False,
        seed=seed,
    )
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(100, 3e-4)
    deviation = x_test.std((1, 2), keepdims=True)
    model, standard = learner.model.eval(), (x_test - x_test.mean((1, 2), keepdims=True)) / (deviation + 1e-8)
    with torch.no_grad():
        logits = torch.cat([torch.as_tensor(model(part)) for part in torch.from_numpy(standard).split(64)])
    answers = np.array([int(name) for name in learner.dls.vocab])[logits.argmax(1).numpy()]
    return answers, 4 * sum(weight.numel() for weight in model.parameters())


class _Stub(MetaPathFinder, Loader):
    """Modules of torchvision, empty, and whatever is asked of them a class that does nothing."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Nothing(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Nothing(ModuleType):
    __all__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


PEERS: dict[str, Peer] = {
    "QUANT": _quant,
    "MultiRocketHydra": _rocket_hydra,
    "1-NN DTW": _dtw,
    "InceptionTime": _inception,
}


if __name__ == "__main__":
    main()
