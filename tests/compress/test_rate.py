from __future__ import annotations

import numpy as np
import pytest

from attar.compress.fitting import bits
from attar.compress.rate import cheapest


def weights(seed=0):
    return np.random.default_rng(seed).laplace(size=(60, 80))


def test_without_a_price_numbers_are_rounded() -> None:
    w = weights()
    np.testing.assert_array_equal(cheapest(w, 0.3, trade=0), np.rint(w / 0.3))


@pytest.mark.parametrize("trade", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("mean", [0, 10])
def test_it_costs_no_more_than_rounding(trade, mean) -> None:
    w, step = weights() + mean, 0.8

    def cost(codes):
        return ((w - step * codes) ** 2).sum() + trade * bits(codes)

    assert cost(cheapest(w, step, trade)) < cost(np.rint(w / step).astype(int))


@pytest.mark.parametrize("seed", range(15))
def test_a_small_tensor_costs_no_more_than_rounding_either(seed) -> None:
    w = np.random.default_rng(seed).normal(size=(3, 4))

    def cost(codes):
        return ((w - 0.4 * codes) ** 2).sum() + 0.05 * bits(codes)

    assert cost(cheapest(w, 0.4, 0.05)) <= cost(np.rint(w / 0.4).astype(int)) + 1e-9


def test_at_equal_error_it_takes_fewer_bits_than_larger_steps() -> None:
    w = weights()
    cheap = cheapest(w, 2.5, trade=1.0)
    error = ((w - 2.5 * cheap) ** 2).mean()
    steps = np.linspace(2.5, 6, 41)
    rounded = [np.rint(w / step).astype(int) for step in steps]
    equal = min(range(41), key=lambda i: abs(((w - steps[i] * rounded[i]) ** 2).mean() - error))
    assert bits(cheap) < bits(rounded[equal])


def test_important_numbers_are_kept() -> None:
    w = weights()
    important = np.zeros_like(w)
    important[::2] = 1e4
    codes = cheapest(w, 0.8, 0.3, important)
    np.testing.assert_array_equal(codes[::2], np.rint(w[::2] / 0.8))
    assert not codes[1::2].any()


def test_steps_of_rows() -> None:
    w, step = weights(), np.linspace(0.2, 2, 60)[:, None]
    np.testing.assert_array_equal(cheapest(w, step, 0), np.rint(w / step))
    assert cheapest(np.zeros((0, 4)), 1.0, 0.1).shape == (0, 4)
    assert not cheapest(np.zeros((3, 4)), 1.0, 0.1).any()
