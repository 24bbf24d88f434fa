"""Noise and low resolution on Fashion-MNIST: the posterior mean that was learnt, against filters of scikit-image.

    python benchmarks/restore.py FOLDER [EPOCHS]             # on the test part; draws docs/images/restore.png
    python benchmarks/restore.py FOLDER EPOCHS validation    # on images set aside instead, to choose by

One network, trained without labels on clean training images but for the last 2 000, which are set aside, takes noise
off (sigma = 0.3 on [0, 1]), doubles the resolution and fills gaps. Peak signal-to-noise ratio in decibels, over all
images, each clipped to [0, 1]. The filters get the best of several settings, chosen on training images: medians of 3 or
5 pixels, and bilateral filters of scikit-image, an extra: `pip install -c constraints.txt -e ".[benchmark]"`. Low
resolution is made in two ways, by means of 2 x 2 pixels, and by bicubic interpolation with scikit-image's smoothing
before it. FOLDER keeps the state of training.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from picture import picture
from runs import data
from skimage.filters import median
from skimage.morphology import footprint_rectangle
from skimage.restoration import denoise_bilateral
from skimage.transform import resize

from attar.density import Restorer

SIGMA, SETTLED, HELD_OUT, SHOWN, SIDE = 0.3, 200, 2000, 14, 28
_OUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "restore.png"

Pixels = npt.NDArray[np.float32]
Filter = Callable[[Pixels], Pixels]


def psnr(found: Pixels, x: Pixels) -> float:
    """In decibels, of values on [0, 1]."""
    return float(-10 * np.log10(np.square(found.clip(0, 1) - x).mean(dtype=np.float64)))


def filters() -> dict[str, Filter]:
    """Of one noisy image."""
    known: dict[str, Filter] = {f"median {k}": partial(median, footprint=footprint_rectangle((k, k))) for k in (3, 5)}
    for colour in (0.2, 0.3, 0.4, 0.6):
        for space in (1.0, 1.5, 2.0, 3.0):
            known[f"bilateral {colour:g}, {space:g}"] = partial(
                denoise_bilateral, sigma_color=colour, sigma_spatial=space, win_size=9
            )
    return known


def noisy(x: Pixels, seed: int) -> Pixels:
    """With noise, not clipped."""
    return x + SIGMA * np.random.default_rng(seed).standard_normal(x.shape, dtype=np.float32)


def each(work: Filter, x: Pixels) -> Pixels:
    """All images, one after the other."""
    return np.stack([work(image) for image in x]).astype(np.float32)


def bicubic(x: Pixels, side: int) -> Pixels:
    """Of another side; smoothed first where it gets smaller."""
    return each(lambda image: resize(image, (side, side), order=3, anti_aliasing=side < len(image)), x)


def main(folder: Path, epochs: int, validation: bool) -> None:
    """Train, choose the filters on training images, and look at the test part once."""
    with np.load(data("fashion_mnist.npz")) as arrays:
        train, test = (arrays[name].astype(np.float32) / 255 for name in ("x_train", "x_test"))
    train, test = train[:-HELD_OUT], train[-HELD_OUT:] if validation else test
    restorer = Restorer(
        damages=("noise", "holes", "blocks"),
        width=32,
        epochs=epochs,
        batch_size=64,
        precision="bf16-mixed",
        kind="image",
        random_state=0,
    )
    folder.mkdir(parents=True, exist_ok=True)
    start = time.process_time()
    checkpoint = folder / f"restorer-{epochs}.safetensors"
    restorer._fit(restorer._checked(train, reset=True), checkpoint=checkpoint)
    print(f"{epochs} epochs in {time.process_time() - start:.0f} s of CPU time", flush=True)

    some = train[:SETTLED]
    scores = {name: psnr(each(work, noisy(some, 1)), some) for name, work in filters().items()}
    best = max(scores, key=lambda name: scores[name])
    damaged = noisy(test, 0)
    found, filtered = restorer.denoise(damaged, SIGMA), each(filters()[best], damaged)
    print(f"sigma {SIGMA}: noisy {psnr(damaged, test):.2f} dB, {best} {psnr(filtered, test):.2f} dB, ", end="")
    print(f"attar {psnr(found, test):.2f} dB, {psnr(found, test) - psnr(filtered, test):.2f} more", flush=True)

    means = test.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4))
    coarse = {"means of 2 x 2": means, "bicubic": bicubic(test, SIDE // 2)}
    for name, half in coarse.items():
        ours, theirs = psnr(restorer.upscale(half), test), psnr(bicubic(half, SIDE), test)
        print(
            f"twice the resolution from {name}: bicubic {theirs:.2f} dB, attar {ours:.2f} dB, {ours - theirs:.2f} more"
        )
    hidden = np.zeros((SIDE, SIDE), dtype=bool)
    hidden[10:18, 10:18] = True
    gaps = restorer.inpaint(test, hidden)
    mean = np.where(hidden, train.mean(axis=0), test)
    print(f"a gap of 8 x 8: its pixels {psnr(gaps[:, hidden], test[:, hidden]):.2f} dB, ", end="")
    print(f"the mean image's {psnr(mean[:, hidden], test[:, hidden]):.2f} dB")
    if validation:
        return
    blocks = restorer.upscale(means[:SHOWN])
    wide = means[:SHOWN].repeat(2, axis=1).repeat(2, axis=2)
    rows = [
        test,
        damaged,
        filtered,
        found,
        wide,
        bicubic(means[:SHOWN], SIDE),
        blocks,
        np.where(hidden, 0.5, test),
        gaps,
    ]
    picture([(255 * np.stack([row[:SHOWN] for row in rows]).clip(0, 1)).astype(np.float32)]).save(_OUT, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int((sys.argv[2:] or ["2"])[0]), sys.argv[3:] == ["validation"])
