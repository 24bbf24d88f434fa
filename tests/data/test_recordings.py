from __future__ import annotations

import wave

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from attar.data.dataset import Column, Form
from attar.data.recordings import read_recording, read_recordings
from attar.data.sources import read_for_prediction
from attar.errors import DataError


def sound(path, rate=8000, steps=4, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((b"\0\x40" + b"\0\0" * (channels - 1)) * steps)
    return path


def text(path, content):
    path.write_text(content)
    return path


def test_each_form(tmp_path):
    assert read_recording(text(tmp_path / "a.csv", "p,q\n1,2\n3,\n")).x[0].tolist() == [1, 3]
    assert read_recording(text(tmp_path / "b.csv", "1,2\n3,4\n")).x.tolist() == [[1, 3], [2, 4]]
    parquet.write_table(pa.table({"p": [1, 2, 3]}), tmp_path / "c.parquet")
    assert read_recording(tmp_path / "c.parquet").x.tolist() == [[1, 2, 3]]
    np.save(tmp_path / "d.npy", np.arange(3))
    assert read_recording(tmp_path / "d.npy").x.shape == (1, 3)
    assert read_recording(sound(tmp_path / "e.wav")).x.tolist() == [[0.5] * 4]


def test_the_name_of_a_channel_has_one_line(tmp_path):
    path = text(tmp_path / "a.csv", '"pulse\n[1/min]",q\n1,2\n')
    assert read_recordings([path], strict=True)[0].columns == (Column("pulse [1/min]"), Column("q"))


@pytest.mark.parametrize("header", ["p,q,p", "p,q,p ", '"p\n[s]",q,p [s]'])
def test_two_channels_of_one_name_are_refused(tmp_path, header):
    path = text(tmp_path / "a.csv", f"{header}\n1,2,3\n4,5,6\n")
    with pytest.raises(DataError, match=r"a.csv: two columns are called 'p( \[s\])?'; rename one"):
        read_recordings([path], strict=True)


def test_channels_are_ordered_by_name(tmp_path):
    paths = [text(tmp_path / "a.csv", "p,q\n1,2\n"), text(tmp_path / "b.csv", "q,p\n2,1\n")]
    raw, kept = read_recordings(paths, strict=True)
    x = raw.x
    assert [item.tolist() for item in x] == [[[1], [2]]] * 2
    assert kept == [0, 1]
    with pytest.raises(DataError, match=r"c.csv: channel 'r' is not in a.csv"):
        read_recordings([*paths, text(tmp_path / "c.csv", "p,r\n1,2\n")], strict=False)
    with pytest.raises(DataError, match=r"d.csv: no channel 'q', which a.csv has"):
        read_recordings([*paths, text(tmp_path / "d.csv", "p\n1\n")], strict=False)
    np.save(tmp_path / "e.npy", np.zeros((3, 4)))
    with pytest.raises(DataError, match=r"e.npy: 3 channels where a.csv has 2"):
        read_recordings([*paths, tmp_path / "e.npy"], strict=False)


@pytest.mark.parametrize(
    "cells", ["2024-03-01 08:00:00", "2024-03-01T08:00:00.020Z", "01.03.2024 08:00:00,020", "08:00:00", "2024-03-01"]
)
def test_when_a_step_was_is_no_channel(tmp_path, cells):
    paths = [text(tmp_path / "a.csv", f"at;p\n{cells};1,5\n{cells};2\n"), text(tmp_path / "b.csv", "p\n1\n")]
    raw, _ = read_recordings(paths, strict=True)
    x, notes = raw.x, list(raw.notes)
    assert [item.tolist() for item in x] == [[[1.5, 2]], [[1]]]
    assert notes == ["column 'at' holds dates or times: it says when a step was, and is no channel"]
    with pytest.raises(DataError, match=r"c.csv: holds dates and times alone"):
        read_recordings([text(tmp_path / "c.csv", f'at\n"{cells}"\n')], strict=True)


def test_the_time_is_no_channel_and_what_only_rises_is_said(tmp_path):
    rng = np.random.default_rng(0)
    for name in "ab":
        rows = "".join(f"{i / 50},{rng.normal()},{i**2}\n" for i in range(20))
        (tmp_path / f"{name}.csv").write_text(f"clock,p,energy\n{rows}")
    paths = sorted(tmp_path.iterdir())
    raw, _ = read_recordings(paths, strict=True)
    assert [column.name for column in raw.columns] == ["p", "energy"]
    assert [item.shape for item in raw.x] == [(2, 20)] * 2
    assert list(raw.notes) == [
        "'clock': rises by the same step throughout, as a number of the row does: no channel",
        "'energy': a channel; if it is the time, --ignore energy leaves it out",
    ]
    # A model may have been taught on it.
    taught = Form("series", (1, 20), columns=(Column("clock"),))
    for form in (taught, Form("series", (3, 20))):
        assert read_recordings(paths, strict=True, form=form)[0].x[0].shape == (3, 20)
    for path in paths:
        path.write_text("\n".join(line.split(",")[0] for line in path.read_text().split()))
    assert read_recordings(paths, strict=True)[0].x[0].shape == (1, 20)


@pytest.mark.parametrize("column", ["time_s", "t [ms]", "at"])
def test_the_time_tells_the_rate(tmp_path, column):
    rng = np.random.default_rng(0)
    for name, rate in (("a", 50), ("b", 50), ("c", 100)):
        t = np.arange(2 * rate) / rate + 0.0005 * rng.standard_normal(2 * rate)
        said = {
            "time_s": t,
            "t [ms]": 1000 * np.sort(t),
            "at": np.datetime64("2024-01-01") + (t * 1e6).astype("m8[us]"),
        }
        table = pa.table({column: said[column], "p": np.sin(6 * t)})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    paths = sorted(tmp_path.iterdir())
    raw, _ = read_recordings(paths, strict=True)
    assert raw.rate == pytest.approx(50, rel=0.01)
    assert [item.shape for item in raw.x] == [(1, 100)] * 3
    assert raw.notes[-1].startswith("1 recording is sampled at 100 Hz, and brought to 50 Hz")
    form = Form("series", (1, 20), columns=(Column("p"),), rate=12.5)
    raw, _ = read_recordings(paths, strict=True, form=form)
    assert raw.rate == 12.5
    assert {item.shape for item in raw.x} == {(1, 25)}


@pytest.mark.parametrize("column", ["time_s", "at"])
def test_rows_of_a_file_are_in_the_order_of_time_and_its_pauses_are_said(tmp_path, column):
    t = np.arange(200) / 50 + np.where(np.arange(200) < 150, 0, 60)
    when = t if column == "time_s" else np.datetime64("2024-01-01") + (t * 1e6).astype("m8[us]")
    for name, rows in (("a", slice(None)), ("b", slice(None, None, -1))):
        parquet.write_table(pa.table({column: when[rows], "p": np.sin(t)[rows]}), tmp_path / f"{name}.parquet")
    raw, _ = read_recordings(sorted(tmp_path.iterdir()), strict=True)
    assert np.array_equal(raw.x[0], raw.x[1])
    assert raw.rate == 50
    assert [one.tolist() for one in raw.breaks] == [[150], [150]]
    assert "1 recording is not in the order of time, and put in it" in raw.notes
    assert "time pauses or starts anew within 2 recordings" in raw.notes


def test_what_rises_or_falls_evenly_is_a_channel_unless_it_does_so_everywhere(tmp_path):
    rng, t = np.random.default_rng(0), np.arange(50)
    for name, step in (("a", 0.1), ("b", 0.2)):
        columns = {"temp": 20 + step * t, "battery": 4.2 - 0.001 * t, "p": rng.normal(size=50)}
        parquet.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    raw, _ = read_recordings(sorted(tmp_path.iterdir()), strict=True)
    assert [column.name for column in raw.columns] == ["temp", "battery", "p"]
    assert raw.rate is None
    assert "'temp', 'battery': a channel; if it is the time, --ignore temp,battery leaves them out" in raw.notes
    assert [one.tolist() for one in raw.breaks] == [[], []]


def test_numbers_of_rows_without_a_header_are_left_out_in_prediction_too(tmp_path):
    rng = np.random.default_rng(0)
    rows = "".join(f"{i / 50},{rng.normal()}\n" for i in range(20))
    paths = [text(tmp_path / f"{name}.csv", rows) for name in "ab"]
    raw, _ = read_recordings(paths, strict=True)
    assert raw.columns == (Column("x1"),)
    new = read_for_prediction(str(tmp_path), Form("series", (1, 20), columns=raw.columns))
    np.testing.assert_allclose(new.x[0], raw.x[0], rtol=1e-6)


def test_broken_recordings_are_skipped_and_named(tmp_path):
    np.save(tmp_path / "c.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "d.npy", np.array(["x"]))
    paths = [
        text(tmp_path / "a.csv", "p\n1\n"),
        text(tmp_path / "b.csv", ""),
        tmp_path / "c.npy",
        tmp_path / "d.npy",
        text(tmp_path / "e.csv", "p\nsad\n"),
        text(tmp_path / "f.wav", "x"),
    ]
    raw, kept = read_recordings(paths, strict=False)
    notes = list(raw.notes)
    assert kept == [0]
    assert "5 of 6 recordings cannot be read and are skipped (b.csv, c.npy, d.npy, e.csv, f.wav)" in notes[0]
    for path, message in zip(paths[1:], ["empty", "shape", "U1", "'p' holds texts", "not a WAV"], strict=True):
        with pytest.raises(DataError, match=f"{path.name}.*{message}"):
            read_recordings([paths[0], path], strict=True)
    with pytest.raises(DataError, match="none of 1 recordings"):
        read_recordings(paths[1:2], strict=False)


def test_a_stereo_sound_among_others_becomes_mono(tmp_path):
    mono = [sound(tmp_path / f"{name}.wav") for name in "ab"]
    both = [sound(tmp_path / f"{name}.wav", channels=2) for name in "cde"]
    raw, _ = read_recordings([*mono, both[0]], strict=True)
    assert [item.tolist() for item in raw.x] == [[[0.5] * 4], [[0.5] * 4], [[0.25] * 4]]
    assert raw.notes[0] == "1 sound is taken as the mean of its channels"
    assert read_recordings(both, strict=True)[0].x[0].shape == (2, 4)
    with pytest.raises(DataError, match=r"1 channels where c\.wav has 2"):
        read_recordings([*both, mono[0]], strict=True)
    for stride in (None, 2):
        form = Form("series", (1, 4), columns=(), rate=4000, stride=stride)
        new = read_for_prediction(str(both[0]), form)
        assert (new.x[0, 0, :2].tolist(), new.ids[0].partition("@")[0]) == ([0.25] * 2, "c.wav")
        assert not any("sampled at 8000 Hz, full scale" in note for note in new.notes)
        assert "1 recording is sampled at 8000 Hz, and brought to 4000 Hz, at which steps are counted" in new.notes


def test_rates_and_orientation_are_said(tmp_path):
    paths = [sound(tmp_path / "a.wav"), sound(tmp_path / "b.wav", rate=16000)]
    assert "sampled at 8000 Hz" in read_recordings(paths[:1], strict=True)[0].notes[0]
    raw, _ = read_recordings(paths, strict=True)
    assert raw.rate == 8000
    assert raw.notes[0] == "1 recording is sampled at 16000 Hz, and brought to 8000 Hz, at which steps are counted"
    assert raw.x[1].shape[1] == raw.x[0].shape[1] // 2
    np.save(tmp_path / "c.npy", np.zeros((128, 9)))
    assert "128 channels of 9 steps" in read_recordings([tmp_path / "c.npy"], strict=True)[0].notes[0]


def test_lines_of_delimiters_alone_are_no_steps(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("u;v\n1;2,5\n3;4,5\n;\n;\n")
    np.testing.assert_array_equal(read_recording(path).x, [[1, 3], [2.5, 4.5]])
