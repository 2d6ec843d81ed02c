from io import BytesIO

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.preview import preview
from totalseg_mcp.engine.tasks import labels as names_of
from totalseg_mcp.engine.volume import Grid, Labels, Volume

NAMES = ("liver", "spleen", "brain")
CUBE = Grid((60, 50, 40), np.diag([2.0, 2, 2, 1]))


def pixels(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB")).astype(int)


def centre_of(shown: np.ndarray, name: str) -> tuple[float, float]:
    """Row and column of what has about the colour of `name`: its outlines."""
    row, column = np.argwhere(np.abs(shown - colour(name)).max(-1) < 26).mean(0)
    return row, column


def painted(*boxes: tuple[slice, slice, slice]) -> tuple[Volume, Labels]:
    """Black all over, and box n is structure n of `NAMES`."""
    data = np.zeros(CUBE.shape, np.uint8)
    for number, box in enumerate(boxes, start=1):
        data[box] = number
    return Volume(np.full(CUBE.shape, -1000, np.int16), CUBE), Labels(data, CUBE, NAMES)


ALL = slice(None)
FRONT_RIGHT_ABOVE = (slice(32, 52), slice(27, 42), slice(22, 32))
BACK_LEFT_BELOW = (slice(8, 28), slice(8, 23), slice(8, 18))


@pytest.mark.parametrize("axcodes", ["LPS", "LAS", "SAR", "PIL", "ILA", "ASL"])
def test_the_same_patient_looks_the_same_from_every_array_order(axcodes):
    image, labels = painted(FRONT_RIGHT_ABOVE, BACK_LEFT_BELOW)
    turned = preview(reorient(image, axcodes), reorient(labels, axcodes), "CT")
    assert turned == preview(image, labels, "CT")


def test_the_patients_right_is_left_and_the_head_and_the_front_are_up():
    right, left = (slice(32, 52), ALL, slice(22, 32)), (slice(8, 28), ALL, slice(8, 18))
    coronal = pixels(preview(*painted(right, left), "CT"))[:350, :500]
    liver, spleen = centre_of(coronal, "liver"), centre_of(coronal, "spleen")
    assert liver[0] < spleen[0], "above"
    assert liver[1] < spleen[1], "on the right"

    right, left = (slice(32, 52), slice(27, 42), ALL), (slice(8, 28), slice(8, 23), ALL)
    axial = pixels(preview(*painted(right, left), "CT"))[:400, 1000:]
    liver, spleen = centre_of(axial, "liver"), centre_of(axial, "spleen")
    assert liver[0] < spleen[0], "in front"
    assert liver[1] < spleen[1], "on the right"

    front, back = (ALL, slice(27, 42), slice(22, 32)), (ALL, slice(8, 23), slice(8, 18))
    sagittal = pixels(preview(*painted(front, back), "CT"))[:400, 500:900]
    liver, spleen = centre_of(sagittal, "liver"), centre_of(sagittal, "spleen")
    assert liver[0] < spleen[0], "above"
    assert liver[1] < spleen[1], "in front"


def test_voxels_have_their_true_proportions():
    grid = Grid((40, 40, 20), np.diag([1.0, 1, 4, 1]))  # 40 x 40 x 80 mm: coronal 1 : 2
    white = Volume(np.full(grid.shape, 240, np.int16), grid)
    bright = pixels(preview(white, Labels(np.zeros(grid.shape, np.uint8), grid, ()), "CT")) > 200
    height = np.count_nonzero(bright[:, 100, 0])
    width = np.flatnonzero(~bright[20, 8:, 0])[0]
    assert height / width == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((512, 512, 60), (0.8, 0.8, 5)),
        ((100, 100, 600), (4, 4, 3)),
        ((200, 200, 2), (1, 1, 5)),
        ((2, 2, 300), (1, 1, 1)),
        ((4, 4, 4), (0.1, 0.1, 0.1)),
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


def test_an_mr_scan_is_windowed_by_its_own_values():
    _, labels = painted(FRONT_RIGHT_ABOVE)
    faint = Volume(np.random.default_rng(0).random(CUBE.shape) * 1e-3, CUBE)
    shown = pixels(preview(faint, labels, "MR"))
    assert shown.std() > 40


def test_the_picture_carries_nothing_but_pixels():
    picture = preview(*painted(FRONT_RIGHT_ABOVE), "CT")
    assert Image.open(BytesIO(picture)).info == {}
    for chunk in (b"tEXt", b"iTXt", b"zTXt", b"tIME", b"eXIf"):
        assert chunk not in picture


def test_structures_of_total_have_colours_of_their_own():
    colours = {colour(name) for name in names_of("total")}
    assert len(colours) == len(names_of("total"))


def test_a_real_scan_shows_the_liver_on_the_patients_right(shared):
    image = read(shared / "data/ct_thorax_3mm.nii.gz").volume
    found = np.asarray(nib.load(shared / "data/reference/ct_thorax_3mm.total.nii.gz").dataobj)
    names = names_of("total")
    shown = pixels(preview(image, Labels(found, image.grid, names), "CT"))
    axial = shown[:420, 512:]
    assert centre_of(axial, "liver")[1] < centre_of(axial, "aorta")[1]
    assert centre_of(axial, "aorta")[1] < centre_of(axial, "spleen")[1]
