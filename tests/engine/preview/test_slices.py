"""Slices: which way the patient lies in them, their proportions, and what is laid over them.

Colours are those of the SNOMED table, proportions and places arithmetic on boxes.
"""

import nibabel as nib
import numpy as np
import pytest

from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.preview.overlay import overlaid
from totalseg_mcp.engine.preview.slices import AXIAL, CORONAL, SAGITTAL, slices
from totalseg_mcp.engine.preview.window import SOFT_TISSUE
from totalseg_mcp.engine.tasks import labels as names_of
from totalseg_mcp.engine.volume import Grid, Labels, Volume

LIVER, SPLEEN = (40, 140, 40), (50, 170, 60)
ALL = slice(None)
RIGHT, LEFT = (slice(60, 90), ALL, ALL), (slice(10, 40), ALL, ALL)  # RAS: x grows to the right
FRONT, BACK = (ALL, slice(60, 90), ALL), (ALL, slice(10, 40), ALL)
ABOVE, BELOW = (ALL, ALL, slice(60, 90)), (ALL, ALL, slice(10, 40))


def scan(*boxes: tuple[slice, ...], spacing=(1.0, 1.0, 1.0)) -> tuple[Volume, Labels]:
    grid = Grid((100, 100, 100), np.diag([*spacing, 1.0]))
    data = np.zeros(grid.shape, np.uint8)
    for number, box in enumerate(boxes, start=1):
        data[box] = number
    return Volume(np.zeros(grid.shape, np.int16), grid), Labels(data, grid, ("liver", "spleen"))


def cut(image: Volume, labels: Labels, plane):
    turned = reorient(image, "LPI"), reorient(labels, "LPI")
    return next(one for one in slices(*turned, SOFT_TISSUE) if one.plane == plane)


def middle(labels: np.ndarray, label: int) -> tuple[float, float]:
    row, column = np.argwhere(labels == label).mean(axis=0)
    return row, column


@pytest.mark.parametrize(
    ("plane", "first", "second", "axis"),
    [
        (CORONAL, RIGHT, LEFT, 1),
        (CORONAL, ABOVE, BELOW, 0),
        (AXIAL, RIGHT, LEFT, 1),
        (AXIAL, FRONT, BACK, 0),
        (SAGITTAL, FRONT, BACK, 1),
        (SAGITTAL, ABOVE, BELOW, 0),
    ],
)
def test_right_front_and_head_come_first(plane, first, second, axis):
    shown = cut(*scan(first, second), plane).labels
    assert middle(shown, 1)[axis] < middle(shown, 2)[axis]


def test_the_sides_are_named_as_they_lie():
    sides = {plane.name: (plane.left, plane.right) for plane in (CORONAL, SAGITTAL, AXIAL)}
    assert sides == {"coronal": ("R", "L"), "sagittal": ("A", "P"), "axial": ("R", "L")}


@pytest.mark.parametrize(
    ("plane", "size_mm"), [(CORONAL, (70, 500)), (SAGITTAL, (90, 500)), (AXIAL, (70, 90))]
)
def test_voxels_have_their_true_proportions(plane, size_mm):
    assert cut(*scan(spacing=(0.7, 0.9, 5)), plane).size_mm == pytest.approx(size_mm)


def test_a_structure_is_shown_with_4_cm_around_it():
    box = (slice(48, 52), slice(48, 52), slice(48, 52))
    assert cut(*scan(box, spacing=(2, 2, 2)), AXIAL).size_mm == (88, 88)  # 40 + 8 + 40 mm


def test_the_slice_goes_where_most_is_seen():
    both = [(slice(40, 60), slice(40, 60), slice(z, z + 20)) for z in (10, 20)]
    image, labels = scan(*both)  # the second one covers the upper half of the first
    shown = cut(image, labels, CORONAL)
    assert set(np.unique(shown.labels)) == {0, 1, 2}


@pytest.mark.parametrize(("name", "rgb"), [("liver", LIVER), ("spleen", SPLEEN)])
def test_the_outline_has_nearly_the_colour_of_the_snomed_table(name, rgb):
    box = (slice(30, 70), slice(30, 70), slice(30, 70))
    image, labels = scan(box)
    painted = np.asarray(overlaid(cut(image, labels, AXIAL), (200, 200), [name])).astype(int)
    # 95 % of the colour over the grey of 0 HU: 160/400 of 255.
    expected = 0.95 * np.array(rgb) + 0.05 * 102
    outline = np.abs(painted - expected).max(axis=-1) <= 3
    side = 200 * 40 / 100
    assert outline.sum() == pytest.approx(4 * side, abs=16)


def test_the_scan_is_seen_through_a_structure():
    image, labels = scan((slice(30, 70), slice(30, 70), slice(30, 70)))
    half = np.zeros(image.grid.shape, np.int16)
    half[:50] = 200
    painted = np.asarray(
        overlaid(cut(Volume(half, image.grid), labels, AXIAL), (200, 200), ["liver"])
    ).astype(int)
    assert np.abs(painted[100, 80] - painted[100, 120]).max() > 60


def test_a_real_scan_shows_the_liver_on_the_patients_right(shared):
    image = read(shared / "data/ct_thorax_3mm.nii.gz").volume
    found = np.asarray(nib.load(shared / "data/reference/ct_thorax_3mm.total.nii.gz").dataobj)
    names = names_of("total")
    shown = cut(image, Labels(found, image.grid, names), AXIAL).labels
    liver, aorta, spleen = (
        middle(shown, names.index(name) + 1)[1] for name in ("liver", "aorta", "spleen")
    )
    assert liver < aorta < spleen
