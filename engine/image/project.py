"""Seeing a volume from the front: coronal projections, as TotalSegmentator 2D makes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import (
    axcodes2ornt,
    io_orientation,
    ornt_transform,
)
from numpy.typing import NDArray

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.shear import as_ts2d_reads
from totalseg_mcp.engine.picture import Plane
from totalseg_mcp.engine.volume import Affine, Grid, Volume

FROM_FRONT = "RAI"  # the first row is the head's, the first column the patient's left
DEPTH = 1  # the axis that is projected: front to back
PICTURED = {0: 1, 2: 0}  # the axes of a picture, [row, column], by those that face the front
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

Values = NDArray[Any]


def _first(values: Values) -> Values:
    """The first value along the depth that is not zero."""
    there: Values = np.take_along_axis(
        values, np.argmax(values != 0, axis=DEPTH)[:, None], axis=DEPTH
    )[:, 0]
    return there


def _mean(values: Values) -> Values:
    """In double precision; a sum of integers is exact."""
    depth = values.shape[DEPTH]
    whole = np.int32 if values.dtype.itemsize <= 2 and depth < 2**15 else np.int64
    total: Values = values.sum(DEPTH, dtype=whole if values.dtype.kind in "iu" else np.float64)
    return total / np.float64(depth)


def _median(values: Values) -> Values:
    """Of an even number of values the upper one of the two in the middle, as ITK has it."""
    middle = values.shape[DEPTH] // 2
    median: Values = np.partition(values, middle, axis=DEPTH)[:, middle]
    return median


# By the name of the channel in a model's dataset.json.
PROJECTIONS: Mapping[str, Callable[[Values], Values]] = {
    "max": lambda values: values.max(DEPTH),
    "mip": lambda values: values.max(DEPTH),
    "min": lambda values: values.min(DEPTH),
    "mean": _mean,
    "avg": _mean,
    "median": _median,
    "std": lambda values: values.std(DEPTH, dtype=np.float64, ddof=1),
    "first": _first,
    "depth": _first,
}
# Those that do not depend on the order of whole numbers along the depth.
EITHER_WAY = frozenset({"max", "mip", "min", "mean", "avg"})


def project(volume: Volume, how: str) -> NDArray[np.float32]:
    """`volume[i, j, k]`, in any order of axes, seen from the front: [row, column].

    Raises:
        KeyError: `how` is none of `PROJECTIONS`.
    """
    return View.of(volume.grid).project(volume.data, how)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """From the front: the `axes` of an image, from left to right, in depth and down.

    `steps` are 1, or -1 along those that run the other way.
    """

    axes: tuple[int, int, int]
    steps: tuple[int, int, int]

    @classmethod
    def of(cls, grid: Grid) -> "View":
        """Of what lies on `grid`."""
        turn = ornt_transform(axcodes2ornt(FROM_FRONT), io_orientation(grid.affine))
        axes, steps = turn.astype(int).T.tolist()
        return cls(tuple(axes), tuple(steps))

    def project(self, data: Values, how: str) -> NDArray[np.float32]:
        """What `project` makes of `data[i, j, k]`, the image or a slab of it."""
        facing = data.transpose(self.axes)[tuple(slice(None, None, step) for step in self.steps)]
        if how in EITHER_WAY and facing.dtype.kind in "iu":
            seen = _as_stored(facing, PROJECTIONS[how])
        else:
            seen = PROJECTIONS[how](facing)
        return np.ascontiguousarray(seen.T, np.float32)

    def joined(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The projection of an image, from those of slabs of it that follow one another along k.

        Of one slab only where k is the depth.
        """
        if len(parts) == 1:
            return parts[0]
        facing = self.axes.index(2)
        return np.concatenate(parts[:: self.steps[facing]], PICTURED[facing])


def _as_stored(facing: Values, how: Callable[[Values], Values]) -> Values:
    """`how` of `facing`, looked at in the order of the memory, which is twice as fast."""
    turns = tuple(slice(None, None, -1 if step < 0 else None) for step in facing.strides)
    seen: Values = how(facing[turns])[turns[0], turns[2]]
    return seen


def plane_of(grid: Grid) -> Plane:
    """Where the pixels of a projection of `grid` are.

    ts2d leaves out the depth of an oblique scan's directions, so that its pixels become as
    small as they look from the front. Those of a sheared scan are as large as ts2d takes them to
    be; `grid` says where they are.
    """
    facing = reorient(Volume(np.broadcast_to(np.uint8(0), grid.shape), grid), FROM_FRONT).grid
    columns, depth, rows = facing.shape
    affine = facing.affine.copy()
    affine[:3, DEPTH] *= depth
    seen = _without_depth(RAS_TO_LPS @ as_ts2d_reads(facing.affine))
    spacing = np.linalg.norm(seen[:, :2], axis=0)
    direction = seen[:, :2] / spacing
    return Plane(
        shape=(rows, columns),
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        origin_mm=(float(seen[0, 2]), float(seen[1, 2])),
        direction=tuple(direction.ravel().tolist()),
        grid=Grid((columns, 1, rows), affine),
    )


def _without_depth(affine: Affine) -> Affine:
    """The columns of i, of k and of the origin, without the coordinate from back to front."""
    seen: Affine = affine[np.ix_([0, 2], [0, 2, 3])]
    return seen
