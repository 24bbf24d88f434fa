"""Interpolations and samples, by way of representations of images, series and tables."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity

from attar.density import Gaussian, Mixture, interpolate, sample
from attar.density.latent import path
from attar.errors import DataError
from attar.represent import PCA, Autoencoder, RandomFeatures
from tests.density.test_base import samples

SHAPES = {"image": (8, 8), "colour": (8, 8, 3), "series": (2, 16), "table": (6,)}
IDENTITY = SimpleNamespace(transform=lambda x: np.asarray(x), inverse_transform=lambda z: z)


def ring(n: int = 800) -> np.ndarray:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, n)
    return 4 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.3, (n, 2))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
class TestEveryKind:
    def test_pca(self, shape: tuple[int, ...]) -> None:
        x = np.random.default_rng(0).random((60, *shape))
        pca = PCA(4).fit(x)
        self.check(pca, x)

    def test_autoencoder(self, shape: tuple[int, ...]) -> None:
        x = np.random.default_rng(0).random((60, *shape), dtype=np.float32)
        autoencoder = Autoencoder(4, width=2, epochs=1, random_state=0).fit(x)
        self.check(autoencoder, x)

    def check(self, representation, x: np.ndarray) -> None:
        z = representation.transform(x)
        density = Gaussian().fit(z)
        drawn = sample(representation, density, 5, random_state=0)
        np.testing.assert_array_equal(drawn, representation.inverse_transform(density.sample(5, random_state=0)))
        assert drawn.shape == (5, *x.shape[1:])
        between = interpolate(representation, x[:3], x[3:6], [0, 0.25, 1])
        assert between.shape == (3, 3, *x.shape[1:])
        expected = [z[:3], 0.75 * z[:3] + 0.25 * z[3:6], z[3:6]]
        for images, codes in zip(between, expected):
            np.testing.assert_allclose(images, representation.inverse_transform(codes), atol=1e-4)
        along = interpolate(representation, x[:2], x[3:5], [0, 1], density)
        np.testing.assert_allclose(along, between[[0, 2], :2], atol=1e-4)
        assert interpolate(representation, x[:1], x[3:4], 0.5, density).shape == (1, *x.shape[1:])
        alone = interpolate(representation, x[0], x[3], [0, 0.25, 1])
        np.testing.assert_allclose(alone, between[:, 0], atol=1e-6)
        assert interpolate(representation, torch.tensor(x[0]), x[3]).shape == x.shape[1:]


@pytest.mark.parametrize("density", [GaussianMixture(3), BayesianGaussianMixture(n_components=3), KernelDensity()])
def test_densities_of_scikit_learn(density) -> None:
    x = ring(100)
    density.fit(x)
    drawn = sample(IDENTITY, density, 40, random_state=0)
    np.testing.assert_array_equal(drawn, sample(IDENTITY, density, 40, random_state=0))
    assert drawn.shape == (40, 2)
    assert not np.array_equal(drawn, sample(IDENTITY, density, 40, random_state=1))
    assert getattr(density, "random_state", None) is None
    assert interpolate(IDENTITY, x[:1], x[1:2], [0.5], density).shape == (1, 1, 2)


class TestAlongTheDensity:
    def test_a_ring_is_not_crossed(self) -> None:
        density = Mixture(8, random_state=0).fit(ring())
        # Opposite each other: by symmetry, the straight path has no better neighbour.
        places = interpolate(IDENTITY, [[4.0, 0.0]], [[-4.0, 0.0]], np.linspace(0, 1, 21), density)[:, 0]
        assert (np.abs(np.linalg.norm(places, axis=1) - 4) < 0.6).all()
        straight = interpolate(IDENTITY, [[4.0, 0.0]], [[-4.0, 0.0]], np.linspace(0, 1, 21))[:, 0]
        assert density.score_samples(places).min() > density.score_samples(straight).min() + 20

    def test_speed_is_constant(self) -> None:
        density = Mixture(8, random_state=0).fit(ring())
        places = interpolate(IDENTITY, [[4.0, 0.0]], [[0.0, 4.0]], np.linspace(0, 1, 11), density)[:, 0]
        steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
        np.testing.assert_allclose(steps, steps.mean(), rtol=0.05)

    def test_a_constant_density_leaves_the_path_straight(self) -> None:
        flat = SimpleNamespace(
            score_samples=lambda z: np.zeros(len(z)), sample=lambda n, seed: np.random.default_rng(seed).random((n, 3))
        )
        a, b = np.array([0.0, 1, 2]), np.array([3.0, -1, 0])
        np.testing.assert_allclose(path(a, b, flat, flat.sample(20, 0)), np.linspace(a, b, 33), atol=1e-6)

    def test_never_longer_than_straight(self) -> None:
        x = samples(300, 5)
        density = Mixture(random_state=0).fit(x)

        def length(places: np.ndarray) -> float:
            middle, steps = (places[1:] + places[:-1]) / 2, np.linalg.norm(np.diff(places, axis=0), axis=1)
            return float((np.exp(-density.score_samples(middle) / 5) * steps).sum())

        for a, b in zip(x[:5], x[5:10]):
            assert length(path(a, b, density, x[10:40])) <= length(np.linspace(a, b, 33)) * (1 + 1e-9)

    def test_starts_are_compared_at_once_and_without_their_gradients(self) -> None:
        x = samples(300, 5)
        density, asked = Mixture(random_state=0).fit(x), []

        def score_samples(z: np.ndarray) -> np.ndarray:
            asked.append(z)
            return density.score_samples(z)

        a, b, via = x[0], x[5], x[10:40]
        path(a, b, SimpleNamespace(score_samples=score_samples), via)
        assert len(asked[0]) == 31 * 32
        # Each the sum of four waves that is nearest to two legs, by least squares.
        t = np.linspace(0, 1, 33)[:, None]
        waves, straight = np.sin(np.pi * t * np.arange(1, 5)), a + t * (b - a)
        legs = [np.where(t < 0.5, a + 2 * t * (by - a), by + (2 * t - 1) * (b - by)) - straight for by in via]
        starts = [straight, *(straight + waves @ np.linalg.lstsq(waves, bend)[0] for bend in legs)]
        middles = np.concatenate([(z[1:] + z[:-1]) / 2 for z in starts])
        np.testing.assert_allclose(asked[0], middles, atol=1e-8)
        # The search starts from the shortest.
        lengths = [
            (
                np.exp(-density.score_samples((z[1:] + z[:-1]) / 2) / 5) * np.linalg.norm(np.diff(z, axis=0), axis=1)
            ).sum()
            for z in starts
        ]
        np.testing.assert_allclose(asked[1][:32], middles.reshape(31, 32, 5)[int(np.argmin(lengths))], atol=1e-8)

    def test_a_sample_and_itself(self) -> None:
        x = samples(300)
        density = Gaussian().fit(x)
        np.testing.assert_array_equal(interpolate(IDENTITY, x[:1], x[:1], [0, 0.5, 1], density)[:, 0], x[[0, 0, 0]])


@pytest.mark.parametrize("alpha", [-0.1, 1.1, np.nan, [], [[0.5]]])
def test_alpha_from_0_to_1(alpha) -> None:
    x = samples()
    with pytest.raises(DataError, match="alpha"):
        interpolate(PCA(2).fit(x), x[:1], x[1:2], alpha)


def test_pairs() -> None:
    x = samples()
    with pytest.raises(DataError, match="got 2 of the one and 3 of the other"):
        interpolate(PCA(2).fit(x), x[:2], x[:3])


def test_a_density_of_another_space() -> None:
    x = samples()
    with pytest.raises(DataError, match="of the 2 numbers of a representation, and this one is of 3"):
        interpolate(PCA(2).fit(x), x[:1], x[1:2], 0.5, Gaussian().fit(np.random.default_rng(0).random((50, 3))))


def test_what_cannot_be_undone() -> None:
    features = RandomFeatures(4, random_state=0).fit(samples())
    for call in (lambda: sample(features, Gaussian()), lambda: interpolate(features, samples(), samples())):
        with pytest.raises(DataError, match="RandomFeatures cannot be undone"):
            call()
