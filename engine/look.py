"""What was given to the 2-D tool, as its networks will see it."""

from dataclasses import dataclass
from pathlib import Path

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.flat import read_seen
from totalseg_mcp.engine.flat import Flat
from totalseg_mcp.engine.glance import Glance, glance
from totalseg_mcp.engine.image.project import PROJECTIONS, plane_of
from totalseg_mcp.engine.models2d import Model2D
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.reel import Reel
from totalseg_mcp.engine.request2d import Request2D
from totalseg_mcp.engine.segment2d import Seen, of_picture, of_projections
from totalseg_mcp.engine.suitability import suitability_2d
from totalseg_mcp.engine.volume import Volume
from totalseg_mcp.engine.watch import stage

NO_SIZE = (
    "The picture does not say how large its pixels are: the networks took them for 1 mm. "
    "Nothing is measured in mm, and structures may be missed."
)
AT_DETECTOR = (
    "The pixels were measured at the detector: everything in the patient is smaller than that, by "
    "a tenth or more."
)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the networks see, and what there is to know of the file.

    The voxels of a volume are not kept: they pass by once. `flat` is the picture that
    was given; None where it was a volume.
    """

    seen: Seen
    form: str
    flat: Flat | None
    notes: tuple[str, ...]


def look(request: Request2D, model: Model2D, reach: Reach) -> Look:
    """Read what `request` names, and look at it from the front.

    Raises:
        BadImageError: it cannot be segmented, or surely is no CT.
        BadRequestError: it is surely not what `model` is for.
        OutOfReachError: a part of it is elsewhere.
    """
    with stage("read", 0.0, 0.4):
        given = read_seen(request.input_path, reach)
        if isinstance(given, Flat):
            notes = (*given.notes, *_of_pixels(given))
            return Look(of_picture(given.picture), given.form, given, notes)
        glanced = glance(given, [how for how in model.channels if how in PROJECTIONS])
        remark = _suits(given, glanced, request, model)
    again = _Again(request.input_path, reach)
    seen = of_projections(glanced.projections, plane_of(given.grid), again)
    return Look(seen, given.form, None, (*given.notes, *([remark] if remark else ())))


@dataclass(frozen=True, slots=True)
class _Again:
    """Reads a volume once more, for networks that see it otherwise than was expected."""

    path: Path
    reach: Reach

    def __call__(self) -> Volume:
        return read(self.path, self.reach).volume


def _suits(given: Reel, glanced: Glance, request: Request2D, model: Model2D) -> str | None:
    """What speaks against the model for this volume, if anything does."""
    if model.image == "X-ray":
        raise BadRequestError(
            f"The model {model.name!r} is for X-ray pictures, and this is a 3-D volume. Use "
            "model='ts2d-v2'."
        )
    return suitability_2d(given.modality, glanced.sample, model.name, request.force).warning


def _of_pixels(flat: Flat) -> tuple[str, ...]:
    """What to know of the pixels of a picture."""
    said = {NO_SIZE: not flat.spacing_known, AT_DETECTOR: flat.at_detector}
    return tuple(text for text, true in said.items() if true)
