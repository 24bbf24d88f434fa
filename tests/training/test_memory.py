from contextlib import suppress
from pathlib import Path

import pytest
import torch

from attar.training import memory
from attar.training.memory import _glibc, kept_memory

resource = pytest.importorskip("resource")
MEGABYTES = 80


def _faults() -> int:
    """Pages that the system had to clear for a large tensor that was there before."""
    torch.ones(MEGABYTES, 2**18)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(MEGABYTES, 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _held() -> int:
    """Pages of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(_glibc() is None, reason="not on glibc")
def test_a_tensor_finds_the_memory_of_the_last_one_and_the_system_has_it_back_at_the_end():
    pages = MEGABYTES * 2**20 // resource.getpagesize()
    for _ in range(2):
        before = _held()
        with suppress(KeyboardInterrupt), kept_memory():
            # Some, since what is small may have come to lie where the first one was.
            assert min(_faults() for _ in range(5)) < pages / 10
            raise KeyboardInterrupt
        assert _held() < before + pages / 10


@pytest.mark.skipif(_glibc() is None, reason="not on glibc")
def test_within_one_another_the_end_is_that_of_the_outer():
    pages = MEGABYTES * 2**20 // resource.getpagesize()
    with kept_memory():
        with kept_memory():
            pass
        assert min(_faults() for _ in range(5)) < pages / 10
    assert memory._inside == 0


def test_elsewhere_nothing_changes(monkeypatch):
    monkeypatch.setattr("attar.training.memory._glibc", lambda: None)
    with kept_memory():
        assert torch.ones(3).sum() == 3
