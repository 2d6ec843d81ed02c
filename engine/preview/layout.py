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


def layout(extents_mm: Sequence[Extent], legend: Legend, room: Size) -> Layout:
    """What shows most: the panels in one of `ARRANGEMENTS`, the legend where it costs least.

    The panels fit into `room`, unless they need their least size; a legend below them may reach
    farther down.
    """
    found = [
        place(extents_mm, columns, legend, room)
        for columns in _fitting(len(extents_mm))
        for place in (_legend_inside, _legend_beside, _legend_below)
    ]
    return max(filter(None, found), key=lambda one: one.px_per_mm)


def _legend_below(
    extents_mm: Sequence[Extent], columns: Columns, legend: Legend, room: Size
) -> Layout:
    rows = legend.rows(room[0] // legend.column)
    scale = _scale(extents_mm, columns, (room[0], room[1] - rows * ROW - GAP))
    sizes, corners = _placed(extents_mm, columns, scale)
    width, height = _extent(sizes, corners)
    across = max(max(width, LEAST_WIDTH) // legend.column, 1)
    rows = min(legend.rows(across), max((MOST_PX - height) // ROW, 1))
    return Layout(scale, sizes, corners, (GAP, height), (across, rows))


def _legend_beside(
    extents_mm: Sequence[Extent], columns: Columns, legend: Legend, room: Size
) -> Layout:
    across = legend.columns((room[1] - 2 * GAP) // ROW)
    scale = _scale(extents_mm, columns, (room[0] - across * legend.column, room[1]))
    sizes, corners = _placed(extents_mm, columns, scale)
    width, _ = _extent(sizes, corners)
    return Layout(scale, sizes, corners, (width, GAP), (across, legend.rows(across)))


def _legend_inside(
    extents_mm: Sequence[Extent], columns: Columns, legend: Legend, room: Size
) -> Layout | None:
    """With the legend below the last panel of a column, where that is free; or None."""
    scale = _scale(extents_mm, columns, room)
    sizes, corners = _placed(extents_mm, columns, scale)
    _, height = _extent(sizes, corners)
    for column in columns:
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


def _scale(extents_mm: Sequence[Extent], columns: Columns, room: Size) -> float:
    wide = sum(max(extents_mm[n][0] for n in column) for column in columns)
    high = [sum(extents_mm[n][1] for n in column) for column in columns]
    across = (room[0] - GAP * (len(columns) + 1)) / wide
    down = min(
        (room[1] - GAP * (len(column) + 1)) / mm for column, mm in zip(columns, high, strict=True)
    )
    return min(across, down, LARGEST_SCALE)


def _placed(
    extents_mm: Sequence[Extent], columns: Columns, scale: float
) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    """The sizes and the corners of all panels."""
    sizes = tuple(
        (max(round(width * scale), LEAST[0]), max(round(height * scale), LEAST[1]))
        for width, height in extents_mm
    )
    corners: dict[int, Size] = {}
    x = GAP
    for column in columns:
        y = GAP
        for panel in column:
            corners[panel] = (x, y)
            y += sizes[panel][1] + GAP
        x += max(sizes[panel][0] for panel in column) + GAP
    return sizes, tuple(corners[panel] for panel in range(len(sizes)))


def _extent(sizes: Sequence[Size], corners: Sequence[Size]) -> Size:
    """The width and height that the panels take, gaps included."""
    both = list(zip(sizes, corners, strict=True))
    width = max(x + width for (width, _), (x, _) in both)
    return width + GAP, max(y + height for (_, height), (_, y) in both) + GAP
