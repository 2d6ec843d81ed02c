"""The surface mesh of a structure, computed by pyradiomics' own code while other threads go on.

pyradiomics compares every two vertices of a mesh and keeps Python's lock all that time: 20 s for a
structure of 600,000 voxels, in which a server would answer nobody. The same function of the same
library, called through ctypes, lets go of the lock.
"""

import ctypes
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

KNOWN = ("v3.0.1", "v3.1.4")  # versions whose function takes these arguments


def let_threads_go_on(radiomics: ModuleType) -> None:
    """Have the shape features of `radiomics` call it so, where its version is a known one."""
    library = ctypes.CDLL(radiomics.cShape.__file__)
    if radiomics.__version__ not in KNOWN or not hasattr(library, "calculate_coefficients"):
        return  # as in Windows' libraries, which export nothing

    def calculate_coefficients(
        mask: NDArray[np.bool_], spacing: NDArray[np.float64]
    ) -> tuple[float, float, tuple[float, ...]]:
        """Area, volume, and diameters in the planes of z, y, x and in space; z, y, x in mm."""
        return _coefficients(library, mask, spacing)

    radiomics.shape.cShape = SimpleNamespace(calculate_coefficients=calculate_coefficients)


def _coefficients(
    library: ctypes.CDLL, mask: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> tuple[float, float, tuple[float, ...]]:
    inside = np.ascontiguousarray(mask, np.int8)
    edges = np.ascontiguousarray(spacing, np.float64)
    if inside.ndim != 3 or edges.shape != (3,):
        raise ValueError(f"a mesh needs a mask in 3-D and three edges, not {mask.shape}, {edges}")
    area, volume, diameters = ctypes.c_double(), ctypes.c_double(), (ctypes.c_double * 4)()
    failed = library.calculate_coefficients(
        _pointer(inside),
        (ctypes.c_int * 3)(*inside.shape),
        (ctypes.c_int * 3)(*inside.strides),  # bytes, which are elements here
        _pointer(edges),
        ctypes.byref(area),
        ctypes.byref(volume),
        diameters,
    )
    if failed:
        raise RuntimeError("Calculation of Shape coefficients failed.")
    return area.value, volume.value, tuple(diameters)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
