"""Small DICOM series, made slice by slice."""

from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

ROWS, COLUMNS, COUNT = 6, 5, 8
AXIAL = np.eye(3)  # along a row, down a column, from slice to slice


def pixels(count: int = COUNT) -> np.ndarray:
    """`[slice, row, column]`, every value once."""
    return np.arange(count * ROWS * COLUMNS, dtype=np.uint16).reshape(count, ROWS, COLUMNS)


def instance(values: np.ndarray, position, directions=AXIAL, **elements) -> Dataset:
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, generate_uid()
    one.PatientName, one.PatientID, one.SeriesDescription = "Doe^Jane", "4711", "secret words"
    one.Modality, one.SeriesInstanceUID, one.SeriesNumber = "CT", "1.2.3", 5
    one.Rows, one.Columns = values.shape[-2:]
    one.PixelSpacing = [0.8, 0.7]  # between rows, between columns
    one.ImagePositionPatient = [f"{x:.4f}" for x in position]
    one.ImageOrientationPatient = [f"{x:.9f}" for x in (*directions[0], *directions[1])]
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
    one.RescaleSlope, one.RescaleIntercept = 1, -1024
    one.PixelData = np.ascontiguousarray(values).tobytes()
    for name, value in elements.items():
        setattr(one, name, value)
    return one


def series(directions=AXIAL, heights=None, **elements) -> list[Dataset]:
    """Slices 2.5 mm apart from (-10, -20, 30) LPS on."""
    heights = 2.5 * np.arange(COUNT) if heights is None else heights
    start = np.array([-10.0, -20.0, 30.0])
    return [
        instance(values, start + height * directions[2], directions, **elements)
        for values, height in zip(pixels(len(heights)), heights, strict=True)
    ]


def written(folder: Path, slices: list[Dataset], seed: int | None = None) -> Path:
    """The slices as files, in an order that says nothing."""
    folder.mkdir(exist_ok=True)
    order = np.random.default_rng(seed).permutation(len(slices))
    first = len(list(folder.iterdir()))
    for number, at in enumerate(order, start=first):
        slices[at].save_as(folder / f"IM{number:04}", enforce_file_format=True)
    return folder
