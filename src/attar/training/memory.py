"""Memory that the next step of training finds as the last one has left it."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
# What glibc comes to by itself in a process that frees large pieces, and the greatest number it takes.
_LARGE, _PIECES, _NEVER = 32 * 2**20, 65536, 2**31 - 1
# The C library has one setting for all: so many are inside, in all threads together.
_inside, _lock = 0, Lock()


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let the C library keep what is freed until the end, for the next tensors of those sizes.

    By itself glibc gives a large tensor back to the system, which then clears every page of the next one. Elsewhere
    than on glibc nothing changes. Where several are open, nested or in threads, the last one ends it.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    _enter(libc)
    try:
        yield
    finally:
        _leave(libc)


def _enter(libc: ctypes.CDLL) -> None:
    global _inside
    with _lock:
        if not _inside:
            libc.mallopt(_MMAP_MAX, 0)
            libc.mallopt(_TRIM_THRESHOLD, _NEVER)
        _inside += 1


def _leave(libc: ctypes.CDLL) -> None:
    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            libc.mallopt(_MMAP_MAX, _PIECES)
            libc.mallopt(_MMAP_THRESHOLD, _LARGE)
            libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGE)
            libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
