"""How a scan is stored says nothing: the same values in the same place give the same labels.

All of these are exact, in the labels and (but for qform's own rounding) in where they lie.
"""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from dicom_series import instance, written
from nibabel.nifti1 import Nifti1Image, Nifti1Pair
from nibabel.nifti2 import Nifti2Image, Nifti2Pair

from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.image.itk import to_itk
from totalseg_mcp.engine.volume import Grid, Volume

Stored = tuple[type, float, float]  # of the numbers, slope, intercept

SCALING = slice(112, 120)  # where a NIfTI-1 header has slope and intercept

RESCALED: dict[str, Stored] = {
    "slope 1/2, intercept -1024": (np.int16, 0.5, -1024.0),
    "slope 2^-5": (np.int32, 2.0**-5, 0.0),
    "negative slope": (np.int16, -1.0, 3.0),
    "unsigned, intercept -1024": (np.uint16, 1.0, -1024.0),
    "32-bit integers": (np.int32, 1.0, 0.0),
    "32-bit floats": (np.float32, 1.0, 0.0),
    "64-bit floats, slope 1/4": (np.float64, 0.25, 7.0),
}


def rescaled(image: Nifti1Image, stored: Stored, file: Path) -> Path:
    """The same values in other numbers, for which slope and intercept make up without rounding."""
    kind, slope, intercept = stored
    numbers = (np.asanyarray(image.dataobj, float) - intercept) / slope
    Nifti1Image(numbers.astype(kind), image.affine).to_filename(file)
    written = bytearray(file.read_bytes())
    written[SCALING] = np.array([slope, intercept], "<f4").tobytes()
    file.write_bytes(written)
    again = nib.load(file).dataobj
    assert (again.dtype, again.slope, again.inter) == stored
    np.testing.assert_array_equal(again, image.dataobj)
    return file


@pytest.mark.parametrize("stored", RESCALED.values(), ids=RESCALED)
def test_slope_and_intercept_change_nothing(ct, straight, job, tmp_path, stored):
    file = rescaled(ct, stored, tmp_path / "ct.nii")
    np.testing.assert_array_equal(job(file).dataobj, straight.dataobj)


@pytest.fixture(scope="module")
def brain(ct) -> Nifti1Image:
    """Whole numbers in 0…90, as in the window of a brain."""
    return Nifti1Image(np.asanyarray(ct.dataobj).clip(0, 360) // 4, ct.affine)


@pytest.mark.parametrize("stored", RESCALED.values(), ids=RESCALED)
def test_nor_do_they_where_the_values_span_little(brain, job, tmp_path, stored):
    brain.to_filename(tmp_path / "brain.nii")
    plain = job(tmp_path / "brain.nii")
    assert len(np.unique(plain.dataobj)) > 5
    file = rescaled(brain, stored, tmp_path / "other.nii")
    np.testing.assert_array_equal(job(file).dataobj, plain.dataobj)


FILES: dict[str, Callable[[Nifti1Image, Path], Path]] = {
    "nii": lambda ct, folder: as_file(ct, folder / "ct.nii"),
    "nii.gz": lambda ct, folder: as_file(ct, folder / "ct.nii.gz"),
    "pair": lambda ct, folder: as_file(Nifti1Pair.from_image(ct), folder / "ct.img"),
    "pair, by its header": lambda ct, folder: as_file(
        Nifti1Pair.from_image(ct), folder / "ct.img"
    ).with_suffix(".hdr"),
    "big-endian": lambda ct, folder: as_file(big_endian(ct), folder / "ct.nii"),
    "NIfTI-2": lambda ct, folder: as_file(Nifti2Image.from_image(ct), folder / "ct.nii"),
    "NIfTI-2 pair": lambda ct, folder: as_file(Nifti2Pair.from_image(ct), folder / "ct.img"),
    "NRRD": lambda ct, folder: by_itk(ct, folder / "ct.nrrd"),
    "MetaImage": lambda ct, folder: by_itk(ct, folder / "ct.mha"),
    "MetaImage, by its header": lambda ct, folder: by_itk(ct, folder / "ct.mhd"),
    "sform only": lambda ct, folder: as_file(placed_by(ct, sform=True), folder / "ct.nii"),
}


def as_file(image: nib.spatialimages.SpatialImage, file: Path) -> Path:
    image.to_filename(file)
    return file


def by_itk(image: Nifti1Image, file: Path) -> Path:
    """The scan as ITK keeps it, axes at right angles to its precision."""
    volume = Volume(np.asanyarray(image.dataobj), Grid(image.shape, image.affine))
    sitk.WriteImage(to_itk(volume), str(file))
    return file


def big_endian(ct: Nifti1Image) -> Nifti1Image:
    other = Nifti1Image(ct.dataobj, ct.affine, ct.header.as_byteswapped(">"))
    assert other.header.endianness == ">"
    return other


def placed_by(ct: Nifti1Image, sform: bool) -> Nifti1Image:
    """The scan with one of the two ways to say where it lies."""
    other = Nifti1Image(ct.dataobj, ct.affine, ct.header)
    other.set_sform(ct.affine if sform else None, int(sform))
    other.set_qform(None if sform else ct.affine, int(not sform))
    return other


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_the_kind_of_file_changes_nothing(ct, straight, job, tmp_path, make):
    labels = job(make(ct, tmp_path))
    np.testing.assert_array_equal(labels.dataobj, straight.dataobj)
    np.testing.assert_array_equal(labels.affine, straight.affine)


def test_nor_does_a_qform_in_place_of_the_sform(ct, straight, job, tmp_path):
    """A qform keeps a quaternion in single precision: it is off by less than 0.001 mm."""
    labels = job(as_file(placed_by(ct, sform=False), tmp_path / "ct.nii"))
    np.testing.assert_array_equal(labels.dataobj, straight.dataobj)
    np.testing.assert_allclose(labels.affine, straight.affine, atol=1e-3)


@pytest.mark.parametrize("by_mm", [(0, 0, 0), (-60.5, -200.25, 740), (5000, -0.125, 1e-3)])
def test_where_the_scan_lies_changes_nothing_but_where_the_labels_lie(
    ct, straight, job, tmp_path, by_mm
):
    affine = ct.affine.copy()
    affine[:3, 3] += by_mm
    labels = job(as_file(Nifti1Image(ct.dataobj, affine), tmp_path / "moved.nii"))
    np.testing.assert_array_equal(labels.dataobj, straight.dataobj)
    np.testing.assert_allclose(labels.affine, affine, atol=1e-3)


def dicom(ct: Nifti1Image, folder: Path) -> Path:
    """The scan as a series: LPS, an intercept, and decimals for where each slice lies."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ct.affine
    across, down, _ = np.linalg.norm(lps[:3, :3], axis=0)
    directions = (lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)).T
    pixels = (np.asanyarray(ct.dataobj) + 1024).astype(np.uint16).transpose(2, 1, 0)
    slices = [
        instance(
            values,
            lps[:3, 3] + k * lps[:3, 2],
            directions,
            PixelSpacing=[f"{down:.6f}", f"{across:.6f}"],
        )
        for k, values in enumerate(pixels)
    ]
    return written(folder, slices, seed=4)


def test_a_dicom_series_has_the_labels_of_the_same_scan_as_nifti(ct, straight, job, tmp_path):
    series = dicom(ct, tmp_path / "series")
    assert read(series).form == "dicom"
    labels, expected = (nib.as_closest_canonical(image) for image in (job(series), straight))
    np.testing.assert_array_equal(labels.dataobj, expected.dataobj)
    np.testing.assert_allclose(labels.affine, expected.affine, atol=1e-3)
