"""Quality of samples: what is wrong is found, what is not is not."""

from dataclasses import replace

import numpy as np
import pytest

from attar.data.arrays import from_arrays
from attar.data.copies import copies
from attar.data.dataset import Column
from attar.data.quality import findings, intrinsic_dimension, near_copies
from attar.data.sources import read


def neighbours(x, k=10):
    """Distances to the k nearest others and who they are, by comparing all with all in float64."""
    gaps = np.linalg.norm(x[:, None].astype(np.float64) - x, axis=2)
    np.fill_diagonal(gaps, np.inf)
    index = np.argsort(gaps, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(gaps, index, 1), index


def found(dataset, near=()):
    return {finding.name: finding for finding in findings(dataset, copies(dataset.x), list(near))}


@pytest.mark.parametrize("m", [1, 2, 5])
def test_intrinsic_dimension_is_that_of_the_surface_and_not_of_the_space(m):
    rng = np.random.default_rng(m)
    flat = rng.random((1500, m)) @ rng.standard_normal((m, 8))
    # At the edge of the surface there are fewer neighbours, which makes it look a little smaller.
    assert intrinsic_dimension(neighbours(flat)[0]) == pytest.approx(m, rel=0.2)


def test_intrinsic_dimension_of_what_has_none():
    assert np.isnan(intrinsic_dimension(np.zeros((5, 4))))
    assert np.isnan(intrinsic_dimension(np.ones((5, 2))))
    assert intrinsic_dimension(np.ones((5, 4))) == np.inf
    assert near_copies(np.ones((5, 4)), np.zeros((5, 4), dtype=np.int64)) == []


def test_near_copies_are_rarely_seen_where_there_are_none():
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((200, 1 + seed % 6))
        alarms += bool(near_copies(*neighbours(x)))
    assert alarms <= 2


def test_planted_near_copies_are_found_the_closest_first():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 6))
    x[7] = x[250] + 1e-6 * rng.standard_normal(6)
    x[90] = x[20] + 1e-4 * rng.standard_normal(6)
    assert near_copies(*neighbours(x)) == [(7, 250), (20, 90)]


def test_a_clean_table_has_nothing_to_look_at():
    rng = np.random.default_rng(0)
    dataset = from_arrays(rng.standard_normal((80, 3)), rng.integers(0, 2, 80))
    assert all(finding.fine for finding in found(dataset).values())


def test_columns_that_number_the_rows_or_tell_the_label_are_found():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    x = np.column_stack([rng.standard_normal(120), np.arange(120) + 1000, y * 7 + 1, rng.standard_normal(120) + y])
    named = found(from_arrays(x, y))
    assert not named["Ids among the columns"].fine
    assert named["Ids among the columns"].said.startswith("'x1'")
    assert named["Labels among the columns"].said.startswith("'x2': alone")


def test_numbers_of_rows_are_found_in_any_order_and_beside_copies():
    rng = np.random.default_rng(0)
    other = rng.standard_normal(60)
    for numbers, fine in (
        (rng.permutation(60) + 500, False),
        (rng.permutation(60) * 40, True),
        (rng.integers(0, 30, 60), True),
    ):
        x = np.column_stack([numbers, other])
        finding = found(from_arrays(np.concatenate([x, x[:5]])))["Ids among the columns"]
        assert finding.fine is fine


@pytest.mark.parametrize(("values", "fine"), [(12, False), (11, True), (2, True)])
def test_a_category_of_its_own_in_every_row_is_found_in_any_order(values, fine):
    rng = np.random.default_rng(0)
    column = Column("code", tuple(f"c{i:02d}" for i in range(values)))
    x = np.column_stack([rng.permutation(12) % values, rng.standard_normal(12)])
    dataset = replace(from_arrays(x), columns=(column, Column("x1")))
    finding = found(dataset)["Ids among the columns"]
    assert finding.fine is fine
    assert finding.said.startswith("No column" if fine else "'code'")


def test_labels_that_can_be_guessed_by_the_most_common_one_do_not_accuse_a_column():
    rng = np.random.default_rng(0)
    y = (np.arange(200) < 8).astype(int)
    assert found(from_arrays(rng.standard_normal((200, 2)), y))["Labels among the columns"].fine


def test_test_samples_that_training_has_are_found_exactly_and_nearly():
    x = np.random.default_rng(0).standard_normal((40, 3))
    x[35] = x[3]
    dataset = replace(from_arrays(x), test=np.arange(30, 40))
    leak = found(dataset, near=[(4, 36), (37, 38)])["Test samples seen in training"]
    assert not leak.fine
    assert leak.pairs == ((3, 35), (4, 36))
    assert "1 occur in the training part too, and 1 nearly" in leak.said


def test_copies_within_the_test_part_are_no_leak():
    x = np.random.default_rng(0).standard_normal((40, 3))
    x[35] = x[36]
    assert found(replace(from_arrays(x), test=np.arange(30, 40)))["Test samples seen in training"].fine


def test_copies_with_other_labels_contradict():
    x = np.random.default_rng(0).standard_normal((6, 2))
    x[4] = x[1]
    x[5] = x[2]
    named = found(from_arrays(x, ["a", "a", "b", "b", "b", ""]))
    assert named["Contradicting labels"].pairs == ((1, 4),)
    assert named["Exact copies"].pairs == ((1, 4), (2, 5))
    # Also where the first of them has no label.
    x[[3, 4]] = x[1]
    named = found(from_arrays(x, ["a", "", "b", "b", "a", ""]))
    assert named["Contradicting labels"].pairs == ((3, 4),)


def test_the_end_of_a_shorter_recording_is_not_missing():
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(2, 9)), rng.normal(size=(2, 5)), rng.normal(size=(2, 7))]
    assert found(from_arrays(x))["Missing"].said == "No value is missing."
    x[1][1, 2] = np.nan
    said = found(from_arrays(x))["Missing"].said
    assert said == "1 of 42 values is missing (2.4 %), most in channel 1 (4.8 %)."


@pytest.mark.parametrize("shape", [(10, 2, 9), (10, 4)])
def test_samples_without_any_value_are_found(shape):
    x = np.random.default_rng(0).normal(size=shape)
    x[3] = np.nan
    missing = found(from_arrays(x, kind="series" if len(shape) == 3 else "table"))["Missing"]
    assert missing.said.endswith("1 of 10 samples holds no value at all.")
    assert not missing.fine
    assert "No value is missing" not in missing.said


def test_missing_and_constant_values_are_named():
    x = np.random.default_rng(0).standard_normal((50, 3))
    x[:10, 1] = np.nan
    x[:, 2] = 5.0
    named = found(from_arrays(x))
    assert "20 %) " not in named["Missing"].said
    assert "most in column 'x1' (20 %)" in named["Missing"].said
    assert "'x2'" in named["Constant"].said
    assert not named["Constant"].fine


def test_a_dark_border_is_no_reason_to_look_and_a_blank_film_is():
    images = np.zeros((20, 6, 6))
    images[:, 2:4, 2:4] = np.random.default_rng(0).random((20, 2, 2))
    assert found(from_arrays(images))["Constant"].fine
    assert not found(from_arrays(np.zeros((20, 6, 6))))["Constant"].fine


def test_one_contradiction_is_told_as_one():
    x = np.random.default_rng(0).normal(size=(20, 3))
    said = found(from_arrays(np.concatenate([x, x[:1]]), [*(i % 2 for i in range(20)), 1]))["Contradicting labels"]
    assert said.said == "1 exact copy has another label than the sample that it is a copy of."
    said = found(from_arrays(np.concatenate([x, x[:2]]), [*(i % 2 for i in range(20)), 1, 0]))["Contradicting labels"]
    assert said.said == "2 exact copies have another label than the sample that they are copies of."


def test_a_column_of_ids_that_was_left_out_is_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("case,size,width,label\n" + "".join(f"F{i}x,{i % 3},{i % 7}.5,{i % 2}\n" for i in range(40)))
    said = found(read(str(path)))["Ids among the columns"]
    assert said.said == "'case': another text in every row, and left out. No other column is like an id."
