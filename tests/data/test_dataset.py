"""What a dataset says of itself."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd

from attar.data.arrays import from_arrays
from attar.data.copies import copies
from attar.data.cut import rows_as_recordings
from attar.data.dataset import DATED, LEFT_OUT, Column, Note, on_column
from attar.data.quality import findings
from attar.data.raw import Raw


def test_a_note_is_a_text_that_knows_its_column_in_a_copy_too() -> None:
    note = Note("column 'a' holds dates", "a", DATED)
    assert note == "column 'a' holds dates"
    for other in (note, copy.deepcopy(note), pickle.loads(pickle.dumps(note))):
        assert (on_column(other), on_column(other, DATED), on_column(other, LEFT_OUT)) == ("a", "a", None)


def test_what_was_done_with_a_column_is_not_told_by_the_words_on_another_one() -> None:
    # By its words alone, the note on the first column is one on the second too.
    odd, plain = "v' holds dates: of 'u", "v"
    values = np.random.default_rng(0).normal(size=(20, 2))
    notes = (Note(f"column '{odd}' is one of two", odd),)
    raw = Raw(values, columns=(Column(odd), Column(plain)), kind="table", notes=notes)
    assert [column.name for column in rows_as_recordings(raw, 4, "log")[0].columns] == [odd, plain]


def test_a_column_that_was_left_out_is_told_whatever_it_is_called() -> None:
    name = "case ' is another text"
    frame = pd.DataFrame({name: [f"K{i}x" for i in range(30)], "v": np.arange(30) ** 0.5, "w": np.arange(30) % 7})
    dataset = from_arrays(frame)
    (said,) = [one.said for one in findings(dataset, copies(dataset.x), []) if one.name == "Ids among the columns"]
    assert said.startswith(f"'{name}': another text in every row, and left out.")
