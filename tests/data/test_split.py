from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.data.arrays import from_arrays
from attar.data.dataset import Dataset
from attar.data.split import affordable, draw_labels, holdout, shortfall, unevenness
from attar.errors import DataError, LabelError

codes = st.lists(st.integers(-1, 4), min_size=2, max_size=80).map(lambda y: np.array(y, dtype=np.int64))


def dataset_of(y: np.ndarray) -> Dataset:
    return from_arrays(np.arange(len(y), dtype=float)[:, None], y)


@given(codes, st.integers(1, 5), st.integers(0, 9))
def test_a_number_per_class(y, per_class, seed):
    if (y < 0).all():
        with pytest.raises(LabelError, match="no sample is labelled"):
            draw_labels(y, per_class=per_class, seed=seed)
        return
    drawn = draw_labels(y, per_class=per_class, seed=seed)
    kept = drawn >= 0
    assert (drawn[kept] == y[kept]).all()
    for code in set(y[y >= 0].tolist()):
        assert (drawn == code).sum() == min(per_class, (y == code).sum())
    assert np.array_equal(drawn, draw_labels(y, per_class=per_class, seed=seed))


@given(codes, st.floats(0.01, 1), st.integers(0, 9))
def test_a_fraction(y, fraction, seed):
    if (y < 0).all():
        return
    drawn = draw_labels(y, fraction=fraction, seed=seed)
    present = sorted(set(y[y >= 0].tolist()))
    assert (drawn >= 0).sum() == max(round(fraction * (y >= 0).sum()), len(present))
    assert sorted(set(drawn[drawn >= 0].tolist())) == present


def test_one_percent_of_7352_in_proportion():
    y = np.repeat(np.arange(6), [1226, 1073, 986, 1286, 1374, 1407])
    drawn = draw_labels(y, fraction=0.01, seed=1)
    assert (drawn >= 0).sum() == 74
    assert np.abs(np.bincount(drawn[drawn >= 0]) - np.bincount(y) / 100).max() < 1


def test_labels_outside_the_pool_stay():
    y = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    drawn = draw_labels(y, per_class=1, seed=0, among=np.arange(6))
    assert (drawn[:6] >= 0).sum() == 2
    assert drawn[6:].tolist() == [0, 1]
    assert len({tuple(draw_labels(y, per_class=1, seed=seed)) for seed in range(20)}) > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of the two"),
        ({"per_class": 1, "fraction": 0.5}, "one of the two"),
        ({"per_class": 0}, "at least 1, not 0"),
        ({"fraction": 0.0}, "above 0"),
        ({"fraction": 1.5}, "at most 1"),
        ({"fraction": float("nan")}, "above 0"),
    ],
)
def test_draws_that_make_no_sense(options, message):
    with pytest.raises(LabelError, match=message):
        draw_labels(np.array([0, 1]), **options)


@pytest.mark.parametrize(("counts", "said"), [((8, 2), "80 % are 'a'"), ((1, 2, 0), "67 % are 'b'"), ((3, 2), None)])
def test_labels_drawn_evenly_of_uneven_classes_promise_something_else(counts, said):
    y = np.repeat(np.arange(len(counts)), counts)
    notes = unevenness(np.append(y, -1), ("a", "b", "c")[: len(counts)])
    assert [said in note for note in notes] == ([] if said is None else [True])
    assert unevenness(np.append(y, [0] * 99), ("a", "b", "c"), among=np.arange(len(y))) == notes


def test_shortfall_names_the_classes():
    assert shortfall(np.array([0, 0, 1, -1]), ("a", "b"), 2) == (
        "class 'b' has 1 label where 2 were asked for: it is used",
    )
    assert shortfall(np.array([0, 0, 1, 1]), ("a", "b"), 2, among=np.array([0, 1, 2])) != ()


@given(codes, st.floats(0.01, 0.99), st.integers(0, 9))
def test_holdout_laws(y, fraction, seed):
    counts = np.unique(y[y >= 0], return_counts=True)[1]
    if not len(counts) or counts.max() < 2:
        with pytest.raises(LabelError, match="too few"):
            holdout(dataset_of(y), fraction, seed)
        return
    dataset = dataset_of(y)
    test = holdout(dataset, fraction, seed)
    assert (np.diff(test) > 0).all()
    assert (dataset.y[test] >= 0).all()
    left = np.delete(dataset.y, test)
    assert set(left[left >= 0].tolist()) == set(dataset.y[dataset.y >= 0].tolist())
    assert len(test) == min(max(round(fraction * counts.sum()), 1), (counts - 1).sum())


def test_holdout_is_in_proportion_and_repeats():
    y = np.repeat([0, 1, 2], [100, 50, 10])
    test = holdout(dataset_of(y), 0.3, seed=4)
    assert np.bincount(y[test]).tolist() == [30, 15, 3]
    assert np.array_equal(test, holdout(dataset_of(y), 0.3, seed=4))
    assert not np.array_equal(test, holdout(dataset_of(y), 0.3, seed=5))


def test_holdout_refusals():
    dataset = dataset_of(np.array([0, 0, 1, 1]))
    for fraction in (0, 1, -1, 2, float("nan")):
        with pytest.raises(DataError, match="between 0 and 1"):
            holdout(dataset, fraction)
    own = Dataset(dataset.kind, dataset.x, dataset.y, dataset.classes, dataset.ids, dataset.columns, np.array([1]))
    with pytest.raises(DataError, match="its own test part"):
        holdout(own, 0.5)


def test_more_samples_than_there_is_time_for_are_left_out_by_chance_but_none_that_is_labelled_or_tested():
    y = np.full(500, -1)
    y[::25] = np.arange(20) % 2
    x = np.arange(500, dtype=np.float32)[:, None]
    dataset = replace(from_arrays(x, y), test=np.arange(400, 500), groups=np.arange(500) // 5)
    fewer = affordable(dataset, 100, 1000, 0)
    rows = fewer.x[:, 0].astype(int)
    assert len(fewer.trained) == 100
    assert rows[fewer.test].tolist() == list(range(400, 500))
    assert set(np.flatnonzero(y[:400] >= 0)) <= set(rows)
    for part in ("y", "groups", "ids"):
        np.testing.assert_array_equal(getattr(fewer, part), getattr(dataset, part)[rows])
    assert fewer.notes[-1] == "100 of 400 samples are learnt from, drawn at random: to compare more takes too long"
    assert affordable(dataset, 400, 1000, 0) is dataset
    # Fewer than are labelled: these stay, up to their own most.
    assert (affordable(dataset, 3, 1000, 0).y[: len(fewer.trained)] >= 0).sum() == 20
    assert len(affordable(dataset, 3, 8, 0).trained) == 8
