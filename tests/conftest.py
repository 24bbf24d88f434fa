"""Small finished jobs, one of each kind, that several files look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests, and README.md, first: the last one to be started is the one that the others wait for."""
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.path.suffix == ".md"}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def unusual_torch() -> Callable[[], AbstractContextManager[None]]:
    """Torch as some callers have set it: no gradients can be had, and floats are double."""
    import torch

    @contextmanager
    def set_so() -> Iterator[None]:
        torch.set_default_dtype(torch.float64)
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_default_dtype(torch.float32)

    return set_so


@dataclass(frozen=True)
class Finished:
    """A finished job and what it was made from."""

    dataset: Any
    budget: Any
    outcome: Any
    folder: Path
    lines: tuple[str, ...]

    def reopen(self) -> tuple[Any, Any]:
        """The job, and its run to read from."""
        from attar.job import _job
        from attar.run import Run

        job, _ = _job(self.dataset, tiny_plan(), 0, None)
        return job, Run(self.folder, {"source": "here", "settings": {}}, {})


class Lines:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        from attar.training.progress import Silent

        self.said: list[str] = []
        self.task = Silent().task

    def say(self, line: str) -> None:
        self.said.append(line)


def tiny_plan() -> Any:
    from attar.plan import Plan

    return Plan(simclr_epochs=1, autoencoder_epochs=1, tune_steps=3, student_epochs=2, kernels=8, repeats=1)


def hide(y: Any, per_class: int | dict[Any, int], seed: int = 0) -> Any:
    """Integer labels, all but so many of each class -1."""
    rng = np.random.default_rng(seed)
    known = np.full(len(y), -1)
    for c in np.unique(y):
        n = per_class if isinstance(per_class, int) else per_class.get(c, per_class[None])
        chosen = rng.permutation(np.flatnonzero(y == c))[:n]
        known[chosen] = y[chosen]
    return known


def finish_in(folder: Path, dataset: Any, budget: str | None = None) -> Finished:
    from attar.compress.budget import Budget
    from attar.job import run_job
    from attar.plan import on_threads
    from attar.run import Run

    allowed, progress = Budget.parse(budget) if budget else Budget(), Lines()
    with Run(folder, {"source": "here", "settings": {}}, {"attar": "0"}) as run, on_threads(1):
        outcome = run_job(dataset, tiny_plan(), allowed, run, progress, seed=0, command="attar fit here")
    return Finished(dataset, allowed, outcome, folder, tuple(progress.said))


@pytest.fixture(scope="session")
def plan() -> Any:
    return tiny_plan()


@pytest.fixture(scope="session")
def finish() -> Callable[..., Finished]:
    return finish_in


@pytest.fixture(scope="session")
def hidden() -> Callable[..., Any]:
    return hide


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """240 digits of five classes, three labels each; 60 of them for the test."""
    from sklearn.datasets import load_digits

    from attar.data.arrays import from_arrays

    x, y = load_digits(n_class=5, return_X_y=True)
    x, y = x[:240].reshape(-1, 8, 8), y[:240]
    known = hide(y[:180], 3)
    dataset = replace(from_arrays(x, np.concatenate([known, y[180:]])), test=np.arange(180, 240))
    return finish_in(tmp_path_factory.mktemp("images") / "run", dataset)


def rhythms() -> Any:
    from attar.data.arrays import from_arrays

    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    time = np.arange(40)
    x = np.sin(time * (0.3 + 0.3 * y)[:, None, None] + rng.uniform(0, 6, (90, 2, 1)))
    x = (x + 0.3 * rng.standard_normal(x.shape)).astype(np.float32)
    x[5, :, 30:] = np.nan  # a shorter one
    known = hide(y[:60], {2: 1, None: 4})
    names = np.array(["slow", "middle", "fast", ""])
    return replace(from_arrays(x, names[np.concatenate([known, y[60:]])], kind="series"), test=np.arange(60, 90))


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """60 series of three classes, one of which has a single label; 30 more for the test."""
    return finish_in(tmp_path_factory.mktemp("series") / "run", rhythms())


def people() -> tuple[Any, Any]:
    """A table with numbers, categories, gaps and a constant; and the class of each row."""
    import pandas as pd

    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    table = pd.DataFrame(
        {
            "length": rng.standard_normal(80) + 2 * y,
            "width": np.where(rng.random(80) < 0.2, np.nan, rng.standard_normal(80)),
            "colour": np.where(rng.random(80) < 0.8, np.array(["red", "blue"])[y], "green"),
            "constant": 3.0,
        }
    )
    table.loc[rng.random(80) < 0.1, "colour"] = None
    return table, y


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """80 rows with categories, gaps and a constant column; two labels of each of two classes."""
    from attar.data.arrays import from_arrays

    frame, y = people()
    return finish_in(tmp_path_factory.mktemp("table") / "run", from_arrays(frame, hide(y, 2)))


@pytest.fixture
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Risk curves with fewer rounds, folds, features, trees, epochs and widths than a person would get."""
    from attar import sweeps

    axis_of = sweeps.axis_of
    monkeypatch.setattr(sweeps, "axis_of", lambda *a: replace(axis_of(*a), rounds=1))
    settings: dict[str, Any] = {"FOLDS": 3, "_KERNELS": 16, "_FEATURES": 128}
    settings |= {"_TREES": 5, "_MOST_TREES": 8, "_EPOCHS": 4, "_MOST_EPOCHS": 8}
    settings |= {"_WIDTH": {"mlp": 4, "conv": 2}, "_WIDTHS": {"mlp": (2, 4), "conv": (1, 2)}}
    for name, value in settings.items():
        monkeypatch.setattr(sweeps, name, value)
