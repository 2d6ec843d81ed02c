"""Writing a label map as a DICOM RT structure set.

Every connected part of a structure in a slice is one closed planar contour. A hole is a keyhole:
the contour goes in to it and out again along the same line, as DICOM describes it for this kind
of contour. So a reader may join contours, count crossings or take windings: all give the
same, and parts never overlap.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset
from pydicom.dataelem import DataElement
from pydicom.tag import Tag
from pydicom.uid import UID, ImplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from scipy.ndimage import find_objects

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files.origin import Origin, discreetly, identify
from totalseg_mcp.engine.files.planes import Planes
from totalseg_mcp.engine.files.provenance import PROGRAM, Provenance
from totalseg_mcp.engine.image.outlines import outlines
from totalseg_mcp.engine.terms import SCHEME, Code, terms
from totalseg_mcp.engine.watch import track

SERIES_NUMBER = 102
STUDY_CLASS = UID("1.2.840.10008.3.1.2.3.1")  # retired, but what structure sets name a study with
CONTOUR_DATA = Tag("ContourData")


def write_rtstruct(
    planes: Planes, origin: Origin, shown: Sequence[str], provenance: Provenance, path: Path
) -> None:
    """One file with the structures `shown`, numbered as in the label map.

    Implicit VR: with explicit VR a contour of more than 64 kB could not be written as text.
    Can be stopped between structures.
    """
    made = _empty(provenance, datetime.now().astimezone())
    with discreetly():
        identify(made, origin)
    made.ReferencedFrameOfReferenceSequence = [_referenced(planes, made.StudyInstanceUID)]
    frame = planes.present[0].FrameOfReferenceUID
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = frame, None
    boxes = find_objects(planes.labels.data)
    numbers = [planes.labels.names.index(name) + 1 for name in shown]
    made.StructureSetROISequence = [
        _structure(name, number, frame) for name, number in zip(shown, numbers, strict=True)
    ]
    made.RTROIObservationsSequence = [
        _observation(name, number) for name, number in zip(shown, numbers, strict=True)
    ]
    contours = []
    for name in track(shown, "structure"):
        number = planes.labels.names.index(name) + 1
        box = boxes[number - 1] if number <= len(boxes) else None
        contours.append(_drawn(name, number, list(_contours(planes, number, box)) if box else []))
    made.ROIContourSequence = contours
    with discreetly():
        made.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=True)


def _empty(provenance: Provenance, now: datetime) -> Dataset:
    """A structure set that says what made it."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = RTStructureSetStorage, generate_uid()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.Modality, made.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    made.SeriesNumber, made.InstanceNumber, made.OperatorsName = SERIES_NUMBER, 1, None
    made.SeriesDescription = provenance.series
    made.Manufacturer, made.ManufacturerModelName = PROGRAM, provenance.algorithm
    made.SoftwareVersions = f"{PROGRAM} {provenance.program_version}"
    made.StructureSetLabel = "TotalSegmentator"
    made.StructureSetDescription = provenance.content
    made.ApprovalStatus = "UNAPPROVED"
    made.StructureSetDate = made.InstanceCreationDate = now.strftime("%Y%m%d")
    made.StructureSetTime = made.InstanceCreationTime = now.strftime("%H%M%S")
    return made


def _referenced(planes: Planes, study: str) -> Dataset:
    """The frame of reference, and in it the study, the series and its images."""
    series = Dataset()
    series.SeriesInstanceUID = planes.present[0].SeriesInstanceUID
    series.ContourImageSequence = [_reference(image) for image in planes.present]
    of_study = Dataset()
    of_study.ReferencedSOPClassUID, of_study.ReferencedSOPInstanceUID = STUDY_CLASS, study
    of_study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = planes.present[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [of_study]
    return frame


def _reference(image: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return reference


def _structure(name: str, number: int, frame: str) -> Dataset:
    structure = Dataset()
    structure.ROINumber, structure.ROIName = number, name
    structure.ReferencedFrameOfReferenceUID = frame
    structure.ROIGenerationAlgorithm = "AUTOMATIC"
    return structure


def _observation(name: str, number: int) -> Dataset:
    said = terms(name)
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.RTROIInterpretedType, observation.ROIInterpreter = "", None
    kind = _concept(said.type)
    if said.modifier:
        kind.SegmentedPropertyTypeModifierCodeSequence = [_concept(said.modifier)]
    observation.RTROIIdentificationCodeSequence = [kind]
    return observation


def _concept(code: Code) -> Dataset:
    concept = Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator = code.value, SCHEME
    concept.CodeMeaning = code.meaning
    return concept


def _drawn(name: str, number: int, contours: list[Dataset]) -> Dataset:
    drawn = Dataset()
    drawn.ReferencedROINumber, drawn.ROIDisplayColor = number, list(colour(name))
    if contours:
        drawn.ContourSequence = contours
    return drawn


def _contours(planes: Planes, number: int, box: tuple[slice, slice, slice]) -> Iterator[Dataset]:
    """The contours of structure `number`, which lies in `box`, slice by slice."""
    stack, rows, columns = box
    to_mm = np.stack([planes.down_column, planes.along_row])
    for at in range(stack.start, stack.stop):
        image, position = planes.images[at], planes.position(at)
        for polygon in outlines(planes.labels.data[at, rows, columns] == number):
            contour = Dataset()
            if image is not None:
                contour.ContourImageSequence = [_reference(image)]
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(polygon)
            corners = np.array([rows.start, columns.start]) + polygon
            contour[CONTOUR_DATA] = _text(position + corners @ to_mm)
            yield contour


def _text(points: NDArray[np.float64]) -> DataElement:
    """Contour data to a thousandth of a millimetre, as they stand in the file.

    They are decimal strings, declared as bytes: pydicom would make an object of each of a
    million numbers, and with implicit VR the file does not say which of the two they are.
    """
    text = "\\".join(f"{number:.3f}" for number in points.ravel().tolist())
    return DataElement(CONTOUR_DATA, "OB", text.encode() + b" " * (len(text) % 2))
