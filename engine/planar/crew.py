"""Threads that share the work of a layer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import scipy.linalg.cython_blas  # noqa: F401 (numba multiplies with it; limited below)
from threadpoolctl import ThreadpoolController

T = TypeVar("T")

TURNS = 12  # of each thread, so that none waits long for another at the end of a layer


class Crew:
    """So many threads, each of which multiplies matrices by itself."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, "planar")
        self._blas = ThreadpoolController()

    def share(self, size: int, least: int, work: Callable[[int, int], T]) -> list[T]:
        """What `work` makes of all of `size`, given the first and how many, `least` or more."""
        step = -(-size // (self.threads * TURNS * least)) * least
        parts = iter([(first, min(step, size - first)) for first in range(0, size, step)])

        def turns() -> list[T]:
            return [work(*part) for part in parts]  # each is given to one thread

        with self._blas.limit(limits=1, user_api="blas"):
            done = [self._pool.submit(turns) for _ in range(self.threads)]
            return [made for one in done for made in one.result()]


@cache
def crew(threads: int) -> Crew:
    """The threads of this process that compute layers."""
    return Crew(threads)
