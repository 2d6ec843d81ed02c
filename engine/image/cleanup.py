"""Clean-ups of a label map on the model's grid, as TotalSegmentator 2.18.0 has them.

Voxels belong to one blob where they share a face.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import find_objects, label

from totalseg_mcp.engine.volume import Labels, Mask

LEAST_EXTREMITY_MM3 = 50_000.0


def keep_largest_trunk(labels: Labels) -> Labels:
    """The trunk's largest blob only."""
    return _each(labels, "body_trunc", largest_blob)


def drop_small_extremities(labels: Labels) -> Labels:
    """Extremities without the blobs of up to 50 ml, which are couch and noise."""
    voxels = LEAST_EXTREMITY_MM3 / float(np.prod(labels.grid.spacing_mm))
    return _each(labels, "body_extremities", lambda mask: without_blobs(mask, voxels))


def drop_small_blobs(labels: Labels, most_mm3: float) -> Labels:
    """Every structure without its blobs of up to `most_mm3`."""
    most = most_mm3 / float(np.prod(np.array(labels.grid.spacing_mm, np.float32)))
    data = labels.data.copy()
    for number, box in enumerate(find_objects(labels.data), start=1):
        if box is not None:
            mask = labels.data[box] == number
            data[box][mask & ~without_blobs(mask, most)] = 0
    return Labels(data, labels.grid, labels.names)


def largest_blob(mask: Mask) -> Mask:
    """The largest blob of `mask`; the first of several that are equally large."""
    blobs, count = label(mask)
    if count < 2:
        return mask
    kept: Mask = blobs == 1 + np.bincount(blobs.ravel())[1:].argmax()
    return kept


def without_blobs(mask: Mask, most_voxels: float) -> Mask:
    """`mask` without its blobs of at most `most_voxels`."""
    blobs, _ = label(mask)
    large = np.bincount(blobs.ravel()) > most_voxels
    large[0] = False
    kept: Mask = large[blobs]
    return kept


def _each(labels: Labels, name: str, clean: Callable[[Mask], Mask]) -> Labels:
    """`labels` where the structure `name` keeps only what `clean` leaves of it."""
    mask = labels.data == labels.names.index(name) + 1
    data = np.where(mask & ~clean(mask), 0, labels.data).astype(labels.data.dtype)
    return Labels(data, labels.grid, labels.names)
