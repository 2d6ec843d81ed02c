"""Memory that was freed: the process keeps it for what comes next, until it gives it back.

glibc maps every large tensor anew and unmaps it when it is freed, and the system clears each of
its pages when it is first touched. A tile has tensors of hundreds of megabytes: of the 3.3 s that
one took with a tiny network on two cores, 2.4 s were those pages. Kept, they are cleared once.
"""

import ctypes
import os
from collections.abc import Mapping
from typing import NamedTuple


class _Option(NamedTuple):
    """An option of glibc's `mallopt` (malloc.h), its value here, and a user's way to set it."""

    number: int
    value: int
    variable: str


OPTIONS = (
    _Option(-4, 0, "MALLOC_MMAP_MAX_"),  # M_MMAP_MAX: nothing is mapped on its own
    _Option(-1, 2**31 - 1, "MALLOC_TRIM_THRESHOLD_"),  # M_TRIM_THRESHOLD: the largest there is
    _Option(-8, 1, "MALLOC_ARENA_MAX"),  # M_ARENA_MAX: others cannot hold large tensors
)


def keep_freed(environ: Mapping[str, str] = os.environ) -> bool:
    """Keep what is freed from now on; whether that can be chosen here (it can with glibc).

    Called before threads are started. What the user has set stays as it is. Pages of 2 MiB
    (torch's THP_MEM_ALLOC_ENABLE) save nothing beside that, and waste up to half as much again.
    """
    libc = _glibc()
    if libc is None:
        return False
    chosen = [option for option in OPTIONS if option.variable not in environ]
    return all(libc.mallopt(option.number, option.value) for option in chosen)


def give_back() -> bool:
    """Give the system all that is free; whether there was any (False where it cannot be told)."""
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(0))


def _glibc() -> ctypes.CDLL | None:
    """glibc, where it is what this process runs on: not on macOS, Windows or with musl."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError):
        return None
    return ctypes.CDLL(None) if version.startswith("glibc") else None
