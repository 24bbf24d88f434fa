"""What sampling from a latent density gets wrong, drawn to docs/images/sampling.png.

    python benchmarks/sampling.py FOLDER mnist fashion_mnist

For each set: an autoencoder with codes of length 16 is trained on the training images, and densities on 10 000 of their
codes; 5 000 samples of each are decoded. Printed, against the test images:

- the Fréchet distance in the features of a small classifier of the training images,
- how often gradient boosting tells samples from test images by those features, and their codes from test codes,
- log p of test codes,
- how far samples are from the nearest training code, against how far test codes are: below 1, they are copies.

Above the densities stand 5 000 other training images and what the autoencoder makes of them: with its decoder no
density comes nearer.
FOLDER keeps the state of training.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from picture import picture
from runs import data
from scipy.spatial.distance import cdist
from sklearn.base import clone
from torch import nn

from attar.density import Flow, Gaussian, Kernel, Mixture, frechet_distance, two_sample_accuracy
from attar.density.base import Density
from attar.nets.convnet import ConvNet
from attar.represent import PCA, Autoencoder
from attar.training.loop import train

_FITTED = 10_000
_DRAWN = 5_000
_TOLD = 2_000
_NEAREST = 1_000
_SHOWN = 20
_OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "sampling.png"

Pixels = npt.NDArray[np.float32]
Features = Callable[[Pixels], npt.NDArray[np.float32]]

DENSITIES: dict[str, Density] = {
    "normal, diagonal": Mixture(1, covariance="diag", random_state=0),
    "`Gaussian`": Gaussian(),
    "`Mixture`": Mixture(random_state=0),
    "`Kernel`": Kernel(random_state=0),
    "`Flow`": Flow(steps=1000, random_state=0),
}
_IN_PICTURE = ("`Gaussian`", "`Mixture`", "`Flow`")


def judge(x: Pixels, y: npt.NDArray[np.int64], x_test: Pixels, y_test: npt.NDArray[np.int64]) -> Features:
    """What is pooled by a small convolutional classifier of 20 000 training images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = ConvNet(1, x.shape[1:], 64, width=8)
        head = nn.Linear(64, 10)
    images, labels = torch.from_numpy(x[-20_000:, None]), torch.from_numpy(y[-20_000:])

    def loss(batch: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        return F.cross_entropy(head(encoder(images[batch])), labels[batch])

    train(nn.ModuleList([encoder, head]), loss, len(images), epochs=2, batch_size=64, lr=4e-3)

    def features(some: Pixels) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return torch.cat([encoder(part) for part in torch.from_numpy(some[:, None]).split(512)]).numpy()

    with torch.inference_mode():
        correct = head(torch.from_numpy(features(x_test))).argmax(dim=1).numpy() == y_test
    print(f"the classifier: {100 * correct.mean():.1f} % of {len(x_test)} test images")
    return features


def describe(label: str, drawn: Pixels, codes: Pixels, real: Pixels, test: Pixels, known: Pixels, log_p: str) -> None:
    """Print one line: `drawn` and `real` are features, `codes` those of `drawn`, `test` those of `real`."""
    distance = frechet_distance(drawn, real)
    image = two_sample_accuracy(drawn[:_TOLD], real[:_TOLD], random_state=0)
    code = two_sample_accuracy(codes[:_TOLD], test[:_TOLD], random_state=0)
    near, usual = (np.median(cdist(z[:_NEAREST], known).min(axis=1)) for z in (codes, test))
    print(f"| {label} | {distance:.2f} | {image:.3f} | {code:.3f} | {log_p} | {near / usual:.2f} |", flush=True)


def compare(name: str, folder: Path) -> list[Pixels]:
    """Print the table of one set; the rows of its picture."""
    with np.load(data(f"{name}.npz")) as arrays:
        x, x_test = (arrays[part].astype(np.float32) / 255 for part in ("x_train", "x_test"))
        # The first half of MNIST's test images is of other writers than the second.
        order = np.random.default_rng(0).permutation(len(x_test))
        x_test, y_test = x_test[order], arrays["y_test"][order]
        features = judge(x, arrays["y_train"], x_test, y_test)
    start = time.process_time()
    autoencoder = Autoencoder(
        dim=16,
        width=64,
        network="fully-connected",
        epochs=12,
        batch_size=128,
        precision="bf16-mixed",
        kind="image",
        random_state=0,
    )
    autoencoder._fit(autoencoder._validated(x, reset=True), checkpoint=folder / f"{name}.safetensors")
    print(f"the autoencoder: {time.process_time() - start:.0f} s")
    print(
        "| | Fréchet distance | told apart, images | told apart, codes | log p | nearest |\n|---|---|---|---|---|---|"
    )
    shown, real = [x_test[:_SHOWN]], features(x_test)
    for representation in (autoencoder, PCA(16).fit(x[:_FITTED])):
        with_pca = isinstance(representation, PCA)
        suffix = ", PCA" if with_pca else ""
        some = x[_FITTED : _FITTED + _DRAWN]
        known, codes, test = (representation.transform(images) for images in (x[:_FITTED], some, x_test))
        if not with_pca:
            describe("training images", features(some), codes, real, test, known, "")
        rebuilt = representation.inverse_transform(codes)
        describe(f"reconstructions{suffix}", features(rebuilt), codes, real, test, known, "")
        for label in ("`Gaussian`",) if with_pca else DENSITIES:
            start = time.process_time()
            density = clone(DENSITIES[label]).fit(known)
            seconds = time.process_time() - start
            codes = density.sample(_DRAWN, random_state=0).astype(np.float32)
            images = representation.inverse_transform(codes)
            log_p = f"{density.score(test[:_NEAREST]):.1f}"
            describe(label + suffix, features(images), codes, real, test, known, log_p)
            print(f"  [{seconds:.0f} s, {getattr(density, 'bic_', '')}]", file=sys.stderr, flush=True)
            if label in _IN_PICTURE and not with_pca:
                shown.append(images[:_SHOWN])
    return shown


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    blocks = []
    for name in sys.argv[2:]:
        print(f"\n{name}")
        blocks.append(compare(name, folder))
    rows = [255 * np.stack(block).clip(0, 1) for block in blocks]
    picture(rows, times=2).save(_OUT, optimize=True)
