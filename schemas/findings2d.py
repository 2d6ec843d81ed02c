"""What a result says of a picture: its structures, the regions of the body, what to do next."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

if TYPE_CHECKING:  # the list of tools needs no arrays
    from totalseg_mcp.engine import regions, suggestions
    from totalseg_mcp.engine.measure.layers import Extent

Tenths = Annotated[float, AfterValidator(partial(round, ndigits=1))]
Thousandths = Annotated[float, AfterValidator(partial(round, ndigits=3))]


class StructureIn2D(BaseModel):
    """One structure. Null means not measured, never zero."""

    model_config = ConfigDict(from_attributes=True)

    present: Literal[True]
    complete: Annotated[bool, Field(description="False: the picture's border may cut it off.")]
    touches: Annotated[
        list[str], Field(description="Sides that it comes near to; of the patient, if known.")
    ]
    pixels: int
    area_mm2: Annotated[
        Tenths | None, Field(description="Of its shadow, seen from the front; not a volume.")
    ]
    lower_bound: Annotated[
        bool, Field(description="True: cut off, and the area is that of the visible part.")
    ]
    intensity: Annotated[
        dict[str, Tenths] | None,
        Field(description="Mean of each projection inside its shadow, HU for CT."),
    ]
    confidence: Annotated[
        Thousandths | None, Field(description="The network's mean probability; not an accuracy.")
    ]
    pieces: Annotated[int | None, Field(description="Pieces that share no pixel edge.")]
    top_mm: Annotated[
        Tenths | None,
        Field(
            description="Upper end of what is visible: RAS+ z in a CT; in a picture without a "
            "place mm from its first row. The other ends likewise."
        ),
    ]
    bottom_mm: Tenths | None
    left_mm: Annotated[
        Tenths | None, Field(description="RAS+ x of the patient's left end; else from column 1.")
    ]
    right_mm: Tenths | None


class AbsentIn2D(BaseModel):
    """A structure that was looked for and not found."""

    model_config = ConfigDict(extra="forbid")

    present: Literal[False] = False


class BodyRegion(BaseModel):
    """A region of the body, told from the structures found."""

    model_config = ConfigDict(from_attributes=True)

    name: Literal["head", "neck", "thorax", "abdomen", "pelvis", "legs"]
    present: Annotated[
        bool | None, Field(description="Null: nothing was looked for that would show it.")
    ]
    top_mm: Annotated[
        Tenths | None, Field(description="Upper end of what is in view, as of structures.")
    ]
    bottom_mm: Tenths | None
    in_view: Annotated[
        Thousandths | None,
        Field(
            description="Share of its length in the picture, 0 to 1; estimated from the bones "
            "where an end is outside, null where they do not tell."
        ),
    ]


class Suggestion(BaseModel):
    """A call of totalsegmentator that fits this scan."""

    model_config = ConfigDict(from_attributes=True)

    task: str
    roi_subset: Annotated[list[str], Field(description="Empty: all structures of the task.")]
    fast: bool
    reason: str
    licence: Annotated[
        Literal["open", "commercial", "non-commercial"],
        Field(description="'commercial': needs license_number."),
    ]


class ImageSeen(BaseModel):
    """What was given, and the pixels that the structures lie on."""

    kind: Annotated[
        Literal["volume", "picture"],
        Field(description="'volume': projected from front to back; 'picture': taken as it is."),
    ]
    form: Annotated[str, Field(description="The file's format.")]
    rows: int
    columns: int
    spacing_mm: Annotated[
        tuple[float, float] | None,
        Field(description="Of columns, of rows, from the front; null: the file does not say."),
    ]
    channels: Annotated[list[str], Field(description="What the networks saw of it.")]
    affine: Annotated[
        list[list[float]] | None,
        Field(description="Of the results' grid (columns, 1, rows) to RAS+ mm; null: no place."),
    ]


class GroupUsed(BaseModel):
    """A network that ran."""

    group: str
    folder: Annotated[str, Field(description="Absolute path of its weights.")]


def structures_in_2d(found: "Mapping[str, Extent]") -> dict[str, StructureIn2D | AbsentIn2D]:
    """What was measured of every structure."""
    return {
        name: StructureIn2D.model_validate(extent) if extent.present else AbsentIn2D()
        for name, extent in found.items()
    }


def regions_in_view(found: "Sequence[regions.BodyRegion]") -> list[BodyRegion]:
    """The regions, from the head down."""
    return [BodyRegion.model_validate(region) for region in found]


def suggested_calls(made: "Sequence[suggestions.Suggestion]") -> list[Suggestion]:
    """The calls, the most useful first."""
    return [Suggestion.model_validate(one) for one in made]
