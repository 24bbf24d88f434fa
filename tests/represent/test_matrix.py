"""Every pretext on every kind, on small real data that needs no network."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from sklearn import datasets

from attar import kinds
from attar.data.arrays import from_arrays
from attar.data.nodes import links
from attar.errors import DataError
from attar.kinds.base import Kind
from attar.represent import BYOL, CCASSG, TSTCC, Autoencoder, Masked, MoCo, SimCLR

PRETEXTS: dict[str, Any] = {
    "autoencoder": Autoencoder,
    "masked": Masked,
    "cca-ssg": CCASSG,
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "ts-tcc": TSTCC,
}
CELLS = [(pretext, name) for name in kinds.KINDS for pretext in PRETEXTS if pretext in kinds.of(name).possible]


def image() -> tuple[Kind, Any]:
    """Handwritten digits."""
    x = datasets.load_digits().images[:60].astype(np.float32)
    return kinds.of("image").learn(x), x


def series() -> tuple[Kind, Any]:
    """The rows of a digit as eight channels, from left to right."""
    x = datasets.load_digits().images[:60].astype(np.float32)
    return kinds.of("series").learn(x), x


def table() -> tuple[Kind, Any]:
    """Wines."""
    x = datasets.load_wine().data[::3].astype(np.float32)
    return kinds.of("table").learn(x), x


def text() -> tuple[Kind, Any]:
    """What scikit-learn says about its sets."""
    lines = (datasets.load_wine().DESCR + datasets.load_iris().DESCR).splitlines()
    dataset = from_arrays([line.strip() for line in lines if len(line) > 20][:60])
    return kinds.of("text").learn(dataset.x, dataset.columns), dataset.x


def graph() -> tuple[Kind, Any]:
    """Members of a karate club, whose features are what is known of each: the friends."""
    club = nx.karate_club_graph()
    x = links(nx.to_numpy_array(club, weight=None), np.array(club.edges).T).all()
    return kinds.of("graph").learn(x), x


REAL = {"image": image, "series": series, "table": table, "text": text, "graph": graph}


def test_the_sets_cover_every_kind() -> None:
    assert set(REAL) == set(kinds.KINDS)


@pytest.mark.parametrize(("pretext", "name"), CELLS, ids=lambda part: part)
def test_samples_are_told_apart_and_a_part_is_represented_as_in_the_whole(pretext: str, name: str) -> None:
    kind, x = REAL[name]()
    model = PRETEXTS[pretext](8, width=4, epochs=2, batch_size=30, kind=kind, random_state=0).fit(x)
    z = model.transform(x)
    assert z.shape == (len(x), 8)
    assert np.isfinite(z).all()
    assert np.linalg.matrix_rank(z - z.mean(axis=0)) > 1
    np.testing.assert_allclose(model.transform(x[[7, 2]]), z[[7, 2]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in REAL if ("ts-tcc", name) not in CELLS])
def test_contrast_over_time_needs_a_kind_with_time(name: str) -> None:
    kind, x = REAL[name]()
    with pytest.raises(DataError, match="no order in time"):
        TSTCC(8, width=4, epochs=1, kind=kind).fit(x)
