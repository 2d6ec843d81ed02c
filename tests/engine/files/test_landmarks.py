"""Masks of the caller's own, on the grid of a tilted LPS scan."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from totalseg_mcp.engine.errors import BadImageError, OutOfReachError
from totalseg_mcp.engine.files.landmarks import read_landmarks
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.volume import Grid

ANYWHERE = Reach()


def mask_at(grid: Grid, i: int) -> np.ndarray:
    data = np.zeros(grid.shape, np.uint8)
    data[i, 2:4, 3:5] = 7
    return data


def write(file: Path, data: np.ndarray, affine: np.ndarray, axcodes: str = "LPS") -> Path:
    image = nib.Nifti1Image(data, affine)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(axcodes)
    )
    image.as_reoriented(turn).to_filename(file)
    return file


@pytest.fixture
def masks(tilted, tmp_path) -> Path:
    """A folder with three masks, one of them empty."""
    for place, name in enumerate(("heart", "aorta"), start=3):
        write(tmp_path / f"{name}.nii.gz", mask_at(tilted, place), tilted.affine)
    write(tmp_path / "brain.nii.gz", np.zeros(tilted.shape, np.uint8), tilted.affine)
    return tmp_path


@pytest.mark.parametrize("axcodes", ["LPS", "RAS", "SAL", "PIR"])
def test_a_mask_may_have_its_axes_in_another_order(tilted, tmp_path, axcodes):
    file = write(tmp_path / "m.nii.gz", mask_at(tilted, 3), tilted.affine, axcodes)
    found = read_landmarks(file, (), (), tilted, ANYWHERE)
    np.testing.assert_array_equal(found.look.data, mask_at(tilted, 3) > 0)
    assert found.keep is None


def test_of_a_folder_the_masks_of_the_landmarks_are_joined(masks, tilted):
    found = read_landmarks(masks, ("heart", "spleen"), ("aorta",), tilted, ANYWHERE)
    np.testing.assert_array_equal(found.look.data, mask_at(tilted, 3) > 0)
    np.testing.assert_array_equal(found.keep.data, mask_at(tilted, 4) > 0)


def test_where_there_are_no_landmarks_all_masks_of_a_folder_are_joined(masks, tilted):
    both = (mask_at(tilted, 3) + mask_at(tilted, 4)) > 0
    np.testing.assert_array_equal(read_landmarks(masks, (), (), tilted, ANYWHERE).look.data, both)


def test_a_single_mask_serves_for_both(masks, tilted):
    found = read_landmarks(masks / "heart.nii.gz", ("liver",), ("aorta",), tilted, ANYWHERE)
    np.testing.assert_array_equal(found.keep.data, found.look.data)


def test_an_empty_mask_is_read_as_empty(masks, tilted):
    assert not read_landmarks(masks, ("brain",), (), tilted, ANYWHERE).look.data.any()


def test_a_folder_without_the_masks_is_refused_with_their_names(masks, tilted):
    with pytest.raises(BadImageError, match=r"liver\.nii\.gz or spleen\.nii\.gz"):
        read_landmarks(masks, ("liver", "spleen"), (), tilted, ANYWHERE)


def moved(affine: np.ndarray) -> np.ndarray:
    elsewhere = affine.copy()
    elsewhere[0, 3] += 0.5
    return elsewhere


def test_a_mask_on_another_grid_is_refused(tilted, tmp_path):
    file = write(tmp_path / "m.nii.gz", mask_at(tilted, 3), moved(tilted.affine))
    with pytest.raises(BadImageError, match="not on the scan's grid"):
        read_landmarks(file, (), (), tilted, ANYWHERE)
    smaller = write(tmp_path / "s.nii.gz", mask_at(tilted, 3)[:-1], tilted.affine)
    with pytest.raises(BadImageError, match="not on the scan's grid"):
        read_landmarks(smaller, (), (), tilted, ANYWHERE)


@pytest.mark.parametrize(("name", "said"), [("none.nii.gz", "no crop_path"), ("t.txt", "NIfTI")])
def test_what_is_no_mask_is_refused(tilted, tmp_path, name, said):
    (tmp_path / "t.txt").write_text("x")
    with pytest.raises(BadImageError, match=said):
        read_landmarks(tmp_path / name, (), (), tilted, ANYWHERE)


def test_a_link_in_the_folder_cannot_lead_out_of_reach(masks, tilted, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (masks / "heart.nii.gz").rename(outside / "heart.nii.gz")
    (masks / "heart.nii.gz").symlink_to(outside / "heart.nii.gz")
    with pytest.raises(OutOfReachError):
        read_landmarks(masks, ("heart",), (), tilted, Reach((masks,)))
