from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from nibabel.affines import apply_affine

from totalseg_mcp.engine.volume import Grid
from totalseg_mcp.phantom import NAMES, REGIONS, oblique, phantom, scan, view

SPACING_MM = (6.0, 6.0, 6.0)
SEEDS = (3, 4)
LARGE = ("liver", "spleen", "kidney_right", "heart", "lung_lower_lobe_right", "vertebrae_L3")
# Plausible volumes in adults, millilitres.
VOLUMES_ML = {
    "liver": (900, 2600),
    "spleen": (90, 500),
    "kidney_left": (90, 320),
    "heart": (350, 1100),
    "urinary_bladder": (60, 500),
    "vertebrae_L3": (40, 120),
    "brain": (900, 1900),
    "femur_left": (150, 700),
    "aorta": (120, 500),
}


@cache
def _body(seed):
    anatomy = phantom(seed)
    return scan(anatomy, view(anatomy, "whole_body", SPACING_MM))


@cache
def _oblique():
    plain = view(phantom(3), "thorax_abdomen", (4.0, 6.0, 8.0))
    return scan(phantom(3), oblique(plain, (12, -8, 15), "LPS"))[1]


def _mask(labels, name):
    return labels.data == NAMES.index(name) + 1


def _millilitres(labels, name):
    return _mask(labels, name).sum() * abs(np.linalg.det(labels.grid.affine)) / 1000


def _middle(labels, name):
    return apply_affine(labels.grid.affine, np.argwhere(_mask(labels, name))).mean(axis=0)


def test_the_same_seed_gives_the_same_scan():
    first, second = (
        scan(anatomy, view(anatomy, "upper_abdomen", (9.0, 9.0, 9.0)))
        for anatomy in (phantom(8), phantom(8))
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.data, other.data)
        np.testing.assert_array_equal(one.grid.affine, other.grid.affine)


def test_another_seed_gives_another_body():
    grid = view(phantom(8), "upper_abdomen", (9.0, 9.0, 9.0))
    assert (scan(phantom(8), grid)[1].data != scan(phantom(9), grid)[1].data).mean() > 0.1


def test_the_names_are_those_of_the_task_in_their_order():
    table = files("totalseg_mcp.engine.tables") / "labels" / "total.txt"
    _, labels = _body(3)
    assert labels.names == NAMES == tuple(table.read_text().split())
    assert len(NAMES) == 117
    assert labels.data.max() <= 117


def test_a_whole_body_shows_most_of_the_structures():
    shown = {name for seed in SEEDS for name in NAMES if _mask(_body(seed)[1], name).any()}
    assert len(shown) >= 105
    assert not shown & {"kidney_cyst_left", "adrenal_gland_left", "common_carotid_artery_left"}


def test_a_grid_with_its_axes_turned_round_shows_the_same_voxels():
    anatomy = phantom(3)
    grid = view(anatomy, "abdomen", (7.0, 7.0, 7.0))
    _, plain = scan(anatomy, grid)
    _, turned = scan(anatomy, oblique(grid, (0, 0, 0), "LPS"))
    assert turned.grid.axcodes == "LPS"
    assert (plain.data == turned.data[::-1, ::-1]).mean() > 0.9999


@pytest.mark.parametrize("name", LARGE)
def test_an_oblique_anisotropic_grid_shows_the_same_anatomy(name):
    fine, other = _body(3)[1], _oblique()
    assert _millilitres(other, name) == pytest.approx(_millilitres(fine, name), rel=0.08)
    np.testing.assert_allclose(_middle(other, name), _middle(fine, name), atol=2.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_is_where_x_grows_as_in_ras(seed):
    _, labels = _body(seed)
    assert _middle(labels, "liver")[0] > _middle(labels, "spleen")[0] + 60
    for stem in ("kidney", "femur", "hip", "clavicula", "autochthon"):
        assert _middle(labels, f"{stem}_right")[0] > _middle(labels, f"{stem}_left")[0] + 20
    for n in range(1, 13):
        assert _middle(labels, f"rib_right_{n}")[0] > _middle(labels, f"rib_left_{n}")[0] + 60


@pytest.mark.parametrize("seed", SEEDS)
def test_up_is_where_z_grows_and_forwards_is_where_y_grows(seed):
    _, labels = _body(seed)
    column = ("sacrum", "vertebrae_L5", "vertebrae_L1", "vertebrae_T6", "vertebrae_C4", "brain")
    heights = [_middle(labels, name)[2] for name in column]
    assert heights == sorted(heights)
    for behind, before in (("vertebrae_T6", "sternum"), ("sacrum", "urinary_bladder")):
        assert _middle(labels, before)[1] > _middle(labels, behind)[1] + 50


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", VOLUMES_ML)
def test_organs_have_the_size_of_an_adults(name, seed):
    low, high = VOLUMES_ML[name]
    assert low < _millilitres(_body(seed)[1], name) < high


@pytest.mark.parametrize("seed", SEEDS)
def test_tissues_have_their_hounsfield_units(seed):
    volume, labels = _body(seed)
    means = {
        name: volume.data[_mask(labels, name)].mean()
        for name in NAMES
        if name in labels.names and _mask(labels, name).any()
    }
    lungs = [means[name] for name in means if name.startswith("lung_")]
    assert all(-920 < value < -620 for value in lungs)
    assert 25 < means["liver"] < 180
    assert 20 < means["gluteus_maximus_left"] < 90
    assert means["urinary_bladder"] < 40
    assert means["trachea"] < -500
    assert 120 < means["vertebrae_L3"] < 600
    assert means["skull"] > 250
    assert volume.data.min() >= -1024
    assert volume.data.dtype == np.int16


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_can_be_scanned(region):
    anatomy = phantom(4)
    volume, labels = scan(anatomy, view(anatomy, region, (9.0, 9.0, 9.0)))
    assert volume.data.shape == labels.data.shape == volume.grid.shape
    assert len(np.unique(labels.data)) > 10


def test_a_grid_beside_the_body_is_air():
    affine = np.diag([5.0, 5, 5, 1])
    affine[:3, 3] = 2000
    volume, labels = scan(phantom(3), Grid((6, 5, 4), affine))
    assert not labels.data.any()
    assert volume.data.mean() < -900
