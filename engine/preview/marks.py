"""What is written on a panel: what it shows, the sides of the patient, a scale."""

from functools import cache

from PIL import Image, ImageDraw, ImageFont

LARGE, SMALL = 17, 13  # px
INSET, TICK = 5, 9  # px
TITLE = INSET + SMALL  # px, the height of a title
DIM, LINE = (190, 190, 190), (255, 255, 255)
BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)
BAR_SHARE = 0.3  # of the panel's width, at most
Share = tuple[float, float]


def titled(panel: Image.Image, title: str, sides: tuple[str, str]) -> None:
    """Write on `panel` what it shows, and which sides of the patient are left and right."""
    draw, middle = ImageDraw.Draw(panel), panel.height // 2
    _write(draw, (INSET, INSET), title, "lt", SMALL)
    _write(draw, (INSET, middle), sides[0], "lm", LARGE)
    _write(draw, (panel.width - INSET, middle), sides[1], "rm", LARGE)


def upright(panel: Image.Image) -> None:
    """Write on `panel`, beside title and scale, that the head is up."""
    draw = ImageDraw.Draw(panel)
    _write(draw, (panel.width - INSET, INSET), "H", "rt", LARGE)
    _write(draw, (INSET, panel.height - INSET), "F", "lb", LARGE)


def scaled(panel: Image.Image, px_per_mm: float) -> None:
    """Draw a bar of a round length at the bottom, if the panel has room for it."""
    lengths = [mm for mm in BARS_MM if mm * px_per_mm <= panel.width * BAR_SHARE]
    if not lengths or lengths[-1] * px_per_mm < TICK or panel.height < 4 * LARGE:
        return
    draw = ImageDraw.Draw(panel)
    right, bottom = panel.width - 2 * INSET, panel.height - 2 * INSET
    left = right - round(lengths[-1] * px_per_mm)
    for width, ink in ((5, (0, 0, 0)), (1, LINE)):
        draw.line((left, bottom, right, bottom), ink, width)
        for end in (left, right):
            draw.line((end, bottom - 3, end, bottom + 3), ink, width)
    text = f"{lengths[-1] // 10} cm" if lengths[-1] >= 10 else f"{lengths[-1]} mm"
    _write(draw, ((left + right) // 2, bottom - 5), text, "mb", SMALL)


def crossed(panel: Image.Image, at: Share) -> None:
    """Mark at the edges where the other slices cut this one: shares of its width and height."""
    draw = ImageDraw.Draw(panel)
    (width, height), x, y = panel.size, round(at[0] * panel.width), round(at[1] * panel.height)
    for line in (
        (x, 0, x, TICK),
        (x, height - TICK, x, height),
        (0, y, TICK, y),
        (width - TICK, y, width, y),
    ):
        draw.line(line, DIM)


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow."""
    return ImageFont.load_default(size)


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, anchor: str, size: int
) -> None:
    draw.text(at, text, LINE, font(size), anchor, stroke_width=2, stroke_fill=(0, 0, 0))
