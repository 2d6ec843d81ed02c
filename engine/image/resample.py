"""Changing the spacing of a volume, exactly as TotalSegmentator 2.18.0 does.

Its convention: the centres of the corner voxels stay where they are, so sample positions
are `i * (n_in - 1) / (n_out - 1)`, while the affine is divided by the nominal zoom. Grid
and affine therefore do not fit together to the last fraction of a voxel; both are
reproduced as they are, since the labels travel the same way back.
"""

import numpy as np
from scipy.ndimage import zoom

from totalseg_mcp.engine.volume import Grid, Labels, Spacing, Volume


def to_spacing(volume: Volume, spacing_mm: Spacing) -> Volume:
    """`volume` at `spacing_mm`, linearly interpolated and truncated toward zero to int32.

    `volume` itself where it has that spacing already: its values then stay as they are.
    """
    stated = np.array(volume.grid.spacing_mm, np.float32)
    if np.array_equal(stated, spacing_mm):
        return volume
    factor = stated / np.array(spacing_mm, np.float64)
    data = zoom(volume.data, factor, output=np.float64, order=1, mode="nearest")
    affine = volume.grid.affine.copy()
    affine[:3, :3] /= factor
    return Volume(data.astype(np.int32), Grid(data.shape, affine))


def to_grid(labels: Labels, grid: Grid) -> Labels:
    """`labels` on `grid`, each voxel taking the nearest label."""
    if labels.grid.shape == grid.shape:
        return Labels(labels.data, grid, labels.names)
    factor = np.array(grid.shape) / np.array(labels.grid.shape)
    data = zoom(labels.data, factor, order=0, mode="nearest")
    return Labels(data, grid, labels.names)
