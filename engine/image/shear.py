"""Scans whose axes are not at right angles, as a tilted gantry leaves them."""

import numpy as np
from nibabel.affines import from_matvec, to_matvec, voxel_sizes

from totalseg_mcp.engine.volume import Affine

TOLERANCE = 1e-4  # ITK 5.4 refuses to read NIfTI that is further from right angles


def is_sheared(affine: Affine) -> bool:
    """Whether the voxels' axes are not at right angles.

    >>> is_sheared(np.diag([-1.5, 1.5, 3.0, 1.0]))
    False
    """
    directions = affine[:3, :3] / voxel_sizes(affine)
    return bool(np.abs(directions @ directions.T - np.eye(3)).max() > TOLERANCE)


def as_ts2d_reads(affine: Affine) -> Affine:
    """Where ts2d 1.2.0 takes the voxels of a sheared scan to be; other scans are as they are.

    ITK does not read a sheared NIfTI file, and what ts2d then puts in its place has the voxels'
    edges along the unit rows of the inverse's transpose. It is not where they are, but the
    size of the pixels that the networks are told.
    """
    if not is_sheared(affine):
        return affine
    matrix, origin = to_matvec(affine)
    rows = np.linalg.inv(matrix).T
    directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    read: Affine = from_matvec(directions * voxel_sizes(affine), origin)
    return read
