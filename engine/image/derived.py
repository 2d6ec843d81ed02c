"""Structures that are computed from others instead of segmented."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion

from totalseg_mcp.engine.image.cleanup import without_blobs
from totalseg_mcp.engine.volume import Labels, Mask, Volume

SKIN_HU = (-200, 250)  # wide, so that the skin has no holes (TotalSegmentator 2.18.0)
SKIN_SPECK = 5  # voxels; blobs of the skin up to this size are dropped


def body(scan: Volume, labels: Labels) -> Mask:
    """Trunk and limbs together."""
    numbers = [labels.names.index(name) + 1 for name in ("body_trunc", "body_extremities")]
    mask: Mask = np.isin(labels.data, numbers)
    return mask


def skin(scan: Volume, labels: Labels) -> Mask:
    """The outer shell of the body, three voxels thick, where it is as dense as skin."""
    outer = binary_dilation(body(scan, labels))
    low, high = SKIN_HU
    dense = (scan.data > low) & (scan.data < high)
    shell: Mask = outer & ~binary_erosion(outer, iterations=3) & dense
    return without_blobs(shell, SKIN_SPECK)


DERIVED: Mapping[str, Callable[[Volume, Labels], Mask]] = {"body": body, "skin": skin}
