"""Changing the spacing of a volume, exactly as TotalSegmentator 2.18.0 does.

Its convention: the centres of the corner voxels stay where they are, so sample positions
are `i * (n_in - 1) / (n_out - 1)`, while the affine is divided by the nominal zoom. Grid
and affine therefore do not fit together to the last fraction of a voxel; both are
reproduced as they are, since the labels travel the same way back.
"""

import numpy as np

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.image.zoom import Zoom, zoomed
from totalseg_mcp.engine.imaging import Spacing
from totalseg_mcp.engine.volume import Grid, Volume

NARROW = 100  # an image whose values span less would be ruined by cutting them off


def to_spacing(
    volume: Volume, spacing_mm: Spacing, order: int = 1, threads: int = 1, zoom: Zoom = zoomed
) -> Volume:
    """`volume` at `spacing_mm`, interpolated by splines of `order` and truncated toward zero.

    `volume` itself where it has that spacing already: its values then stay as they are. `zoom` is
    what stretches it.

    Raises:
        BadImageError: it is thinner than half a voxel of that spacing.
    """
    stated = np.array(volume.grid.spacing_mm, np.float32)
    if np.array_equal(stated, spacing_mm):
        return volume
    factor = stated / np.array(spacing_mm, np.float64)
    i, j, k = (round(n) for n in volume.data.shape * factor)
    if not (i and j and k):
        raise BadImageError(
            f"The image is {np.min(volume.data.shape * stated):.3g} mm thick, less than half a "
            f"voxel of the model ({spacing_mm[0]:g} mm). Give a thicker one, or leave out "
            "fast and fastest."
        )
    data = zoom(volume.data, (i, j, k), order, threads, np.float64)
    affine = volume.grid.affine.copy()
    affine[:3, :3] /= factor
    return Volume(data if narrow(volume) else data.astype(np.int32), Grid(data.shape, affine))


def truncated(volume: Volume) -> Volume:
    """`volume` in whole numbers, cut off toward zero, as TotalSegmentator keeps what it crops."""
    if narrow(volume) or volume.data.dtype.kind != "f":
        return volume
    return Volume(volume.data.astype(np.int32), volume.grid)


def narrow(volume: Volume) -> bool:
    """Whether cutting off would ruin the values, as those of an MR scaled to 0…1.

    TotalSegmentator makes a black image of such a scan. Whole numbers are cut off, in whatever
    type and with whatever slope they were stored.
    """
    data = volume.data
    few = data.dtype.kind == "f" and bool(np.ptp(data) < NARROW)
    return few and not np.array_equal(data, np.rint(data))
