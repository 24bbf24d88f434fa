from __future__ import annotations

import numpy as np
import pytest

from attar.data.arrays import from_arrays
from attar.data.dataset import Form
from attar.data.groups import joined, levels, numbered, of_one_group, seen_in_training, units
from attar.data.sources import read, read_for_prediction
from attar.data.split import holdout
from attar.errors import AttarError, DataError, LabelError
from attar.preparation import Options, prepared

PATIENTS = ["ann", "ann", "bob", "bob", "cid", "cid"]


def csv(path, text: str):
    path.write_text(text)
    return path


def table(tmp_path, extra: str = ""):
    rows = "".join(f"{i},{p},{i % 3}.5,{'ab'[i % 2]}\n" for i, p in enumerate(PATIENTS))
    return csv(tmp_path / "t.csv", f"id,patient,size,label\n{rows}{extra}")


@pytest.mark.parametrize(
    "groups",
    [
        PATIENTS,
        np.array(PATIENTS),
        np.array([7, 7, 3, 3, 5, 5]),
        np.array([7, 7, 3, 3, 5, 5]) / 2,
        [" ann", "ann ", "bob", "bob", ("c", 1), ("c", 1)],
    ],
)
def test_whatever_names_groups_numbers_them(groups) -> None:
    numbers, names, notes = numbered(groups, 6, "groups")
    assert numbers.tolist() == [0, 0, 1, 1, 2, 2]
    assert list(names) == [str(groups[0]).strip(), str(groups[2]), str(groups[4])]
    assert notes == []


def test_a_sample_of_no_group_is_one_by_itself() -> None:
    numbers, names, notes = numbered(["a", None, "a", "", np.nan, "b"], 6, "groups")
    assert numbers.tolist() == [0, 1, 0, 2, 3, 4]
    assert names == ("a", "", "", "", "b")
    assert notes == ["3 of 6 samples are of no group: each is judged by itself"]
    masked = np.ma.array([7, 7, 7, 3], mask=[0, 1, 0, 0])
    assert numbered(masked, 4, "groups")[0].tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("gap", [np.nan, "", "NA"])
def test_gaps_change_no_name_and_are_no_group_of_their_own(gap) -> None:
    assert numbered(np.array(["a", gap, "a", gap]), 4, "groups")[1] == ("a", "", "")
    assert numbered(np.array([7, 7, 3, np.nan]), 4, "groups")[1] == ("7", "3", "")


def test_numbers_are_those_of_the_other_part_where_one_has_gaps(tmp_path) -> None:
    part = np.random.default_rng(0).normal(size=(4, 2))
    groups = {"groups_train": np.array([1, 1, 2, 2]), "groups_test": np.array([2, 3, 3, np.nan])}
    y = np.array([0, 1, 0, 1])
    np.savez(tmp_path / "a.npz", x_train=part, y_train=y, x_test=part + 9, y_test=y, **groups)
    assert "1 of 4 test samples is of groups that training has seen" in read(str(tmp_path / "a.npz")).notes
    np.savez(tmp_path / "b.npz", x_train=part, x_test=part + 9, groups_train=np.array(1))
    with pytest.raises(DataError, match=r"4 samples in x_train but groups of shape \(\)"):
        read(str(tmp_path / "b.npz"))


@pytest.mark.parametrize("groups", [["a"] * 5, np.zeros((6, 2)), np.zeros((6, 1)), np.array(3), []])
def test_another_number_of_groups_is_refused(groups) -> None:
    with pytest.raises(DataError, match=r"groups: 6 samples but groups of shape \([0-9, ]*\); give one for each"):
        numbered(groups, 6, "groups")


def test_a_single_group_is_refused_where_samples_are_learnt_from() -> None:
    dataset = from_arrays(np.random.default_rng(0).random((4, 2)), [0, 1, 0, 1], groups=["ann"] * 4)
    with pytest.raises(DataError, match=r"all samples are of one group \('ann'\); leave the groups away"):
        prepared(dataset, Options())


def test_joined_equals_a_naive_closure() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 30, 60), rng.integers(100, 160, 60)
    alike = (a[:, None] == a) | (b[:, None] == b)
    for _ in range(6):
        alike = (alike.astype(int) @ alike) > 0
    found = joined(a, b)
    assert ((found[:, None] == found) == alike).all()


def test_units_are_groups_unless_a_class_has_but_one() -> None:
    of = np.array([0, 0, 1, 1, 2, 2, 2])
    assert units(np.array([0, -1, 0, 0, 1, -1, 1]), of).tolist() == [0, 0, 1, 1, 7, 2, 9]
    assert units(np.full(7, -1), of).tolist() == of.tolist()
    # Of smaller parts those that the labels of such a class are in, and single samples where that is one alone.
    parts = np.array([0, 1, 2, 3, 4, 5, 5])
    assert units(np.array([0, -1, 0, 0, 1, -1, 1]), of, parts).tolist() == [0, 0, 1, 1, 7, 2, 8]
    assert units(np.array([0, -1, 0, 0, -1, 1, 1]), of, parts)[-2:].tolist() == [5 + 9, 6 + 9]


def test_classes_of_one_group_are_named() -> None:
    of, classes = np.repeat(np.arange(12), 4), ("a", "b", "c")
    assert of_one_group(of % 3, of, classes, "group") == []
    assert of_one_group(np.where(of == 0, 2, of % 2), of, classes, "group")[0].startswith(
        "labels of one group only: 'c'"
    )


def test_test_samples_of_known_groups_are_counted() -> None:
    of = np.array([0, 0, 1, 1, 2])
    assert seen_in_training(of, None, "of groups") == seen_in_training(of, np.array([4]), "of groups") == []
    assert seen_in_training(of, np.array([1, 4]), "of groups")[0].startswith("1 of 2 test samples is of groups")


def test_a_column_of_a_table_says_the_groups_and_is_no_feature(tmp_path) -> None:
    dataset = read(str(table(tmp_path)), group_column="patient")
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert [column.name for column in dataset.columns] == ["size"]
    assert "the samples are of 3 groups: those of one are judged together" in dataset.notes
    assert read(str(table(tmp_path))).groups is None
    predicted = read_for_prediction(str(table(tmp_path)), Form("table", (1,), columns=dataset.columns))
    assert predicted.groups is None


@pytest.mark.parametrize(
    ("column", "message"),
    [("pacient", "no column is called 'pacient'; it has 'patient'"), ("label", "column 'label' holds the labels")],
)
def test_a_column_that_holds_no_groups_is_refused(tmp_path, column, message) -> None:
    with pytest.raises(AttarError, match=message):
        read(str(table(tmp_path)), group_column=column)


def test_a_file_says_the_groups(tmp_path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(6):
        np.save(folder / f"{i}.npy", np.random.default_rng(i).random((2, 20)))
    both = csv(
        folder / "about.csv",
        "file,label,patient\n" + "".join(f"{i}.npy,{'ab'[i % 2]},{PATIENTS[i]}\n" for i in range(6)),
    )
    dataset = read(str(folder), labels=both, groups=both)
    assert dataset.classes == ("a", "b")
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(LabelError, match="no such groups file; give a CSV file with two columns, id and group"):
        read(str(folder), groups=folder / "none.csv")
    other = csv(tmp_path / "other.csv", "0,ann\n0,bob\n")
    with pytest.raises(LabelError, match="'0' has the groups 'ann' and 'bob'; keep one"):
        read(str(folder), groups=other)
    with pytest.raises(LabelError, match="give one of the two"):
        read(str(folder), groups=other, group_column="patient")
    with pytest.raises(LabelError, match="give a file of groups"):
        read(str(folder), group_column="patient")


def test_an_array_says_the_groups(tmp_path) -> None:
    x, path = np.random.default_rng(0).random((6, 4)), tmp_path / "a.npz"
    np.savez(path, x=x, y=np.arange(6) % 2, groups=np.array(PATIENTS), subject=[0, 0, 0, 1, 1, 1])
    for column, found in ((None, [0, 0, 1, 1, 2, 2]), ("subject", [0, 0, 0, 1, 1, 1])):
        groups = read(str(path), group_column=column).groups
        assert groups is not None
        assert groups.tolist() == found
    with pytest.raises(LabelError, match="no array is called patient; it holds x, y"):
        read(str(path), group_column="patient")
    halves = {"x_train": x[:4], "y_train": [0, 1, 0, 1], "x_test": x[4:], "y_test": [0, 1]}
    np.savez(path, **halves, subject_train=PATIENTS[:4], subject_test=["bob", "cid"])
    dataset = read(str(path), group_column="subject")
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 0, 1, 1, 1, 2]
    assert "1 of 2 test samples is of groups that training has seen" in dataset.notes
    np.savez(path, **halves, groups_train=PATIENTS[:3])
    with pytest.raises(DataError, match="4 samples in x_train but groups of shape"):
        read(str(path))


def test_groups_and_recordings_are_judged_together() -> None:
    whole = np.random.default_rng(0).standard_normal((4, 1, 80)).astype(np.float32)
    x = np.stack([one[:, 8 * i : 8 * i + 32] for one in whole for i in range(7)])
    of = np.repeat(np.arange(4), 7)
    dataset = from_arrays(x, of % 2, groups=of // 2)
    assert dataset.windows is not None
    assert dataset.groups is not None
    assert len(set(dataset.windows.recordings.tolist())) == 4
    assert levels(dataset.groups, dataset.windows)[0].tolist() == (of // 2).tolist()
    across = from_arrays(x, of % 2, groups=(of + 1) // 2 + (np.arange(28) == 3))
    assert set(levels(across.groups, across.windows)[0][of == 0]) == {0}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_whole_groups_of_several_classes_are_held_out(share, seed) -> None:
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(20), rng.integers(3, 12, 20))
    y = np.where(rng.random(len(of)) < 0.7, rng.integers(0, 3, len(of)), -1)
    test = holdout(from_arrays(rng.random((len(of), 2)), y, groups=of), share, seed)
    rest = np.setdiff1d(np.arange(len(of)), test)
    assert not set(of[test]) & set(of[rest])
    assert set(y[rest]) == {-1, 0, 1, 2}
    for label in range(3):
        assert (y[test] == label).sum() / (y == label).sum() == pytest.approx(share, abs=0.15)


def test_large_groups_are_held_out_where_there_are_no_others() -> None:
    of, y = np.repeat(np.arange(3), 20), np.arange(60) % 2
    test = holdout(from_arrays(np.random.default_rng(0).random((60, 2)), y, groups=of), 0.05)
    assert len(test) == 20
    # A class that only two groups have, and both are needed.
    y = np.where(of == 2, 2, np.arange(60) % 2)
    assert set(of[holdout(from_arrays(np.random.default_rng(0).random((60, 2)), y, groups=of), 0.4)]) >= {2}


def test_texts_and_nodes_are_of_groups_too(tmp_path) -> None:
    texts = csv(tmp_path / "t.csv", "text,who,label\nthe first of all,ann,a\nthe next one,ann,b\nthe very last,bob,a\n")
    dataset = read(str(texts), group_column="who")
    assert dataset.kind == "text"
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 0, 1]
    csv(tmp_path / "nodes.csv", "id,age,site,label\na,1,u,x\nb,2,v,y\nc,3,v,x\n")
    csv(tmp_path / "edges.csv", "from,to\na,b\nb,c\n")
    dataset = read(str(tmp_path), group_column="site")
    assert dataset.kind == "graph"
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 1, 1]
