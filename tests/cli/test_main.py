import io
import subprocess
import sys

import pytest

import attar
from attar import errors
from attar.cli import main as module
from tests.cli.conftest import call


def test_version():
    assert call("--version").out == f"attar {attar.__version__}\n"


def test_help():
    called = call("--help")
    assert called.code == 0
    assert "Usage: " in called.out
    assert not called.err


COMMANDS = ("draw", "fit", "explore", "compress", "unpack", "quantize", "risk", "predict", "evaluate", "report")


def test_every_command_is_told_in_one_whole_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    commands = call("--help").out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands] == list(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_letters_say_the_same_to_every_command(command):
    # evaluate writes no file.
    assert (" -o, --out " in call(command, "--help").out) == (command != "evaluate")


def test_every_option_that_others_rely_on():
    text = call("fit", "--help").out
    for option in (
        *("--labels", "--label-column", "--labels-per-class", "--label-fraction", "--holdout", "--budget", "--time"),
        *("--seed", "--out", "--json", "--quiet", "--strict"),
    ):
        assert f"{option} " in text


@pytest.mark.parametrize(
    "arguments", [["fit"], ["fit", "digits", "--seed", "x"], ["fit", "digits", "--what"], ["cook"]]
)
def test_what_cannot_be_parsed_is_a_usage_error(arguments):
    called = call(*arguments)
    assert called.code == 2
    assert "Error: " in called.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (errors.DataError("a.csv: empty; fill it"), 2, "attar: a.csv: empty; fill it\n"),
        (SystemExit(130), 130, "attar: interrupted\n"),
        (
            OSError(28, "No space left", "a"),
            2,
            "attar: a: cannot be written or read (No space left); what was finished is kept\n",
        ),
        (OSError(27, "Too large"), 2, "attar: cannot be written or read (Too large); what was finished is kept\n"),
        (MemoryError(), 2, "attar: not enough memory; use fewer samples, or a machine with more\n"),
    ],
)
def test_what_a_person_can_mend_is_one_line(monkeypatch, raised, code, said):
    def app():
        raise raised

    monkeypatch.setattr(module, "app", app)
    called = call()
    assert (called.code, called.err, called.out) == (code, said, "")


@pytest.mark.parametrize("defect", [ZeroDivisionError, FileNotFoundError(2, "no such file", "a")])
def test_a_defect_of_attar_is_not_hidden(monkeypatch, defect):
    def app():
        raise defect

    monkeypatch.setattr(module, "app", app)
    with pytest.raises(type(defect) if isinstance(defect, Exception) else defect):
        call()


def test_an_interruption_is_said(monkeypatch, tmp_path):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("attar.fit.fit_source", interrupted)
    called = call("fit", "digits", "--quiet")
    assert (called.code, called.err) == (130, "attar: interrupted; the same command goes on from here\n")


def test_what_an_encoding_lacks_is_spelt_out(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(module, "app", lambda: print("λ – 1"))
    monkeypatch.setattr(sys, "stdout", stream)
    module.main()
    stream.seek(0)
    assert stream.read() == "\\u03bb – 1\n"


def test_errors_are_one_tree():
    tree = [e for e in vars(errors).values() if isinstance(e, type)]
    assert all(issubclass(e, errors.AttarError | Warning) for e in tree)


@pytest.mark.parametrize("way", [("-c", "from attar.cli.main import main; main()"), ("-m", "attar")])
def test_the_installed_command(tmp_path, way):
    command = [sys.executable, *way, "fit", "nowhere", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("attar: nowhere: no such file or folder; ")
    assert done.stderr.count("\n") == 1
    assert not done.stdout
    assert not list(tmp_path.iterdir())
