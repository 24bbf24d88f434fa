"""Few bits on a residual network: after training, and trained while it is rounded.

    python benchmarks/quantization.py ~/networks
    python benchmarks/quantization.py ~/networks --trained 4:none 4:4 --lr 2e-4
    python benchmarks/quantization.py ~/networks --trained 2:2:8 --samples 20000 --held-out

The network is that of `networks.py` on the first 55 000 training images of Fashion-MNIST, and is trained here where the
folder does not hold it. Each row is one call of `quantize`; what is learnt from samples is learnt from these images,
and accuracy is that on the 10 000 test images, or on the 5 000 training images that were held out, where settings are
chosen. Bits are those of weights and of what goes into the layers; "8 at the ends" has 8 for the first and the last
layer. Bytes are those of the file that `save` writes.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from pathlib import Path
from typing import Any

import networks

from attar.compress import quantize, save

_FLOAT = 55_000
_NAIVE: dict[str, Any] = {"clipping": "minmax"}
_ACIQ: dict[str, Any] = {"clipping": "aciq", "correct_bias": True}
_MSE: dict[str, Any] = {"clipping": "mse", "correct_bias": True}
_AFFINE: dict[str, Any] = {**_MSE, "symmetric": False}
# Name, bits of weights, bits of inputs, and the rest of the call.
_AFTER: list[tuple[str, int, int | None, dict[str, Any]]] = [
    *(("min-max", bits, None, _NAIVE) for bits in (8, 4, 3, 2)),
    ("min-max", 8, 8, _NAIVE),
    ("min-max", 4, 4, _NAIVE),
    *(("ACIQ, bias correction", bits, None, _ACIQ) for bits in (4, 3, 2)),
    ("ACIQ, bias correction", 4, 4, _ACIQ),
    ("ACIQ, bias correction, 8 at the ends", 4, 4, {**_ACIQ, "ends": 8}),
    *(("least squares, bias correction", bits, None, _MSE) for bits in (4, 3, 2)),
    ("least squares, bias correction, any zero", 2, None, _AFFINE),
    ("least squares, bias correction, any zero, 8 at the ends", 2, None, {**_AFFINE, "ends": 8}),
]


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trained", nargs="*", metavar="WEIGHTS:INPUTS", help="these alone; none: no training")
    parser.add_argument("--samples", type=int, default=_FLOAT, help="images that training goes through")
    parser.add_argument("--epochs", type=int, default=1, help="how often it goes through them")
    parser.add_argument("--lr", type=float, default=1e-3, help="highest learning rate of training")
    parser.add_argument("--held-out", action="store_true", help="accuracy on training images that were held out")
    asked = parser.parse_args()
    x, y, x_test, y_test = networks.images("fashion_mnist")
    if asked.held_out:
        x_test, y_test = x[_FLOAT:], y[_FLOAT:]
    x, y, view = x[:_FLOAT], y[:_FLOAT], functools.partial(networks.shifted, flip=True)
    network = networks.trained("fashion-resnet", networks.resnet, x, y, asked.folder, epochs=15, lr=4e-3, augment=view)

    def show(name: str, bits: int | str, inputs: int | str | None, module: Any, seconds: float) -> None:
        accuracy = networks.accuracy(module, x_test, y_test)
        with tempfile.TemporaryDirectory() as scratch:
            save(module, file := Path(scratch, "network.attar"), x[:1])
            size = file.stat().st_size
        print(f"| {name} | {bits} | {inputs or 'float'} | {accuracy:.2f} | {size:,} | {seconds:.1f} |", flush=True)

    print("| | weights | inputs | accuracy, % | bytes | CPU seconds |\n|---|---|---|---|---|---|")
    if not asked.trained:
        show("as it was trained", "float", None, network, 0)
        for name, bits, inputs, how in _AFTER:
            begun = time.process_time()
            small = quantize(network, x[:2000], bits=bits, activations=inputs, **how)
            show(name, bits, inputs, small, time.process_time() - begun)
    pairs = ["4:none", "4:4", "2:none", "2:2", "2:none:8", "2:2:8"] if asked.trained is None else asked.trained
    for weights, of_inputs, *ends in (pair.split(":") for pair in pairs):
        begun = time.process_time()
        small = quantize(
            network,
            x[: asked.samples],
            bits=int(weights),
            activations=None if of_inputs == "none" else int(of_inputs),
            ends=int(ends[0]) if ends else None,
            # Of 2 bits, a symmetric grid would use three codes.
            symmetric=weights != "2",
            epochs=asked.epochs,
            view=view,
            lr=asked.lr,
        )
        name = "trained, 8 at the ends" if ends else "trained"
        show(name, weights, None if of_inputs == "none" else of_inputs, small, time.process_time() - begun)


if __name__ == "__main__":
    main()
