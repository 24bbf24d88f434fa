"""NT-Xent forward and backward against lightly's, and the memory it takes.

    ATTAR_PEERS=PEERS python benchmarks/ntxent.py    # see peers.py for how to install them

Time is CPU time on one thread, the best of the repetitions, the two taken in turns. Memory is the peak of a fresh
process beyond what it held with the vectors made and a small loss taken.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peers import peers
from torch import Tensor

from attar.represent import nt_xent

PAIRS, DIM, REPEATS, TEMPERATURE = 4096, 128, 3, 0.2
MANY = 16384


def seconds(loss: Callable[[Tensor, Tensor], Tensor], pairs: int) -> tuple[float, float]:
    """CPU time of one forward and backward pass, and the loss."""
    z_i, z_j = torch.randn(2, pairs, DIM, generator=torch.Generator().manual_seed(0))
    z_i.requires_grad_(), z_j.requires_grad_()
    start = time.process_time()
    value = loss(z_i, z_j)
    value.backward()
    return time.process_time() - start, float(value.detach())


def peak() -> int:
    """Bytes at most held so far by this process alone, where `ru_maxrss` counts those of the one that started it."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def memory() -> None:
    """Print the peak beyond vectors and gradients, in a process of its own."""
    one, other = (torch.randn(MANY, DIM, requires_grad=True) for _ in range(2))
    seconds(nt_xent, 64)
    before = peak()
    nt_xent(one, other, TEMPERATURE).backward()
    print((peak() - before) / 1e6)


def main() -> None:
    """One line each on time and on memory."""
    theirs, _, _ = peers()
    taken: dict[str, list[tuple[float, float]]] = {"attar": [], "lightly": []}
    for _ in range(REPEATS):
        taken["attar"].append(seconds(lambda a, b: nt_xent(a, b, TEMPERATURE), PAIRS))
        taken["lightly"].append(seconds(theirs(temperature=TEMPERATURE), PAIRS))
    (ours, value), (others, reference) = (min(taken[name]) for name in ("attar", "lightly"))
    print(f"{PAIRS} pairs x {DIM}: attar {1e3 * ours:.0f} ms, lightly {1e3 * others:.0f} ms, {others / ours:.2f} times")
    print(f"losses {value:.6f} and {reference:.6f}")
    done = subprocess.run([sys.executable, __file__, "memory"], capture_output=True, text=True, check=True)
    print(f"{MANY} pairs x {DIM}: {float(done.stdout):.0f} MB beyond the vectors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    memory() if sys.argv[1:] == ["memory"] else main()
