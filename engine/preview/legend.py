"""The names of the structures beside their colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.preview.families import Family, families, largest
from totalseg_mcp.engine.preview.marks import DIM, font

FONT, ROW = 14, 19  # px
SWATCH, SPACE = 28, 7  # px
MOST_WIDTH = 260  # px, of a column
NOTHING = "no structure found"


@dataclass(frozen=True, slots=True)
class Legend:
    """What there is to name: the families of the structures, and their voxels by label.

    `column` is the width of a column in px.
    """

    lines: tuple[Family, ...]
    names: tuple[str, ...]
    voxels: Mapping[int, int]
    column: int

    def rows(self, columns: int) -> int:
        """The rows that `columns` need."""
        return -(-max(len(self.lines), 1) // max(columns, 1))

    def columns(self, rows: int) -> int:
        """The columns that `rows` need."""
        return self.rows(rows)

    def drawn(self, columns: int, rows: int) -> Image.Image:
        """The picture of the legend; the smallest structures are counted if there is no room."""
        lines, others = list(self.lines), 0
        if len(lines) > columns * rows:
            lines, others = largest(lines, self.voxels, columns * rows - 1)
        legend = Image.new("RGB", (columns * self.column, rows * ROW))
        draw = ImageDraw.Draw(legend)
        for number, line in enumerate(lines):
            at = number // rows * self.column, number % rows * ROW
            self._line(draw, line, at)
        note = f"and {others} more" if others else "" if lines else NOTHING
        at = len(lines) // rows * self.column, len(lines) % rows * ROW
        draw.text((at[0] + SPACE, at[1] + ROW // 2), note, DIM, font(FONT), "lm")
        return legend

    def _line(self, draw: ImageDraw.ImageDraw, line: Family, at: tuple[int, int]) -> None:
        x, y = at[0] + SPACE, at[1]
        edges = [x + SWATCH * n // len(line.labels) for n in range(len(line.labels) + 1)]
        for label, left, right in zip(line.labels, edges[:-1], edges[1:], strict=True):
            draw.rectangle((left, y + 3, right - 1, y + ROW - 4), colour(self.names[label - 1]))
        text = line.text
        room = self.column - SWATCH - 3 * SPACE
        while font(FONT).getlength(text) > room:
            text = text[:-2] + "…"
        draw.text((x + SWATCH + SPACE, y + ROW // 2), text, "white", font(FONT), "lm")


def legend(voxels: Mapping[int, int], names: Sequence[str]) -> Legend:
    """The legend of structures with so many `voxels` by label."""
    lines = tuple(families(sorted(voxels), names))
    widest = max(
        int(font(FONT).getlength(text)) for text in [*(line.text for line in lines), NOTHING]
    )
    return Legend(lines, tuple(names), voxels, min(SWATCH + 3 * SPACE + widest, MOST_WIDTH))
