"""Double descent of random features on MNIST: where the peak is, whether the second descent goes deeper, what it costs.

    OMP_NUM_THREADS=1 python benchmarks/random_features.py OUT [N]

N training samples (10 000 unless given) of mnist.npz in $ATTAR_DATA, all 10 000 test samples and 10 classes, as in
figure 2 of Belkin et al. 2019; Fourier features without and with 15 % of the training labels wrong, and ReLU features.
The scale is chosen from the training samples alone. Each curve is saved in the folder OUT as JSON. The curves are made
of the test samples; nothing is chosen by them.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
from runs import data

from attar.risk import Curve, feature_curve

SETTINGS = (("fourier", 0.0), ("fourier", 0.15), ("relu", 0.0))


def table(curve: Curve) -> None:
    wrong = curve.zero_one
    assert wrong is not None
    assert curve.norm is not None
    print(f"{'features':>9} {'train risk':>11} {'test risk':>11} {'train wrong':>12} {'test wrong':>11} {'norm':>9}")
    rows = (curve.axis, curve.train_risk, curve.test_risk, 100 * wrong.train_risk, 100 * wrong.test_risk, curve.norm)
    for p, train, test, wrong_train, wrong_test, norm in zip(*rows):
        print(f"{p:9.0f} {train:11.3g} {test:11.4g} {wrong_train:10.2f} % {wrong_test:9.2f} % {norm:9.3g}")


def summary(name: str, curve: Curve, unit: float) -> None:
    assert curve.threshold is not None
    classical = curve.axis < curve.threshold
    best = int(np.argmin(np.where(classical, curve.test_risk, np.inf)))
    peak = int(np.argmax(curve.test_risk))
    print(
        f"{name}: best of the classical regime {unit * curve.test_risk[best]:.4g} at {curve.axis[best]:.0f}, peak "
        f"{unit * curve.test_risk[peak]:.4g} at {curve.axis[peak]:.0f}, end {unit * curve.test_risk[-1]:.4g} at "
        f"{curve.axis[-1]:.0f}"
    )


def main(out: Path, n: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with np.load(data("mnist.npz")) as held:
        x, y, t, expected = (held[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    some = np.random.default_rng(0).permutation(len(x))[:n]
    for features, noise in SETTINGS:
        start = time.process_time()
        curve = feature_curve(x[some] / 255, y[some], t / 255, expected, features=features, label_noise=noise)
        minutes = (time.process_time() - start) / 60
        name = f"{features}-{100 * noise:.0f}"
        curve.save(out / f"{name}.json")
        print(f"\n{features} features, {n} samples, {100 * noise:.0f} % of the training labels wrong")
        table(curve)
        summary("squared error", curve, 1)
        assert curve.zero_one is not None
        summary("wrong answers, %", curve.zero_one, 100)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{len(curve.axis)} capacities in {minutes:.1f} CPU minutes; memory at most {peak:.1f} GB", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
