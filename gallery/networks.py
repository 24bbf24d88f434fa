"""Page 5: networks, over width and over epochs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from attar.report.words import percent
from attar.risk import Curve, epoch_curve, network_curve
from gallery.frame import Page, side_by_side, table
from gallery.measured import Measured, digits, part

_N, _NOISE = 600, 0.2
_WIDTHS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 64, 128, 256)
_SGD: dict[str, Any] = {"batch_size": 50, "lr": 0.05, "label_noise": _NOISE}
_EPOCHS: dict[str, Any] = {"width": 64, "depth": 2, "weight_decay": 2e-3, **_SGD}
# The first epoch that is drawn.
_FROM = 3
_CHANGES: dict[str, dict[str, Any]] = {
    "as above": {},
    "one hidden layer": {"depth": 1},
    "no weight decay": {"weight_decay": 0.0},
    "no wrong labels": {"label_noise": 0.0},
    "batches of 20": {"batch_size": 20},
    "batches of 200": {"batch_size": 200},
    "rate falls as 1/√t": {"schedule": "inverse square root"},
    "rate falls as a cosine": {"schedule": "cosine"},
}


def measure() -> Measured:
    """Over width, over epochs, and what changes the second."""
    data = digits(_N)
    curves = {
        "width": network_curve(*data, "width", _WIDTHS, epochs=400, seeds=5, **_SGD),
        "epochs": epoch_curve(*data, epochs=400, seeds=10, **_EPOCHS),
    }
    rows = []
    for name, change in _CHANGES.items():
        wrong = epoch_curve(*data, epochs=300, seeds=5, points=45, **{**_EPOCHS, **change}).zero_one
        assert wrong is not None
        later = wrong.test_risk[wrong.axis >= wrong.t_min]
        rows.append([name, wrong.t_min, later[0], wrong.t_int, later.max(), later[-1]])
    return Measured(curves, {"settings": rows})


def page(measured: Measured) -> Page:
    """The page."""
    width, epochs = measured.curves["width"], measured.curves["epochs"]
    by_width, by_epoch = width.zero_one, epochs.zero_one
    assert by_width is not None
    assert by_epoch is not None
    widest, top = _top(by_width), _top(by_epoch)
    words = {
        "n": str(_N),
        "seeds_width": str(by_width.draws),
        "seeds_epochs": str(by_epoch.draws),
        "peak_width": f"{by_width.axis[widest]:.0f}",
        "peak_epoch": f"{by_epoch.axis[top]:.0f}",
        "verdict": by_width.verdict(),
        "small": f"{by_width.t_min:.0f}",
        "t_min": f"{by_epoch.t_min:.0f}",
        "t_int": f"{by_epoch.t_int:.0f}",
        "at_t_min": percent(float(by_epoch.test_risk[int(np.searchsorted(by_epoch.axis, by_epoch.t_min))])),
        "at_peak": percent(float(by_epoch.test_risk[top])),
        "at_end": percent(float(by_epoch.test_risk[-1])),
        "last": f"{by_epoch.axis[-1]:.0f}",
    }
    top_row = side_by_side(
        (by_width, "One hidden layer of 1 to 256 units, 400 epochs: share of wrong answers."),
        (width, "The same: cross-entropy."),
        (
            _later(by_epoch),
            f"Two hidden layers of 64 units, from epoch {_FROM} on: share of wrong answers.",
        ),
        (_later(epochs), "The same: cross-entropy, with a t_min of its own."),
    )
    rows = [
        [
            name,
            f"{t_min:.0f}",
            percent(first),
            "never" if t_int is None else f"{t_int:.0f}",
            percent(highest),
            percent(end),
        ]
        for name, t_min, first, t_int, highest, end in measured.facts["settings"]
    ]
    settings = table(["changed", "t_min", "error at t_min", "t_int", "highest after", "at the end"], rows)
    return Page("networks", _later(by_epoch), words, {"top": top_row, "settings": settings})


def _later(curve: Curve) -> Curve:
    """Without the first epochs, beside whose errors all that follows would be flat."""
    return replace(part(curve, slice(int(np.searchsorted(curve.axis, _FROM)), None)), threshold=curve.threshold)


def _top(curve: Curve) -> int:
    """Where the risk is highest after its first minimum."""
    return int(np.argmax(np.where(curve.axis >= curve.t_min, curve.test_risk, 0)))
