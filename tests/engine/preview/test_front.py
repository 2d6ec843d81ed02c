import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.picture import Layers, Picture, Plane
from totalseg_mcp.engine.preview.front import Region, front_view
from totalseg_mcp.engine.volume import Grid

NAMES = ("liver", "urinary_bladder", "humerus_right", "rib_left_5", "vertebrae_L1")
ROWS, COLUMNS = 90, 60
LEGEND = 200  # px, wider than the legend at the right


def plane(projected: bool = True) -> Plane:
    grid = Grid((COLUMNS, 1, ROWS), np.diag([3.0, 150.0, -3.0, 1.0]))
    return Plane((ROWS, COLUMNS), (3.0, 3.0), grid=grid if projected else None)


def picture(projected: bool = True, channels=("mean", "max")) -> Picture:
    """Dark, with the patient's left (the first columns) a little brighter."""
    data = np.zeros((len(channels), ROWS, COLUMNS), np.float32)
    data[:, :, : COLUMNS // 2] = 100
    data[:, 40:50, 5:15] = 1000
    return Picture(data, channels, plane(projected))


def layers(*found: str, projected: bool = True) -> Layers:
    """The liver in the last columns, the patient's right; the others in the first ones."""
    data = np.zeros((len(NAMES), ROWS, COLUMNS), bool)
    for name in found:
        at = NAMES.index(name)
        columns = slice(40, 58) if name == "liver" else slice(4, 22)
        data[at, 5 + 12 * at : 25 + 12 * at, columns] = True
    return Layers(data, NAMES, (0.9,) * len(NAMES), plane(projected))


def opened(png: bytes) -> np.ndarray:
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def chunks(png: bytes) -> list[bytes]:
    at, found = 8, []
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        found.append(png[at + 4 : at + 8])
        at += length + 12
    return found


def like(seen: np.ndarray, name: str) -> np.ndarray:
    """Where a picture has the colour of a structure's outline, whatever is under it."""
    return np.abs(seen - np.array(colour(name))).sum(axis=2) < 90


def test_the_same_input_gives_the_same_small_png_of_pixels_only():
    png = front_view(picture(), layers(*NAMES))
    assert png == front_view(picture(), layers(*NAMES))
    assert len(png) <= 400_000
    assert max(opened(png).shape) <= 1568
    assert set(chunks(png)) == {b"IHDR", b"IDAT", b"IEND"}


def test_noise_all_over_is_made_small_enough():
    noise = np.random.default_rng(0).random((len(NAMES), ROWS, COLUMNS)) > 0.5
    values = np.random.default_rng(1).normal(0, 300, (2, ROWS, COLUMNS)).astype(np.float32)
    png = front_view(
        Picture(values, ("mean", "max"), plane()), Layers(noise, NAMES, (0.5,) * 5, plane())
    )
    assert len(png) <= 400_000


def test_a_projection_is_turned_so_that_the_patients_right_is_at_the_left():
    """The liver, in the last columns of the arrays, comes before the bladder in the picture."""
    seen = opened(front_view(picture(), layers("liver", "urinary_bladder")))
    liver = np.flatnonzero(like(seen[:, :-LEGEND], "liver").any(axis=0))
    bladder = np.flatnonzero(like(seen[:, :-LEGEND], "urinary_bladder").any(axis=0))
    assert liver.mean() < bladder.mean()


@pytest.mark.parametrize(
    ("sides", "liver_first"), [(None, False), (("R", "L"), False), (("L", "R"), True)]
)
def test_a_picture_is_turned_only_if_its_sides_are_known_to_be_the_other_way(sides, liver_first):
    drawn = front_view(
        picture(False, ("xr",)), layers("liver", "urinary_bladder", projected=False), sides=sides
    )
    seen = opened(drawn)
    liver = np.flatnonzero(like(seen[:, :-LEGEND], "liver").any(axis=0))
    bladder = np.flatnonzero(like(seen[:, :-LEGEND], "urinary_bladder").any(axis=0))
    assert (liver.mean() < bladder.mean()) == liver_first


def test_sides_are_written_only_where_they_are_known():
    known = front_view(picture(False, ("xr",)), layers(projected=False), sides=("R", "L"))
    unknown = front_view(picture(False, ("xr",)), layers(projected=False))
    assert (opened(known) > 200).sum() > (opened(unknown) > 200).sum()


@pytest.mark.parametrize("bone", ["humerus_right", "rib_left_5"])
def test_bones_and_soft_tissue_are_drawn_apart(bone):
    seen = opened(front_view(picture(), layers(bone, "urinary_bladder")))[:, :-LEGEND]
    bones = np.flatnonzero(like(seen, bone).any(axis=0))
    organs = np.flatnonzero(like(seen, "urinary_bladder").any(axis=0))
    assert bones.max() < organs.min()


def test_regions_are_named_beside_the_picture():
    plain = opened(front_view(picture(), layers("liver")))
    named = opened(
        front_view(picture(), layers("liver"), (Region("thorax", 0, 44), Region("pelvis", 45, 89)))
    )
    strip = named[:, :104]
    heights = np.flatnonzero((strip > 150).all(axis=2).any(axis=1))
    assert named.shape[1] > plain.shape[1] - 104
    assert heights[0] < 20
    assert heights[-1] > 0.85 * named.shape[0]


def test_a_scale_is_drawn_only_where_a_mm_means_something():
    with_scale = opened(front_view(picture(), layers()))
    without = opened(front_view(picture(), layers(), spacing_known=False))
    assert with_scale.shape == without.shape
    differing = np.flatnonzero((with_scale != without).any(axis=(1, 2)))
    assert differing.min() > with_scale.shape[0] // 2, "at the bottom of the panels"


def test_a_picture_without_structures_is_shown_and_says_so():
    seen = opened(front_view(picture(), layers()))
    assert (seen[:, : seen.shape[1] // 2] > 150).any()
