"""Small DICOM series, made slice by slice."""

from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

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


def zipped(archive: Path, folder: Path) -> Path:
    """The files of `folder` under names that say who the patient is."""
    with ZipFile(archive, "w", ZIP_DEFLATED) as to:
        for file in sorted(folder.iterdir()):
            to.write(file, f"Doe_Jane/{file.name}")
    return archive


def packed(one: Dataset, syntax: UID, frame: bytes) -> Dataset:
    """`one` with its pixels in a compressed form that was made elsewhere."""
    one.file_meta.TransferSyntaxUID = syntax
    one.PixelData = encapsulate([frame])
    one["PixelData"].is_undefined_length = True
    return one


def item(**elements) -> list[Dataset]:
    """A sequence of one item."""
    only = Dataset()
    for name, value in elements.items():
        setattr(only, name, value)
    return [only]


def enhanced(slices: Iterable[Dataset], marks: Iterable[dict] | None = None) -> Dataset:
    """The slices as the frames of one file, in their order.

    `marks` are elements of each frame's content, such as its temporal position.
    """
    slices = list(slices)
    many = Dataset()
    first = slices[0]
    many.update({e.tag: e for e in first if e.keyword not in {*PER_FRAME, "PixelData"}})
    many.file_meta = first.file_meta
    many.SOPClassUID = {"CT": EnhancedCTImageStorage, "MR": EnhancedMRImageStorage}[first.Modality]
    many.NumberOfFrames = len(slices)
    turn, spacing = first.ImageOrientationPatient, first.PixelSpacing
    many.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=turn),
        PixelMeasuresSequence=item(PixelSpacing=spacing, SliceThickness=2.5),
    )
    many.PerFrameFunctionalGroupsSequence = [
        item(
            FrameContentSequence=item(**mark),
            PlanePositionSequence=item(ImagePositionPatient=one.ImagePositionPatient),
            PixelValueTransformationSequence=item(
                RescaleSlope=one.RescaleSlope,
                RescaleIntercept=one.RescaleIntercept,
                RescaleType="HU",
            ),
        )[0]
        for one, mark in zip(slices, marks or [{}] * len(slices), strict=True)
    ]
    many.PixelData = b"".join(one.PixelData for one in slices)
    return many


PER_FRAME = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("RescaleSlope", "RescaleIntercept"),
)
