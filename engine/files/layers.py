"""Writing structures in a picture, which may overlap: for 3D Slicer and ts2d, as masks, as PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import from_matvec
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray
from PIL import Image

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files.nifti import header_of
from totalseg_mcp.engine.files.plate import grid_of, thick, write_plate
from totalseg_mcp.engine.files.save import save
from totalseg_mcp.engine.files.segments import WHOLE, Box, Segment
from totalseg_mcp.engine.files.stack import LPS_TO_RAS
from totalseg_mcp.engine.picture import Layers, Plane
from totalseg_mcp.engine.watch import track

MOST_COLOURS = 255  # of a picture with a palette, beside its ground


def write_layers_nrrd(
    layers: Layers, shown: Mapping[str, str], path: Path, collapse: bool = False
) -> None:
    """`path`, which ends in `.seg.nrrd`: one 0/1 component a structure, absent ones too.

    `shown` are the structures in the order of their components, and what they are called in the
    file. The first axis is a list of layers, which Slicer shows as overlapping segments and ITK
    reads as components, so that what reads the files of ts2d reads these; unlike there, the
    order does not hang on what was found. With `collapse` it is a 2-D picture, which Slicer
    does not open as a segmentation.
    """
    texts = dict(WHOLE)
    for at, (name, called) in enumerate(shown.items()):
        box = _box(thick(layers.named(name), layers.plane))
        texts |= Segment(name, called, number=1, layer=at, box=box).texts(at)
    components = np.zeros((*layers.plane.shape, len(shown)), np.uint8)
    for at, name in enumerate(shown):  # they are few: sooner set than all are turned
        components.reshape(-1)[np.flatnonzero(layers.named(name)) * len(shown) + at] = 1
    write_plate(components, layers.plane, path, collapse, texts)


def write_layers_nifti(
    layers: Layers, shown: Sequence[str], folder: Path, collapse: bool = False
) -> None:
    """One 0/1 file `<name>.nii.gz` for each structure of `shown`, also where it is absent.

    uint8, one voxel thick, on `grid_of` its plane: a projection lies over the CT that it was
    made of. With `collapse` the files are 2-D, x and y as in the picture. Can be stopped
    after every file.
    """
    for name in track(list(shown), "mask"):
        mask = layers.named(name).view(np.uint8)
        if collapse:
            voxels, header = mask.T, _flat_header(layers.plane)
        else:
            voxels, header = thick(mask, layers.plane), header_of(grid_of(layers.plane))
        save(np.asfortranarray(voxels), header, folder / f"{name}.nii.gz")


def write_layers_png(layers: Layers, path: Path) -> None:
    """A picture in the structures' colours on black, as it is stored.

    A projection has the head up, and the patient's left at the left. Where structures overlap,
    the one that comes last is seen. Pixels are square, as small as the smaller of their edges.
    """
    found = [at for at, pixels in enumerate(layers.data) if pixels.any()][:MOST_COLOURS]
    seen = np.zeros(layers.plane.shape, np.uint8)
    for number, at in enumerate(found, start=1):
        seen[layers.data[at]] = number
    picture = Image.fromarray(seen)
    picture.putpalette([0, 0, 0, *(value for at in found for value in colour(layers.names[at]))])
    picture.resize(square(layers.plane), Image.Resampling.NEAREST).save(path, "PNG")


def square(plane: Plane) -> tuple[int, int]:
    """Width and height of the picture in square pixels of the smaller of its edges.

    >>> square(Plane((10, 20), (1.0, 2.5)))
    (20, 25)
    """
    rows, columns = plane.shape
    along, down = plane.spacing_mm
    edge = min(along, down)
    return max(round(columns * along / edge), 1), max(round(rows * down / edge), 1)


def _flat_header(plane: Plane) -> Nifti1Header:
    """For 2-D: x and y in ITK's sense, which NIfTI turns round."""
    axes = np.eye(3)
    axes[:2, :2] = np.reshape(plane.direction, (2, 2)) * plane.spacing_mm
    affine = LPS_TO_RAS @ from_matvec(axes, [*plane.origin_mm, 0])
    header = Nifti1Header()
    header.set_data_shape(plane.shape[::-1])
    header.set_zooms(plane.spacing_mm)
    header.set_sform(affine, code="aligned")
    header.set_qform(affine, code="aligned")
    header.set_xyzt_units("mm")
    return header


def _box(mask: NDArray[Any]) -> Box | None:
    """The edges of what is in `mask[i, j, k]`; None where it is empty."""
    if not mask.any():
        return None
    edges = (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3))
    i, j, k = (slice(int(low), int(high) + 1) for low, high in edges)
    return i, j, k
