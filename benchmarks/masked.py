"""What masked modelling makes of hidden patches, drawn to docs/images/masked.png.

    python benchmarks/masked.py FOLDER mnist fashion_mnist

For each set: trained on training images (one pass, half of the patches hidden), and shown on images of its test part:
as they are, what the encoder sees, and with the prediction in the place of what is hidden. Prints the error on all test
images against that of the mean image of the training part. FOLDER keeps the state of training.
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

from attar.represent import Masked

_TRAINED = 40_000
_SHOWN = 14
_GREY = 110.0
_OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "masked.png"

Pixels = npt.NDArray[np.float32]


def rows(name: str, folder: Path) -> Pixels:
    """Three rows of images: `(3, shown, h, w)`."""
    with np.load(data(f"{name}.npz")) as arrays:
        train, test = arrays["x_train"][:_TRAINED].astype(np.float32), arrays["x_test"].astype(np.float32)
    masked = Masked(64, width=64, ratio=0.5, epochs=1, batch_size=32, lr=2e-3, kind="image", random_state=0)
    start = time.process_time()
    masked._fit(masked._validated(train, reset=True), checkpoint=folder / f"{name}.safetensors")
    seconds = time.process_time() - start
    filled, hidden = masked.reconstruct(test, random_state=0)
    x = masked.kind_.preprocess()(torch.from_numpy(test))
    where = masked.kind_.fill(torch.full_like(x, torch.nan), x, torch.from_numpy(hidden)).isnan().squeeze(1).numpy()
    error = np.square(filled - test)[where].mean() / np.square(train.mean(0) - test)[where].mean()
    print(f"{name}: {seconds:.0f} s, error of hidden pixels {100 * error:.1f} % of the mean image's", flush=True)
    return np.stack([test, np.where(where, _GREY, test), filled])[:, :_SHOWN].clip(0, 255)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    picture([rows(name, folder) for name in sys.argv[2:]]).save(_OUT, optimize=True)
