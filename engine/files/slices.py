"""DICOM slices without their pixels: of a file, the one that it holds, or all its frames.

Only the elements listed here are read, so nothing else of a patient can come out, and those in
`engine.headers`, which come out in DICOM results only.
"""

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, get_args
from zlib import crc32

import numpy as np
from pydicom import Dataset, FileDataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    MediaStorageDirectoryStorage,
)

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.frames import FRAMES, frames_of
from totalseg_mcp.engine.files.sources import BROKEN, Source, unfolds
from totalseg_mcp.engine.files.stack import Place
from totalseg_mcp.engine.headers import IDENTITY, PLACE, REFERENCE, Headers
from totalseg_mcp.engine.imaging import Modality

# What differs between the volumes that one series may hold, and how to say so.
MARKS = {
    "AcquisitionNumber": "acquisition",
    "TemporalPositionIdentifier": "time point",
    "EchoTime": "echo time",
    "StackID": "stack",
    "DiffusionBValue": "b-value",
    "TriggerTime": "trigger time",
    "ImageType": "image type",
}
HEADER = [
    *(*PLACE, *MARKS, *FRAMES, "RescaleSlope", "RescaleIntercept", "ConvolutionKernel"),
    *("SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality"),
    *("NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "PixelRepresentation", "PixelPaddingValue"),
    *("ModalityLUTSequence", "LossyImageCompression"),
]
DAMAGE = (
    *(*BROKEN, InvalidDicomError, BytesLengthException),
    *(TypeError, AttributeError, LookupError, ArithmeticError),
)
MODALITIES = get_args(Modality)
# DICOM's terms for what a file may hold; others are not repeated, they may be anything.
KINDS = {
    *(*MODALITIES, "PT", "NM", "US", "CR", "DX", "MG", "XA", "RF", "SC", "OT", "SR", "PR", "KO"),
    *("SEG", "REG", "RTSTRUCT", "RTDOSE", "RTPLAN", "RTIMAGE", "DOC", "FID", "RWV", "PLAN", "M3D"),
}
LOCALIZERS = {"LOCALIZER", "PROJECTION IMAGE"}  # among the values of ImageType
LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless)
MOST_RESCALED = 1e9  # values beyond are no image's
TELLING = re.compile(r"[\w.+/\\ -]{1,64}", re.ASCII)  # terms and numbers
# pydicom's log quotes what it cannot read, which may name the patient.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


class Rescale(NamedTuple):
    """How stored values become real ones: times `slope`, plus `intercept`."""

    slope: float
    intercept: float


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One image, its place in the patient, and how its values are stored."""

    source: Source
    frame: int  # from 0, in its file
    kind: Modality
    series: str  # UIDs are compared, never shown
    instance: str
    number: str
    kernel: str
    original: bool
    packing: UID  # DICOM's transfer syntax
    lossy: bool
    size: tuple[int, int]  # columns, rows
    place: Place
    rescale: Rescale
    bits: int
    padding: int | None
    marks: tuple[str, ...]  # as in MARKS


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """A file that is no slice, and why; `fault` where it is a damaged one."""

    source: Source
    reason: str
    series: str = ""
    fault: BadImageError | None = None


def slices_of(source: Source) -> list[Slice | Other]:
    """What the file holds: one slice, one for each frame, or something else."""
    series = ""
    try:
        with understood(source):
            header = _header(source)
            series = str(header.get("SeriesInstanceUID") or "")
            if reason := _unfit(header):
                return [Other(source, reason, series)]
            frames = frames_of(header, HEADER) if FRAMES[1] in header else [header]
            packing = header.file_meta.TransferSyntaxUID
            return [_slice(source, packing, n, frame) for n, frame in enumerate(frames)]
    except BadImageError as fault:
        return [Other(source, "damaged file", series, fault)]


def headers_of(slices: Sequence[Slice]) -> Headers:
    """What DICOM results repeat of them: one header each, for frames of a file the same one."""
    found: dict[Source, Dataset] = {}
    for source in dict.fromkeys(one.source for one in slices):
        with understood(source), source.opened() as stream:
            elements = [*IDENTITY, *REFERENCE]
            found[source] = dcmread(stream, stop_before_pixels=True, specific_tags=elements)
    return Headers(tuple(found[one.source] for one in slices))


def _header(source: Source) -> FileDataset:
    if not unfolds(source):
        raise ValueError("deflated beyond bounds")
    with source.opened() as stream:
        return dcmread(stream, stop_before_pixels=True, specific_tags=HEADER)


def _unfit(header: FileDataset) -> str | None:
    """Why the file cannot hold slices; None where it can."""
    if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return "DICOMDIR, which only lists other files"
    said = str(header.get("Modality"))
    kind = said if said in KINDS else "unknown"
    framed = FRAMES[1] in header
    missing = [name for name in PLACE if not framed and header.get(name) is None]
    reasons = {
        f"{kind} file": kind not in MODALITIES,
        f"{kind} localizer": not LOCALIZERS.isdisjoint(_image_type(header)),
        f"{kind} file without an image": "Rows" not in header,
        f"{kind} colour picture": header.get("SamplesPerPixel", 1) != 1
        or "MONOCHROME" not in str(header.get("PhotometricInterpretation", "MONOCHROME")),
        f"{kind} image with values by a lookup table": "ModalityLUTSequence" in header,
        f"{kind} file of many frames without the place of each": (
            not framed and int(header.get("NumberOfFrames") or 1) > 1
        ),
        f"{kind} image without its place in the patient ({', '.join(missing)})": bool(missing),
    }
    return next((reason for reason, true in reasons.items() if true), None)


def _slice(source: Source, packing: UID, frame: int, header: Dataset) -> Slice:
    kernel = " ".join(map(str, _values(header, "ConvolutionKernel")))
    padding, number = header.get("PixelPaddingValue"), header.get("SeriesNumber")
    return Slice(
        source=source,
        frame=frame,
        kind=next(kind for kind in MODALITIES if kind == header.Modality),
        series=str(header.get("SeriesInstanceUID") or ""),
        instance=str(header.get("SOPInstanceUID") or source.name),
        number="without number" if number is None else str(int(number)),
        kernel=_told(kernel),
        original="DERIVED" not in _image_type(header)[:1],
        packing=packing,
        lossy=str(header.get("LossyImageCompression")) == "01" or packing in LOSSY,
        size=(int(header.Columns), int(header.Rows)),
        place=_place(header),
        rescale=rescale_of(header),
        bits=int(header.BitsAllocated),
        padding=None if padding is None else int(padding),
        marks=tuple(_told("\\".join(map(str, _values(header, name)))) for name in MARKS),
    )


def _told(term: str) -> str:
    """`term` if it may be shown to the caller, else a number that stands for it."""
    return term if TELLING.fullmatch(term) else f"no. {crc32(term.encode())}" if term else ""


def _values(header: Dataset, name: str) -> Sequence[object]:
    value = header.get(name)
    if value is None:
        return ()
    return (value,) if isinstance(value, str | int | float) else tuple(value)


def _image_type(header: Dataset) -> list[str]:
    return [str(part).upper() for part in _values(header, "ImageType")]


def _place(header: Dataset) -> Place:
    position, turn, (down, across) = (np.array(header[name].value, float) for name in PLACE)
    along, downward = turn.reshape(2, 3)
    return Place(position.reshape(3), along, downward, (float(across), float(down)))


def rescale_of(header: Dataset) -> Rescale:
    """How the values of the image are rescaled; as they are where the header does not say."""
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    rescale = Rescale(
        1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
    )
    if not (0 < abs(rescale.slope) < MOST_RESCALED and abs(rescale.intercept) < MOST_RESCALED):
        raise ValueError("values that cannot be rescaled")
    return rescale


@contextmanager
def understood(source: Source) -> Iterator[None]:
    """Tell what pydicom cannot read of a file; its warnings may quote it, and are dropped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DAMAGE as error:
        raise BadImageError(
            f"{source.name} is damaged, or lacks something that every slice has "
            f"({type(error).__name__}). Export the series again."
        ) from error
