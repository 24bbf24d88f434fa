from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.adapt.folds import stratified_folds


@settings(max_examples=200, deadline=None)
@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    n_folds=st.integers(2, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_laws(counts, n_folds, seed) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    folds = stratified_folds(codes, n_folds, rng)
    held_out = np.concatenate([*folds, np.empty(0, int)])
    # Each sample once, but for those that are alone in their class.
    several = np.flatnonzero(np.bincount(codes, minlength=len(counts))[codes] > 1)
    assert sorted(held_out) == several.tolist()
    assert len(folds) <= max(n_folds, 2)
    sizes = [len(fold) for fold in folds]
    assert not sizes or max(sizes) - min(sizes) <= 1
    for c in np.unique(codes):
        members = [int((codes[fold] == c).sum()) for fold in folds]
        assert not members or max(members) - min(members) <= 1
        for fold in folds:
            assert c in np.delete(codes, fold)


def test_no_more_folds_than_labels() -> None:
    assert len(stratified_folds(np.array([0, 0, 1, 1]), 5, np.random.default_rng(0))) == 2
    assert len(stratified_folds(np.array([0, 0, 0, 1, 1]), 5, np.random.default_rng(0))) == 3
    assert stratified_folds(np.array([0, 1, 2]), 5, np.random.default_rng(0)) == []


def test_the_generator_decides() -> None:
    codes = np.arange(40) % 4
    one, same, other = (stratified_folds(codes, 5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_codes_need_not_be_consecutive(dtype) -> None:
    folds = stratified_folds(np.array([7, 7, 3, 3], dtype=dtype), 2, np.random.default_rng(0))
    assert sorted(np.concatenate(folds)) == [0, 1, 2, 3]


@settings(max_examples=200, deadline=None)
@given(
    codes=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    n_groups=st.integers(1, 30),
    n_folds=st.integers(2, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_belongs_together_is_never_on_both_sides(codes, n_groups, n_folds, seed) -> None:
    rng = np.random.default_rng(seed)
    y, together = np.array(codes), rng.integers(n_groups, size=len(codes))
    folds = stratified_folds(y, n_folds, rng, together)
    assert len(np.unique(np.concatenate([*folds, np.empty(0, int)]))) == sum(map(len, folds))
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(y)), fold)
        assert set(y[fold]) <= set(y[rest])
        # But for classes that would be lost, and are not judged here.
        assert not set(y[fold]) & set(y[rest[np.isin(together[rest], together[fold])]])


def test_recordings_of_one_class_each_are_dealt_evenly() -> None:
    together = np.repeat(np.arange(12), 5)
    folds = stratified_folds(together % 3, 4, np.random.default_rng(0), together)
    assert [len(fold) for fold in folds] == [15] * 4
    assert all(set(together[fold] % 3) == {0, 1, 2} for fold in folds)


def test_groups_of_several_classes_are_dealt_evenly() -> None:
    """Persons who each did everything, and as many who did one thing only."""
    rng = np.random.default_rng(0)
    together = np.repeat(np.arange(20), 12)
    codes = np.where(together < 10, np.arange(240) % 3, together % 3)
    for fold in stratified_folds(codes, 5, rng, together):
        assert len(fold) == 48
        assert np.ptp(np.bincount(codes[fold])) <= 16
    # Both classes of the first group could go into one fold, which would leave none of the second to learn from.
    for seed in range(10):
        folds = stratified_folds(np.array([0, 1, 0, 1]), 5, np.random.default_rng(seed), np.array([0, 0, 1, 2]))
        assert sorted(fold.tolist() for fold in folds) == [[0, 1], [2, 3]]


def test_alone_is_as_without() -> None:
    codes = np.arange(40) % 3
    alone, without = (stratified_folds(codes, 5, np.random.default_rng(0), t) for t in (np.arange(40)[::-1], None))
    assert all(np.array_equal(a, b) for a, b in zip(alone, without))
