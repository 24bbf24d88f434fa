"""Which samples to label: a random draw that is spread over all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array, check_random_state

from attar._settings import is_count
from attar.data.dataset import Ints
from attar.data.held import plain
from attar.errors import DataError

# Neighbours that are looked up at once: the nearest of them that is not decided yet is the one that counts.
_NEIGHBOURS = 20


def well_spread(points: npt.ArrayLike, n: int, random_state: int | np.random.RandomState | None = None) -> Ints:
    """Draw n of N samples so that each is as likely drawn as any other, and neighbours hardly ever both are.

    By the local pivotal method: of two neighbours i and j that are not decided yet, with the inclusion probabilities
    p_i and p_j, n / N at first, one takes over as much of the other's as it can, so that one of them is decided:

        s = p_i + p_j < 1:  (p_i, p_j) ← (0, s)  with probability p_j / s,  else (s, 0)
        s = p_i + p_j ≥ 1:  (p_i, p_j) ← (1, s − 1)  with probability (1 − p_j) / (2 − s),  else (s − 1, 1)

    Labels of such samples teach more than those of as many drawn independently, and what is counted on them is still
    what is to be expected of all: no sample was preferred.

    References:
        Grafström, Lundström, Schelin, Spatially Balanced Sampling through the Pivotal Method, 2012,
        https://doi.org/10.1111/j.1541-0420.2011.01699.x

    Arguments:
        points: representations `(N, dim)`.
        n: how many to draw, from 1 to N.
        random_state: seed.

    Returns:
        Indices of those drawn `(n,)`, ascending.

    Raises:
        DataError: there are fewer samples than are to be drawn.
        ValueError: not numeric, or not finite.

    Example:
        >>> line = np.arange(1000.0)[:, None]
        >>> drawn = well_spread(line, 10, random_state=0)
        >>> len(drawn), bool(np.diff(drawn).min() > 20)
        (10, True)
    """
    z = check_array(plain(points), dtype=[np.float64, np.float32])
    if not is_count(n) or n > len(z):
        raise DataError(f"n is {n!r}: give how many of {len(z):,} samples to draw, a whole number from 1")
    rng = check_random_state(random_state)
    p = np.full(len(z), n / len(z))
    left = np.arange(len(z))
    while len(left) > 1:
        k = min(_NEIGHBOURS, len(left) - 1)
        near = NearestNeighbors(n_neighbors=k).fit(z[left]).kneighbors(return_distance=False)
        decided = np.zeros(len(left), dtype=bool)
        for i in rng.permutation(len(left)):
            if decided[i]:
                continue
            j = next((other for other in near[i] if not decided[other]), None)
            if j is not None:
                p[left[i]], p[left[j]] = _duel(p[left[i]], p[left[j]], rng)
                now = p[left[[i, j]]]
                decided[[i, j]] = (now < 1e-9) | (now > 1 - 1e-9)
        left = left[~decided]
    # All probabilities sum to n, so what is left is 0 or 1 up to rounding.
    return np.flatnonzero(p > 0.5)


def _duel(a: float, b: float, rng: np.random.RandomState) -> tuple[float, float]:
    both = a + b
    if both < 1:
        return (0.0, both) if rng.random_sample() * both < b else (both, 0.0)
    return (1.0, both - 1) if rng.random_sample() * (2 - both) < 1 - b else (both - 1, 1.0)
