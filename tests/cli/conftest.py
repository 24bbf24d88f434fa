"""The command line called in this process, and one finished run for all who look at its outcome."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from sklearn.datasets import load_digits

from attar.cli.main import main


@dataclass(frozen=True)
class Called:
    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line of an error, which is all there is."""
        (line,) = self.err.splitlines()
        return line


def call(*arguments: object) -> Called:
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline=""), io.StringIO()
    argv = ["attar", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
    out.seek(0)
    return Called(code, out.read(), err.getvalue())


@dataclass(frozen=True)
class Finished:
    source: Path
    command: tuple[object, ...]
    folder: Path
    called: Called

    @property
    def summary(self) -> dict:
        return json.loads(self.called.out.splitlines()[-1])

    @property
    def model(self) -> Path:
        return self.folder / "model.onnx"


def write_digits(file: Path) -> Path:
    """Three digits, with a test part of their own."""
    x, y = load_digits(n_class=3, return_X_y=True)
    x = x.reshape(-1, 8, 8)
    np.savez(file, x_train=x[:200], y_train=y[:200], x_test=x[200:300], y_test=y[200:300])
    return file


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Finished:
    place = tmp_path_factory.mktemp("finished")
    source = write_digits(place / "three.npz")
    command = ("fit", source, "--labels-per-class", 4, "--budget", "20KB", "--time", "0.3s", "--out", place / "run")
    called = call(*command, "--json", "--quiet")
    assert called.code == 0, called.err
    return Finished(source, command, place / "run", called)


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
