"""Writing a label map as a segmentation of 3D Slicer.

Imports SimpleITK, so it is imported when needed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from nibabel.affines import voxel_sizes
from scipy.ndimage import find_objects

from totalseg_mcp.engine.files.segments import WHOLE, Segment
from totalseg_mcp.engine.files.stack import LPS_TO_RAS
from totalseg_mcp.engine.volume import Labels


def write_nrrd(labels: Labels, shown: Sequence[str], path: Path) -> None:
    """`path`, which ends in `.seg.nrrd`, with the structures `shown` under their numbers."""
    kind = np.uint8 if len(labels.names) < 256 else np.uint16
    image = sitk.GetImageFromArray(labels.data.astype(kind).transpose(2, 1, 0))
    affine = LPS_TO_RAS @ labels.grid.affine  # its own inverse
    spacing = voxel_sizes(affine)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    boxes = find_objects(labels.data.astype(kind, copy=False))
    texts = dict(WHOLE)
    for at, name in enumerate(shown):
        number = labels.names.index(name) + 1
        box = boxes[number - 1] if number <= len(boxes) else None
        texts |= Segment(name, name, number, layer=0, box=box).texts(at)
    for key, text in texts.items():
        image.SetMetaData(key, text)
    sitk.WriteImage(image, str(path), useCompression=True)
