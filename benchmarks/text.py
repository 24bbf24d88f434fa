"""Texts with ten labels per class, against TF-IDF with singular vectors; and masked language models on held-out texts.

    python benchmarks/text.py fit DATA [--backbone hf:FOLDER] [--draws 3] [--seconds 60] [--names trec,sms_spam]
    python benchmarks/text.py mlm DATA [--epochs 30] [--names trec,sms_spam]

DATA is a folder of NAME.parquet with the columns text, label and split. The test part is that of the column, else 30 %.
`fit` shows the accuracy of the shipped file on the test part, and of two baselines from the same labels: attar's
TF-IDF with 128 singular vectors on its own tokens, and scikit-learn's on lower-case words, each with a linear head.
`mlm` holds a tenth of the training part out and shows the mean loss per hidden token there, in nats, beside the entropy
of the tokens of the training part, which is the loss of the best model that sees no context.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from runs import chosen
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from attar import kinds
from attar.adapt.probe import LinearProbe
from attar.compress.budget import Budget
from attar.data.sources import read
from attar.data.tokens import Tokenizer
from attar.fit import fit_dataset
from attar.preparation import Options, prepared
from attar.represent import Masked, TfIdf
from attar.training.progress import Silent

PER_CLASS = 10


@dataclass(frozen=True)
class Row:
    """One draw of labels: accuracies on the test part."""

    shipped: float
    chosen: str
    own_tokens: float
    words: float


def draw(name: str, folder: Path, seed: int, backbone: str | None, seconds: float) -> Row:
    source = str(folder / f"{name}.parquet")
    options = Options(labels_per_class=PER_CLASS, seed=seed, backbone=backbone, seconds=seconds)
    dataset = prepared(read(source), options)
    assert dataset.test is not None
    labelled = np.intersect1d(dataset.trained, dataset.labelled)
    test = dataset.test[dataset.y[dataset.test] >= 0]

    def baseline(z: np.ndarray) -> float:
        probe = LinearProbe(random_state=seed).fit(z[labelled], dataset.y[labelled])
        return float((probe.predict(z[test]) == dataset.y[test]).mean())

    kind = kinds.of("text").learn(dataset.x, dataset.columns)
    own = TfIdf(128, kind=kind, random_state=seed).fit(dataset.x[dataset.trained]).transform(dataset.x)
    texts = Tokenizer(dataset.columns[0].tokenizer).decode(dataset.x)
    words = TfidfVectorizer().fit([texts[i] for i in dataset.trained]).transform(texts)
    svd = TruncatedSVD(128, random_state=seed).fit(words[dataset.trained])
    with tempfile.TemporaryDirectory() as run:
        outcome = fit_dataset(
            dataset, options, Budget(), Silent(), folder=Path(run, "run"), source=source, command="benchmarks/text.py"
        )
    accuracy = outcome.facts.test_accuracy
    assert accuracy is not None
    return Row(accuracy, chosen(outcome.facts), baseline(own), baseline(svd.transform(words).astype(np.float32)))


def fit(arguments: argparse.Namespace) -> None:
    print("| | draw | shipped | TF-IDF + SVD, own tokens | TF-IDF + SVD, words | chosen |")
    print("|---|---|---|---|---|---|")
    for name in arguments.names:
        rows = []
        for seed in range(arguments.draws):
            row = draw(name, arguments.data, seed, arguments.backbone, arguments.seconds)
            rows.append(row)
            print(
                f"| {name} | {seed} | {row.shipped:.1%} | {row.own_tokens:.1%} | {row.words:.1%} | {row.chosen} |",
                flush=True,
            )
        mean = [np.mean([getattr(row, field) for row in rows]) for field in ("shipped", "own_tokens", "words")]
        print(f"| {name} | mean | " + " | ".join(f"{value:.1%}" for value in mean) + " | |", flush=True)


def mlm(arguments: argparse.Namespace) -> None:
    print("| | epochs | held-out loss, nats per token | entropy of tokens |")
    print("|---|---|---|---|")
    for name in arguments.names:
        dataset = read(str(arguments.data / f"{name}.parquet"))
        kept = np.arange(len(dataset)) if dataset.test is None else np.setdiff1d(np.arange(len(dataset)), dataset.test)
        order = np.random.default_rng(0).permutation(kept)
        held, trained = order[: len(order) // 10], order[len(order) // 10 :]
        kind = kinds.of("text").learn(dataset.x, dataset.columns)
        masked = Masked(64, epochs=arguments.epochs, kind=kind, random_state=0).fit(dataset.x[dataset.trained])
        networks = torch.nn.ModuleDict({"encoder": masked.encoder_, "decoder": masked.decoder_}).eval()
        generator, losses = torch.Generator().manual_seed(0), []
        with torch.inference_mode():
            for start in range(0, len(held), 64):
                x = kind.preprocess()(torch.tensor(dataset.x[held[start : start + 64]]))
                losses.append(float(masked._loss(networks, kind, x, generator)))
        x = dataset.x[trained]
        _, counts = np.unique(x[np.isfinite(x)], return_counts=True)
        share = counts / counts.sum()
        entropy = -(share * np.log(share)).sum()
        print(f"| {name} | {arguments.epochs} | {np.mean(losses):.3f} | {entropy:.3f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fit", "mlm"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--names", type=lambda text: text.split(","), default=["trec", "sms_spam"])
    arguments = parser.parse_args()
    {"fit": fit, "mlm": mlm}[arguments.what](arguments)


if __name__ == "__main__":
    main()
