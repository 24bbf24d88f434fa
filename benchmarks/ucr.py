"""UCR and UEA time series: attar's chosen candidate against the field's strong peers on the same labels.

    python benchmarks/ucr.py attar --out ucr.jsonl              # the chosen candidate, whole training labels
    python benchmarks/ucr.py attar --labels 5 --out ucr.jsonl   # 5 labels per class
    python benchmarks/ucr.py peers [--labels 5] --out ucr.jsonl # MiniRocket and Hydra of aeon, each with ridge
    python benchmarks/ucr.py ts2vec PATH [--labels 5] --out ucr.jsonl
    python benchmarks/ucr.py table --out ucr.jsonl              # means, ranks, wins

Every set of $ATTAR_DATA/ucr (or ../shared/data/ucr) with its official split; the test part is looked at once for each
line. A line that the file holds already is not computed again. PATH is a checkout of the authors' TS2Vec
(https://github.com/zhihanyue/ts2vec; it needs the package bottleneck), whose own training and evaluation protocol (an
RBF-SVM on the representation of the whole series, chosen by cross-validation on the labels) is run. Peers get missing
values filled with the mean of their series, which aeon's transformers need.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from runs import chosen, data, fit
from scipy.stats import rankdata

from attar.data.sources import read
from attar.preparation import Options, prepared

Array = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
# From all training samples, their codes (-1 where unlabelled) and the test samples to the codes of these.
Method = Callable[[Array, Codes, Array], Codes]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["attar", "peers", "ts2vec", "table"])
    parser.add_argument("path", nargs="?", type=Path, help="of the TS2Vec checkout")
    parser.add_argument("--labels", type=int, help="per class; all where left out")
    parser.add_argument("--seconds", type=float, help="for each fit of attar; the default schedule where left out")
    parser.add_argument("--sets", nargs="*", help="names; all where left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("ucr.jsonl"))
    asked = parser.parse_args()
    done = lines_of(asked.out)
    if asked.what == "table":
        table(done)
        return
    root = Path(data("ucr/CBF.npz")).parent
    names = asked.sets or sorted(path.stem for path in root.glob("*.npz"))
    methods = {"attar": ["attar"], "peers": ["MiniRocket + ridge", "Hydra + ridge"], "ts2vec": ["TS2Vec"]}[asked.what]
    for name in names:
        for method in methods:
            key = {"set": name, "method": method, "labels": asked.labels, "seed": asked.seed}
            if any(key.items() <= line.items() for line in done):
                continue
            start = time.process_time()
            accuracy, note = _measured(method, f"ucr/{name}.npz", asked)
            line = {**key, "accuracy": accuracy, "cpu_seconds": round(time.process_time() - start, 1), "note": note}
            print(json.dumps(line), flush=True)
            with asked.out.open("a") as file:
                file.write(json.dumps(line) + "\n")


def _measured(method: str, source: str, asked: argparse.Namespace) -> tuple[float, str]:
    if method == "attar":
        facts = fit(source, labels_per_class=asked.labels, seed=asked.seed, seconds=asked.seconds)
        return facts.test_accuracy or 0.0, chosen(facts)
    dataset = prepared(read(data(source)), Options(labels_per_class=asked.labels, seed=asked.seed))
    assert dataset.test is not None
    trained = np.setdiff1d(np.arange(len(dataset)), dataset.test)
    of = {"MiniRocket + ridge": minirocket, "Hydra + ridge": hydra, "TS2Vec": _ts2vec(asked.path)}[method]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answers = of(dataset.x[trained], dataset.y[trained], dataset.x[dataset.test])
    return float((answers == dataset.y[dataset.test]).mean()), ""


def minirocket(x: Array, y: Codes, x_test: Array) -> Codes:
    from aeon.transformations.collection.convolution_based import MiniRocket

    return _ridge(MiniRocket(random_state=0, n_jobs=1), x, y, x_test)


def hydra(x: Array, y: Codes, x_test: Array) -> Codes:
    from aeon.transformations.collection.convolution_based import HydraTransformer

    return _ridge(HydraTransformer(random_state=0, n_jobs=1), x, y, x_test, root=True)


def _ridge(transformer: object, x: Array, y: Codes, x_test: Array, root: bool = False) -> Codes:
    """Ridge regression on standardised features, as the authors of both do; Hydra's are counts, of which the root."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    known = y >= 0
    transformer.fit(filled(x))  # type: ignore[attr-defined]
    z, z_test = (np.asarray(transformer.transform(filled(part))) for part in (x[known], x_test))  # type: ignore[attr-defined]
    before = FunctionTransformer((lambda v: np.sqrt(np.clip(v, 0, None))) if root else None)
    model = make_pipeline(before, StandardScaler(), RidgeClassifierCV(np.logspace(-3, 3, 10))).fit(z, y[known])
    answers: Codes = model.predict(z_test)
    return answers


def filled(x: Array) -> Array:
    """Missing values replaced by the mean of their series; at least nine steps, which MiniRocket needs."""
    mean = np.nan_to_num(np.nanmean(x, axis=2, keepdims=True))
    whole = np.where(np.isnan(x), mean, x)
    return np.pad(whole, ((0, 0), (0, 0), (0, max(0, 9 - x.shape[2]))), mode="edge")


def _ts2vec(path: Path | None) -> Method:
    def run(x: Array, y: Codes, x_test: Array) -> Codes:
        if path is None or not (path / "ts2vec.py").exists():
            sys.exit("ts2vec needs the path of a checkout of https://github.com/zhihanyue/ts2vec")
        sys.path.insert(0, str(path))
        from tasks._eval_protocols import fit_svm
        from ts2vec import TS2Vec

        np.random.seed(0)  # noqa: NPY002  its own code draws from there
        every = np.concatenate([x, x_test])
        # As its data loader does: each channel standardised by the training part.
        mean, std = np.nanmean(x, axis=(0, 2), keepdims=True), np.nanstd(x, axis=(0, 2), keepdims=True)
        series = ((every - mean) / np.where(std > 0, std, 1)).transpose(0, 2, 1).astype(np.float32)
        model = TS2Vec(series.shape[2], device="cpu", batch_size=8, lr=0.001, output_dims=320, max_train_length=3000)
        model.fit(series[: len(x)])
        z = model.encode(series, encoding_window="full_series")
        known = y >= 0
        answers: Codes = fit_svm(z[: len(x)][known], y[known]).predict(z[len(x) :])
        return answers

    return run


def table(lines: list[dict[str, object]]) -> None:
    """Mean accuracy, mean rank, sets won, processor time and median bytes, over the sets that every method has."""
    for labels in sorted({line["labels"] for line in lines}, key=str):
        of: dict[str, dict[tuple[str, str], dict[str, object]]] = {}
        for line in lines:
            if line["labels"] == labels:
                of.setdefault(str(line["method"]), {})[str(line["set"]), str(line["seed"])] = line
        common = sorted(set.intersection(*(set(sets) for sets in of.values())))
        scores, seconds, sizes = (_column(of, common, name) for name in ("accuracy", "cpu_seconds", "bytes"))
        ranks = np.stack([rankdata(-column) for column in scores.T], axis=1)
        print(f"\n{'all' if labels is None else f'{labels} per class'}: {len(common)} sets")
        for method, score, rank, spent, size in sorted(
            zip(of, scores, ranks, seconds, sizes), key=lambda row: -row[1].mean()
        ):
            print(
                f"{method:<22} {100 * score.mean():6.2f} %  mean rank {rank.mean():.2f}  best {int((rank < 2).sum())}  "
                f"{spent.sum():.0f} s  {np.median(size) / 1000:.0f} KB"
            )


def _column(
    of: dict[str, dict[tuple[str, str], dict[str, object]]], common: list[tuple[str, str]], name: str
) -> npt.NDArray[np.float64]:
    """Figures of that name, a row for each method; 0 where a line has none."""
    return np.array([[float(str(sets[key].get(name, 0))) for key in common] for sets in of.values()])


def lines_of(path: Path) -> list[dict[str, object]]:
    return list(_parsed(path)) if path.exists() else []


def _parsed(path: Path) -> Iterator[dict[str, object]]:
    for line in path.read_text().splitlines():
        yield json.loads(line)


if __name__ == "__main__":
    main()
