"""Zeros: a linear layer of 4096 × 4096 numbers that multiplies only those that are not zero.

    python benchmarks/sparse.py

One thread. Dense and sparse are timed in turns in the same run, as `sparse_where_faster` does; "kept" is its choice.
The least CPU time of the turns counts.
"""

from __future__ import annotations

import torch
from torch import nn

from attar.compress import prune
from attar.compress.costs import macs
from attar.compress.parametrizations import frozen
from attar.compress.sparse import SparseLinear, seconds, sparse_where_faster

WIDTH = 4096


def main() -> None:
    torch.manual_seed(0)
    dense = nn.Linear(WIDTH, WIDTH)
    print("| zeros | batch | dense | sparse | faster | kept | bytes | MACs |\n|---|---|---|---|---|---|---|---|")
    for zeros in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99):
        pruned = frozen(prune(dense, zeros))
        assert isinstance(pruned, nn.Linear)
        sparse = SparseLinear(pruned)
        size = sum(t.numel() * t.element_size() for t in sparse.state_dict().values())
        for batch in (1, 64):
            x = torch.randn(batch, WIDTH)
            slow, fast = seconds((pruned, sparse), x)
            (chosen,) = sparse_where_faster(nn.Sequential(pruned), x).children()
            kept = "sparse" if isinstance(chosen, SparseLinear) else "dense"
            times = f"{1000 * slow:.2f} ms | {1000 * fast:.2f} ms | {slow / fast:.1f}×"
            print(f"| {zeros:.0%} | {batch} | {times} | {kept} | {size:,} | {macs(sparse, x):,} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
