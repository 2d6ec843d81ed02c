"""What is seen of a scan that passes by in slabs, held to what is seen of it as a whole."""

import weakref
from itertools import product

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import nifti_voxels, read
from totalseg_mcp.engine.files.flat import read_seen
from totalseg_mcp.engine.glance import glance
from totalseg_mcp.engine.image.project import PROJECTIONS, project
from totalseg_mcp.engine.modality import SAMPLES_AN_AXIS
from totalseg_mcp.engine.reel import Reel
from totalseg_mcp.engine.volume import Grid, Volume

# The last axis runs along the body, or across it; then the depth is the first or the second.
ORIENTATIONS = [
    "".join(codes)
    for order in (("RL", "AP", "IS"), ("AP", "RL", "IS"), ("AP", "IS", "RL"), ("IS", "AP", "RL"))
    for codes in product(*order)
]
DEEP = 300  # long enough for numpy to add up in parts


def volume(axcodes: str, kind: type) -> Volume:
    """Noise in these axes, of few pixels and great depth, in the file's order of memory."""
    shape = tuple(DEEP if code in "AP" else 5 + n for n, code in enumerate(axcodes))
    values = np.random.default_rng(7).normal(0, 900, shape).astype(kind)
    grid = Grid(shape, np.linalg.inv(inv_ornt_aff(axcodes2ornt(axcodes), shape)))
    assert grid.axcodes == axcodes
    return Volume(np.asfortranarray(values), grid)


def reel(scan: Volume, planes: int) -> Reel:
    starts = range(0, scan.grid.shape[2], planes)
    return Reel(
        scan.grid, lambda: (scan.data[:, :, at : at + planes].copy("F") for at in starts), "nifti"
    )


@pytest.mark.parametrize("axcodes", ORIENTATIONS)
@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_projections_of_slabs_are_those_of_the_whole_in_every_bit(axcodes, kind):
    scan = volume(axcodes, kind)
    for planes in (1, 3):
        seen = glance(reel(scan, planes), tuple(PROJECTIONS)).projections
        for how in PROJECTIONS:
            np.testing.assert_array_equal(seen[how], project(scan, how), how)


@pytest.mark.parametrize("planes", [1, 4, 1000])
def test_a_scan_is_judged_by_the_same_voxels_however_it_is_cut(planes):
    """Of 250 planes every third is looked at, of 3 rows and 2 columns all."""
    values = np.arange(2 * 3 * 250, dtype=np.int16).reshape(2, 3, 250)
    assert 2 * SAMPLES_AN_AXIS < 250
    seen = glance(reel(Volume(values, Grid((2, 3, 250), np.eye(4))), planes), ())
    assert sorted(seen.sample) == sorted(values[:, :, ::3].ravel())


def test_a_slab_is_let_go_of_before_the_next_but_one_comes():
    held = []

    def slabs():
        for value in range(5):
            slab = np.full((4, 4, 2), value, np.int16)
            held.append(weakref.ref(slab))
            yield slab
            del slab
            assert sum(one() is not None for one in held) <= 1

    seen = glance(Reel(Grid((4, 4, 10), np.eye(4)), slabs, "nifti"), ["max"])
    assert seen.projections["max"][:, 0].tolist() == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    assert not any(one() is not None for one in held)


CUT = {
    "as they are": lambda data, path: nib.save(nib.Nifti1Image(data, np.eye(4)), path),
    "scaled": lambda data, path: nib.save(scaled(data), path),
    "fractions": lambda data, path: nib.save(
        nib.Nifti1Image(data.astype(np.float32) / 3, np.eye(4)), path
    ),
    "big-endian": lambda data, path: nib.save(
        nib.Nifti1Image(data, np.eye(4), nib.Nifti1Header(endianness=">")), path
    ),
}


def scaled(data: np.ndarray) -> nib.Nifti1Image:
    image = nib.Nifti1Image(data, np.eye(4))
    image.header.set_slope_inter(0.3, -1024.7)
    return image


@pytest.mark.parametrize("stored", CUT)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img"])
def test_slabs_of_a_file_have_the_voxels_of_the_whole(tmp_path, monkeypatch, stored, name):
    data = np.random.default_rng(2).integers(-1024, 3000, (6, 5, 11)).astype(np.int16)
    if name == "a.img" and stored == "as they are":
        nib.Nifti1Pair(data, np.eye(4)).to_filename(tmp_path / name)
    else:
        CUT[stored](data, tmp_path / name)
    monkeypatch.setattr(nifti_voxels, "SLAB", 200)
    whole = read(tmp_path / name).volume.data
    slabs = list(read_seen(tmp_path / name).slabs())
    assert len(slabs) > 3
    assert {slab.dtype for slab in slabs} == {whole.dtype}
    np.testing.assert_array_equal(np.concatenate(slabs, 2), whole)


@pytest.mark.parametrize("first", ["A", "P"])
def test_a_scan_that_is_stored_from_front_to_back_comes_in_one_piece(tmp_path, monkeypatch, first):
    scan = volume(f"RS{first}", np.int16)
    nib.save(nib.Nifti1Image(scan.data, scan.grid.affine), tmp_path / "a.nii")
    monkeypatch.setattr(nifti_voxels, "SLAB", 1)
    (slab,) = read_seen(tmp_path / "a.nii").slabs()
    np.testing.assert_array_equal(slab, scan.data)


REFUSED = {
    "NaN": (np.where(np.eye(5), np.nan, np.ones((7, 5, 5))), "35 of 175 voxels are NaN"),
    "infinite": (np.where(np.eye(5), np.inf, np.ones((7, 5, 5))), "35 of 175 voxels are NaN"),
    "empty": (np.full((7, 5, 5), -1024, np.int16), "all its voxels are -1024"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_voxels_that_mean_nothing_are_counted_over_all_slabs(tmp_path, monkeypatch, case):
    data, words = REFUSED[case]
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii")
    monkeypatch.setattr(nifti_voxels, "SLAB", 1)
    with pytest.raises(BadImageError, match=words):
        glance(read_seen(tmp_path / "a.nii"), tuple(PROJECTIONS))


def test_voxels_that_differ_between_slabs_only_are_an_image():
    scan = Volume(
        np.repeat(np.arange(3, dtype=np.int16), 4).reshape(3, 2, 2).T, Grid((2, 2, 3), np.eye(4))
    )
    assert glance(reel(scan, 1), ["max"]).projections["max"].tolist() == [[2, 2], [1, 1], [0, 0]]


@pytest.mark.parametrize(("name", "cut"), [("a.nii", 100), ("a.nii.gz", 100), ("a.nii.gz", 4)])
def test_a_file_that_ends_too_soon_is_refused(tmp_path, monkeypatch, name, cut):
    """The last four bytes of gzip belong to its checksum."""
    data = np.random.default_rng(2).integers(0, 3000, (20, 20, 20)).astype(np.int16)
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-cut])
    monkeypatch.setattr(nifti_voxels, "SLAB", 2000)
    with pytest.raises(BadImageError, match=r"cut short"):
        glance(read_seen(tmp_path / name), ["mean"])
