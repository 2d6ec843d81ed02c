"""Labels on a finer grid, out of a network's outputs, with little memory."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from totalseg_mcp.engine.image.restore import Part
from totalseg_mcp.engine.image.winners import winners
from totalseg_mcp.engine.volume import Shape
from totalseg_mcp.engine.watch import track

MARGIN = 3  # voxels around where a class wins on the coarse grid (TotalSegmentator 2.18.0)


Logits = NDArray[np.float16]


def class_by_class(
    logits: Logits, shape: Shape, stretch: Callable[[Logits], Logits]
) -> NDArray[np.uint16]:
    """The label numbers on a grid of `shape`, from `logits[class, z, y, x]` on a coarser one.

    The background is resampled whole, by `stretch` ([1, z, y, x] to the same on the finer
    grid). Every other class is only where it wins on the coarse grid, and around; it takes
    the voxels where it exceeds the best so far, in the order of the classes.
    """
    coarse = winners(logits).astype(np.uint16)
    best = np.array(stretch(logits[:1])[0])
    labels = np.zeros(shape, coarse.dtype)
    found = [(v, box) for v, box in enumerate(find_objects(coarse), start=1) if box]
    for number, box in track(found, "structure"):
        part = Part.around(box, _three(coarse.shape), shape, MARGIN)
        score = part.stretched(logits[number][part.before], np.float64, np.float32)
        wins = score > best[part.after]
        labels[part.after][wins] = number
        best[part.after][wins] = score[wins]
    return labels


def _three(shape: Sequence[int]) -> Shape:
    z, y, x = shape
    return z, y, x
