"""A picture that is small enough to travel inside an answer."""

from collections.abc import Callable
from io import BytesIO

from PIL import Image

from totalseg_mcp.engine.preview.layout import MOST_PX

MOST_BYTES = 400_000
ATTEMPTS = 8  # at most, each smaller than the one before
BYTES_TO_SCALE = 0.8  # measured: the bytes go with the scale to the power of 1.3


def fitted(drawn: Callable[[float], Image.Image]) -> bytes:
    """A PNG of at most 1568 px a side and 400 kB, with nothing in it but pixels.

    `drawn` makes the picture, its panels so many times as large as there is room for.
    """
    shrink = 1.0
    for _ in range(ATTEMPTS):
        canvas = drawn(shrink)
        picture = _png(canvas)
        if len(picture) <= MOST_BYTES and max(canvas.size) <= MOST_PX:
            break
        shrink *= min((MOST_BYTES / len(picture)) ** BYTES_TO_SCALE, 0.97)
    return picture


def _png(canvas: Image.Image) -> bytes:
    buffer = BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()
