"""Reading X-rays that were saved as pictures: PNG with 8 or 16 bits, JPEG."""

import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import checks
from totalseg_mcp.engine.flat import Flat, FlatForm
from totalseg_mcp.engine.picture import Picture, Plane
from totalseg_mcp.engine.reach import Reach

FORMS: Mapping[bytes, FlatForm] = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}
INCH_MM = 25.4
# Pixels per inch that programs write for screens and printers; they say nothing of a patient.
SCREENS = (72, 96, 100, 120, 144, 150, 192, 200, 240, 300, 400, 600, 1200)
GREY = 0.012  # of the full range: how far red, green and blue of a JPEG's greys may differ
TURNED = 0x0112  # EXIF's tag of how a camera was held
BROKEN = (
    *(OSError, SyntaxError, ValueError, RuntimeError, EOFError, zlib.error, struct.error),
    Image.DecompressionBombError,
)


class Photo(NamedTuple):
    """The pixels `[row, column(, colour)]`, and their edges in mm (columns, rows) if known."""

    pixels: NDArray[Any]
    spacing_mm: tuple[float, float] | None
    notes: tuple[str, ...]


def is_photo(path: Path) -> bool:
    """Whether `path` is a PNG or JPEG file."""
    return path.is_file() and _form(path) is not None


def read_photo(path: Path, reach: Reach) -> Flat:
    """The grey picture in `path`.

    Colours that are greys are taken as grey, and transparency is dropped.

    Raises:
        BadImageError: it has colours, or cannot be read.
    """
    file = reach.reading(path)
    form = _form(file)
    if form is None:
        raise BadImageError(f"{path} is neither a PNG nor a JPEG picture.")
    photo = _png(file) if form == "png" else _jpeg(file)
    pixels, notes = _opaque(photo.pixels)
    data = np.ascontiguousarray(_grey(path, pixels), np.float32)[None]
    checks.visible(data)
    rows, columns = data.shape[1:]
    if photo.spacing_mm is None:
        notes = (*notes, _unknown(columns, rows))
    spacing = photo.spacing_mm or (1.0, 1.0)
    return Flat(
        picture=Picture(data, ("ch0",), Plane((rows, columns), spacing)),
        form=form,
        spacing_known=photo.spacing_mm is not None,
        notes=(*photo.notes, *notes),
    )


def _unknown(columns: int, rows: int) -> str:
    return (
        "The picture does not say how large its pixels are. They were taken as 1 mm, so that it "
        f"is {columns} x {rows} mm: if that is not about its size in the patient, the result is "
        "poor. Give the original DICOM file, or an NRRD or MetaImage file with the spacing."
    )


def _form(path: Path) -> FlatForm | None:
    with path.open("rb") as file:
        start = file.read(8)
    return next((form for magic, form in FORMS.items() if start.startswith(magic)), None)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, not yet decoded, if it is not too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG")) as picture:
                if picture.width * picture.height > checks.MOST_PIXELS:
                    raise Image.DecompressionBombError(f"more than {checks.MOST_PIXELS:,} pixels")
                yield picture
    except BROKEN as error:
        raise BadImageError(
            f"{path} cannot be read ({str(error)[:200]}). If it is damaged or cut short, copy or "
            "export it again."
        ) from error


def _png(path: Path) -> Photo:
    """With all its bits, which Pillow does not keep of colours."""
    with _opened(path) as picture:
        pixels = np.asarray(imagecodecs.png_decode(path.read_bytes()))
        return Photo(pixels, _spacing_mm(picture), ())


def _jpeg(path: Path) -> Photo:
    with _opened(path) as picture:
        turned = picture.getexif().get(TURNED, 1) != 1
        notes = ["The picture was compressed with loss (JPEG): fine structures may suffer."]
        if turned:
            notes.append("The picture was turned as its EXIF header says.")
        pixels = np.asarray(ImageOps.exif_transpose(picture))
        return Photo(pixels, None if turned else _spacing_mm(picture), tuple(notes))


def _spacing_mm(picture: Image.Image) -> tuple[float, float] | None:
    """By the density in the file, unless it is one for screens or printers."""
    density = picture.info.get("dpi")
    if not density or any(d <= 0 or any(abs(d - s) < 1 for s in SCREENS) for d in density):
        return None
    along, down = (float(INCH_MM / d) for d in density)
    checks.spaced((along, down))
    return along, down


def _opaque(pixels: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The pixels `[row, column, colour]` without their transparency."""
    colours = pixels.reshape(*pixels.shape[:2], -1)
    if colours.shape[2] % 2:
        return colours, ()
    return colours[..., :-1], ("The picture's transparency (alpha) was dropped.",)


def _grey(path: Path, colours: NDArray[Any]) -> NDArray[Any]:
    """The one value of each pixel."""
    apart = np.ptp(colours.astype(np.int32), axis=2).max(initial=0)
    if apart > GREY * np.iinfo(colours.dtype).max:
        raise BadImageError(
            f"{path} has colours: X-rays are grey. Give the original picture, without drawings "
            "or a colour scale on it."
        )
    grey: NDArray[Any] = colours[..., colours.shape[2] // 2]
    return grey
