"""The order and direction of a scan's axes say nothing: labels stay where they are in the world.

All of these are exact. Axes are turned, not resampled, before a model sees the scan; and where a
job looks near a structure only, the box is found on the scan's own grid, but it is as much wider
along each axis in whatever order the axes come.
"""

from itertools import permutations, product

import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.tasks import labels

AXES = ["".join(axes) for order in permutations(("RL", "AP", "SI")) for axes in product(*order)]
SOME = AXES[::5]  # each axis first, second and last, growing either way
MARGIN_MM = 20.0  # around the structures that a job looks near


def turned(image: Nifti1Image, axes: np.ndarray) -> Nifti1Image:
    """`image` with its axes in another order and direction, by nibabel."""
    return image.as_reoriented(ornt_transform(io_orientation(image.affine), axes))


def assert_same_in_the_world(one: Nifti1Image, other: Nifti1Image) -> None:
    back = turned(one, io_orientation(other.affine))
    np.testing.assert_allclose(back.affine, other.affine, atol=1e-4)
    np.testing.assert_array_equal(back.dataobj, other.dataobj)


def test_there_are_48_orientations():
    assert len(set(AXES)) == 48


@pytest.mark.parametrize("axes", AXES)
def test_labels_are_the_same_in_every_orientation(ct, straight, job, tmp_path, axes):
    turned(ct, axcodes2ornt(axes)).to_filename(tmp_path / "turned.nii")
    assert_same_in_the_world(job(tmp_path / "turned.nii"), straight)


@pytest.fixture(scope="module")
def nearby(ct_file, straight, job) -> tuple[Options, Nifti1Image]:
    """A job that looks near one structure, in a part of the scan, and the labels it gives.

    The rough model of a subset is that of `straight`, so the box can be told from its labels.
    """
    numbers = np.asanyarray(straight.dataobj)
    margin = (MARGIN_MM / np.array(straight.header.get_zooms())).astype(int)
    for number in np.unique(numbers[numbers > 0]):
        wide = np.ptp(np.argwhere(numbers == number), axis=0) + 1 + 2 * margin
        options = Options("total", "fastest", (labels("total")[number - 1],))
        if (wide < numbers.shape).any():
            found = job(ct_file, options)
            if np.count_nonzero(found.dataobj) > 20:
                return options, found
    raise AssertionError("every structure is nowhere or everywhere")


@pytest.mark.parametrize("axes", SOME)
def test_labels_near_a_structure_are_the_same_in_every_orientation(ct, nearby, job, tmp_path, axes):
    options, found = nearby
    turned(ct, axcodes2ornt(axes)).to_filename(tmp_path / "turned.nii")
    assert_same_in_the_world(job(tmp_path / "turned.nii", options), found)
