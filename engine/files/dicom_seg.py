"""Writing a label map as a DICOM segmentation. Imports highdicom, so it is imported when needed."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import numpy as np
from highdicom import (
    AlgorithmIdentificationSequence,
    ContentQualificationValues,
    PlanePositionSequence,
)
from highdicom.color import CIELabColor
from highdicom.enum import CoordinateSystemNames
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless, generate_uid

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files.origin import REQUIRED, Origin, discreetly, identify
from totalseg_mcp.engine.files.planes import Planes
from totalseg_mcp.engine.files.provenance import PROGRAM, Provenance
from totalseg_mcp.engine.terms import SCHEME, Code, terms
from totalseg_mcp.engine.watch import allow_stop

Kind = Literal["LABELMAP", "BINARY"]
P = ParamSpec("P")
T = TypeVar("T")

# By kind: how pixels are packed, and the number of the series. Bits are too small to pack further.
PACKING: dict[Kind, UID] = {"LABELMAP": RLELossless, "BINARY": ExplicitVRLittleEndian}
SERIES: dict[Kind, int] = {"LABELMAP": 100, "BINARY": 101}


class Stoppable(Executor):
    """Does what is given to it at once, and lets the job be stopped before each."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The result of `fn`, in a future that has come."""
        allow_stop()
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def write_seg(
    planes: Planes,
    origin: Origin,
    shown: Sequence[str],
    provenance: Provenance,
    kind: Kind,
    path: Path,
) -> None:
    """One file with the structures `shown`, in label order, on the slices of `planes`.

    A LABELMAP has the numbers of the label map, and writing it can be stopped between slices;
    a BINARY one counts the segments from 1 on, as the standard wants. Slices without any
    structure are left out. Where the series has gaps, the file names its images, but the frames
    do not (highdicom: all of them or none).
    """
    numbers = [planes.labels.names.index(name) + 1 for name in shown]
    segments = numbers if kind == "LABELMAP" else list(range(1, len(numbers) + 1))
    algorithm = _algorithm(provenance)
    described = [
        _described(name, number, algorithm) for name, number in zip(shown, segments, strict=True)
    ]
    with discreetly():
        made = Segmentation(
            source_images=[_anonymous(image) for image in planes.present],
            pixel_array=_renumbered(planes.labels.data, numbers, segments),
            segmentation_type=kind,
            segment_descriptions=described,
            plane_positions=_positions(planes),
            workers=Stoppable() if PACKING[kind].is_encapsulated else 0,
            series_instance_uid=generate_uid(),
            series_number=SERIES[kind],
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer=PROGRAM,
            manufacturer_model_name=provenance.algorithm,
            software_versions=f"{PROGRAM} {provenance.program_version}",
            device_serial_number="none",
            transfer_syntax_uid=PACKING[kind],
            content_description=provenance.content,
            content_label="SEGMENTATION",
            series_description=provenance.series,
            content_qualification=ContentQualificationValues.RESEARCH,
        )
        identify(made, origin)
        made.save_as(path)


def _algorithm(provenance: Provenance) -> AlgorithmIdentificationSequence:
    return AlgorithmIdentificationSequence(
        name=provenance.algorithm,
        family=codes.DCM.ArtificialIntelligence,
        version=provenance.version,
        source=PROGRAM,
        parameters={"resolution": provenance.resolution},
    )


def _described(
    name: str, number: int, algorithm: AlgorithmIdentificationSequence
) -> SegmentDescription:
    said = terms(name)
    segment = SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=_concept(said.category),
        segmented_property_type=_concept(said.type),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=generate_uid(),
        tracking_id=name,
        anatomic_regions=[_concept(said.region)] if said.region else None,
        display_color=CIELabColor.from_rgb(*colour(name)),
    )
    if said.modifier:
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_concept(said.modifier)]
    if said.region_modifier:
        region = segment.AnatomicRegionSequence[0]
        region.AnatomicRegionModifierSequence = [_concept(said.region_modifier)]
    return segment


def _concept(code: Code) -> CodedConcept:
    return CodedConcept(code.value, SCHEME, code.meaning)


def _renumbered(
    data: NDArray[np.integer], numbers: Sequence[int], segments: Sequence[int]
) -> NDArray[np.integer]:
    """`data` with `segments` in place of `numbers`, and 0 in place of all else."""
    table = np.zeros(int(data.max(initial=0)) + 1 + max(numbers), np.uint16)
    table[numbers] = segments
    renumbered: NDArray[np.integer] = table.astype(np.min_scalar_type(max(segments)))[data]
    return renumbered


def _positions(planes: Planes) -> list[PlanePositionSequence] | None:
    """Where the slices lie; None where all have images that say so."""
    if all(planes.images):
        return None
    places = (planes.position(at) for at in range(len(planes.images)))
    return [
        PlanePositionSequence(CoordinateSystemNames.PATIENT, place.tolist()) for place in places
    ]


def _anonymous(image: Dataset) -> Dataset:
    """`image` with the elements that highdicom wants to see, left empty."""
    image = image.copy()
    for keyword in REQUIRED:
        setattr(image, keyword, None)
    return image
