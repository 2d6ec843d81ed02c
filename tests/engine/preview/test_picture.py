"""The whole picture: its size, what is in the file, and that it is the patient as one looks."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.preview import preview
from totalseg_mcp.engine.preview.overlay import STEP
from totalseg_mcp.engine.tasks import labels as names_of
from totalseg_mcp.engine.volume import Grid, Labels, Volume

NAMES = ("liver", "spleen", "brain")
CUBE = Grid((60, 50, 40), np.diag([2.0, 2, 2, 1]))
FRONT_RIGHT_ABOVE = (slice(32, 52), slice(27, 42), slice(22, 32))
BACK_LEFT_BELOW = (slice(8, 28), slice(8, 23), slice(8, 18))


def pixels(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB")).astype(int)


def painted(*boxes: tuple[slice, slice, slice]) -> tuple[Volume, Labels]:
    """Black all over, and box n is structure n of `NAMES`."""
    data = np.zeros(CUBE.shape, np.uint8)
    for number, box in enumerate(boxes, start=1):
        data[box] = number
    return Volume(np.full(CUBE.shape, -1000, np.int16), CUBE), Labels(data, CUBE, NAMES)


def chunks(png: bytes) -> list[bytes]:
    """The kinds of chunks of a PNG (ISO/IEC 15948, 5.3: length, type, data, check)."""
    kinds, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kinds.append(png[at + 4 : at + 8])
        at += 12 + length
    return kinds


@pytest.mark.parametrize("axcodes", ["LPS", "LAS", "SAR", "PIL", "ILA", "ASL"])
def test_the_same_patient_looks_the_same_from_every_array_order(axcodes):
    image, labels = painted(FRONT_RIGHT_ABOVE, BACK_LEFT_BELOW)
    turned = preview(reorient(image, axcodes), reorient(labels, axcodes), "CT")
    assert turned == preview(image, labels, "CT")


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((512, 512, 60), (0.8, 0.8, 5)),
        ((100, 100, 600), (4, 4, 3)),
        ((200, 200, 2), (1, 1, 5)),
        ((2, 2, 300), (1, 1, 1)),
        ((3, 300, 50), (1, 1, 1)),
        ((60, 60, 4), (0.3, 0.3, 60)),
        ((4, 4, 4), (0.1, 0.1, 0.1)),
        ((1, 1, 1), (1, 1, 1)),
    ],
)
def test_every_scan_makes_a_picture_of_bounded_size(shape, spacing):
    grid = Grid(shape, np.diag([*spacing, 1.0]))
    random = np.random.default_rng(0)
    names = names_of("total")
    labels = np.kron(random.integers(0, 118, [-(-n // 8) for n in shape]), np.ones((8, 8, 8)))
    labels = labels[tuple(map(slice, shape))].astype(np.uint8)
    noise = Volume(random.normal(0, 80, shape).astype(np.int16), grid)
    picture = preview(noise, Labels(labels, grid, names), "CT")
    assert len(picture) <= 400_000
    assert max(Image.open(BytesIO(picture)).size) <= 1568


def test_without_structures_the_scan_is_shown_and_said_to_be_empty():
    ramp = Volume(np.arange(np.prod(CUBE.shape)).reshape(CUBE.shape) % 400 - 160, CUBE)
    nothing = Labels(np.zeros(CUBE.shape, np.uint8), CUBE, NAMES)
    shown = pixels(preview(ramp, nothing, "CT"))
    assert shown[:300].std() > 40
    assert (np.ptp(shown, axis=-1) == 0).all(), "no colour anywhere"


def test_a_small_structure_is_shown_large():
    grid = Grid((200, 200, 100), np.diag([2.0, 2, 2, 1]))
    data = np.zeros(grid.shape, np.uint8)
    data[100:105, 100:105, 50:55] = 1  # 1 cm in 40 cm
    picture = preview(Volume(np.zeros(grid.shape, np.int16), grid), Labels(data, grid, NAMES), "CT")
    shown = pixels(picture)
    tinted = np.ptp(shown, axis=-1) > 20
    assert tinted.sum() > 3 * 40 * 40


def test_the_file_holds_pixels_and_nothing_else():
    picture = preview(*painted(FRONT_RIGHT_ABOVE), "CT")
    assert set(chunks(picture)) == {b"IHDR", b"IDAT", b"IEND"}


def test_the_same_input_gives_the_same_bytes():
    first = preview(*painted(FRONT_RIGHT_ABOVE, BACK_LEFT_BELOW), "CT")
    assert preview(*painted(FRONT_RIGHT_ABOVE, BACK_LEFT_BELOW), "CT") == first


@pytest.mark.parametrize(
    ("name", "rgb"),
    [("liver", (40, 140, 40)), ("heart", (180, 0, 40)), ("femur_left", (248, 212, 62))],
)
def test_the_legend_shows_the_colour_of_the_snomed_table(name, rgb):
    image, labels = painted(FRONT_RIGHT_ABOVE)
    shown = pixels(preview(image, Labels(labels.data, CUBE, (name, "spleen")), "CT"))
    assert (shown == rgb).all(-1).sum() >= 28 * 12, "a swatch of that colour, to the last bit"


def test_the_rest_of_the_picture_has_few_brightnesses_for_a_small_file():
    image, labels = painted(FRONT_RIGHT_ABOVE)
    top = pixels(preview(image, labels, "CT"))[40:120, 60:200]
    assert set(np.unique(top % STEP)) == {0}


def test_structures_of_total_have_colours_of_their_own():
    colours = {colour(name) for name in names_of("total")}
    assert len(colours) == len(names_of("total"))
