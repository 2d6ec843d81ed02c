"""Pictures on disk: where their pixels are in a volume of one slice, and NRRD files of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from totalseg_mcp.engine.files.save import GZIP, LEVEL
from totalseg_mcp.engine.files.stack import LPS_TO_RAS
from totalseg_mcp.engine.image.project import DEPTH
from totalseg_mcp.engine.picture import Plane
from totalseg_mcp.engine.volume import Affine, Grid

TYPES = {"u1": "unsigned char", "f4": "float"}
NO_TEXTS: Mapping[str, str] = MappingProxyType({})


def grid_of(plane: Plane) -> Grid:
    """The grid of one slice that shows `plane` to programs for volumes.

    That of a projection is its place in the patient. A picture that came as one lies where
    Slicer puts it, as an axial slice: (columns, rows, 1), z is 0 and 1 mm thick.
    """
    if plane.grid is not None:
        return plane.grid
    affine: Affine = np.eye(4)
    affine[:2, :2] = np.reshape(plane.direction, (2, 2)) * plane.spacing_mm
    affine[:2, 3] = plane.origin_mm
    rows, columns = plane.shape
    return Grid((columns, rows, 1), LPS_TO_RAS @ affine)


def thick(pixels: NDArray[Any], plane: Plane) -> NDArray[Any]:
    """`pixels[row, column]` as the voxels of `grid_of(plane)`."""
    return np.expand_dims(pixels.T, 2 if plane.grid is None else DEPTH)


def write_plate(
    pixels: NDArray[Any],
    plane: Plane,
    path: Path,
    collapse: bool = False,
    texts: Mapping[str, str] = NO_TEXTS,
) -> None:
    """An NRRD file of `pixels[row, column]` or `[row, column, layer]`, uint8 or float32.

    In 3-D on `grid_of(plane)`, or in 2-D with `collapse`. Layers are the first axis of the file,
    a list. `texts` are its key-value pairs.
    """
    layers = [str(size) for size in pixels.shape[2:]]
    size, axes, origin, space = _flat_place(plane) if collapse else _place(plane)
    fields = {
        "type": TYPES[pixels.dtype.str[1:]],
        "dimension": str(len(layers) + len(size)),
        **space,
        "sizes": " ".join([*layers, *map(str, size)]),
        "space directions": " ".join(["none"] * len(layers) + [_vector(axis) for axis in axes.T]),
        "kinds": " ".join(["list"] * len(layers) + ["domain"] * len(size)),
        "endian": "little",
        "encoding": "gzip",
        "space origin": _vector(origin),
    }
    head = ["NRRD0004", *(f"{name}: {text}" for name, text in fields.items())]
    head += [f"{key}:={text}" for key, text in texts.items()]
    packer = isal_zlib.compressobj(LEVEL, wbits=GZIP)
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    with path.open("wb") as file:
        file.write("\n".join([*head, "", ""]).encode())
        file.write(packer.compress(little.data))
        file.write(packer.flush())


Place = tuple[Sequence[int], NDArray[np.float64], NDArray[np.float64], Mapping[str, str]]


def _place(plane: Plane) -> Place:
    """Size, axes (columns of a matrix), origin and space, of the slice in a volume."""
    grid = grid_of(plane)
    affine = LPS_TO_RAS @ grid.affine  # its own inverse
    return grid.shape, affine[:3, :3], affine[:3, 3], {"space": "left-posterior-superior"}


def _flat_place(plane: Plane) -> Place:
    """The same of the picture without its depth."""
    axes = np.reshape(plane.direction, (2, 2)) * plane.spacing_mm
    return plane.shape[::-1], axes, np.array(plane.origin_mm), {"space dimension": "2"}


def _vector(values: NDArray[np.float64]) -> str:
    """With all digits.

    >>> _vector(np.array([-1.5, 0.1, -0.0]))
    '(-1.5,0.1,0.0)'
    """
    return f"({','.join(repr(float(value) + 0.0) for value in values)})"
