from __future__ import annotations

import numpy as np

from attar.adapt.validate import correctness, cross_validate, learning_curve


class Recorder:
    """Answers with the share of each class in what it was trained on, and remembers what that was."""

    def __init__(self, codes):
        self.codes, self.parts = codes, []

    def __call__(self, parts):
        self.parts += parts
        k = self.codes.max() + 1
        counts = [np.bincount(self.codes[part], minlength=k) for part in parts]
        return [np.tile(c / c.sum(), (len(self.codes), 1)) for c in counts]


def test_no_model_is_asked_about_a_label_it_has_seen() -> None:
    codes = np.array([0] * 7 + [1] * 4 + [2])

    def peeking(parts):
        # Certain of the samples trained on, and of nothing else.
        seen = [np.isin(np.arange(12), part)[:, None] for part in parts]
        return [np.where(s, np.eye(3)[codes], np.eye(3)[(codes + 1) % 3]) for s in seen]

    held_out = cross_validate(peeking, codes, folds=5, repeats=3, seed=0)
    right = correctness(held_out, codes)
    assert held_out.shape == (3, 12, 3)
    np.testing.assert_array_equal(right[:11], 0)
    assert np.isnan(right[11])  # alone in its class


def test_folds_are_the_same_for_every_candidate_and_every_number_of_repeats() -> None:
    codes = np.arange(30) % 3
    one, more = Recorder(codes), Recorder(codes)
    cross_validate(one, codes, folds=5, repeats=1, seed=4)
    cross_validate(more, codes, folds=5, repeats=3, seed=4)
    assert len(more.parts) == 15
    assert all(np.array_equal(a, b) for a, b in zip(one.parts, more.parts))
    for part in more.parts:
        assert set(codes[part]) == {0, 1, 2}


def test_two_labels_per_class() -> None:
    codes = np.array([0, 0, 1, 1])
    recorder = Recorder(codes)
    held_out = cross_validate(recorder, codes, folds=5, repeats=2, seed=0)
    assert not np.isnan(held_out).any()
    assert all(sorted(codes[part]) == [0, 1] for part in recorder.parts)


def test_correctness_is_a_share_of_repeats() -> None:
    held_out = np.eye(2)[np.array([[0, 1, 1], [0, 0, 1]])]
    np.testing.assert_array_equal(correctness(held_out, np.array([0, 1, 0])), [1, 0.5, 0])


def test_learning_curve() -> None:
    codes = np.array([0] * 20 + [1] * 10 + [2] * 2 + [3])
    recorder = Recorder(codes)
    curve = learning_curve(recorder, codes, sizes=5, draws=4, seed=0)
    labels = [point.labels for point in curve]
    assert labels == sorted(set(labels))
    assert 2 + 2 + 2 + 1 <= labels[0] <= 10
    assert labels[-1] < len(codes)
    for part in recorder.parts:
        assert len(np.unique(part)) == len(part)
        assert set(codes[part]) == {0, 1, 2, 3}
    for point in curve:
        assert 0 <= point.low <= point.accuracy <= point.high <= 1


def test_learning_curve_of_labels_that_are_all_needed() -> None:
    codes = np.array([0, 0, 1, 1, 2])
    assert learning_curve(Recorder(codes), codes, sizes=5, draws=3, seed=0) == []


def test_what_belongs_together_with_what_was_learnt_is_not_judged() -> None:
    together = np.repeat(np.arange(10), 3)
    codes = together % 2

    def by_heart(parts):
        """Right where something of the group was seen, wrong elsewhere."""
        return [np.eye(2)[np.where(np.isin(together, together[part]), codes, 1 - codes)] for part in parts]

    shared = {"folds": 5, "repeats": 2, "seed": 0}
    assert correctness(cross_validate(by_heart, codes, **shared), codes).mean() > 0.9
    assert correctness(cross_validate(by_heart, codes, **shared, together=together), codes).mean() == 0
    curve = {"sizes": 4, "draws": 3, "seed": 0}
    assert learning_curve(by_heart, codes, **curve)[-1].accuracy > 0.8
    assert all(point.accuracy == 0 for point in learning_curve(by_heart, codes, **curve, together=together))


def test_few_groups_are_left_out_one_by_one() -> None:
    for groups, left_out in ((4, 4), (8, 8), (10, 10), (11, 5)):
        together = np.repeat(np.arange(groups), 6)
        recorder = Recorder(np.arange(6 * groups) % 2)
        cross_validate(recorder, recorder.codes, folds=5, repeats=1, seed=0, together=together)
        assert len(recorder.parts) == left_out


def test_a_learning_curve_leaves_something_of_few_groups_to_judge() -> None:
    codes, together = np.arange(60) % 2, np.repeat(np.arange(3), 20)
    recorder = Recorder(codes)
    points = learning_curve(recorder, codes, sizes=4, draws=6, seed=0, together=together)
    assert len(points) == 4
    assert max(point.labels for point in points) == 40


def test_on_a_learning_curve_each_class_may_count_the_same() -> None:
    codes = np.repeat([0, 1], [36, 4])

    def always(parts):
        return [np.tile([1.0, 0.0], (40, 1)) for _ in parts]

    curve = {"sizes": 3, "draws": 3, "seed": 0}
    assert all(point.accuracy > 0.8 for point in learning_curve(always, codes, **curve))
    # Of a class with few labels one is always left to be judged.
    for rare in (2, 3, 4):
        points = learning_curve(always, np.repeat([0, 1], [40 - rare, rare]), **curve, balanced=True)
        assert len(points) == 3
        assert all(point.accuracy == 0.5 for point in points)
