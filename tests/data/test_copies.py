"""Copies: all are found, those that somebody made are judged together, and those of chance are not."""

import time
from dataclasses import replace

import numpy as np
import pytest

from attar.adapt.validate import cross_validate
from attar.data.arrays import from_arrays, with_groups
from attar.data.copies import copied, copies, duplicates
from attar.data.groups import of_labelled
from attar.data.split import holdout


def test_copies_are_the_first_equal_sample_as_a_naive_search_finds_it():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (60, 2, 3)).astype(np.float32)
    x[x == 0] *= rng.choice([-1.0, 1.0], (x == 0).sum())  # zeros of both signs
    x[rng.random(x.shape) < 0.1] = np.nan
    x[50:] = np.where(np.isnan(x[:10]), -x[:10], x[:10])  # NaN of both signs
    naive = [next(j for j in range(60) if np.array_equal(x[j], x[i], equal_nan=True)) for i in range(60)]
    assert copies(x).tolist() == naive


def test_duplicates_count_every_copy_but_the_first():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(5, 3)), [1, 2, 3, 1, 1], axis=0).astype(np.float32)
    assert duplicates(copies(x)) == ["3 of 8 samples are exact copies of another one"]
    assert duplicates(copies(x), test=np.array([1, 7])) == [
        "2 of 6 samples are exact copies of another one",
        "1 of 2 test samples also occurs in the training part",
    ]
    assert duplicates(copies(x[:1])) == []


def test_duplicates_among_many_images_take_no_time():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (20_000, 784)).astype(np.float32)
    x[7] = x[9_000]
    start = time.process_time()
    assert duplicates(copies(x)) == ["1 of 20000 samples is an exact copy of another one"]
    assert time.process_time() - start < 2


RNG = np.random.default_rng(0)
NOISE = RNG.standard_normal((60, 4)).astype(np.float32)
# Ten values in each of three columns, and the choices of three questions as columns of 0 and 1.
FEW = RNG.integers(0, 10, (400, 3)).astype(np.float32)
CHOICES = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, (200, 3))].reshape(200, 12)


@pytest.mark.parametrize(
    ("x", "repeated"),
    [
        pytest.param(NOISE[np.repeat(np.arange(60), 1 + 13 * (np.arange(60) % 9 == 0))], True, id="a rare class"),
        pytest.param(np.concatenate([NOISE, NOISE]), True, id="all"),
        pytest.param(np.concatenate([NOISE.round(1), NOISE[:5].round(1)]), True, id="rounded"),
        pytest.param(np.concatenate([NOISE, NOISE]).reshape(120, 2, 2), True, id="images"),
        pytest.param(np.where(np.arange(4) == 1, np.nan, np.concatenate([NOISE, NOISE])), True, id="missing"),
        pytest.param(NOISE, False, id="none"),
        pytest.param(np.zeros_like(NOISE), False, id="all the same"),
        pytest.param(FEW, False, id="few values"),
        pytest.param(CHOICES, False, id="choices"),
        pytest.param(FEW[:, :1], False, id="one column"),
        pytest.param(NOISE[:1], False, id="one sample"),
    ],
)
def test_copies_that_were_made_are_told_from_those_of_chance(x, repeated):
    first = copies(x)
    assert (copied(x, first) is not None) == repeated
    if repeated:
        assert np.array_equal(copied(x, first), np.unique(first, return_inverse=True)[1])


def test_what_was_copied_is_held_out_and_judged_together():
    x = np.concatenate([NOISE, NOISE, NOISE])
    y = np.tile(np.arange(60) % 2, 3)
    dataset = from_arrays(x, y)
    assert "120 of 180 samples are exact copies of another one: copies are judged together" in dataset.notes
    assert not dataset.grouped
    test = holdout(dataset, 0.3)
    assert set(test % 60).isdisjoint(set(np.setdiff1d(np.arange(180), test) % 60))
    together = of_labelled(dataset.y, *dataset.belonging(np.arange(180)))

    def nearest(parts):
        gaps = np.linalg.norm(x[:, None] - x, axis=2)
        return [np.eye(2)[y[part]][gaps[:, part].argmin(1)] for part in parts]

    # The nearest of random labels is right where it is a copy, and by chance elsewhere.
    apart = cross_validate(nearest, y, folds=5, repeats=3, seed=0)
    judged = cross_validate(nearest, y, folds=5, repeats=3, seed=0, together=together)
    right = [np.nanmean(np.take_along_axis(p, y[None, :, None], 2)) for p in (apart, judged)]
    assert right[0] > 0.9
    assert right[1] < 0.65


def test_groups_that_a_person_gives_are_those():
    dataset = from_arrays(np.concatenate([NOISE, NOISE]), np.arange(120) % 2)
    named = with_groups(dataset, [f"p{i % 60 % 7}" for i in range(120)], "groups")
    assert named.grouped
    assert len(named.group_names) == 7
    assert not replace(dataset, groups=None, group_names=()).grouped


def test_groups_that_share_copies_are_one() -> None:
    dataset = from_arrays(np.concatenate([NOISE, NOISE[:1]]), np.arange(61) % 2)
    given = [*(f"p{i % 6}" for i in range(60)), "p1"]
    named = with_groups(dataset, given, "groups")
    assert named.groups[0] == named.groups[1] == named.groups[60]
    assert len(named.group_names) == 5
    assert "1 of 6 groups share copies with others, and are taken together" in named.notes
    spread = with_groups(
        from_arrays(np.concatenate([NOISE, NOISE]), np.arange(120) % 2), np.arange(120) // 60, "groups"
    )
    assert not spread.grouped
    assert len(np.unique(spread.groups)) == 60
    assert "groups: copies lie in all groups, and count for groups" in spread.notes


def test_blank_samples_are_no_copies() -> None:
    images = np.concatenate([NOISE, np.zeros((3, 4), np.float32), np.full((2, 4), np.nan, np.float32)])
    assert copied(images, copies(images)) is None
