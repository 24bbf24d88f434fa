from __future__ import annotations

import numpy as np
import pytest

from attar.data.arrays import from_arrays
from attar.data.copies import copies
from attar.data.split import holdout
from attar.data.windows import alike, overlaps, recordings, shared, told

STEPS, STRIDE = 32, 12


def windows(lengths: list[int], channels: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """So many windows of each recording, in random order, and of which recording each is."""
    rng = np.random.default_rng(seed)
    cut, of = [], []
    for number, length in enumerate(lengths):
        whole = rng.standard_normal((channels, STEPS + STRIDE * (length - 1))).astype(np.float32)
        cut += [whole[:, STRIDE * i : STRIDE * i + STEPS] for i in range(length)]
        of += [number] * length
    order = rng.permutation(len(of))
    return np.stack(cut)[order], np.array(of)[order]


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(((a[:, None] == a) == (b[:, None] == b)).all())


@pytest.mark.parametrize("channels", [1, 3])
def test_recordings_are_told_by_their_overlap(channels: int) -> None:
    x, of = windows([5, 1, 9, 2, 30], channels)
    found = recordings(x)
    assert found is not None
    assert same_partition(found[0].recordings, of)
    assert found[1] == STRIDE


def test_recordings_equal_a_naive_loop() -> None:
    x, _ = windows([4, 6, 3])
    x[5] = np.random.default_rng(1).standard_normal(x[5].shape)  # one is lost
    parent = list(range(len(x)))
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j and any((x[i, :, s:] == x[j, :, :-s]).all() for s in (STRIDE, 2 * STRIDE)):
                parent = [parent[i] if p == parent[j] else p for p in parent]
    found = recordings(x)
    assert found is not None
    assert same_partition(found[0].recordings, np.array(parent))


def test_stretches_lie_one_after_the_other() -> None:
    lengths = [23, 1, 9, 5, 2]
    rng = np.random.default_rng(2)
    of = np.repeat(np.arange(5), lengths)
    place = np.concatenate([np.arange(length) for length in lengths])
    whole = rng.standard_normal((5, 2, STEPS + STRIDE * 23)).astype(np.float32)
    order = rng.permutation(40)
    x = np.stack([whole[o, :, STRIDE * i : STRIDE * i + STEPS] for o, i in zip(of[order], place[order])])
    found = recordings(x)
    assert found is not None
    stretch, of, place = found[0].stretches, of[order], place[order]
    for number, length in enumerate(lengths):
        mine = stretch[of == number][np.argsort(place[of == number])]
        assert (np.diff(mine) >= 0).all()
        counts = np.unique(mine, return_counts=True)[1]
        assert len(counts) == min(5, length)
        assert np.ptp(counts) <= 1
        assert not set(mine) & set(stretch[of != number])


def test_some_windows_are_lost() -> None:
    whole = np.random.default_rng(0).standard_normal((20, 1, 64 + 8 * 49)).astype(np.float32)
    x = np.stack([one[:, 8 * i : 8 * i + 64] for one in whole for i in range(50)])
    kept = np.sort(np.random.default_rng(1).permutation(1000)[:700])
    found = recordings(x[kept])
    assert found is not None
    assert same_partition(found[0].recordings, kept // 50)
    assert found[1] == 8


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).standard_normal((50, 2, 64)).astype(np.float32),
        np.zeros((50, 1, 64), np.float32),
        np.full((50, 1, 64), np.nan, np.float32),
        np.repeat(np.random.default_rng(0).standard_normal((1, 1, 64)).astype(np.float32), 50, axis=0),  # copies
        np.tile(np.sin(np.arange(64) * np.pi / 4).astype(np.float32), (50, 1, 1)),  # of one period
        np.random.default_rng(0).integers(0, 2, (200, 1, 64)).astype(np.float32),  # alike by chance, for a few steps
        np.eye(64, dtype=np.float32)[np.random.default_rng(2).integers(0, 64, 60), None],  # one event each
        np.tri(64, dtype=np.float32)[np.random.default_rng(2).integers(0, 64, 60), None],  # one step each
        np.zeros((1, 1, 64), np.float32),
        np.random.default_rng(0).standard_normal((50, 2, 6)).astype(np.float32),  # short
    ],
    ids=["noise", "zeros", "nan", "copies", "periodic", "bits", "events", "steps", "one", "short"],
)
def test_what_was_not_cut_from_recordings(x: np.ndarray) -> None:
    assert recordings(x) is None


def test_a_few_windows_that_overlap_are_chance() -> None:
    x, _ = windows([2] + [1] * 100)
    assert recordings(x) is None


def test_sharing_less_than_an_eighth_is_no_overlap() -> None:
    whole = np.random.default_rng(0).standard_normal((1, 4000)).astype(np.float32)
    cut = [np.stack([whole[:, i : i + 128] for i in range(0, 3000, stride)]) for stride in (113, 112)]
    assert recordings(cut[0]) is None
    assert recordings(cut[1]) is not None


def test_windows_of_unequal_length_are_padded() -> None:
    x, of = windows([6, 6])
    last = [i for i in range(len(x)) if not any((x[i, :, STRIDE:] == x[j, :, :-STRIDE]).all() for j in range(len(x)))]
    x[last, :, -4:] = np.nan
    found = recordings(x)
    assert found is not None
    assert same_partition(found[0].recordings, of)


def test_a_dataset_says_what_overlaps() -> None:
    x, of = windows([8, 8, 8])
    y = np.where(of == 2, 1, 0)
    dataset = from_arrays(x, y)
    assert dataset.windows is not None
    assert same_partition(dataset.windows.recordings, of)
    assert dataset.notes[0].startswith("the samples are 24 windows of 3 recordings, for they overlap by 62 %")
    assert from_arrays(x[::-1] + np.float32(1), y).windows is not None
    assert from_arrays(np.random.default_rng(0).random((9, 2, 32)), y[:9]).windows is None


def test_test_samples_of_known_recordings_are_counted() -> None:
    of = np.array([0, 0, 1, 1, 2])
    assert overlaps(of, 8, 32, np.array([4])) == overlaps(of, 8, 32)
    assert overlaps(of, 8, 32, np.array([1, 4]))[1] == (
        "1 of 2 test samples is cut from recordings that training has seen"
    )


def test_whole_recordings_are_held_out() -> None:
    x, of = windows([5, 6, 7, 5, 6, 7])
    y = np.where(np.random.default_rng(0).random(len(of)) < 0.5, of % 2, -1)
    test = holdout(from_arrays(x, y), 0.4, seed=3)
    assert 0 < len(test) < len(x)
    assert not set(of[test]) & set(np.delete(of, test))
    assert set(y[np.setdiff1d(np.arange(len(x)), test)]) == {-1, 0, 1}


def test_a_stretch_of_the_only_recording_of_a_class_is_held_out() -> None:
    x, of = windows([9, 9, 9])
    y = np.where(of == 2, 1, 0)
    dataset = from_arrays(x, y)
    test = holdout(dataset, 0.4)
    assert dataset.windows is not None
    stretches = dataset.windows.stretches
    assert not set(stretches[test]) & set(stretches[np.setdiff1d(np.arange(27), test)])
    assert set(of[test]) in ({0, 2}, {1, 2})
    assert 0 < (y[test] == 1).sum() < 9
    assert (of[test] == min(of[test])).sum() == 9


def test_labels_are_alike_where_that_is_no_chance() -> None:
    of = np.repeat(np.arange(10), 4)
    y = of % 2
    assert alike(y, of)
    hidden = np.where(np.arange(40) % 4 == 0, y, -1)  # one label a recording tells nothing
    assert not alike(hidden, of)
    few = hidden.copy()
    few[1] = y[1]  # a second one is right by chance half the time
    assert not alike(few, of)
    wrong = y.copy()
    wrong[0] = 1
    assert not alike(wrong, of)


def test_a_label_is_shared_by_its_recording() -> None:
    of = np.array([2, 0, 1, 2, 0])
    assert shared(np.array([4, -1, -1, -1, 3]), of).tolist() == [4, 3, -1, 4, 3]
    assert shared(np.full(5, -1), of).tolist() == [-1] * 5


def test_copies_do_not_hide_that_windows_overlap() -> None:
    x, of = windows([20, 20, 20, 20])
    again = np.concatenate([np.arange(len(x)), *[np.flatnonzero(of == 2)] * 2])
    found, notes = told(x[again], copies(x[again]))
    assert found is not None
    assert same_partition(found.recordings, of[again])
    assert notes[0].startswith("the samples are 120 windows of 4 recordings")
