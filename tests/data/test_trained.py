from __future__ import annotations

import csv
import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from attar.data.arrays import from_arrays
from attar.data.clock import seconds
from attar.data.dataset import Column, Form
from attar.data.sources import read_for_prediction
from attar.deploy.feed import table
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.errors import DataError, ModelError

DAYS = pd.Series(pd.to_datetime(["1970-01-02 12:00", None, "1999-12-31 00:00"]))


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two columns that answers with what it is given."""
    path = tmp_path_factory.mktemp("models") / "m.onnx"
    net = nn.Linear(2, 2, bias=False)
    net.weight.data = torch.eye(2)
    export(net, torch.zeros(1, 2), path, ModelMeta("table", (2,), ("a", "b"), (Column("at"), Column("n"))))
    return path


@pytest.mark.parametrize(
    "column",
    [
        DAYS,
        DAYS.dt.tz_localize("Europe/Berlin"),
        DAYS.dt.date,
        DAYS.dt.strftime("%Y-%m-%d"),
        DAYS.dt.strftime("%d.%m.%Y"),
        DAYS.dt.strftime("%d.%m.%Y").fillna(""),
        DAYS.dt.strftime("%d.%m.%Y %H:%M:%S,5"),
        DAYS.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        DAYS.dt.strftime("%d-%b-%y"),
        DAYS.dt.strftime("%Y/%m/%d %H:%M"),
        pd.Series(["13/01/1970", None, "31/12/1999"]),
        pd.Series(["01/13/1970", None, "12/31/1999 10:00"]),
        pd.Series(["2.1.1970", None, "31.12.1999"]),
        pd.Series(["2.1.70", None, "31.12.99"]),
        pd.Series(["2.1.1970 9:05", None, "31.12.1999 12:00"]),
        pd.Series(["13/1/1970 9:05", None, "1/2/1999 23:59:59"]),
        pd.Series(["1/13/70", None, "12/1/99 8:00"]),
        pd.Series(["13/1/70", None, "12/1/99 8:00"]),
        pd.Series(["1970/1/2 9:05", None, "1999/12/31 10:05"]),
        pd.Series(["9:05", None, "10:05:30"]),
        DAYS.dt.strftime("%H:%M"),
        DAYS.dt.time,
        DAYS - DAYS[0],
    ],
)
def test_dates_and_times_are_those_of_training(unchanged: Path, column: pd.Series) -> None:
    frame = pd.DataFrame({"at": column, "n": [1, 2, 3]})
    x = from_arrays(frame, kind="table").x[:, 0]
    answer = load(unchanged).predict_proba(frame)[:, 0]
    np.testing.assert_array_equal(answer[[0, 2]], x[[0, 2]])
    assert np.isnan(answer[1])
    assert np.isnan(x[1])


def test_what_is_no_date_is_refused(unchanged: Path) -> None:
    for cell in ("soon", "31.13.1999", "01/02/1999", "31/12/24", "24:05", object()):
        with pytest.raises(ModelError, match=r"'at', row 0 is .* where the (model needs a (number|date|time)|day or)"):
            load(unchanged).predict_proba(pd.DataFrame({"at": [cell], "n": [1]}))
    with pytest.raises(TypeError, match="no date and no time"):
        seconds("1970-01-01")


def test_how_numbers_and_dates_are_written_is_seen_in_the_whole_column(tmp_path) -> None:
    frame = pd.DataFrame(
        {"cost": ["1.153,80 €", "", "2,50 €", "(3,00 €)"], "day": ["01/02/2024", None, "31/12/2023", "05/06/2024"]}
    )
    learnt = from_arrays(frame)
    fed = table(frame, learnt.columns, 2)["x"]
    np.testing.assert_array_equal(fed, learnt.x)
    assert fed[:, 0].tolist()[::2] == pytest.approx([1153.8, 2.5])
    np.testing.assert_array_equal(table(frame[:1], learnt.columns, 2)["x"], learnt.x[:1])
    with pytest.raises(ModelError, match="'day', row 0 is '01/02/2024' where the day or the month may come first"):
        table(frame[:1], (Column("cost"), Column("day")), 2)


def test_a_number_without_the_unit_of_the_others_is_read_and_the_odd_cell_is_named() -> None:
    assert table(pd.DataFrame({"w": ["60.4 kg", "72.5", None]}), (Column("w"),), 1)["x"][
        :2, 0
    ].tolist() == pytest.approx([60.4, 72.5])
    # As numpy spells what is missing among texts.
    cells = table(np.array([["1,5 kg"], ["nan"]]), (Column("w", signs=",", unit="kg"),), 1)["x"]
    np.testing.assert_array_equal(cells, [[1.5], [np.nan]])
    for cells, wrong in (
        (["60.4 kg", "60.1 kg", "725 g"], "row 2 is '725 g' where others are written like '60.4 kg'"),
        (["1.000 €"], "row 0 is '1.000 €' and may be 1000 or 1"),
    ):
        with pytest.raises(ModelError, match=wrong):
            table(pd.DataFrame({"w": cells}), (Column("w"),), 1)


def test_a_date_alone_has_the_order_of_training() -> None:
    def fed(cells, first="day"):
        return table(pd.DataFrame({"at": cells}), (Column("at", first=first),), 1)["x"][:, 0].tolist()

    assert fed(["02/01/1970"]) == fed(["01/02/1970"], "month") == [86400]
    assert fed(["01/01/1970"], "") == [0]
    assert fed(["02/01/1970", "1970-01-02"]) == [86400, 86400]
    assert fed(["01/13/1970"]) == [12 * 86400]
    for first in ("", "day"):
        with pytest.raises(ModelError, match="row 1 is '02/01/1970' where the day or the month may come first"):
            fed(["", "02/01/1970", "31/12/1970", "12/31/1970"], first)
        with pytest.raises(ModelError, match="row 2 is 'soon' where the model needs a date like '05/05/1970'"):
            fed(["05/05/1970", "31/12/1970", "soon"], first)
    with pytest.raises(ModelError, match="row 0 is 'soon' where the model needs a date; mend it"):
        fed(["soon"])


def test_learnt_in_one_order_a_model_reads_one_row_in_it(tmp_path) -> None:
    learnt = from_arrays(pd.DataFrame({"at": ["26/07/2023", "10/02/2023"], "n": [1.0, 2.0]}))
    net = nn.Linear(2, 2, bias=False)
    net.weight.data = torch.eye(2)
    path = tmp_path / "m.onnx"
    export(net, torch.zeros(1, 2), path, ModelMeta("table", (2,), ("a", "b"), learnt.columns))
    model = load(path)
    assert model.columns == learnt.columns
    answer = model.predict_proba(pd.DataFrame({"at": ["10/02/2023"], "n": [2.0]}))
    np.testing.assert_array_equal(answer[0], learnt.x[1])


@pytest.mark.parametrize(
    ("cells", "column", "says"),
    [
        (["1.5 kg", "", "2"], Column("at"), [1.5, None, 2]),
        (["02/01/1970", "1970-01-03", "3.1.1970", "13/01/1970"], Column("at", first="month"), [1, 2, 2, 12]),
        (["1970-01-02", "01/03/1970"], Column("at", first="month"), [1, 2]),
        (["True", "", "false", "0"], Column("at"), [1, None, 0, 0]),
        (["True", "37.2"], Column("at"), "row 0.*'True' where the model needs a number; mend"),
        (["True", "1.5 kg"], Column("at", unit="kg"), "row 0.*'True' where the model needs a number; mend"),
        (["1970-01-02", "0:30"], Column("at"), "row 1.*'0:30' where the model needs a date like '1970-01-02'; mend"),
        (["0:30", "5", "1:30"], Column("at"), "row 1.*'5' where the model needs a time like '0:30'; mend"),
        (["1", "2", "1970-01-02"], Column("at"), "row 2.*'1970-01-02' where the model needs a number; mend"),
        (["1", "2", "1970-01-02"], Column("at", first="day"), "row 0.*'1' where the model needs a date like"),
        (["1970-01-02"], Column("at", signs=",."), "row 0.*'1970-01-02' where the model needs a number; mend"),
        (["1_000", "2"], Column("at"), "row 0.*'1_000' where the model needs a number; mend"),
        (["31/12/1970", "12/31/1970"], Column("at", first="day"), "row 0.*'31/12/1970' where the day or the month"),
        (
            ["soon", "31/02/1970", "02/01/1970"],
            Column("at"),
            "row 0.*'soon' where the model needs a date like '02/01/",
        ),
    ],
)
def test_a_file_its_rows_and_a_frame_are_read_alike(
    tmp_path: Path, cells: list[str], column: Column, says: str | list[float | None]
) -> None:
    path, columns = tmp_path / "t.csv", (column, Column("n"))
    pd.DataFrame({"at": cells, "n": 1}).to_csv(path, index=False)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    frame = pd.DataFrame(rows)
    readers = (
        lambda: read_for_prediction(str(path), Form("table", (2,), columns)).x,
        lambda: table(rows, columns, 2)["x"],
        lambda: table(frame, columns, 2)["x"],
        lambda: table(frame.to_numpy(), columns, 2)["x"],
    )
    for reader in readers:
        if isinstance(says, str):
            with pytest.raises((DataError, ModelError), match=says):
                reader()
        else:
            days = 86400 if column.first else 1
            wanted = [np.nan if value is None else value * days for value in says]
            np.testing.assert_array_equal(reader()[:, 0], np.array(wanted, dtype=np.float32))


def test_a_time_of_day_with_a_zone_is_that_of_its_clock_as_in_training() -> None:
    five = datetime.time(0, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    frame = pd.DataFrame({"at": [five], "n": [1.0]})
    assert from_arrays(frame, kind="table").x[0, 0] == table(frame, (Column("at"), Column("n")), 2)["x"][0, 0] == 300
