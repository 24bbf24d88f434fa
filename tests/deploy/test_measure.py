from collections.abc import Callable
from pathlib import Path

import pytest

from attar.data.dataset import Floats
from attar.deploy.measure import latency, measure
from attar.errors import ModelError

Samples = Callable[..., Floats]


def test_bytes_and_time(image_file: Path, samples: Samples) -> None:
    measured = measure(image_file, samples(3, 8, 8), repeats=12)
    assert measured.bytes == len(image_file.read_bytes())
    assert 0 < measured.latency_ms < 1000
    assert measure(str(image_file), samples(1, 8, 8), repeats=1).bytes == measured.bytes


def test_tables_with_strings(table_file: Path, samples: Samples) -> None:
    x = samples(1, 5)
    x[:, [1, 3, 4]] = 0
    assert measure(table_file, x, repeats=1).latency_ms > 0


def test_other_samples_and_none_are_refused(image_file: Path, samples: Samples) -> None:
    with pytest.raises(ModelError):
        measure(image_file, samples(1, 9, 3))
    with pytest.raises(ModelError, match="no sample"):
        measure(str(image_file), samples(0, 8, 8))


@pytest.mark.parametrize(("seconds", "calls"), [(1e-4, 110), (0.05, 24), (3.0, 6)])
def test_slow_models_are_run_less_often(monkeypatch, seconds: float, calls: int) -> None:
    clock, ran = [0.0], []
    monkeypatch.setattr("attar.deploy.measure.time.perf_counter", lambda: clock[0])

    def run() -> None:
        ran.append(None)
        clock[0] += seconds

    assert latency(run) == pytest.approx(1000 * seconds)
    assert len(ran) == calls
