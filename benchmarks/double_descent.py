"""Double descent of networks on MNIST with 15 % of the labels wrong: over width, over epochs, and what changes it.

    python benchmarks/double_descent.py width FOLDER      # one hidden layer of 1 to 512 units
    python benchmarks/double_descent.py epochs FOLDER     # one hidden layer of 64 units, up to 2 000 epochs
    python benchmarks/double_descent.py settings FOLDER   # over epochs again, for batch sizes and schedules

Images averaged to 14 × 14 pixels: 4 000 training images (width) or 1 000 (epochs), and all 10 000 test images. FOLDER
gets each curve as JSON and as a picture. CPU time is that of all threads.

Settings were chosen by the risk on other images of the training part. Over width: SGD with momentum and no weight
decay, as in Belkin et al. (2019), until the networks at the threshold have learnt the wrong labels. Over epochs: with a
weight decay of 1e-3; without any, neither SGD in 1 000 epochs nor Adam in 500 came down again on this data.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from runs import data

from attar.risk import Curve, epoch_curve, network_curve

WIDTHS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 256, 512)
NOISE = 0.15
EPOCHS: dict[str, Any] = {"width": 64, "batch_size": 50, "lr": 0.02, "weight_decay": 1e-3, "label_noise": NOISE}
Data = tuple[np.ndarray[Any, Any], ...]


def mnist(n: int) -> Data:
    """Images of 14 × 14: n for training, in a random order drawn once, and the test part."""
    with np.load(data("mnist.npz")) as file:
        x, y, t, expected = (file[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    some = np.random.default_rng(0).permutation(len(x))[:n]
    x, t = (a.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5)) for a in (x[some], t))
    return x, y[some], t, expected


def timed(find: Callable[..., Curve], *args: Any, **settings: Any) -> Curve:
    start = time.process_time()
    curve = find(*args, **settings)
    print(f"{(time.process_time() - start) / 60:.1f} CPU minutes", flush=True)
    return curve


def table(curve: Curve, every: int) -> None:
    wrong = curve.zero_one
    assert wrong is not None
    print(
        f"{curve.over:>10} {'train loss':>11} {'test loss':>10} {'train error':>12} {'test error':>11}  90 % of seeds"
    )
    for i in sorted({*range(0, len(curve.axis), every), len(curve.axis) - 1}):
        band = "" if wrong.test_interval is None else "{:.1%} to {:.1%}".format(*wrong.test_interval[i])
        print(
            f"{curve.axis[i]:10.4g} {curve.train_risk[i]:11.3g} {curve.test_risk[i]:10.3f} "
            f"{wrong.train_risk[i]:12.1%} {wrong.test_risk[i]:11.1%}  {band}"
        )
    for name, one in (("loss", curve), ("error", wrong)):
        print(f"{name}: {one.verdict()}")
        if curve.over != "batch size":
            print(f"  peaks {one.peaks}, t_min {one.t_min:g}, t_int {one.t_int}", flush=True)


def save(curve: Curve, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, one in ((name, curve), (f"{name}-error", curve.zero_one)):
        assert one is not None
        one.save(folder / f"{part}.json")
        one.save(folder / f"{part}.svg")


def over_width(folder: Path) -> None:
    settings = {"epochs": 400, "batch_size": 100, "lr": 0.05, "label_noise": NOISE, "seeds": 3}
    curve = timed(network_curve, *mnist(4000), "width", WIDTHS, **settings)
    table(curve, 1)
    save(curve, folder, "network-width")


def over_epochs(folder: Path) -> None:
    curve = timed(epoch_curve, *mnist(1000), epochs=2000, seeds=5, **EPOCHS)
    table(curve, 3)
    save(curve, folder, "network-epochs")


def over_settings(folder: Path) -> None:
    data = mnist(1000)
    print(f"{'setting':32} {'t_min':>6} {'error':>7} {'t_int':>6} {'highest':>8} {'end':>6}")
    changes: list[tuple[str, dict[str, Any]]] = [
        *((f"batches of {size}", {"batch_size": size}) for size in (10, 25, 50, 100, 200)),
        *((f"schedule {name}", {"schedule": name}) for name in ("constant", "inverse square root", "cosine")),
    ]
    for name, change in changes:
        curve = epoch_curve(*data, epochs=300, seeds=3, **{**EPOCHS, **change})
        wrong = curve.zero_one
        assert wrong is not None
        first = wrong.test_risk[int(np.searchsorted(wrong.axis, wrong.t_min))]
        highest = wrong.test_risk[wrong.axis >= wrong.t_min].max()
        reached = f"{wrong.t_int:6.3g}" if wrong.t_int else f"{'–':>6}"
        print(
            f"{name:32} {wrong.t_min:6.3g} {first:7.1%} {reached} {highest:8.1%} {wrong.test_risk[-1]:6.1%}", flush=True
        )
    sizes = (10, 25, 50, 100, 200, 400)
    X, y, X_test, y_test = data
    curve = network_curve(X, y, X_test, y_test, "batch size", sizes, epochs=100, width=64, lr=0.05, label_noise=NOISE)
    table(curve, 1)
    save(curve, folder, "network-batch-size")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    {"width": over_width, "epochs": over_epochs, "settings": over_settings}[sys.argv[1]](Path(sys.argv[2]))
