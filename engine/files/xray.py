"""Reading X-rays as DICOM: one grey picture of a modality that looks through the patient."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset, dcmread

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import checks
from totalseg_mcp.engine.files.pixels import decode, unpackable
from totalseg_mcp.engine.files.slices import LOSSY, rescale_of, understood
from totalseg_mcp.engine.files.sources import Source, dicom_files, is_dicom, is_zip, unfolds
from totalseg_mcp.engine.flat import Flat
from totalseg_mcp.engine.picture import Picture, Plane
from totalseg_mcp.engine.reach import Reach

MODALITIES = ("CR", "DX", "RF")
HEADER = [
    *("Modality", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"),
    *("PhotometricInterpretation", "BitsStored", "PixelRepresentation", "LossyImageCompression"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "PresentationIntentType"),
    *("PixelSpacing", "ImagerPixelSpacing", "PixelSpacingCalibrationType"),
    *("ViewPosition", "PatientOrientation"),
]
BONE_IS_BRIGHT, BONE_IS_DARK = "MONOCHROME2", "MONOCHROME1"
FRONTAL = ("AP", "PA", "")
CALIBRATED = ("GEOMETRY", "FIDUCIAL")  # corrected for how the rays spread
# By the patient's side that the rows run to: the sides at the first and at the last column.
SIDES: Mapping[str, tuple[str, str]] = {"L": ("R", "L"), "R": ("L", "R")}
UNKNOWN = (
    "The X-ray does not say how large its pixels are: they were taken as 1 mm, and the result is "
    "poor if that is far off."
)
AT_DETECTOR = (
    "The pixel spacing is not said to be corrected for how the rays spread: it is that at the "
    "detector, where everything looks larger than it is in the patient."
)


def is_xray(path: Path) -> bool:
    """Whether `path` is an X-ray, or a folder or a zip archive with X-rays only."""
    if not is_dicom(path):
        return False
    with _sources(path, Reach()) as sources:
        return all(_modality(source) in MODALITIES for source in sources)


def read_xray(path: Path, reach: Reach) -> Flat:
    """The one X-ray in `path`, in real units, turned so that bones are bright.

    Raises:
        BadImageError: it is a film, in colour, damaged, or its values are not known.
        OutOfReachError: a link in the folder leads elsewhere.
    """
    with _sources(path, reach) as sources:
        if len(sources) > 1:
            raise BadImageError(f"{path} holds {len(sources)} X-rays. Give the file of one.")
        (source,) = sources
        with understood(source):
            header = _header(source)
            _fit(source, header)
            data = np.ascontiguousarray(_bright(source, header), np.float32)[None]
            spacing = _spacing_mm(header)
            sides = SIDES.get(_towards(header)[0])
            notes = tuple(_notes(header))
    checks.visible(data)
    checks.spaced(spacing or (1.0, 1.0))
    rows, columns = data.shape[1:]
    return Flat(
        picture=Picture(data, ("ch0",), Plane((rows, columns), spacing or (1.0, 1.0))),
        form="dicom",
        spacing_known=spacing is not None,
        at_detector=spacing is not None and not _calibrated(header),
        sides=sides,
        modality=next(name for name in MODALITIES if name == header.Modality),
        notes=notes,
    )


@contextmanager
def _sources(path: Path, reach: Reach) -> Iterator[Sequence[Source]]:
    """The DICOM file `path`, or all in the folder or the archive."""
    if path.is_file() and not is_zip(path):
        file = reach.reading(path)
        yield (Source(str(file), lambda: file.open("rb"), file),)
        return
    with dicom_files(path, reach) as (sources, _):
        yield sources


def _modality(source: Source) -> str:
    """As the file says; empty where it cannot be read, which the reader of series tells of."""
    try:
        with understood(source):
            return str(_header(source).get("Modality", ""))
    except BadImageError:
        return ""


def _header(source: Source) -> FileDataset:
    if not unfolds(source):
        raise ValueError("deflated beyond bounds")
    with source.opened() as stream:
        return dcmread(stream, stop_before_pixels=True, specific_tags=HEADER)


def _fit(source: Source, header: FileDataset) -> None:
    """Refuse what is no single grey picture with known values."""
    frames = int(header.get("NumberOfFrames") or 1)
    pixels = int(header.Rows) * int(header.Columns)
    grey = str(header.PhotometricInterpretation) in (BONE_IS_BRIGHT, BONE_IS_DARK)
    reasons = {
        f"is a film of {frames} pictures: save one of them as a file": frames > 1,
        "is in colour: give the original X-ray": not grey or header.get("SamplesPerPixel", 1) != 1,
        "has values that mean something by a lookup table (ModalityLUTSequence) only, which is "
        "not read: convert it to PNG, NRRD or NIfTI with a program that applies it": (
            "ModalityLUTSequence" in header
        ),
        f"has {pixels:,} pixels: make it smaller, to at most {checks.MOST_PIXELS:,}": (
            pixels > checks.MOST_PIXELS
        ),
    }
    for reason, true in reasons.items():
        if true:
            raise BadImageError(f"The X-ray {source.name} {reason}.")


def _bright(source: Source, header: FileDataset) -> NDArray[np.float64]:
    """`[row, column]`, bones bright. What shows them dark is turned within its stored bits."""
    packing = header.file_meta.TransferSyntaxUID
    unpackable(source, packing)
    (stored,) = decode(source, packing, [0])
    slope, intercept = rescale_of(header)
    if str(header.PhotometricInterpretation) == BONE_IS_DARK:
        lowest_and_highest = -1 if header.PixelRepresentation else 2 ** int(header.BitsStored) - 1
        stored = lowest_and_highest - stored
    return stored.astype(np.float64) * slope + intercept


def _spacing_mm(header: FileDataset) -> tuple[float, float] | None:
    """Of columns and rows, in the patient, or else at the detector; None where nobody says."""
    said = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    if not said:
        return None
    down, across = map(float, said)
    return across, down


def _calibrated(header: FileDataset) -> bool:
    return str(header.get("PixelSpacingCalibrationType")) in CALIBRATED


def _towards(header: FileDataset) -> tuple[str, str]:
    """Where in the patient the rows and the columns run to, by DICOM's first letters."""
    said = [str(letters)[:1] for letters in header.get("PatientOrientation") or ()]
    along, down, *_ = (*said, "", "")
    return along, down


def _notes(header: FileDataset) -> Iterator[str]:
    packing = header.file_meta.TransferSyntaxUID
    if str(header.PhotometricInterpretation) == BONE_IS_DARK:
        yield "The X-ray was stored with dark bones (MONOCHROME1) and was inverted."
    if _spacing_mm(header) is None:
        yield UNKNOWN
    elif not _calibrated(header):
        yield AT_DETECTOR
    if str(header.get("ViewPosition") or "").upper() not in FRONTAL:
        yield "The X-ray is not a view from the front or the back, which the models are made for."
    if _towards(header)[1] == "H":
        yield "The X-ray is stored with the head down; it was not turned."
    if str(header.get("PresentationIntentType")) == "FOR PROCESSING":
        yield "The X-ray is raw (FOR PROCESSING): the models know pictures made for looking at."
    if str(header.get("LossyImageCompression")) == "01" or packing in LOSSY:
        yield "The X-ray was compressed with loss: its values are not exactly the detector's."
