"""Where the panels and the legend go."""

from collections.abc import Sequence
from dataclasses import dataclass

from totalseg_mcp.engine.preview.legend import ROW, Legend

GAP = 8  # px, between panels and around them
MOST_PX = 1568  # of a side of the picture: larger ones are made smaller by those who read them
LEAST = (90, 60)  # px, of a panel: room for what is written on it
LARGEST_SCALE = 12.0  # px per mm
LEAST_WIDTH = 520  # px, of a legend below the panels
LARGEST_SCALE = 20.0  # px per mm
# Columns of panels from left to right: 0 coronal, 1 sagittal, 2 axial, 3 surface.
Columns = tuple[tuple[int, ...], ...]
ARRANGEMENTS: tuple[Columns, ...] = (
    ((0,), (1,), (2,), (3,)),
    ((0, 2), (1,), (3,)),
    ((0, 1), (2,), (3,)),
    ((0,), (1, 2), (3,)),
    ((0, 2), (1, 3)),
    ((0, 1), (2, 3)),
    ((0, 1, 3), (2,)),
)
Size = tuple[int, int]  # width, height, or x, y; px
Extent = tuple[float, float]  # width, height; mm


@dataclass(frozen=True, slots=True)
class Layout:
    """One scale for all panels, and where everything goes.

    `legend_shape` is columns and rows.
    """

    px_per_mm: float
    sizes: tuple[Size, ...]
    corners: tuple[Size, ...]
    legend_corner: Size
    legend_shape: tuple[int, int]


def layout(extents_mm: Sequence[Extent], legend: Legend, room: Size, shrink: float = 1.0) -> Layout:
    """What shows most: the panels in one of `ARRANGEMENTS`, the legend where it costs least.

    The panels fit into `room`, unless they need their least size, and are then made smaller by
    `shrink`; a legend below them may reach farther down.
    """
    found = [
        place(_Panels(extents_mm, columns, shrink), legend, room)
        for columns in _fitting(len(extents_mm))
        for place in (_legend_inside, _legend_beside, _legend_below)
    ]
    return max(filter(None, found), key=lambda one: one.px_per_mm)


@dataclass(frozen=True, slots=True)
class _Panels:
    """What is to be placed, in which arrangement, and how much smaller than there is room."""

    extents_mm: Sequence[Extent]
    columns: Columns
    shrink: float

    def scale(self, room: Size) -> float:
        """The px per mm that fill `room`, shrunk."""
        wide = sum(max(self.extents_mm[n][0] for n in column) for column in self.columns)
        across = (room[0] - GAP * (len(self.columns) + 1)) / wide
        down = min(
            (room[1] - GAP * (len(column) + 1)) / sum(self.extents_mm[n][1] for n in column)
            for column in self.columns
        )
        return min(across, down, LARGEST_SCALE) * self.shrink

    def placed(self, scale: float) -> tuple[tuple[Size, ...], tuple[Size, ...], Size]:
        """The sizes and the corners of all panels, and the size of the whole, gaps included."""
        sizes = tuple(
            (max(int(width * scale), LEAST[0]), max(int(height * scale), LEAST[1]))
            for width, height in self.extents_mm
        )
        corners: dict[int, Size] = {}
        x, bottom = GAP, GAP
        for column in self.columns:
            y = GAP
            for panel in column:
                corners[panel] = (x, y)
                y += sizes[panel][1] + GAP
            x, bottom = x + max(sizes[panel][0] for panel in column) + GAP, max(bottom, y)
        return sizes, tuple(corners[panel] for panel in range(len(sizes))), (x, bottom)


def _legend_below(panels: _Panels, legend: Legend, room: Size) -> Layout:
    rows = legend.rows((room[0] - 2 * GAP) // legend.column)
    scale = panels.scale((room[0], room[1] - rows * ROW - GAP))
    sizes, corners, (width, height) = panels.placed(scale)
    across = max((max(width, LEAST_WIDTH) - 2 * GAP) // legend.column, 1)
    rows = min(legend.rows(across), max((MOST_PX - GAP - height) // ROW, 1))
    return Layout(scale, sizes, corners, (GAP, height), (across, rows))


def _legend_beside(panels: _Panels, legend: Legend, room: Size) -> Layout:
    across = legend.columns((room[1] - 2 * GAP) // ROW)
    scale = panels.scale((room[0] - across * legend.column - GAP, room[1]))
    sizes, corners, (width, height) = panels.placed(scale)
    no_higher = legend.columns((height - 2 * GAP) // ROW)  # than the panels
    if width + no_higher * legend.column + GAP <= room[0]:
        across = no_higher
    return Layout(scale, sizes, corners, (width, GAP), (across, legend.rows(across)))


def _legend_inside(panels: _Panels, legend: Legend, room: Size) -> Layout | None:
    """With the legend below the last panel of a column, where that is free; or None."""
    scale = panels.scale(room)
    sizes, corners, (_, height) = panels.placed(scale)
    for column in panels.columns:
        (x, y), (width, own) = corners[column[-1]], sizes[column[-1]]
        across, rows = width // legend.column, (height - y - own - 2 * GAP) // ROW
        if across and legend.rows(across) <= rows:
            corner = x, y + own + GAP
            return Layout(scale, sizes, corners, corner, (across, legend.rows(across)))
    return None


def _fitting(panels: int) -> list[Columns]:
    """The arrangements of the first so many panels."""
    cut = ([tuple(n for n in column if n < panels) for column in some] for some in ARRANGEMENTS)
    return [tuple(filter(None, columns)) for columns in cut]
