"""What DICOM results take over from the slices that they were made from."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.uid import UID, generate_uid

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.slices import DAMAGE
from totalseg_mcp.engine.headers import IDENTITY, REFERENCE, Headers

# Elements that each of our files must have, be they empty.
REQUIRED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
SHARED_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
INSTEAD = "Ask for output_type='nifti' or 'nrrd' instead."


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Origin:
    """`images` name and place the slices and hold nothing of the patient; `identity` does."""

    images: tuple[Dataset, ...]
    identity: Dataset


def origin(headers: Headers) -> Origin:
    """The slices as results refer to them, in the order of `headers`.

    UIDs that an anonymised series lacks are made from those of its slices, so that
    all results of the series have the same; `made_up` says so.

    Raises:
        BadImageError: the slices have no SOPInstanceUID of their own, or their headers cannot
            be read.
    """
    with _legibly():
        named = [_named(header) for header in headers.slices]
        missing = _missing_uids(headers)
        for image in named:
            image.update(missing)
        _refuse_frames(named)
        identity = _carried(headers.slices[0], IDENTITY)
        identity.StudyInstanceUID = named[0].StudyInstanceUID
        for keyword in REQUIRED:
            if keyword not in identity:
                setattr(identity, keyword, None)
    return Origin(tuple(named), identity)


def identify(result: Dataset, made_from: Origin) -> None:
    """Say in `result`, in place, whose it is."""
    result.update(made_from.identity)


def made_up(headers: Headers) -> tuple[str, ...]:
    """A note on the UIDs that the series lacks."""
    with _legibly():
        lacks = [keyword for keyword in SHARED_UIDS if not headers.slices[0].get(keyword)]
    if not lacks:
        return ()
    return (
        f"The slices have no {', '.join(lacks)} (anonymised?). The DICOM results have one made up, "
        "so viewers may not show them with the slices.",
    )


def _missing_uids(headers: Headers) -> Dataset:
    made = Dataset()
    for keyword in SHARED_UIDS:
        if not headers.slices[0].get(keyword):
            uids = sorted(_instance_uid(header) for header in headers.slices)
            setattr(made, keyword, generate_uid(entropy_srcs=[keyword, *uids]))
    return made


def _named(header: Dataset) -> Dataset:
    """The name and the place of one slice."""
    image = _carried(header, REFERENCE)
    image.SOPInstanceUID = _instance_uid(header)
    kind = UID(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or "")
    if not image.SOPInstanceUID or not kind or kind.is_private:
        raise BadImageError(
            "DICOM results refer to the slices, but these have no SOPInstanceUID or standard "
            f"SOPClassUID. {INSTEAD}"
        )
    image.SOPClassUID = kind
    return image


def _refuse_frames(images: Sequence[Dataset]) -> None:
    if len({image.SOPInstanceUID for image in images}) < len(images):
        raise BadImageError(
            "DICOM results refer to every slice by its SOPInstanceUID, but several slices have the "
            f"same: they are frames of one file. {INSTEAD}"
        )


def _instance_uid(header: Dataset) -> str:
    uid = header.get("SOPInstanceUID") or header.file_meta.get("MediaStorageSOPInstanceUID")
    return str(uid or "")


def _carried(header: Dataset, keywords: tuple[str, ...]) -> Dataset:
    found = Dataset()
    for keyword in keywords:
        if keyword in header:
            element = header[keyword]
            found.add_new(element.tag, element.VR, element.value)
    return found


@contextmanager
def discreetly() -> Iterator[None]:
    """Handle headers without a word: what pydicom says of odd values quotes them."""
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _legibly() -> Iterator[None]:
    """Tell that a header cannot be read, and nothing of what is in it."""
    try:
        with discreetly():
            yield
    except DAMAGE as error:
        raise BadImageError(
            "The headers of the slices cannot be carried over into DICOM results "
            f"({type(error).__name__}). {INSTEAD}"
        ) from None
