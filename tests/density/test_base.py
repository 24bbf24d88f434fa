"""What every density keeps: scikit-learn's contract, the laws of a density, and an answer to hostile input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from attar.density import Flow, Gaussian, Kernel, Mixture, ProbabilisticPCA
from attar.density.base import Density
from attar.errors import DataError

CHEAP: list[Density] = [
    Gaussian(),
    ProbabilisticPCA(),
    Mixture(random_state=0),
    Mixture(4, covariance="diag", random_state=0),
    Kernel(random_state=0),
    Kernel("silverman"),
]
FLOW = Flow(transforms=1, width=8, steps=20, batch_size=64, random_state=0)
EVERY = [pytest.param(density, id=str(density)) for density in (*CHEAP, FLOW)]


def samples(n: int = 200, d: int = 3, seed: int = 0) -> np.ndarray[Any, Any]:
    """Two clusters with correlated columns."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) @ (np.eye(d) + 0.5)
    return np.asarray(x + 6 * (rng.random((n, 1)) < 0.4))


def test_tensors_with_gradients_are_samples() -> None:
    x = samples()
    tensor = torch.tensor(x, requires_grad=True)
    for density in (Gaussian(), Mixture(2, random_state=0)):
        expected = clone(density).fit(x).score_samples(x)
        np.testing.assert_array_equal(clone(density).fit(tensor).score_samples(tensor), expected)


def test_what_is_masked_is_missing() -> None:
    masked = np.ma.masked_greater(samples(), 5)
    with pytest.raises(ValueError, match="Gaussian does not accept missing values"):
        Gaussian().fit(masked)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        Gaussian().fit(samples()).score_samples(masked)


@parametrize_with_checks([*CHEAP, Flow(transforms=1, width=4, steps=2, random_state=0)])
def test_scikit_learn_checks(estimator: Density, check: Callable[[Density], None]) -> None:
    check(estimator)


@pytest.mark.parametrize("density", EVERY)
class TestLaws:
    def test_one_dimension_integrates_to_1_and_samples_follow_it(self, density: Density) -> None:
        p = clone(density).fit(samples(d=1))
        grid = np.linspace(-40, 60, 5001)
        log_p = p.score_samples(grid[:, None])
        assert np.trapezoid(np.exp(log_p), grid) == pytest.approx(1, abs=1e-3)
        drawn = p.sample(4000, random_state=0)
        # The share of samples below each place is the integral up to there (Kolmogorov-Smirnov, at 1e-4).
        cumulative = np.cumsum(np.exp(log_p)) * (grid[1] - grid[0])
        share = np.searchsorted(np.sort(drawn[:, 0]), grid) / len(drawn)
        assert np.abs(share - cumulative).max() < 2.2 / np.sqrt(len(drawn))

    def test_two_dimensions_integrate_to_1(self, density: Density) -> None:
        p = clone(density).fit(samples(d=2))
        side = np.linspace(-20, 30, 126)
        grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        assert np.exp(p.score_samples(grid)).sum() * (side[1] - side[0]) ** 2 == pytest.approx(1, abs=5e-3)

    def test_scaling_of_columns(self, density: Density) -> None:
        x = samples()
        # Powers of two, which floating-point numbers are divided by without rounding.
        scale = np.full(3, 0.25) if isinstance(density, ProbabilisticPCA) else np.array([4.0, 0.5, -1024.0])
        p, scaled = clone(density).fit(x), clone(density).fit(x * scale)
        expected = p.score_samples(x) - np.log(np.abs(scale)).sum()
        # A mirrored column is another one to a network, and to a clustering that begins at random.
        if not isinstance(density, Flow):
            np.testing.assert_allclose(scaled.score_samples(x * scale), expected, atol=1e-6)
        positive = clone(density).fit(x * np.abs(scale))
        np.testing.assert_allclose(positive.score_samples(x * np.abs(scale)), expected, atol=1e-6)

    def test_a_large_offset(self, density: Density) -> None:
        x = np.round(samples(), 4)
        p, moved = clone(density).fit(x), clone(density).fit(x + 2.0**26)
        tolerance = 0.1 if isinstance(density, Flow) else 1e-4
        np.testing.assert_allclose(moved.score_samples(x + 2.0**26), p.score_samples(x), atol=tolerance)

    def test_sampling_repeats_and_leaves_the_global_state(self, density: Density) -> None:
        import torch

        p = clone(density).fit(samples())
        torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        drawn = p.sample(7, random_state=3)
        assert drawn.shape == (7, 3)
        assert np.array_equal(drawn, p.sample(7, random_state=3))
        assert not np.array_equal(drawn, p.sample(7, random_state=4))
        assert torch.equal(torch_state, torch.get_rng_state())
        assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002

    def test_fitting_repeats(self, density: Density) -> None:
        x = samples()
        assert np.array_equal(clone(density).fit(x).score_samples(x), clone(density).fit(x).score_samples(x))


@pytest.mark.parametrize("density", EVERY)
class TestHostileInput:
    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (np.zeros((1, 3)), "1 sample"),
            (np.zeros((0, 3)), "0 sample"),
            (np.array([[0.0, np.nan], [1, 2]]), "NaN"),
            (np.array([[0.0, np.inf], [1, 2]]), "infinity"),
            (np.array([[0.0, 1e200], [1, 2]]), "divide X by a constant"),
        ],
    )
    def test_refused(self, density: Density, x: np.ndarray[Any, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            clone(density).fit(x)

    @pytest.mark.parametrize(
        "x",
        [
            pytest.param(np.array([[0.0, 1.0], [1.0, 3.0]]), id="two samples"),
            pytest.param(np.zeros((20, 3)), id="zeros"),
            pytest.param(np.full((20, 3), 1e9), id="constant"),
            pytest.param(np.repeat(samples(4), 30, axis=0), id="repeated samples"),
            pytest.param(samples(12, 40), id="more features than samples"),
            pytest.param(samples(60)[:, [0, 1, 0, 1]], id="repeated columns"),
            pytest.param(np.column_stack([samples(60), np.full(60, 5.0)]), id="a constant column"),
            pytest.param(samples(60) * [1e-120, 1, 1e120], id="very different scales"),
            pytest.param(np.concatenate([samples(60), np.full((1, 3), 1e9)]), id="an outlier"),
        ],
    )
    def test_a_defined_answer(self, density: Density, x: np.ndarray[Any, Any]) -> None:
        p = clone(density)
        if isinstance(density, Mixture) and density.n_components is not None and density.n_components > len(x):
            with pytest.raises(DataError, match="n_samples = 2"):
                p.fit(x)
            return
        p.fit(x)
        assert np.isfinite(p.score_samples(x)).all()
        assert np.isfinite(p.score_samples(np.full((1, x.shape[1]), 1e300))).all()
        assert np.isfinite(p.score_samples(x + 1)).all()
        assert np.isfinite(p.sample(50, random_state=0)).all()

    def test_no_sample(self, density: Density) -> None:
        with pytest.raises(DataError, match="from 1; got n_samples=0"):
            clone(density).fit(samples()).sample(0)


@pytest.mark.parametrize("n", [0, 2.5, True, None, "3"])
@pytest.mark.parametrize("density", [Gaussian(), Mixture(2), Kernel(), ProbabilisticPCA(1)])
def test_so_many_samples_cannot_be_drawn(density: Density, n: int) -> None:
    with pytest.raises(DataError, match="whole number from 1"):
        density.fit(samples()).sample(n)


@pytest.mark.parametrize("name", ["random_state", "n_components"])
def test_a_fit_that_fails_changes_nothing(name: str) -> None:
    density = Mixture(2, random_state=0).fit(samples())
    before = density.score_samples(samples())
    good = density.get_params()[name]
    with pytest.raises(ValueError, match="many"):
        density.set_params(**{name: "many"}).fit(1000 * samples() + 7)
    assert np.array_equal(density.set_params(**{name: good}).score_samples(samples()), before)
    new = Mixture(**{name: "many"})
    with pytest.raises(ValueError, match="many"):
        new.fit(samples())
    with pytest.raises(NotFittedError):
        new.score_samples(samples())


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (Gaussian("some"), "shrinkage='some'"),
        (ProbabilisticPCA(3), "less than n_features = 3"),
        (ProbabilisticPCA(True), "n_components=True"),
        (Mixture(0), "n_components=0"),
        (Mixture(max_components=None), "max_components=None"),  # type: ignore[arg-type]
        (Mixture(covariance="round"), "covariance='round'"),
        (Kernel(0.0), "bandwidth=0.0"),
        (Kernel("narrow"), "bandwidth='narrow'"),
        (Flow(transforms=0), "transforms=0"),
        (Flow(lr=np.inf), "lr=inf"),
    ],
)
def test_a_setting_that_is_not_known(density: Density, message: str) -> None:
    with pytest.raises(DataError, match=message):
        density.fit(samples())
