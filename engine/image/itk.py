"""Volumes as ITK images, whose arrays are z, y, x and whose world is LPS+ in mm."""

from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import voxel_sizes

from totalseg_mcp.engine.volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813 (its own name for itself)

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # from RAS+


def to_itk(volume: Volume) -> "sitk.Image":
    """`volume` in the same place of the patient, with its type of numbers."""
    import SimpleITK as sitk  # noqa: N813 (its own name for itself)

    native = volume.data.astype(volume.data.dtype.newbyteorder("="), copy=False)
    image = sitk.GetImageFromArray(np.ascontiguousarray(native.T))
    affine = LPS @ volume.grid.affine
    spacing = voxel_sizes(affine)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image
