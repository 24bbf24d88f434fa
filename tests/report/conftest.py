"""Facts for the tests of the report: a run on scikit-learn's digits, and a wide one with many classes."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.semi_supervised import LabelSpreading

from attar.report.facts import CurvePoint, Facts, Group, LatentPoint, Row, Step
from attar.report.swept import Shown
from attar.risk import Curve
from attar.risk.advice import Advice, Gain

SETTINGS: dict[str, str | int | float | bool | None] = {
    "source": "digits",
    "labels-per-class": 5,
    "holdout": 0.3,
    "budget": "50KB",
    "time": None,
    "seed": 0,
    "strict": False,
}
VERSIONS = {"attar": "0.1.0", "python": "3.12.3", "torch": "2.13.0", "scikit-learn": "1.8.0", "onnxruntime": "1.23.2"}


def png(image: np.ndarray) -> str:
    """A data: URI of an 8-bit image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def row(
    name: str,
    accuracy: float,
    half: float = 0.03,
    *,
    n_bytes: int = 1_000,
    latency: float = 0.1,
    baseline: bool = False,
    chosen: bool = False,
    seconds: float = 1.0,
) -> Row:
    """A row of the leaderboard with a symmetric interval."""
    return Row(
        name=name,
        accuracy=accuracy,
        interval=(max(accuracy - half, 0.0), min(accuracy + 0.8 * half, 1.0)),
        bytes=n_bytes,
        latency_ms=latency,
        baseline=baseline,
        chosen=chosen,
        seconds=seconds,
    )


def shown(over: str = "features", *, keep: bool = False, classes: bool = True) -> Shown:
    """A curve with a double descent, and advice on it."""
    axis = np.array([10.0, 20, 40, 80, 160])
    wrong = Curve(axis, [0.1, 0.05, 0, 0, 0], [0.2, 0.18, 0.4, 0.2, 0.15], over=over, loss="zero-one loss", draws=15)
    loss = Curve(axis, [2, 1, 0, 0, 0], [3, 2, 9, 2, 1], over=over, draws=15, zero_one=wrong if classes else None)
    gain, errors = Gain(1.0, (0.5, 1.5), 0.99), Gain(0.05, (-0.01, 0.11), 0.93)
    advice = Advice(over, 20.0, 160.0, gain, errors if classes else None)
    return Shown(loss, Advice(over, 20.0, 20.0, Gain(0.0, (0.0, 0.0), 0.0)) if keep else advice)


def digits() -> Facts:
    """A run on digits with five labels per class, with a real map and real thumbnails."""
    x, y = load_digits(return_X_y=True)
    centred = x - x.mean(axis=0)
    z = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    rng = np.random.default_rng(1)
    labelled = {int(i) for k in range(10) for i in rng.choice(np.flatnonzero(y[:1258] == k), 5, replace=False)}
    known = np.where(np.isin(np.arange(len(y)), list(labelled)), y, -1)
    model = LabelSpreading(kernel="knn", n_neighbors=7).fit(x, known)
    test = np.arange(1258, 1797)
    probabilities = model.label_distributions_
    predicted = probabilities.argmax(axis=1)
    right = float((predicted[test] == y[test]).mean())
    confusion = np.zeros((10, 10), dtype=int)
    np.add.at(confusion, (y[test], predicted[test]), 1)
    latent = tuple(
        LatentPoint(
            id=f"digits/{i:04d}",
            x=float(z[i, 0]),
            y=float(z[i, 1]),
            predicted=str(predicted[i]),
            probability=float(probabilities[i].max()),
            label=str(y[i]) if i in labelled else None,
            thumbnail=png((255 - x[i].reshape(8, 8) * 15.9).astype(np.uint8)),
        )
        for i in range(1258)
    )
    return Facts(
        run="digits",
        source="digits",
        kind="image",
        n=1258,
        n_labelled=50,
        n_test=539,
        shape=(8, 8, 1),
        classes=tuple(map(str, range(10))),
        labels_per_class=(5,) * 10,
        notes=("Images are single-channel.", "3 of 64 pixels are constant over all samples."),
        verdict=f"A 46.8 KB model that is right on {100 * right:.1f} % of unseen digits, learnt from 50 labels.",
        why="random-convolutions + propagation has the highest estimated accuracy, and no simpler candidate lies "
        "within one standard error of it (the nearest, pca + propagation, is 3.9 points below).",
        groups=tuple(Group(name=f"writer {i}", n=40 + i, accuracy=0.6 + 0.03 * i) for i in range(13)),
        accuracy=0.951,
        interval=(0.917, 0.978),
        test_accuracy=right,
        test_interval=(right - 0.021, right + 0.018),
        leaderboard=(
            row("raw + logistic regression", 0.863, 0.05, n_bytes=5_120, latency=0.011, baseline=True, seconds=0.31),
            row("pca + logistic regression", 0.842, 0.055, n_bytes=7_004, latency=0.013, baseline=True, seconds=0.44),
            row("pca + propagation", 0.921, 0.042, n_bytes=9_812, latency=0.014, seconds=1.9),
            row(
                "random-convolutions + logistic regression",
                0.907,
                0.044,
                n_bytes=181_233,
                latency=0.19,
                baseline=True,
                seconds=2.2,
            ),
            row(
                "random-convolutions + propagation",
                0.960,
                0.031,
                n_bytes=1_460_000,
                latency=0.21,
                chosen=True,
                seconds=4.8,
            ),
            row("autoencoder + logistic regression", 0.879, 0.05, n_bytes=412_000, latency=0.12, seconds=21.0),
            row("simclr + propagation", 0.948, 0.034, n_bytes=705_000, latency=0.16, seconds=64.0),
            row(
                "simclr, fine-tuned",
                0.941,
                0.036,
                n_bytes=705_000,
                latency=0.16,
                seconds=71.0,
            ),
        ),
        confusion=tuple(tuple(map(int, line)) for line in confusion),
        confusion_of="test split",
        curve=tuple(
            CurvePoint(labels=n, accuracy=a, low=a - h, high=min(a + 0.8 * h, 1.0))
            for n, a, h in (
                (10, 0.741, 0.09),
                (20, 0.868, 0.07),
                (30, 0.918, 0.05),
                (40, 0.943, 0.04),
                (50, 0.951, 0.034),
            )
        ),
        risk={
            "regime": "The chosen model is right on 100 % of the 50 labels it learnt from.",
            "sweeps": [json.loads(json.dumps(one.to_json())) for one in (shown(), shown("λ", keep=True))],
        },
        latent=latent,
        latent_of="PCA of the pixels, first two components",
        compression=(
            Step(
                name="random-convolutions + propagation",
                bytes=1_460_000,
                latency_ms=0.21,
                agreement=None,
                accuracy=0.951,
            ),
            Step(
                name="distilled student",
                bytes=171_120,
                latency_ms=0.058,
                agreement=0.991,
                accuracy=0.949,
                note="200 epochs, T = 4, α = 0.9, on 1 208 unlabelled samples",
            ),
            Step(
                name="int8, shipped",
                bytes=47_912,
                latency_ms=0.041,
                agreement=0.986,
                accuracy=0.947,
                note="static quantisation, per channel",
            ),
        ),
        budget="50KB",
        largest_difference=0.0041,
        model_path="runs/digits/model.onnx",
        model_bytes=47_912,
        model_latency_ms=0.041,
        seconds=141.2,
        settings=SETTINGS,
        versions=VERSIONS,
        command="attar fit digits --labels-per-class 5 --holdout 0.3 --budget 50KB --seed 0",
    )


def wide(n_classes: int = 50, n_points: int = 4000) -> Facts:
    """Many classes with long names, many points with SVG thumbnails, no test split."""
    rng = np.random.default_rng(0)
    words = ("walking", "upstairs", "carrying", "shopping-bag", "left", "hand", "Straßenbahn", "階段を上る", "sitting")
    classes = tuple(
        f"{k:02d} {' '.join(words[(k * 7 + j * 3) % 9] for j in range(1 + k % 5))}" for k in range(n_classes)
    )
    side = int(np.ceil(np.sqrt(n_classes)))
    of = rng.integers(0, n_classes, n_points)
    z = np.stack([of % side, of // side], 1) * 4 + rng.normal(size=(n_points, 2))
    counts = rng.poisson(0.12, (n_classes, n_classes)) + np.diag(rng.integers(3, 20, n_classes))
    latent = tuple(
        LatentPoint(
            id=f"recordings/2024/long/path/to/session-{i:05d}/accelerometer_and_gyroscope_{i:05d}.parquet",
            x=float(z[i, 0]),
            y=float(z[i, 1]),
            predicted=classes[of[i]],
            probability=0.2 + 0.8 * (i % 97) / 97,
            label=classes[of[i]] if i % 40 == 0 else None,
            thumbnail='<svg viewBox="0 0 60 20" width="120" height="40"><polyline fill="none" stroke="#0072b2" points="'
            + " ".join(f"{4 * t},{10 + 8 * np.sin(t * (1 + of[i] % 7) / 3):.0f}" for t in range(16))
            + '"/></svg>',
        )
        for i in range(n_points)
    )
    return large(classes, counts, latent)


def large(classes: tuple[str, ...], counts: np.ndarray, latent: tuple[LatentPoint, ...]) -> Facts:
    """A run without a test split, whose every part is large."""
    long = "a very long representation name that somebody chose for their own candidate + label propagation"
    return Facts(
        run="recordings-of-daily-activities-2024-wrist-and-hip",
        source="/data/projects/activities/2024/wrist-and-hip/recordings/all",
        kind="series",
        n=73_524,
        n_labelled=612,
        n_test=0,
        shape=(9, 128),
        classes=classes,
        labels_per_class=tuple(1 + k * 5 % 23 for k in range(len(classes))),
        notes=(
            "1 204 of 73 524 recordings are shorter than 128 steps and were padded.",
            "Class 00 has one label: it is trained on, and left out of the cross-validation.",
            "Channel 7 is constant in 12 % of the recordings, which the standardisation keeps as zero. " * 2,
        ),
        verdict="A 96.0 KB model that should be right on about 84 % of new recordings; with 612 labels in "
        f"{len(classes)} classes the estimate is uncertain (79–88 %).",
        why="simclr, fine-tuned is within one standard error of the best and is the smaller of the two.",
        accuracy=0.838,
        interval=(0.791, 0.881),
        test_accuracy=None,
        test_interval=None,
        leaderboard=(
            *(
                row(
                    f"candidate {k:02d} + logistic regression",
                    0.3 + 0.03 * k,
                    0.06,
                    n_bytes=10**k % 9_999_999,
                    latency=0.01 * 2**k,
                    baseline=k % 3 == 0,
                    seconds=10.0 * k,
                )
                for k in range(12)
            ),
            row(long, 0.87, 0.05, n_bytes=98_304_000, latency=187.0, seconds=8_800.0),
            row("simclr, fine-tuned", 0.852, 0.05, n_bytes=1_400_000, latency=1.9, chosen=True, seconds=900.0),
        ),
        confusion=tuple(tuple(map(int, line)) for line in counts),
        confusion_of="cross-validation on the labelled samples",
        curve=tuple(
            CurvePoint(labels=n, accuracy=0.4 + 0.05 * k, low=0.36 + 0.05 * k, high=0.44 + 0.05 * k)
            for k, n in enumerate((50, 55, 60, 76, 102, 153, 204, 306, 459, 612))
        ),
        latent=latent,
        latent_of="t-SNE of the representation simclr",
        compression=(
            Step(name="simclr, fine-tuned", bytes=1_400_000, latency_ms=0.21, agreement=None, accuracy=None),
            Step(name="int8, shipped", bytes=98_304, latency_ms=0.3, agreement=0.97, accuracy=None),
        ),
        budget=None,
        largest_difference=1e-4,
        model_path="runs/recordings-of-daily-activities-2024-wrist-and-hip/model.onnx",
        model_bytes=98_304,
        model_latency_ms=0.3,
        seconds=9_213.0,
        settings=SETTINGS
        | {"labels": "/data/projects/activities/2024/wrist-and-hip/labels/annotated-by-three-people.csv"},
        versions=VERSIONS,
        command="attar fit /data/projects/activities/2024/wrist-and-hip/recordings/all --labels "
        "/data/projects/activities/2024/wrist-and-hip/labels/annotated-by-three-people.csv --seed 0",
    )


@pytest.fixture(scope="session", name="digits")
def _digits() -> Facts:
    return digits()


@pytest.fixture(scope="session", name="wide")
def _wide() -> Facts:
    return wide()
