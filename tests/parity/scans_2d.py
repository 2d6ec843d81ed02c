"""The scans of the recorded runs in two dimensions, made from those of three.

Numbers are copied, added or multiplied by powers of two, so that the scans have the same bits on
every machine. Those of `scans.py` are among them as they are: oblique, permuted, anisotropic, far
from the origin, with a slope and an intercept.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK
from numpy.typing import NDArray
from parity.scans import file_of

Array = NDArray[np.generic]
TURN = np.deg2rad(7.0)
STEEP = 0.22  # mm of x for each mm of z, in the sheared file


def scan_2d(name: str, folder: Path) -> Path:
    """The file of scan `name`, made in `folder`."""
    ending, make = SCANS_2D[name]
    path = folder / f"{name}{ending}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(path)
    return path


def content_digest(path: Path) -> str:
    """SHA-256 of the voxels of a file and of where they are."""
    if path.suffix == ".gz":  # may be sheared, which ITK does not read
        image = nib.load(path)
        assert isinstance(image, nib.Nifti1Image)
        values, where = np.asanyarray(image.dataobj), image.affine
    else:
        read = SimpleITK.ReadImage(path)
        values = SimpleITK.GetArrayFromImage(read)
        where = np.array([*read.GetSpacing(), *read.GetOrigin(), *read.GetDirection()])
    summed = hashlib.sha256(f"{values.shape} {values.dtype}".encode())
    summed.update(np.ascontiguousarray(values).tobytes())
    summed.update(np.round(where, 6).tobytes())
    return summed.hexdigest()


def hu() -> NDArray[np.float64]:
    """The usual scan, [i, j, k] going P, I and R."""
    image = nib.load(file_of("ct"))
    assert isinstance(image, nib.Nifti1Image)
    return np.asarray(image.dataobj, np.float64)


def doubled(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice as many pixels either way, linearly between."""
    for axis in (0, 1):
        ahead = np.concatenate([picture, np.take(picture, [-1], axis)], axis).take(
            range(1, picture.shape[axis] + 1), axis
        )
        between = (picture + ahead) / 2
        picture = np.stack([picture, between], axis + 1).reshape(
            *picture.shape[:axis], -1, *picture.shape[axis + 1 :]
        )
    return picture


def views() -> NDArray[np.float32]:
    """[row, column, channel]: the mean and the greatest value from front to back, head on top."""
    values = hu()
    both = [values.sum(0) / 2**5 - 200, values.max(0)]
    return np.stack([doubled(view) for view in both], -1).astype(np.float32)


def itk(array: Array, spacing: tuple[float, ...], vector: bool = False) -> SimpleITK.Image:
    """An image of `array` (last axis first in ITK), turned and off the origin."""
    image = SimpleITK.GetImageFromArray(array, isVector=vector)
    image.SetSpacing(spacing)
    image.SetOrigin([17.5 - 40.25 * axis for axis in range(len(spacing))])
    turn = np.eye(len(spacing))
    turn[:2, :2] = [[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]]
    image.SetDirection(turn.ravel())
    return image


def as_it_is(name: str) -> Callable[[Path], None]:
    """A scan that is stored already."""
    return lambda path: _copied(file_of(name), path)


def with_fractions(path: Path) -> None:
    """In single precision, with fractions and a grid of its own."""
    values = (hu() * 0.75 + 0.3125).astype(np.float32)
    SimpleITK.WriteImage(itk(values, (2.1, 3.3, 2.7)), path)


def upright(path: Path) -> None:
    """Parallel to the body's axes, permuted, integers."""
    image = SimpleITK.GetImageFromArray(hu().astype(np.int16))
    image.SetSpacing((2.6, 2.4, 3.5))
    image.SetOrigin((-20.5, 130.0, 411.0))
    image.SetDirection((0, -1, 0, 0, 0, 1, 1, 0, 0))
    SimpleITK.WriteImage(image, path)


def sheared(path: Path) -> None:
    """With axes that are not at right angles; ITK refuses it, and ts2d reads it by nibabel."""
    matrix = np.array([[0, 0, -2.7, 90], [-3.1, 0, 0, 40], [0, -2.9, 0, 300], [0, 0, 0, 1]])
    matrix[0] += STEEP * matrix[2] - [0, 0, 0, STEEP * 300]
    image = nib.Nifti1Image(hu().astype(np.int16), matrix)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)


def projection(path: Path) -> None:
    """Two channels in a file of two dimensions."""
    SimpleITK.WriteImage(itk(views(), (1.3, 1.6), vector=True), path)


def coronal_slab(path: Path) -> None:
    """Two channels in a file of three dimensions, one voxel deep."""
    array = views()[:, None]
    SimpleITK.WriteImage(itk(array, (1.3, 120.0, 1.6), vector=True), path)


def axial_slab(path: Path) -> None:
    """The same, but deep in the direction of the last axis."""
    SimpleITK.WriteImage(itk(views()[None], (1.3, 1.6, 5.0), vector=True), path)


def thinnest(path: Path) -> None:
    """Of a few voxels only, smaller than any tile."""
    values = hu()[12:17, 20:26, 10:17].astype(np.int16)
    SimpleITK.WriteImage(itk(values, (3.1, 3.5, 2.9)), path)


def xray(path: Path) -> None:
    """One channel of whole numbers, as an X-ray looks."""
    SimpleITK.WriteImage(itk(_shadow(), (1.25, 1.25)), path)


def xray_slice(path: Path) -> None:
    """The same as NIfTI, one voxel deep."""
    SimpleITK.WriteImage(itk(_shadow()[None], (1.25, 1.4, 1.0)), path)


def _shadow() -> NDArray[np.uint16]:
    through = np.clip(hu() + 1024, 0, None).sum(0)
    return (doubled(through) / 2**4).astype(np.uint16)


def _copied(stored: Path, path: Path) -> None:
    shutil.copyfile(stored, path)


# What the file's name ends with, and how it is made.
SCANS_2D: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    **{name: (".nii.gz", as_it_is(name)) for name in ("ct", "ct_small", "ct_3mm", "mr")},
    "ct_fractions": (".nrrd", with_fractions),
    "ct_upright": (".nrrd", upright),
    "ct_sheared": (".nii.gz", sheared),
    "ct_tiny": (".nrrd", thinnest),
    "projection": (".nrrd", projection),
    "projection_coronal": (".nrrd", coronal_slab),
    "projection_axial": (".nrrd", axial_slab),
    "xray": (".nrrd", xray),
    "xray_slice": (".nii.gz", xray_slice),
}
