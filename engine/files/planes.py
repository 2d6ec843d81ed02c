"""A label map as the slices of its DICOM series lie: the way back from the scan's axes.

Directions and positions are DICOM's, LPS in mm.
"""

from dataclasses import dataclass, replace

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff
from numpy.typing import NDArray
from pydicom import Dataset

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.origin import INSTEAD, Origin
from totalseg_mcp.engine.files.stack import LPS_TO_RAS, Place, Vector
from totalseg_mcp.engine.headers import PLACE
from totalseg_mcp.engine.volume import Grid, Labels, Volume

OFF = 0.2  # of a voxel: how far a slice may lie off its place; a tenth is taken for even

Turn = NDArray[np.float64]  # (3, 2) in nibabel's form: the new axis of each axis, and its sign


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Planes:
    """Labels by slice, from one end of the stack to the other, and the image of each slice.

    A slice has no image where the series has a gap there.
    """

    labels: Labels  # on (slice, row, column); its affine leads to RAS+ as everywhere
    images: tuple[Dataset | None, ...]

    def position(self, at: int) -> Vector:
        """The centre of the first pixel of slice `at`."""
        image = self.images[at]
        if image is not None:
            return np.array(image.ImagePositionPatient, float)
        return self._lps[:3, 3] + at * self._lps[:3, 0]

    @property
    def along_row(self) -> Vector:
        """From one column to the next."""
        return self._lps[:3, 2]

    @property
    def down_column(self) -> Vector:
        """From one row to the next."""
        return self._lps[:3, 1]

    @property
    def present(self) -> tuple[Dataset, ...]:
        """The images that are there."""
        return tuple(image for image in self.images if image is not None)

    @property
    def _lps(self) -> NDArray[np.float64]:
        return LPS_TO_RAS @ self.labels.grid.affine


def planes(labels: Labels, source: Origin) -> Planes:
    """`labels`, which lie on the scan's grid, by slice.

    Raises:
        BadImageError: as `fitting`.
    """
    turn, at = _fit(labels, source)
    turned = _turned(labels, turn)
    images: list[Dataset | None] = [None] * turned.grid.shape[0]
    for image, place in zip(source.images, at, strict=True):
        images[place] = image
    return Planes(turned, tuple(images))


def fitting(volume: Volume, source: Origin) -> None:
    """Refuse a grid that is not that of the slices.

    Raises:
        BadImageError: the scan was resampled when it was read, so labels on its grid
            are not labels of the slices.
    """
    _fit(volume, source)


def _fit(volume: Volume, source: Origin) -> tuple[Turn, tuple[int, ...]]:
    """How the axes turn to (slice, row, column), and where each image lies in the stack."""
    places = [_place(image) for image in source.images]
    turn = _turn_to(volume.grid, places[0])
    at = None if turn is None else _stacked(_turned_grid(volume.grid, turn), places, source)
    if turn is None or at is None:
        raise BadImageError(
            "The scan does not lie on the slices of the series any more: it was resampled when it "
            "was read (a tilted gantry, uneven slices), and DICOM results must lie on the slices. "
            f"{INSTEAD}"
        )
    return turn, at


def _place(image: Dataset) -> Place:
    position, turn, (down, across) = (np.array(image[name].value, float) for name in PLACE)
    along, downward = turn.reshape(2, 3)
    return Place(position, along, downward, (float(across), float(down)))


def _turn_to(grid: Grid, place: Place) -> Turn | None:
    """None where the grid's axes are not those of the slices."""
    wanted = LPS_TO_RAS[:3, :3] @ np.stack([place.normal, place.down_column, place.along_row]).T
    axes = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    cosines = axes.T @ wanted  # [axis of the grid, axis wanted]
    new = np.abs(cosines).argmax(axis=1)
    if set(new) != {0, 1, 2}:
        return None
    return np.column_stack([new, np.sign(cosines[range(3), new])]).astype(float)


def _turned_grid(grid: Grid, turn: Turn) -> Grid:
    shape = np.empty(3, int)
    shape[turn[:, 0].astype(int)] = grid.shape
    slices, rows, columns = (int(n) for n in shape)
    return Grid((slices, rows, columns), grid.affine @ inv_ornt_aff(turn, grid.shape))


def _turned(labels: Labels, turn: Turn) -> Labels:
    data = np.ascontiguousarray(apply_orientation(labels.data, turn))
    return replace(labels, data=data, grid=_turned_grid(labels.grid, turn))


def _stacked(grid: Grid, places: list[Place], source: Origin) -> tuple[int, ...] | None:
    """The slice number of each image; None where they do not lie on the grid."""
    rows, columns = int(source.images[0].Rows), int(source.images[0].Columns)
    if grid.shape[1:] != (rows, columns):
        return None
    firsts = _indices(grid, [place.position for place in places])
    lasts = _indices(grid, [_last_pixel(place, rows, columns) for place in places])
    at = np.rint(firsts[:, 0]).astype(int)
    starts = np.outer(at, [1, 0, 0])
    ends = starts + np.array([0, rows - 1, columns - 1])
    off = max(np.abs(firsts - starts).max(), np.abs(lasts - ends).max())
    beyond = at.min() < 0 or at.max() >= grid.shape[0] or len(set(at)) < len(at)
    return None if beyond or off > OFF else tuple(int(number) for number in at)


def _last_pixel(place: Place, rows: int, columns: int) -> Vector:
    across, down = place.pixel_mm
    return (
        place.position
        + place.along_row * across * (columns - 1)
        + place.down_column * down * (rows - 1)
    )


def _indices(grid: Grid, points: list[Vector]) -> NDArray[np.float64]:
    """Of points in LPS mm, not rounded."""
    to_index = np.linalg.inv(LPS_TO_RAS @ grid.affine)
    indices: NDArray[np.float64] = np.array(points) @ to_index[:3, :3].T + to_index[:3, 3]
    return indices
