"""Pictures of many samples in few files: each is where it is looked for."""

import io

import numpy as np
from PIL import Image

from attar.report.atlas import SIDE, sheets, size


def cells(sheet):
    with Image.open(io.BytesIO(sheet)) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(float)
    h, w = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
    return pixels.reshape(SIDE, h, SIDE, w, 3).transpose(0, 2, 1, 3, 4).reshape(SIDE * SIDE, h, w, 3)


def test_every_picture_lies_in_its_cell():
    n = SIDE * SIDE + 5
    grey = np.random.default_rng(0).integers(0, 256, n).astype(np.uint8)
    pictures = np.broadcast_to(grey[:, None, None, None], (n, 16, 8, 3))
    order = np.random.default_rng(1).permutation(n)
    made = list(sheets(lambda rows: pictures[rows], order))
    assert len(made) == 2
    assert size(made[0]) == size(made[1]) == (8, 16)
    shown = np.concatenate([cells(sheet) for sheet in made])[:n]
    # Compression blurs edges, and leaves the middle of a cell.
    assert np.abs(shown[:, 4:12, 2:6].mean(axis=(1, 2, 3)) - grey[order]).mean() < 8


def test_pictures_shrink_where_all_together_would_be_too_large(monkeypatch):
    monkeypatch.setattr("attar.report.atlas._MOST", 200_000)
    noise = np.random.default_rng(0).integers(0, 256, (SIDE * SIDE, 32, 32, 3)).astype(np.uint8)
    order = np.arange(2 * SIDE * SIDE)
    made = list(sheets(lambda rows: noise[rows % len(noise)], order))
    assert size(made[0])[0] in range(8, 32)
    assert size(made[0]) == size(made[1])
