"""DICOM series that name their patient, labels on them, and readers of results of our own making.

The readers use pydicom for the elements and SimpleITK for the place of a voxel, and nothing of
this program's.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from dicom_series import AXIAL, instance, written
from pydicom import Dataset, dcmread
from scipy.spatial.transform import Rotation
from skimage.draw import polygon2mask

from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.volume import Labels

SHAPE = (12, 40, 36)  # slices, rows, columns
SLICE_MM = 2.5
PATIENT = {
    "PatientName": "Doe^Jane",
    "PatientID": "4711",
    "PatientBirthDate": "19600102",
    "PatientSex": "F",
    "AccessionNumber": "acc-815",
    "StudyID": "17",
    "StudyDate": "20240506",
    "StudyInstanceUID": "1.2.3.44",
}
WORDS = ("Doe", "4711", "19600102", "acc-815")  # of it, which stand nowhere else by chance
NAMES = ("spleen", "kidney_right", "kidney_left", "autochthon_left", "no_such_muscle_right")

DIRECTIONS = {  # along a row, down a column, from slice to slice
    "axial": AXIAL,
    "coronal": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "sagittal": np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]]),
    "oblique": Rotation.from_euler("xyz", [100, 60, 200], degrees=True).as_matrix(),
    "half-way": Rotation.from_euler("x", 45, degrees=True).as_matrix(),
    "rows flipped": np.diag([1, -1, -1]),
    "columns flipped": np.diag([-1, 1, -1]),
}


def patient_series(folder: Path, directions=AXIAL, shape=SHAPE, heights=None, **elements) -> Path:
    """A CT of `PATIENT`, with gaps between slices 1 mm thick, whose numbers mean nothing."""
    values = np.random.default_rng(7).integers(0, 2000, shape).astype(np.uint16)
    said = {"FrameOfReferenceUID": "1.2.3.55", "SliceThickness": 1, **PATIENT, **elements}
    heights = SLICE_MM * np.arange(shape[0]) if heights is None else heights
    slices = [
        instance(slab, [-10, -20, 30] + height * directions[2], directions, **said)
        for slab, height in zip(values, heights, strict=True)
    ]
    return written(folder, slices, seed=1)


def some_labels(scan: Scan, names: tuple[str, ...] = NAMES) -> Labels:
    """A shell with a core, a disc at the border, one lonely voxel; nothing of the last name.

    Drawn on the axes of the scan, so that a flip or a swap of them shows.
    """
    shape = np.array(scan.volume.grid.shape)
    indices = np.moveaxis(np.indices(shape), 0, -1)
    away = np.linalg.norm((indices - shape * (0.55, 0.4, 0.5)) / shape, axis=-1)
    data = np.zeros(shape, np.uint8)
    data[away < 0.33] = 1
    data[away < 0.15] = 0
    data[away < 0.08] = 2
    data[tuple(slice(0, n // 5) for n in shape)] = 3
    data[tuple(shape - 2)] = 4
    return Labels(data, scan.volume.grid, names)


class Series:
    """A series as SimpleITK sees it: indices are (slice, row, column)."""

    def __init__(self, folder: Path) -> None:
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
        image = sitk.ReadImage(names)
        self.shape = image.GetSize()[::-1]
        edges = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        self._to_index = np.linalg.inv(edges)
        self._origin = np.array(image.GetOrigin())

    def index(self, points: np.ndarray) -> np.ndarray:
        """Of points in LPS mm, not rounded."""
        return ((points - self._origin) @ self._to_index.T)[..., ::-1]

    def on_it(self, labels: Labels) -> np.ndarray:
        """`labels` by slice, row and column."""
        places = np.argwhere(np.ones(labels.grid.shape))
        world = places @ labels.grid.affine[:3, :3].T + labels.grid.affine[:3, 3]
        found = np.zeros(self.shape, int)
        at = np.rint(self.index(world * (-1, -1, 1))).astype(int)
        found[tuple(at.T)] = labels.data[tuple(places.T)]
        return found


def segmented(file: Path, series: Series) -> np.ndarray:
    """The numbers in a DICOM segmentation, on the slices of the series."""
    seg = dcmread(file)
    shared = seg.SharedFunctionalGroupsSequence[0]
    turn = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient).reshape(2, 3)
    down, across = shared.PixelMeasuresSequence[0].PixelSpacing
    rows, columns = np.indices((seg.Rows, seg.Columns))
    found = np.zeros(series.shape, int)
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for frame, groups in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        start = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        points = start + columns[..., None] * turn[0] * across + rows[..., None] * turn[1] * down
        at = series.index(points)
        assert np.allclose(at, np.rint(at), atol=1e-3)
        if seg.SegmentationType == "BINARY":
            identified = groups.get("SegmentIdentificationSequence")
            identified = identified or shared.SegmentIdentificationSequence
            frame = frame * int(identified[0].ReferencedSegmentNumber)
        found[tuple(np.rint(at).astype(int).reshape(-1, 3).T)] += frame.ravel()
    return found


def filled(contours: Dataset, series: Series) -> np.ndarray:
    """A structure of a structure set on the slices of the series: even-odd in every plane."""
    found = np.zeros(series.shape, bool)
    for contour in contours.get("ContourSequence", []):
        assert contour.ContourGeometricType == "CLOSED_PLANAR"
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        assert len(points) == contour.NumberOfContourPoints >= 3
        at = series.index(points)
        (plane,) = set(np.rint(at[:, 0]).astype(int))
        assert np.allclose(at[:, 0], plane, atol=2e-3), "in the plane of a slice"
        found[plane] ^= polygon2mask(series.shape[1:], at[:, 1:])
    return found


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))
