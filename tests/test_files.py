import errno
import os
import stat
import subprocess
import sys

import pytest

from attar._files import beside, write_whole


@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\n", "", "ö\n"])
def test_what_is_written_is_read_byte_for_byte_also_over_an_older_file(data, tmp_path):
    path = tmp_path / "new" / "deep" / "f"
    for _ in range(2):
        write_whole(path, data)
        assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
        assert [file.name for file in path.parent.iterdir()] == ["f"]


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_crash_in_the_middle_leaves_the_old_file_whole_and_nothing_beside(failure, step, tmp_path, monkeypatch):
    def fail(*_):
        raise failure

    write_whole(tmp_path / "f", "old")
    monkeypatch.setattr(step, fail)
    with pytest.raises(type(failure)):
        write_whole(tmp_path / "f", "new and longer")
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "old"


def test_an_error_names_the_file_that_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(OSError, match="No space left") as full:
        write_whole(tmp_path / "f", "x")
    assert full.value.filename == str(tmp_path / "f")


def test_killed_in_the_middle_the_next_write_clears_up(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from attar._files import write_whole\n"
        "os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        "write_whole(Path(sys.argv[1]), 'half')"
    )
    path = tmp_path / "f"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert list(tmp_path.iterdir()) == [beside(path)]
    write_whole(path, "whole")
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
    assert path.read_text() == "whole"


def test_a_file_is_as_readable_as_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "f", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_a_file_keeps_its_mode(tmp_path):
    for mode in (0o600, 0o444):
        (tmp_path / "f").touch()
        (tmp_path / "f").chmod(mode)
        beside(tmp_path / "f").touch()
        beside(tmp_path / "f").chmod(0o400)
        write_whole(tmp_path / "f", "x")
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode
        assert [file.name for file in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("there", [True, False])
def test_what_a_link_names_is_written_and_the_link_stays(there, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "two").symlink_to("../f")
    (tmp_path / "links" / "one").symlink_to("two")
    if there:
        (tmp_path / "f").write_text("old")
        (tmp_path / "f").chmod(0o600)
    write_whole(tmp_path / "links" / "one", "new")
    assert (tmp_path / "f").read_text() == "new"
    assert (tmp_path / "links" / "one").is_symlink()
    assert not there or stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["f", "links", "one", "two"]


def test_links_in_a_circle_are_an_error_and_stay(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(tmp_path / "a", "x")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]


def test_a_pipe_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path in (tmp_path / "pipe", tmp_path / "link"):
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        write_whole(path, "x")
        assert os.read(reader, 9) == b"x"
        os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_folder_in_the_way_is_an_error_and_stays(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "f", "x")
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
