"""Lossy compression of images: bits per pixel at one error, against JPEG, gzip and zstd on the same images.

    python benchmarks/lossy.py mnist fashion_mnist

The coder is learnt from 20 000 training images and codes the 10 000 test images at root mean squared errors of 2, 4 and
8 % of the range. JPEG gets the images side by side as one large image, so that its header costs it nothing, at
the quality that comes nearest to the error from below; gzip −9 and zstd −19 get pixels rounded to the step that
makes this error. What the coder has learnt (0.6 million numbers) is not in its bits: it is sent once.
"""

from __future__ import annotations

import argparse
import gzip
import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from runs import data

from attar.density import LossyCoder

Images = npt.NDArray[np.uint8]


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    for name in parser.parse_args().sets:
        held = np.load(data(f"{name}.npz"))
        train, test = held["x_train"][:20_000], held["x_test"]
        coder = LossyCoder().fit(train)
        whole = (_bits(gzip.compress(test.tobytes(), 9), test), _bits(_zstd(test), test))
        print(f"\n{name}: lossless {whole[0]:.2f} (gzip), {whole[1]:.2f} (zstd)")
        print("| error, % | attar | JPEG | gzip | zstd |\n|---|---|---|---|---|")
        for percent in (2, 4, 8):
            error = 2.55 * percent
            coded = coder.encode(test, error)
            reached = float(np.sqrt(np.mean((coder.decode(coded) - test) ** 2)))
            coarse = _coarse(test, reached)
            row = (coded, _jpeg(test, reached), gzip.compress(coarse.tobytes(), 9), _zstd(coarse))
            print(
                f"| {reached / 2.55:.2f} | " + " | ".join(f"{_bits(one, test):.2f}" for one in row) + " |", flush=True
            )


def _bits(coded: bytes, x: Images) -> float:
    return 8 * len(coded) / x.size


def _zstd(x: Images) -> bytes:
    return bytes(pa.Codec("zstd", compression_level=19).compress(x.tobytes()))


def _coarse(x: Images, error: float) -> Images:
    """Pixels rounded to the coarsest step whose error is below."""

    def rounded(step: int) -> tuple[Images, float]:
        codes = np.rint(x / step).astype(np.uint8)
        return codes, float(np.sqrt(np.mean((codes * float(step) - x) ** 2)))

    return rounded(_last(lambda step: rounded(step)[1] <= error, 1, 200))[0]


def _jpeg(x: Images, error: float) -> bytes:
    side = int(np.sqrt(len(x)))
    mosaic = x[: side * side].reshape(side, side, *x.shape[1:]).swapaxes(1, 2).reshape(side * x.shape[1], -1)

    def coded(loss: int) -> tuple[bytes, float]:
        file = io.BytesIO()
        Image.fromarray(mosaic).save(file, "JPEG", quality=100 - loss, optimize=True)
        decoded = np.asarray(Image.open(file), dtype=np.float64)
        return file.getvalue(), float(np.sqrt(np.mean((decoded - mosaic) ** 2)))

    return coded(_last(lambda loss: coded(loss)[1] <= error, 0, 99))[0]


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The last number that holds, of those that hold up to somewhere; the lowest where none does."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


if __name__ == "__main__":
    main()
