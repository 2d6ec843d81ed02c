from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from body_layers import seen_from_front
from nibabel.affines import apply_affine

from totalseg_mcp.engine.measure.layers import field_mm, measure_layers
from totalseg_mcp.engine.picture import Layers, Plane
from totalseg_mcp.engine.regions import TABLE, body_regions
from totalseg_mcp.engine.tasks import TASKS
from totalseg_mcp.engine.volume import Grid, Labels
from totalseg_mcp.phantom import REGIONS, oblique, phantom, scan, view

NAMES = ("head", "neck", "thorax", "abdomen", "pelvis", "legs")
SEED = 3
GRIDS = {
    "upright RAS": ((4.0, 12.0, 4.0), None),
    "upright LPS, anisotropic": ((3.0, 12.0, 5.0), ((0, 0, 0), "LPS")),
    "oblique LPS": ((4.0, 9.0, 4.0), ((7, -5, 10), "LPS")),
    "oblique, on its side": ((6.0, 12.0, 4.0), ((-6, 6, -8), "RPS")),
}


@cache
def bounds():
    """Where the regions of the phantom end, by how it is built, in RAS mm.

    Its vertebrae lie where its person has them; the head's top, the crest and the ischium are
    read off the shapes in `phantom/head.py` and `phantom/pelvis.py`, the dome off
    `phantom/thorax.py`.
    """
    anatomy = phantom(SEED)
    levels = anatomy.person.levels_mm
    ends = [712 + 68 + 9, levels[24], levels[17], levels[5]]
    crest, ischium = 38 + 7, -150 - 18
    pairs = pairwise(ends)
    body = [*pairs, (272 - anatomy.person.breath_mm, crest), (crest, ischium), (ischium, -1000)]
    return {
        name: tuple(anatomy.world_z(end) for end in ends)
        for name, ends in zip(NAMES, body, strict=True)
    }


@cache
def body(how):
    """The truth about the whole phantom."""
    spacing, turn = GRIDS[how]
    grid = view(phantom(SEED), "whole_body", spacing)
    return scan(phantom(SEED), oblique(grid, *turn) if turn else grid)[1]


def cut(labels, heights):
    """Only those slices of a scan whose middle lies between two heights."""
    columns, depth, slices = labels.grid.shape
    middles = np.array([((columns - 1) / 2, (depth - 1) / 2, k) for k in range(slices)])
    inside = np.flatnonzero(
        np.abs(apply_affine(labels.grid.affine, middles)[:, 2] - np.mean(heights))
        <= np.ptp(heights) / 2
    )
    data = labels.data[:, :, inside[0] : inside[-1] + 1]
    affine = labels.grid.affine.copy()
    affine[:3, 3] = apply_affine(affine, (0, 0, inside[0]))
    return Labels(data, Grid(data.shape, affine), labels.names)


@cache
def regions_in(name, how):
    heights = [phantom(SEED).world_z(end) for end in REGIONS[name]]
    layers = seen_from_front(cut(body(how), heights))
    return body_regions(measure_layers(layers, None), layers.plane), field_mm(layers.plane)


@pytest.mark.parametrize("how", GRIDS)
@pytest.mark.parametrize("name", REGIONS)
def test_regions_of_the_phantom_lie_where_it_was_built(name, how):
    """To 12 mm: processes stick out of vertebrae, and a tilt moves what is not half way back."""
    regions, (above, below) = regions_in(name, how)
    assert tuple(region.name for region in regions) == NAMES
    for region in regions:
        top, bottom = bounds()[region.name]
        top, bottom = min(top, above), max(bottom, below)
        if top - bottom < 12:
            assert not region.present or region.top_mm - region.bottom_mm < 24
            continue
        assert region.present, region.name
        assert (region.top_mm, region.bottom_mm) == pytest.approx((top, bottom), abs=12)


@pytest.mark.parametrize("how", GRIDS)
@pytest.mark.parametrize("name", REGIONS)
def test_shares_in_view_are_those_of_the_phantom(name, how):
    """To 0.1, of the hidden ends too; the legs of the phantom have no lower end."""
    regions, (above, below) = regions_in(name, how)
    for region in regions[:-1]:
        if region.present:
            top, bottom = bounds()[region.name]
            share = (min(top, above) - max(bottom, below)) / (top - bottom)
            assert region.in_view == pytest.approx(share, abs=0.1), region.name


# By hand, with the lengths of Gray's Anatomy: the loins 180 mm in five steps, the chest 280 mm.
def drawn(boxes, rows, plane=None):
    """Structures as boxes of mm, (top, bottom) from the first row on, in a picture of 1 mm."""
    data = np.zeros((len(boxes), rows, 300), bool)
    for layer, (top, bottom) in zip(data, boxes.values(), strict=True):
        layer[int(top) : int(bottom), 50:250] = True
    plane = plane or Plane((rows, 300), (1.0, 1.0))
    return Layers(data, tuple(boxes), (0.9,) * len(boxes), plane)


def found_in(boxes, rows, plane=None):
    layers = drawn(boxes, rows, plane)
    found = body_regions(measure_layers(layers, None), layers.plane)
    return {region.name: region for region in found}


def loins(top, size=1.0):
    """L1 to L5 from a row on."""
    step = 36 * size
    return {f"vertebrae_L{n}": (top + step * (n - 1), top + step * n) for n in range(1, 6)}


@pytest.mark.parametrize("size", [0.5, 1.0])
def test_a_hidden_end_is_told_from_the_vertebrae_in_view(size):
    """Lungs cut off by the upper border 140 mm above L1: half of a chest of 280 mm."""
    boxes = {"lung_lower_lobe_left": (0, 140 * size), **loins(140 * size, size)}
    thorax = found_in(boxes, 400)["thorax"]
    assert (thorax.present, thorax.top_mm, thorax.bottom_mm) == (True, 0, 140 * size)
    assert thorax.in_view == pytest.approx(0.5)


def test_in_a_patient_heights_are_z_of_the_world():
    grid = Grid((300, 1, 400), np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 950.0], [0] * 4]))
    plane = Plane((400, 300), (1.0, 1.0), grid=grid)
    boxes = {"lung_lower_lobe_left": (0, 140), **loins(140)}
    thorax = found_in(boxes, 400, plane)["thorax"]
    assert (thorax.top_mm, thorax.bottom_mm) == (950.5, 810.5)
    assert thorax.in_view == pytest.approx(0.5)


def test_what_shows_a_region_is_its_range_where_nothing_tells_its_ends():
    """Lungs, of which neither end is in the picture, and no bones."""
    boxes = {"lung_upper_lobe_left": (0, 200)}
    thorax = found_in(boxes, 200)["thorax"]
    assert (thorax.present, thorax.top_mm, thorax.bottom_mm) == (True, 0, 200)
    assert thorax.in_view is None


def test_lungs_that_are_whole_show_a_whole_thorax_without_any_bones():
    boxes = {"lung_upper_lobe_left": (50, 250), "lung_lower_lobe_left": (150, 300)}
    thorax = found_in(boxes, 400)["thorax"]
    assert (thorax.top_mm, thorax.bottom_mm, thorax.in_view) == (50, 300, 1.0)


@pytest.mark.parametrize(
    ("boxes", "present"),
    [
        ({"stomach": (50, 55)}, False),  # 1000 mm²: one, and not large
        ({"stomach": (50, 55), "spleen": (50, 55)}, True),
        ({"liver": (50, 60)}, True),  # 2000 mm²
        ({"liver": (0, 0)}, False),
        ({"brain": (50, 60)}, None),  # nothing of the abdomen was looked for
    ],
)
def test_two_structures_show_a_region_or_a_large_one(boxes, present):
    abdomen = found_in(boxes, 200)["abdomen"]
    assert abdomen.present is present
    assert (abdomen.top_mm is not None) is bool(present)


def test_what_was_found_where_it_cannot_be_shows_no_region():
    """A bladder and a prostate beside the chest; the hips would lie far below the picture."""
    chest = {f"vertebrae_T{n}": (20 * n, 20 * n + 20) for n in range(1, 13)}
    boxes = {**chest, "urinary_bladder": (60, 80), "prostate": (60, 80)}
    regions = found_in(boxes, 300)
    assert regions["thorax"].bottom_mm == pytest.approx(260, abs=8)  # of T12; there is no L1
    assert regions["pelvis"].present is False


def test_a_bone_in_the_wrong_place_moves_no_region():
    boxes = {"lung_lower_lobe_left": (0, 140), **loins(140), "vertebrae_C4": (380, 390)}
    regions = found_in(boxes, 400)
    assert regions["thorax"].in_view == pytest.approx(0.5)
    assert regions["neck"].present is False


def test_an_organ_in_the_wrong_place_moves_no_end():
    """There is no L1, and what was taken for a lung lies 130 mm below T12."""
    chest = {f"vertebrae_T{n}": (20 * n, 20 * n + 20) for n in range(1, 13)}
    thorax = found_in({**chest, "lung_lower_lobe_left": (390, 396)}, 500)["thorax"]
    assert thorax.bottom_mm == pytest.approx(260, abs=8)


def test_a_hip_that_is_cut_off_below_hides_the_legs():
    boxes = {**loins(100), "hip_left": (250, 400), "femur_left": (380, 400)}
    regions = found_in(boxes, 400)
    assert regions["pelvis"].bottom_mm == 400
    assert regions["legs"].present is False


def test_every_structure_of_the_table_can_be_found():
    marks = {name for side in TABLE.ruler_mm.values() for name in side}
    for bounded in TABLE.region.values():
        marks |= {name for _, name in (*bounded.upper, *bounded.lower)}
    assert {name for name in marks if "*" not in name} <= set(TASKS["total"].names)
    assert {name for name in marks if "*" in name} == {"hip_*", "lung_*"}
