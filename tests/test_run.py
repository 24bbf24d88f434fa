from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import attar.run
from attar._fingerprint import fingerprint
from attar.errors import RunError
from attar.run import Result, Run, free_folder, read_run, write_json

ASKED = {"source": "digits", "settings": {"seed": 0}}


def opened(folder, asked=ASKED):
    return Run(folder, asked, {"attar": "1"})


def test_a_result_comes_back_as_it_was(tmp_path) -> None:
    arrays = {
        "doubles": np.random.default_rng(0).standard_normal((3, 4)),
        "singles, transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "codes": np.array([-1, 2**40]),
        "number": np.array(7),
        "empty": np.zeros((0, 3), dtype=np.float32),
        "gaps": np.array([np.nan, np.inf]),
        "flags": np.array([True, False]),
    }
    facts = {"name": "größer “x”", "list": [1, 2.5, None, True], "nested": {"a": {"b": []}}, "gap": float("inf")}
    with opened(tmp_path / "r") as run:
        first = run.stage("s", lambda _: Result(arrays, facts))
        second = run.stage("s", lambda _: pytest.fail("computed twice"))
    for result in (first, second):
        assert result.facts == facts
        assert result.arrays.keys() == arrays.keys()
        for name, array in arrays.items():
            assert result.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(result.arrays[name], array)
            assert result.arrays[name].shape == array.shape
    with opened(tmp_path / "r") as run:
        assert run.stage("s", lambda _: pytest.fail("computed again")).facts == facts


def test_nothing_at_all_is_a_result(tmp_path) -> None:
    with opened(tmp_path / "r") as run:
        assert run.stage("s", lambda _: Result()) == Result()


def test_a_stage_that_fails_leaves_no_result_and_keeps_its_checkpoint(tmp_path) -> None:
    def fail(folder):
        (folder / "checkpoint.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with opened(tmp_path / "r") as run, pytest.raises(KeyboardInterrupt):
        run.stage("s", fail)
    folder = tmp_path / "r" / "stages" / "s"
    assert [file.name for file in folder.iterdir()] == ["checkpoint.safetensors"]
    with opened(tmp_path / "r") as run:
        run.stage("s", lambda folder: Result(facts={"found": (folder / "checkpoint.safetensors").exists()}))
        (folder / "checkpoint.safetensors").write_bytes(b"left by a process that was killed before it took it away")
        assert run.stage("s", lambda _: Result()).facts == {"found": True}
    assert [file.name for file in folder.iterdir()] == ["result.safetensors"]


def test_a_crash_in_the_middle_of_a_result_computes_it_again(tmp_path, monkeypatch) -> None:
    with opened(tmp_path / "r") as run:
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
            with pytest.raises(OSError, match="disk full"):
                run.stage("s", lambda _: Result(facts={"n": 1}))
        assert run.stage("s", lambda _: Result(facts={"n": 2})).facts == {"n": 2}


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "text", "no facts"])
def test_a_corrupt_result_is_a_run_error(tmp_path, damage) -> None:
    with opened(tmp_path / "r") as run:
        run.stage("s", lambda _: Result({"a": np.zeros(100)}))
        file = tmp_path / "r" / "stages" / "s" / "result.safetensors"
        if damage == "truncated":
            file.write_bytes(file.read_bytes()[:-50])
        elif damage == "changed":
            file.write_bytes(file.read_bytes()[:-1] + b"\x01")
        elif damage == "no facts":
            from safetensors.numpy import save

            file.write_bytes(save({"a": np.zeros(1)}))
        else:
            file.write_bytes(b"" if damage == "empty" else b"hello, this is no tensor")
        with pytest.raises(RunError, match=r"result\.safetensors: is missing or corrupt; delete the folder .*stages/s"):
            run.stage("s", lambda _: Result())


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_corrupt_file_of_a_stage_is_a_run_error(tmp_path, damage) -> None:
    def compute(folder):
        (folder / "0.onnx").write_bytes(b"a model")
        return Result(facts={"file": "0.onnx"})

    with opened(tmp_path / "r") as run:
        run.stage("s", compute)
        assert run.stage("s", lambda _: pytest.fail("computed twice")).facts == {"file": "0.onnx"}
        file = tmp_path / "r" / "stages" / "s" / "0.onnx"
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(b"a mod" if damage == "truncated" else b"a mode?")
        with pytest.raises(RunError, match=r"0\.onnx: is missing or corrupt; delete the folder .*stages/s"):
            run.stage("s", compute)


def test_what_earlier_sittings_took_is_counted_once(tmp_path, monkeypatch) -> None:
    now = [10.0]
    monkeypatch.setattr("attar.run.time.perf_counter", lambda: now[0])

    def after(seconds: float) -> Result:
        now[0] += seconds
        return Result()

    with opened(tmp_path / "r") as run:
        for _ in range(2):
            run.stage("one", lambda _: after(3))
        assert run.seconds == 3
    with opened(tmp_path / "r") as run:
        for _ in range(2):
            run.stage("one", lambda _: pytest.fail("computed twice"))
            run.stage("two", lambda _: after(4))
        assert run.seconds == 7
    with opened(tmp_path / "r") as run:
        for name in ("one", "two"):
            run.stage(name, lambda _: pytest.fail("computed twice"))
        now[0] += 1
        assert run.seconds == 8


def test_a_run_goes_on_with_its_own_versions(tmp_path) -> None:
    with opened(tmp_path / "r"):
        pass
    with Run(tmp_path / "r", ASKED, {"attar": "2"}) as run:
        assert run.versions == {"attar": "1"}
        assert run.asked == ASKED


def test_another_command_is_refused_and_named(tmp_path) -> None:
    with opened(tmp_path / "r"):
        pass
    before = (tmp_path / "r" / "run.json").read_bytes()
    with pytest.raises(RunError, match=r"another command \(seed was 0, is 1\)"):
        opened(tmp_path / "r", {**ASKED, "settings": {"seed": 1}})
    with pytest.raises(RunError, match=r"another command \(source was 'digits', is 'wine'\)"):
        opened(tmp_path / "r", {**ASKED, "source": "wine"})
    assert (tmp_path / "r" / "run.json").read_bytes() == before


def test_tuples_and_lists_ask_the_same(tmp_path) -> None:
    with opened(tmp_path / "r", {"a": (1, 2)}):
        pass
    with opened(tmp_path / "r", {"a": [1, 2]}):
        pass


def test_a_folder_in_use_is_refused_and_free_afterwards(tmp_path) -> None:
    with opened(tmp_path / "r"), pytest.raises(RunError, match="another attar is at work"):
        opened(tmp_path / "r")
    opened(tmp_path / "r").close()


@pytest.mark.parametrize(
    ("closed", "said"), [(False, "another attar is at work"), (True, r"another command \(seed was 1, is 0\)")]
)
def test_of_two_that_begin_at_once_one_has_the_folder(tmp_path, monkeypatch, closed, said) -> None:
    other = []

    def overtaken(folder):
        monkeypatch.setattr("attar.run._locked", locked)
        other.append(opened(folder, {**ASKED, "settings": {"seed": 1}}))
        if closed:
            other[0].close()
        return locked(folder)

    locked = attar.run._locked
    monkeypatch.setattr("attar.run._locked", overtaken)
    with pytest.raises(RunError, match=said):
        opened(tmp_path / "r")
    assert read_run(tmp_path / "r")["asked"]["settings"] == {"seed": 1}
    other[0].close()
    opened(tmp_path / "r", {**ASKED, "settings": {"seed": 1}}).close()


def test_the_lock_ends_with_its_process(tmp_path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from attar.run import Run\n"
        f"Run(Path(sys.argv[1]), {ASKED!r}, {{}})\n"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "r")], check=False).returncode == -9
    opened(tmp_path / "r").close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "asked": [], "versions": {}}', "\x00\x01"]
)
def test_a_corrupt_run_is_a_run_error(tmp_path, text) -> None:
    (tmp_path / "run.json").write_text(text)
    for use in (read_run, opened):
        with pytest.raises(RunError, match=r"run\.json: is corrupt; delete the folder"):
            use(tmp_path)


def test_a_newer_format_is_refused(tmp_path) -> None:
    write_json(tmp_path / "run.json", {"format": 99, "asked": {}, "versions": {}})
    with pytest.raises(RunError, match="has format 99"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["small.onnx", "page.HTML", "net.attar"])
def test_a_folder_is_not_called_like_a_file(name, tmp_path) -> None:
    with pytest.raises(RunError, match=rf"{name}: would be a folder .*; give {tmp_path}/\w+, in which"):
        opened(tmp_path / name)
    assert not list(tmp_path.iterdir())
    opened(tmp_path / "v1.2").close()


def test_what_is_no_run_folder_is_left_alone(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="not a run folder"):
        opened(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(RunError):
        opened(tmp_path / "thesis.tex")
    with pytest.raises(RunError, match="no such run folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match="cannot be made"):
        opened(tmp_path / "thesis.tex" / "run")


def test_killed_before_it_was_written_down_what_was_asked(tmp_path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / ".run.json.part").write_text('{"form')
    assert free_folder(folder, ASKED) == folder
    opened(folder).close()
    assert read_run(folder)["asked"] == ASKED


def test_free_folder(tmp_path) -> None:
    wanted, other = tmp_path / "digits", {**ASKED, "source": "wine"}
    assert free_folder(wanted, ASKED) == wanted
    opened(wanted).close()
    assert free_folder(wanted, ASKED) == wanted
    assert free_folder(wanted, other) == tmp_path / "digits-2"
    (tmp_path / "digits-2").mkdir()
    (tmp_path / "digits-2" / "run.json").write_text("corrupt")
    assert free_folder(wanted, other) == tmp_path / "digits-3"
    opened(tmp_path / "digits-3", other).close()
    assert free_folder(wanted, other) == tmp_path / "digits-3"


def test_place_copies_whole(tmp_path) -> None:
    with opened(tmp_path / "r") as run:
        (tmp_path / "source").write_bytes(b"model")
        assert run.place(tmp_path / "source", "m").read_bytes() == b"model"
        (tmp_path / "source").write_bytes(b"other")
        assert run.place(tmp_path / "source", "m").read_bytes() == b"other"
    assert sorted(f.name for f in (tmp_path / "r").iterdir()) == [".lock", "m", "run.json"]


def test_fingerprint_sees_values_shapes_types_and_order() -> None:
    a = np.arange(6.0)
    different = [a, a[::-1], a.reshape(2, 3), a.astype(np.float32), a + 1, a[:5], np.zeros(0), np.zeros((0, 2))]
    assert len({fingerprint(x) for x in different}) == len(different)
    assert fingerprint(a, a + 1) != fingerprint(a + 1, a)
    assert fingerprint(np.asfortranarray(a.reshape(2, 3))) == fingerprint(a.reshape(2, 3))
