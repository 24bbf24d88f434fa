"""Independent products of matrices, one on each core."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

A = TypeVar("A")
B = TypeVar("B")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Let a product run on its caller's core alone; yields how many cores one would have taken."""
    threads = max((pool["num_threads"] for pool in _controller().info() if pool["user_api"] == "blas"), default=1)
    with _controller().limit(limits=1, user_api="blas"):
        yield threads


def each(function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Map in order, on all cores, a function whose time goes into products.

    The threads of a product wait for each other many times, and where a core is taken by another process they all
    wait for the slowest; independent products wait once. Few answers wait for the caller, however many there will be.
    """
    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[B]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
