"""Functions of arrays that are compiled for this processor, and hold no lock of the interpreter."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.caches import cache_folder

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])

# OpenBLAS multiplies matrices with at most so many products without rearranging them first, where
# the processor has AVX-512 (sgemm_small_kernel_permit_skylakex.c): twice as fast as larger ones.
LARGEST = 100**3
PANEL = 64  # columns of a matrix that are multiplied together
FEWEST_ROWS = 8
IN_AT_ONCE = 16  # channels whose kernels are rearranged together


def chosen_folder() -> Path | None:
    """Choose where compiled functions are kept; None if they cannot be.

    numba looks at a function's own file only when it decides whether one is still good, not at
    those of the functions that it calls: the folder is one for the text of all of them.
    """
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    folder = cache_folder(os.environ, "compiled") / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    vars(numba.config)["CACHE_DIR"] = str(folder)
    return folder if os.access(folder, os.W_OK) else None


FOLDER = chosen_folder()


def compiled_before() -> bool:
    """Whether functions are on disk; else they have to be compiled, which takes 20 seconds."""
    return FOLDER is not None and any(FOLDER.iterdir())


def compiled(function: F) -> F:
    """`function`, compiled when it is first called, and kept on disk for the next process.

    A sum of a product may be rounded once. Whole numbers that are known beforehand are made
    unknown, `int(np.int64(0))`, where they are handed on: numba compiles for each one anew.
    """
    made = numba.njit(nogil=True, cache=FOLDER is not None, fastmath={"contract", "nsz"})(function)
    return cast(F, made)


@compiled
def multiply(given: Singles, panels: Singles, into: Singles) -> None:
    """`given` [row, depth] times `panels` [panel, depth, column], into [panel, row, column]."""
    size, depth = given.shape
    most = max(FEWEST_ROWS, LARGEST // (depth * panels.shape[2]))
    for panel in range(panels.shape[0]):
        for row in range(0, size, most):
            last = min(row + most, size)
            np.dot(given[row:last], panels[panel], into[panel, row:last])


@compiled
def read_kernels(kernels: Singles, out: int, first: int, count: int, into: Singles) -> None:
    """Kernels [channel out, channel in, ...] of some channels in, into [place, in, out].

    From the channel `out` on, as many as there is room for. Each one's numbers are read in a run:
    those of all channels out lie so that they drive each other out of the processor's cache.
    """
    places, _, wide = into.shape
    flat = kernels.reshape(kernels.shape[0], -1)
    run = np.zeros((wide, count * places), np.float32)
    for k in range(min(wide, kernels.shape[0] - out)):
        run[k] = flat[out + k, first * places : (first + count) * places]
    for c in range(count):
        for place in range(places):
            for k in range(wide):
                into[place, c, k] = run[k, c * places + place]
