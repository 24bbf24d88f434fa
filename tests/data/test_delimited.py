from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from attar.data.dataset import Form
from attar.data.delimited import layout, read_delimited
from attar.data.files import read_table
from attar.data.marks import Marks
from attar.data.sources import read, read_for_prediction
from attar.errors import DataError


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("a,b\n1,2\n", ["a", "b"], [{"a": 1, "b": 2}]),
        ("\ufeffa;b\n1,5;2\n", ["a", "b"], [{"a": 1.5, "b": 2}]),
        ("a\tb\n1\t?\n", ["a", "b"], [{"a": 1, "b": None}]),
        ("1,2\n3,4\n", ["x0", "x1"], [{"x0": 1, "x1": 2}, {"x0": 3, "x1": 4}]),
        ("0,1\n3,4\n", ["0", "1"], [{"0": 3, "1": 4}]),
        ("a, b\n1,NA\n", ["a", "b"], [{"a": 1, "b": None}]),
        ('"a,1",b\nx,\n', ["a,1", "b"], [{"a,1": "x", "b": None}]),
        ("a\r\n1\r\n2.5\r\n", ["a"], [{"a": 1}, {"a": 2.5}]),
        ("\ufeffsep=;\r\na;b\r\n1,5;2\r\n", ["a", "b"], [{"a": 1.5, "b": 2}]),
        ("a;b;;\r\n1,5;2;;\r\n", ["a", "b"], [{"a": 1.5, "b": 2}]),
        (",a,\n7,1,\n8,2,\n", ["", "a"], [{"": 7, "a": 1}, {"": 8, "a": 2}]),
        ("a|b\n1|2,5\n", ["a", "b"], [{"a": 1, "b": 2.5}]),
        ('a b\n1 "x y"\n2 z\n', ["a", "b"], [{"a": 1, "b": "x y"}, {"a": 2, "b": "z"}]),
        ("  a     b\n  1   2.5\n 10   0.5 \n\n", ["a", "b"], [{"a": 1, "b": 2.5}, {"a": 10, "b": 0.5}]),
        ("0      0\r\n10     1\r\n", ["x0", "x1"], [{"x0": 0, "x1": 0}, {"x0": 10, "x1": 1}]),
        ('a   b\n1   "x  y"\n22  z\n', ["a", "b"], [{"a": 1, "b": "x  y"}, {"a": 22, "b": "z"}]),
        ("text\n1  2\n3  4\n", ["text"], [{"text": "1  2"}, {"text": "3  4"}]),
        ("a text\nx y\nz u\n", ["a text"], [{"a text": "x y"}, {"a text": "z u"}]),
        ("a text\nx 1\nz\n", ["a text"], [{"a text": "x 1"}, {"a text": "z"}]),
        ("sep=\n1\n", ["sep="], [{"sep=": 1}]),
        ('"a, in m";"b, in s"\n1,5;2\n', ["a, in m", "b, in s"], [{"a, in m": 1.5, "b, in s": 2}]),
        ("a;b, in s\n1,5;2,5\n", ["a", "b, in s"], [{"a": 1.5, "b, in s": 2.5}]),
        ('"a; b; c","d"\n1.5,2\n', ["a; b; c", "d"], [{"a; b; c": 1.5, "d": 2}]),
        ('"a", "b"\n1, "x, y"\n2 , NA\n', ["a", "b"], [{"a": 1, "b": "x, y"}, {"a": 2, "b": None}]),
        ("a; b\r\n 1,5 ;red \r\n", ["a", "b"], [{"a": 1.5, "b": "red"}]),
        ("sep=;\na ;b\n1;? \n2; x y\n", ["a", "b"], [{"a": 1, "b": None}, {"a": 2, "b": "x y"}]),
        ('a,b\n1," x "\n2,5 "y" z\n', ["a", "b"], [{"a": 1, "b": " x "}, {"a": 2, "b": '5 "y" z'}]),
        ('a 5",b;c 6",d\n1,2,3\n', ['a 5"', 'b;c 6"', "d"], [{'a 5"': 1, 'b;c 6"': 2, "d": 3}]),
    ],
)
def test_ways_to_write_a_table(tmp_path, text, names, rows):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    table, notes = read_delimited(path)
    assert table.column_names == names
    assert table.to_pylist() == rows
    assert bool(notes) == (names[0] == "x0")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (",0,1,2\n0,5.1,3.5,a\n1,4.9,3.0,b\n", ["", "0", "1", "2"]),
        ("2019,2020\n5.1,3.5\n", ["2019", "2020"]),
        (",2020_01,2020_02\n0,5.1,3.5\n", ["", "2020_01", "2020_02"]),
        (",2019,2020\n0,5.1,3.5\n", ["", "2019", "2020"]),
        ("2019,2020\n2020,2021\n", None),
        ("7,8\n5.1,3.5\n", None),
        (",1,2,3\n0,5.1,3.5,2\n", None),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", None),
        ("Amy,5.1,3.5\nBob,4.9,nan\n", None),
        ("9.5,8,7.5,6,5.5,a\n1,2,3,4,5,a\n", None),
        ("5.1,nan,setosa\n", None),
        ("2019,2020,grain\n1.5,2,oats\n", ["2019", "2020", "grain"]),
        ("0.25,0.5,mean\n1.5,2,3\n", ["0.25", "0.5", "mean"]),
        ("400.5,401,401.5,402,402.5,grain\n1,2,3,4,5,oats\n", ["400.5", "401", "401.5", "402", "402.5", "grain"]),
        ("\n\na,b\n1,2\n", ["a", "b"]),
        ("39, State-gov, 13, <=50K\n50, Private, 13, <=50K\n38, Private, 9, >50K\n", None),
        ("sunny,hot,no\nrain,cool,yes\nrain,hot,no\n", None),
        ("vhigh,vhigh,2\nlow,vhigh,3\n", None),
        ("size,size m\nsize,1\n", ["size", "size m"]),
        ("fraud,amount\nfraud,$12.50\nok,$9.99\n", ["fraud", "amount"]),
        ("fraud,day\nfraud,31/01/2024\nok,01/02/2024\n", ["fraud", "day"]),
        ("ok,31/01/2024\nok,01/02/2024\n", None),
    ],
)
def test_first_lines_that_are_names_and_those_that_are_samples(tmp_path, text, names):
    path = tmp_path / "t.csv"
    path.write_text(text)
    found, lines = layout(path), [line for line in text.splitlines() if line]
    assert (list(found.names) if found.header else None) == names
    table, _ = read_delimited(path)
    assert table.num_rows == len(lines) - found.header
    assert tuple(table.column_names) == found.names


def test_blanks_around_cells_change_no_value(tmp_path):
    lines = ["id,n,colour,label", "007,1.5,red,é", "008,?,?,x", "009,3,NA,x"]
    found = []
    for name, between in (("tight", ","), ("wide", ", "), ("aligned", "  ,  ")):
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(line.replace(",", between) for line in lines), encoding="cp1252")
        raw = read_table(path)
        found.append((raw.x.tolist(), raw.columns, raw.y, raw.ids))
    assert repr(found[0]) == repr(found[1]) == repr(found[2])
    assert found[0][3] == ["007", "008", "009"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_rows_of_delimiters_alone_at_the_end_are_no_samples(tmp_path, encoding):
    path = tmp_path / "t.csv"
    rows = 'a;b;größe\r\n1,5;x;"y"\r\n;;\r\n1,350;NA;z\r\n?;NA;\r\n;;\r\n\r\n"";;\r\n;;\r\n'
    path.write_bytes(rows.encode(encoding))
    table, notes = read_delimited(path)
    assert table.column("größe").to_pylist() == ["y", None, "z", None]
    assert "t.csv: 3 rows without a value at its end are left out" in notes
    path.write_bytes("a;b\n1;\n;NA\n".encode(encoding))
    assert read_delimited(path)[0].num_rows == 2
    path.write_bytes("a;b\n;\n;\n".encode(encoding))
    assert read_delimited(path)[0].num_rows == 2


def test_columns_aligned_by_blanks_in_another_encoding(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("größe   n\n1.5   10\n10    2\n".encode("utf-16"))
    assert read_delimited(path)[0].to_pydict() == {"größe": [1.5, 10], "n": [10, 2]}


@pytest.mark.parametrize("header", ["# a   b", "body mass   n"])
def test_names_that_do_not_fit_columns_parted_by_blanks_are_refused(tmp_path, header):
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n  1   2\n 10   3\n")
    with pytest.raises(DataError, match="blanks part 3 cells in its first line and 2 below: write a name of one word"):
        read_delimited(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a;b\n5,1;01.03.2024\n", 5.1),
        ("a;b\n5,1;2024-03-01 10:00:00.500\n", 5.1),
        ("a\tb\n-5,1\tx\n", -5.1),
        ('a,b\n"5,1",x\n', 5.1),
        ("a;b\n1,350;x\n", 1.35),
        ("a\tb\n1,350\tx\n", "1,350"),
        ('a,b\n"5,1",2.5\n', 5.1),
        ("a;b\n5,1;2.5\n", 5.1),
        ("b;a\n" + "80;x\n" * 25 + "81,25;x\n", 80),
        ("5,1;x\n4,9;x\n", 5.1),
    ],
)
def test_decimal_commas(tmp_path, text, value):
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert read_delimited(path)[0].column(0)[0].as_py() == value


def test_a_typing_error_among_decimal_commas_is_found_as_among_points(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{i},5{'e-3' * (i > 9)};{i % 2},0;{'ab'[i % 2]}" for i in range(20)]
    path.write_text("\n".join(["a;b;c", *rows, "-;-;c"]))
    with pytest.raises(DataError, match="row 20, column 'a' is '-' where a number is expected"):
        read_table(path)
    # Of a few different numbers it may be a category, and is written as it stands.
    path.write_text("\n".join(["a;b;c", *rows, "7,5;-;c"]))
    assert read_table(path).columns[1].categories == ("-", "0,0", "1,0")


@pytest.mark.parametrize(
    ("text", "columns", "written"),
    [
        ("a;b\n2.456;81,26\n351;80,1\n", {"a": [2456, 351], "b": [81.26, 80.1]}, ["'2.456', 2456"]),
        ("a;b\n2.456;80\n" + "351;80\n" * 30 + "351;80,1\n", {"a": [2456, 351], "b": [80, 80]}, ["'2.456', 2456"]),
        ("a;b\n1.234.567,5 €;-1,5\n", {"a": [1234567.5], "b": [-1.5]}, ["'1.234.567,5 €', 1234567.5"]),
        ('a,b\n"1,350",2.5\n12,2.5\n', {"a": [1350, 12], "b": [2.5, 2.5]}, ["'1,350', 1350"]),
        ("a;b;c\n2.456;81,26;2.5\n", {"a": [2.456], "b": [81.26], "c": [2.5]}, ["'81,26', 81.26"]),
        ("a;b\n0.456;81,26\n", {"a": [0.456], "b": [81.26]}, ["'81,26', 81.26"]),
        ('a,b\n"1,350",2\n', {"a": ["1,350"], "b": [2]}, []),
    ],
)
def test_signs_between_thousands_by_those_before_fractions_elsewhere(tmp_path, text, columns, written):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    table, notes = read_delimited(path)
    assert {name: cells[:2] for name, cells in table.to_pydict().items()} == columns
    assert [note.partition("written like ")[2] for note in notes] == written


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        ("a;b\n2.456;x\n351;x\n", True),
        ("a;b\n2.456;0.5\n351;1.5\n", False),
        ("a;b\n2.456;7,5\n351;1,5\n", False),
        ("a;b\n0.456;x\n351;x\n", False),
        ("a;b\n1e5;x\n351;x\n", False),
        ("a,b\n2.456,x\n351,x\n", False),
    ],
)
def test_points_that_may_be_thousands_are_said(tmp_path, text, noted):
    path = tmp_path / "t.csv"
    path.write_text(text)
    note = "column 'a' is read with fractions after points, like '2.456': if they are thousands, leave the points out"
    assert (note in read_delimited(path)[1]) == noted


def test_a_header_line_of_any_length(tmp_path):
    names = [f"gäne_{i:06}" for i in range(20_000)]
    path = tmp_path / "t.csv"
    path.write_text(",".join([*names, "label"]) + "\n" + "1," * 20_000 + "a\n", encoding="utf-8")
    assert layout(path).names == (*names, "label")


def test_a_cell_that_is_a_blank_after_many_without(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1.5,2\n" * 20_000 + " ,3\n")
    table, _ = read_delimited(path)
    assert table.column("a").to_pylist()[-2:] == [1.5, None]


def test_a_type_that_changes_late(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1\n" * 600_000 + "1.5\n")
    table, _ = read_delimited(path)
    assert table.column("a")[-1].as_py() == 1.5


def test_columns_read_as_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n007,1.0\n")
    assert read_delimited(path, text=["a"])[0].to_pylist() == [{"a": "007", "b": 1.0}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"a,b\n", "a header line and no row"),
        (b"a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        (b"\x00\x01\x02", "not a text file"),
        (b"a,b\n" + bytes(range(1, 9)) * 5, "not a text file"),
        (b"a,b\n" + b"1,long enough\n" * 50 + b"2,\0\n", "not a text file"),
        (b"\xff\xfea", "not a text file"),
        (b"a\n\x81\n", "not a text file"),
        (
            b"Export of May\nPlant: Ulm,,\n\na,b,c\n1,2,3\n1,2,3\n1,2,3\n",
            "its first line has 1 cell, and lines below have 3",
        ),
        (b"# made by MES\na,b\n1,2\n", "remove the lines above the one with the names"),
        (b"a,b\n1,2,3\n1,2,3\n", "Expected 2 columns, got 3"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_delimited(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_conversion_left_of_quotation_marks_is_text(tmp_path):
    path, cell = tmp_path / "t.csv", "a bag was stolen of which \x1anothing\x1a was ever found again"
    path.write_text("a,b\n" + f"1,{cell}\n" * 5)
    assert read_delimited(path)[0].column("b").to_pylist() == [cell] * 5


def test_layout_of_a_tab_separated_file(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a\tb,c,d\n1\t2\n")
    assert layout(path).delimiter in "\t,"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_encodings(tmp_path, encoding):
    path = tmp_path / "t.csv"
    mark = "\ufeff" * (encoding == "utf-16-be")
    path.write_text(mark + "größe,a\n" + "°C,1\n" * 40_000 + "µm,2\n", encoding=encoding)
    assert layout(path).names == ("größe", "a")
    table, notes = read_delimited(path)
    assert table.slice(39_999).to_pylist() == [{"größe": "°C", "a": 1}, {"größe": "µm", "a": 2}]
    note = "t.csv is not UTF-8: read as Windows-1252; save it as UTF-8 if letters in it are wrong"
    assert notes == ([note] if encoding == "cp1252" else [])


def test_an_encoding_that_shows_late(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"x,1\n" * 40_000 + b"\xe9t\xe9,2\n")
    table, notes = read_delimited(path)
    assert table.column("a")[-1].as_py() == "été"
    assert "Windows-1252" in notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_leading_zeros_of_numbers_are_said_and_categories_or_texts_keep_them(tmp_path, encoding):
    path = tmp_path / "t.csv"
    rows = [("01067", "12"), ("00021", "0.05"), ("12345", "10"), ("01067", "5")] * 10
    text = "".join(f"{a};{b};2024-01-02;{i % 2}\n" for i, (a, b) in enumerate(rows))
    path.write_text("plz;n;when;label\n" + text, encoding=encoding)
    dataset = read(str(path))
    notes = [note for note in dataset.notes if "leading zeros" in note]
    assert notes == [
        "column 'plz' has leading zeros, like '01067', and is read as numbers: if these are categories, say so by"
        " --category plz"
    ]
    assert dataset.columns[0].categories == ()
    model = Form("table", (3,), columns=dataset.columns)
    assert not any("leading zeros" in note for note in read_for_prediction(str(path), model).notes)
    # What the note says is so.
    marked = read(str(path), marks=Marks(category=("plz",)))
    assert marked.columns[0].categories == ("00021", "01067", "12345")
    assert not any("leading zeros" in note for note in marked.notes)
    table = pa.table(
        {"plz": [a for a, _ in rows], "n": [1.0 + i for i in range(40)], "label": [i % 2 for i in range(40)]}
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    assert read(str(tmp_path / "t.parquet")).columns[0].categories == ("00021", "01067", "12345")


def test_zeros_of_dates_times_and_fractions_do_not_lead(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,d,e\n" + "05.01.2024,0.05,08:05,0,1e05\n06.02.2024,00.5,09:05,10,1e06\n" * 3)
    assert not any("leading zeros" in note for note in read(str(path)).notes)


@pytest.mark.parametrize("header", [[], ["group,red"]])
def test_a_row_alone_has_a_header_line_where_training_had_one(tmp_path, header):
    path, rows = tmp_path / "t.csv", ["5,blue", "4,red", "4,blue"] if not header else ["u,blue", "v,x", "u,x"]
    path.write_text("\n".join([*header, *rows]))
    model = read(str(path), kind="table")
    assert model.columns[1].name == ("red" if header else "x1")
    for i, row in enumerate([*rows, "u,red"] if header else rows):
        path.write_text("\n".join([*header, row]))
        found = read_for_prediction(str(path), Form("table", (2,), columns=model.columns))
        assert found.x[:, 0].tolist() == [model.x[i % 3, 0]]
