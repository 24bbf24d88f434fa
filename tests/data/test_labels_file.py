from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from attar.data.dataset import Form
from attar.data.labels_file import called, match_labels, read_labels
from attar.data.sources import read, read_for_evaluation
from attar.errors import LabelError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,1\nb,2\n", {"a": "1", "b": "2"}),
        ("id,label\na,cat\nb,\n", {"a": "cat", "b": None}),
        ("\ufefffilename;class\nx y.png;cat\n", {"x y.png": "cat"}),
        ('a,"cat\ndog"\n', {"a": "cat\ndog"}),
        ("\na\tcat\n\nb\tdog\n", {"a": "cat", "b": "dog"}),
        ("Image_ID,PatientID,Diagnosis\na,7,cat\n", {"a": "cat"}),
        ("filename,class name\na,cat\n", {"a": "cat"}),
        ("when,label,id\n3,cat,a\n", {"a": "cat"}),
        ("a,y\nb,n\nc,y\n", {"a": "y", "b": "n", "c": "y"}),
        ("file;label, by Ann\na;x\n", {"a": "x"}),
        ("picture,y\na,n\nb,n\n", {"a": "n", "b": "n"}),
        ("sep=;\r\nid;label\r\na;cat\r\n", {"a": "cat"}),
        ('id, label\n"a,1", "cat"\nb, NO\n', {"a,1": "cat", "b": "NO"}),
        ('"a,1.png",cat\r\na,cat\r\na,cat\r\n', {"a,1.png": "cat", "a": "cat"}),
    ],
)
def test_labels_files(tmp_path, text, expected):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == (expected, [], {})


def test_a_column_of_groups_beside_labels_is_found_by_its_name(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("filename,label,PatientID\na,cat,7\nb,,\n")
    assert read_labels(path) == ({"a": "cat", "b": None}, [], {})
    patients = {"a": "7", "b": None}
    assert (
        read_labels(path, beside=True).beside == {"PatientID": patients} == {"PatientID": read_labels(path, "group").of}
    )
    for text in ("filename,label,patients\na,cat,7\n", "a,cat\n", "patient,label\na,cat\n"):
        path.write_text(text)
        assert read_labels(path, beside=True).beside == {}
    # A line without the cell, and a second one of the same sample, do not switch groups off.
    path.write_text("filename,label,site,patient\na,cat,x,7\nb,dog\na,cat,,\n")
    assert read_labels(path, beside=True).beside == {"site": {"a": "x", "b": None}, "patient": {"a": "7", "b": None}}
    path.write_text("filename,label,patient\na,cat,7\na,cat,8\n")
    with pytest.raises(LabelError, match=r"line 3: 'a' is of '7' and of '8' by column 'patient'; keep one of them, or"):
        read_labels(path, beside=True)


def grouped(tmp_path, patients, header="id,label,patient"):
    (tmp_path / "x.csv").write_text("id,size,width\n" + "".join(f"{i},{i % 3},{i % 5}.5\n" for i in range(6)))
    lines = "".join(f"{i},{'ab'[i % 2]},{patient}\n" for i, patient in enumerate(patients))
    path = tmp_path / "labels.csv"
    path.write_text(f"{header}\n{lines}")
    return path


def test_patients_beside_the_labels_are_the_groups(tmp_path):
    path = grouped(tmp_path, ["ann", "ann", "bob", "bob", "cid", ""])
    dataset = read(str(tmp_path / "x.csv"), labels=path)
    assert dataset.groups.tolist() == [0, 0, 1, 1, 2, 3]
    assert dataset.group_names == ("ann", "bob", "cid", "")
    note = (
        "column 'patient' of labels.csv is taken for the groups: leave it out of the file where samples of one do not"
        " belong together"
    )
    assert note in dataset.notes
    form = Form("table", (2,), columns=dataset.columns)
    judged = read_for_evaluation(str(tmp_path / "x.csv"), form, labels=path)
    assert judged.groups.tolist() == dataset.groups.tolist()
    assert note in judged.notes
    said = read(str(tmp_path / "x.csv"), labels=path, groups=path)
    assert said.groups.tolist() == dataset.groups.tolist()
    assert note not in said.notes


@pytest.mark.parametrize(
    ("patients", "header"),
    [
        (list("abcdef"), "id,label,patient"),
        (["a"] * 6, "id,label,patient"),
        ([""] * 6, "id,label,patient"),
        (["a", "a", "b", "b", "c", "c"], "id,label,patients"),
    ],
)
def test_a_column_that_says_nothing_of_what_belongs_together_makes_no_groups(tmp_path, patients, header):
    dataset = read(str(tmp_path / "x.csv"), labels=grouped(tmp_path, patients, header))
    assert not dataset.grouped
    assert not any("groups" in note for note in dataset.notes)


def test_of_two_columns_of_groups_the_finer_counts_and_both_are_named(tmp_path):
    lines = [f"x,{patient}" for patient in ("ann", "ann", "bob", "bob")] + ["y,cid", "y,cid"]
    dataset = read(str(tmp_path / "x.csv"), labels=grouped(tmp_path, lines, "id,label,site,patient"))
    assert dataset.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert any("column 'patient' of labels.csv is taken for the groups, and 'site' is not" in n for n in dataset.notes)


@pytest.mark.parametrize(
    "name", ["a", "x/a.png", "x/y/a.tar.gz", "x.d/.hidden", "a.", "..", "a..b", "", "1.5.png", "v1.5", "a b/c.d e"]
)
def test_a_file_is_called_as_pathlib_has_it(name):
    path = PurePosixPath(name)
    assert called(name) == ((name, path.name, str(path.with_suffix("")), path.stem) if path.name else (name,) * 4)


def test_a_number_is_no_file_whose_fraction_is_an_extension():
    for ids in (["1.5", "2"], ["-1.5", "2"], ["x/1.5", "2"]):
        with pytest.raises(LabelError, match="1 of 2 ids names no sample"):
            match_labels({ids[0].split(".")[0]: "a", "2": "b"}, ids, Path("labels.csv"))
    assert match_labels({"1.5": "a"}, ["x/1.5.png"], Path("labels.csv")) == ["a"]


def test_lost_zeros_of_ids_are_told():
    with pytest.raises(LabelError, match="zeros in front were lost"):
        match_labels({"4": "a"}, ["0004", "0021"], Path("labels.csv"))


def test_a_group_column_of_a_folder_is_told_where_groups_are_read_from(tmp_path):
    path = grouped(tmp_path, ["ann", "ann"])
    (tmp_path / "p").mkdir()
    with pytest.raises(LabelError, match=f"of a folder, give a file of groups: --groups {re.escape(str(path))}$"):
        read(str(tmp_path / "p"), labels=path, group_column="patient")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"id,label\n", "no label"),
        (b"a\nb\n", "line 1: 1 cells"),
        (b"a,1\nb,2,3\n", "line 2: 3 cells"),
        (
            b"file,finding,patient\na,1,2\n",
            "line 1: 3 cells where two are expected, id and label; of more columns, call one id, file, filename,"
            " image_id, name or path, and one label, class, target, diagnosis or category",
        ),
        (b"a,1\na,2\n", "line 2: 'a' has the labels '1' and '2'"),
        (b"a,\na,2\n", "line 2: 'a' has the labels '' and '2'"),
        (b"a,'\nb,2\nc\n", "line 3: 1 cells"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a,\x81\n", "UTF-8"),
    ],
)
def test_bad_labels_files(tmp_path, content, message):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(LabelError, match=message) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


def test_encodings_of_labels_files(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("a|größe\nb|été\n", encoding="utf-16")
    assert read_labels(path) == ({"a": "größe", "b": "été"}, [], {})
    path.write_text("a;größe\nb;été\n", encoding="cp1252")
    labels, notes, _ = read_labels(path)
    assert labels == {"a": "größe", "b": "été"}
    assert "labels.csv is not UTF-8: read as Windows-1252" in notes[0]


def test_a_group_may_be_called_minus_one_and_a_guess_at_its_letters_is_said(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("id;group\na;-1\nb;-1\nc;größe\n", encoding="cp1252")
    groups = read_labels(path, "group")
    assert groups.of == {"a": "-1", "b": "-1", "c": "größe"}
    (tmp_path / "x.csv").write_text("id,v\na,1.5\nb,2\nc,4\n")
    (said,) = groups.notes
    assert said in read(str(tmp_path / "x.csv"), groups=path).notes


def test_a_missing_labels_file(tmp_path):
    with pytest.raises(LabelError, match="no such labels file"):
        read_labels(tmp_path / "labels.csv")
    with pytest.raises(LabelError, match="cannot be read"):
        read_labels(tmp_path)


def test_matching(tmp_path):
    ids = ["x/a.png", "x/b.png", "y/b.png", "y/c.tar.gz"]
    assert match_labels({"a": "1", "x/b": "2", "y/b.png": "3", "c.tar.gz": "4"}, ids, tmp_path) == ["1", "2", "3", "4"]
    assert match_labels({"./x\\a.png": "1"}, ids, tmp_path) == ["1", None, None, None]
    with pytest.raises(LabelError, match=r"2 of 3 ids name no sample \('d', 'zz'\)"):
        match_labels({"a": "1", "d": "2", "zz": "3"}, ids, tmp_path)
    for name in ("b.png", "B"):
        with pytest.raises(LabelError, match=f"'{name}' names 2 samples; give the whole name, as in 'x/b.png'"):
            match_labels({"a": "1", name: "2", "zz": "3"}, ids, tmp_path)
    with pytest.raises(LabelError, match=r"'x/a.png' has the labels '1' and '2'"):
        match_labels({"a": "1", "a.png": "2"}, ids, tmp_path)
    assert match_labels({"p": "1"}, ["p", "p", "q"], tmp_path) == ["1", "1", None]
    # As the column of ids of a table has them.
    ids = ["./a/1", "./b/1", "C:\\a\\1"]
    assert match_labels({name: str(i) for i, name in enumerate(ids)}, ids, tmp_path) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["X/A.PNG", "x/b.Png"], [0, 1]),
        (["home/H/x/a.png", "home/H/y/b"], [0, 2]),
        (["H\\x\\a.png"], [0]),
        (["x/a.png", "H/x/b.png"], [0, 1]),
        (["H/x/a.png", "G/x/b.png"], None),
        (["z/a.png"], None),
        (["c.PNG"], None),
        (["C.png", "c.png"], [4, 3]),
    ],
)
def test_names_in_another_case_and_behind_the_folder_of_the_source(tmp_path, names, found):
    ids = ["x/a.png", "x/b.png", "y/b.png", "y/c.png", "z/C.png"]
    labels = {name: str(i) for i, name in enumerate(names)}
    if found is None:
        with pytest.raises(LabelError):
            match_labels(labels, ids, tmp_path)
        return
    given = match_labels(labels, ids, tmp_path)
    assert [given[i] for i in found] == list(labels.values())
    assert sum(label is not None for label in given) == len(found)


def test_words_that_are_read_as_missing_are_noted(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\na,NA\nb,EU\nc,NA\nd,-1\ne,\n")
    labels, notes, _ = read_labels(path)
    assert labels == {"a": None, "b": "EU", "c": None, "d": None, "e": None}
    assert notes == [
        "2 labels are 'NA': taken as unlabelled; if it is a class, call it otherwise",
        "1 label is '-1': taken as unlabelled; if it is a class, call it otherwise",
    ]
