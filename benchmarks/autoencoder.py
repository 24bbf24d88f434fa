"""The convolutional autoencoder against principal components, both with 16 values, on MNIST.

    python benchmarks/autoencoder.py FOLDER [EPOCHS]             # on the test part; draws docs/images/autoencoder.png
    python benchmarks/autoencoder.py FOLDER EPOCHS validation    # on images set aside instead, to choose by

Both are trained on the training images but for the last 10 000, which are set aside for what there is to choose.
Prints the CPU time of training on one thread, and the mean squared error of a pixel on [0, 1]. The figure shows, from
above: test images, what the autoencoder makes of them, what PCA makes of them. FOLDER keeps the state of training, and
a run that goes on from there prints the time of what was left.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from picture import picture
from runs import data

from attar.represent import PCA, Autoencoder

_DIM, _WIDTH, _EPOCHS, _BATCH, _LR = 16, 32, 4, 128, 3e-3
_HELD_OUT = 10_000
_SHOWN = 14
_OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "autoencoder.png"

Pixels = npt.NDArray[np.float32]


def images(validation: bool) -> tuple[Pixels, Pixels]:
    """Images to learn from and to judge by, on [0, 1]."""
    with np.load(data("mnist.npz")) as arrays:
        train, test = (arrays[name].astype(np.float32) / 255 for name in ("x_train", "x_test"))
    return train[:-_HELD_OUT], train[-_HELD_OUT:] if validation else test


def main(folder: Path, epochs: int, validation: bool) -> None:
    """Train, print, and draw."""
    train, judged = images(validation)
    pca = PCA(_DIM).fit(train)
    linear = pca.inverse_transform(pca.transform(judged))
    autoencoder = Autoencoder(
        _DIM,
        width=_WIDTH,
        epochs=epochs,
        batch_size=_BATCH,
        lr=_LR,
        network="convolutional",
        precision="bf16-mixed",
        kind="image",
        random_state=0,
    )
    start = time.process_time()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"autoencoder-{epochs}.safetensors"
    autoencoder._fit(autoencoder._validated(train, reset=True), checkpoint=checkpoint)
    seconds = time.process_time() - start
    rebuilt = autoencoder.inverse_transform(autoencoder.transform(judged))
    ours, theirs = (float(np.square(x - judged).mean()) for x in (rebuilt, linear))
    print(f"{epochs} epochs in {seconds:.0f} s of CPU time")
    print(f"squared error of a pixel: autoencoder {ours:.5f}, PCA {theirs:.5f}, {ours / theirs:.3f} of it", flush=True)
    if not validation:
        rows = np.stack([judged, rebuilt, linear])[:, :_SHOWN].clip(0, 1)
        picture([(255 * rows).astype(np.float32)]).save(_OUT, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int((sys.argv[2:] or [str(_EPOCHS)])[0]), sys.argv[3:] == ["validation"])
