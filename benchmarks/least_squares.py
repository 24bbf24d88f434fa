"""The least-squares path against a solver called for every p: how exact, how much faster, and against theory.

python benchmarks/least_squares.py            # about two minutes on two cores
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy.linalg import lstsq

from attar.risk import least_squares_path, ridgeless_risk, weak_features_risk

N = 1000


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def samples(p: int, n: int = N) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    beta = rng.standard_normal(p) / p**0.5
    x, t = rng.standard_normal((n, p)), rng.standard_normal((n, p))
    return x, x @ beta + 0.5 * rng.standard_normal(n), t, t @ beta


def exactness() -> None:
    """Predictions for every p beside the threshold; n = 200 keeps the solver bearable."""
    n = 200
    x, y, t, z = samples(400, n)
    sizes = [20, 150, 196, 197, 198, 199, 200, 201, 202, 203, 204, 250, 400]
    curve = least_squares_path(x, y, t, z, sizes)
    assert curve.condition is not None
    print("\np, test risk of the path, relative difference from lstsq, scaled condition number (n = 200)")
    for p, risk, condition in zip(sizes, curve.test_risk, curve.condition, strict=True):
        expected = ((t[:, :p] @ lstsq(x[:, :p], y)[0] - z) ** 2).mean()
        print(f"{p:5d}  {risk:10.4g}  {abs(risk / expected - 1):8.1e}  {condition:8.1e}")


def speed() -> None:
    x, y, t, z = samples(5000)
    sizes = np.unique(np.linspace(1, 5000, 200).astype(int))

    def loop() -> None:
        for p in sizes:
            ((t[:, :p] @ lstsq(x[:, :p], y)[0] - z) ** 2).mean()

    path = min(seconds(lambda: least_squares_path(x, y, t, z, sizes)) for _ in range(3))
    every = seconds(loop)
    print(
        f"\n200 capacities up to p = 5 000: path {path:.1f} s, lstsq for each {every:.1f} s: {every / path:.0f} times"
    )
    draws = y[:, None] + 0.5 * np.random.default_rng(1).standard_normal((N, 100))
    many = min(seconds(lambda: least_squares_path(x, draws, t, z, sizes)) for _ in range(3))
    exact = seconds(lambda: least_squares_path(x, y, t, z, sizes, noise=0.25))
    print(f"100 draws of noise: {many / path:.2f} times one; their exact mean (noise=): {exact / path:.2f} times")


def growth() -> None:
    print("\np_max, seconds of the whole path, and by column beyond n (n = 1 000, 50 capacities)")
    before = None
    for p in (1000, 2000, 4000, 8000, 16000):
        x, y, t, z = samples(p)
        sizes = np.unique(np.linspace(1, p, 50).astype(int))
        took = min(seconds(lambda: least_squares_path(x, y, t, z, sizes)) for _ in range(2))  # noqa: B023
        more = "" if before is None else f"{1e3 * (took - before[1]) / (p - before[0]):.2f} ms"
        print(f"{p:6d}  {took:6.2f}  {more}")
        before = p, took


def theory() -> None:
    n, draws, noise = 200, 200, 0.25
    print(
        f"\nγ, measured excess risk and its standard error over {draws} draws, theory (n = {n}: limit, and exact mean)"
    )
    worst = 0.0
    for ratio in (0.2, 0.35, 0.5, 0.7, 0.85, 1.15, 1.3, 1.6, 2.0, 3.0, 4.0, 5.0):
        p, rng = round(ratio * n), np.random.default_rng(int(100 * ratio))
        risks = []
        for _ in range(draws):
            beta = rng.standard_normal(p)
            beta /= np.linalg.norm(beta)
            x = rng.standard_normal((n, p))
            y = x @ beta + noise**0.5 * rng.standard_normal(n)
            # With the identity as test samples p times the error is ‖β̂ − β‖², the excess risk of isotropic samples.
            risks.append(p * float(least_squares_path(x, y, np.eye(p), beta, [p]).test_risk[0]))
        mean, error = float(np.mean(risks)), float(np.std(risks, ddof=1) / draws**0.5)
        limit = ridgeless_risk(ratio, noise=noise).excess
        exact = weak_features_risk(p, n, p, noise=noise) - noise
        worst = max(worst, abs(mean - exact) / error)
        print(
            f"{ratio:5.2f}  {mean:8.4f} ± {error:.4f}  {limit:8.4f} ({(mean - limit) / error:+.1f} errors)  "
            f"{exact:8.4f} ({(mean - exact) / error:+.1f})"
        )
    print(f"largest difference from the exact mean: {worst:.1f} standard errors")


if __name__ == "__main__":
    exactness()
    speed()
    growth()
    theory()
