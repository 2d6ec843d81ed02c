"""A picture as it came in, with what its file said about it."""

from dataclasses import dataclass
from typing import Literal

from totalseg_mcp.engine.picture import Picture

FlatForm = Literal["nifti", "nrrd", "metaimage", "png", "jpeg", "dicom"]
LEFT_FIRST = ("L", "R")  # how the columns of a projection run


@dataclass(frozen=True, slots=True, eq=False)
class Flat:
    """A checked picture: an X-ray, or a projection; finite, and not the same everywhere.

    Its channels are called "ch0", "ch1" and so on, and its pixels are never turned. `spacing_known`
    is False where the file does not say how large a pixel is: it is taken as 1 mm then, and areas
    mean nothing. `at_detector` is True where the pixels were measured at the detector of an X-ray,
    where everything looks larger than it is in the patient. `sides` is what of the patient is in
    the first and in the last column, "L" or "R"; None where nobody says. `notes` tell what reading
    changed or left out.
    """

    picture: Picture
    form: FlatForm
    spacing_known: bool = True
    at_detector: bool = False
    sides: tuple[str, str] | None = None
    modality: str | None = None  # DICOM's: CR, DX or RF
    notes: tuple[str, ...] = ()
