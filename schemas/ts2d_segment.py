"""Arguments and result of the `ts2d_segment` tool."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from totalseg_mcp.schemas.fields import Device, Formats2D, Model2DName, Names
from totalseg_mcp.schemas.findings import DeviceUsed, Timings
from totalseg_mcp.schemas.findings2d import (
    AbsentIn2D,
    BodyRegion,
    GroupUsed,
    ImageSeen,
    StructureIn2D,
    Suggestion,
)
from totalseg_mcp.schemas.result import Result


class Arguments(BaseModel):
    """What may be asked of TotalSegmentator 2D."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    input_path: Annotated[
        str,
        Field(
            description="Absolute path of a 3-D CT (NIfTI, NRRD, MetaImage, DICOM series), which "
            "is projected; or of a picture: a projection, or an X-ray (DICOM, PNG) for tsxr-v2."
        ),
    ]
    output_dir: Annotated[
        str,
        Field(description="Absolute path of the folder for the results; made if it is missing."),
    ]
    model: Annotated[
        Model2DName,
        Field(
            description="'ts2d-v2' (117 structures of CT), 'ts2d-v1' (104), 'ts2d-v1-bones-soft' "
            "(the same in two networks), 'tsxr-v2' (X-rays)."
        ),
    ] = "ts2d-v2"
    groups: Annotated[
        Names | None,
        Field(
            description="Only these networks: cardiac, muscles, organs, ribs, vertebrae (or bones, "
            "soft); null: all."
        ),
    ] = None
    roi_subset: Annotated[
        Names | None,
        Field(description="Only these structures, named as by totalsegmentator or by ts2d."),
    ] = None
    output_type: Annotated[
        Formats2D,
        Field(
            default="nrrd",
            validate_default=True,
            description="One or more of: 'nrrd' (one .seg.nrrd for 3D Slicer, structures may "
            "overlap), 'nifti' (a mask per structure), 'png' (a coloured picture).",
        ),
    ]
    collapse: Annotated[
        bool,
        Field(description="Results in 2-D; otherwise they lie in the CT, one thick slice deep."),
    ] = False
    preview: Annotated[
        bool, Field(description="Make a PNG of the projection with outlines and a legend.")
    ] = False
    save_all: Annotated[
        bool, Field(description="Also save the projections and each group's segmentation.")
    ] = False
    statistics: Annotated[
        bool, Field(description="Also save the measurements: statistics.json and .csv.")
    ] = False
    stats_include_incomplete: Annotated[
        bool,
        Field(description="Measure also structures that the image's border cuts off (marked)."),
    ] = False
    threshold: Annotated[
        float,
        Field(gt=0, lt=1, description="A structure is where its probability is above this."),
    ] = 0.5
    mirroring: Annotated[
        bool,
        Field(description="Also look at mirror images, where the model was trained with them."),
    ] = True
    device: Annotated[
        Device,
        Field(
            description="'gpu' (CPU where there is none, with a warning), 'gpu:N', 'cpu', 'mps'."
        ),
    ] = "gpu"
    force: Annotated[
        bool, Field(description="Segment although the image does not look like a CT.")
    ] = False


class Ts2dResult(Result):
    """What is in the scan and where, by one look from the front."""

    status: Annotated[
        Literal["success"], Field(description="Always 'success': a failure is an error.")
    ] = "success"
    output_dir: Annotated[str, Field(description="Absolute path of the folder of all files.")]
    segmentation_files: Annotated[list[str], Field(description="Absolute paths.")]
    projection_files: Annotated[
        list[str], Field(description="Absolute paths of what the networks saw (save_all).")
    ]
    statistics_file: Annotated[str | None, Field(description="Absolute path of statistics.json.")]
    statistics_csv: Annotated[str | None, Field(description="The same as a table (CSV).")]
    structures: Annotated[
        dict[str, StructureIn2D | AbsentIn2D],
        Field(description="Every structure looked for, found or not, in the model's order."),
    ]
    found: Annotated[list[str], Field(description="Structures with at least one pixel.")]
    not_found: Annotated[list[str], Field(description="Structures looked for without success.")]
    body_regions: Annotated[
        list[BodyRegion],
        Field(description="Head to legs, by rule from the structures; empty for X-rays."),
    ]
    suggestions: Annotated[
        list[Suggestion],
        Field(description="Calls of the tool totalsegmentator that fit what is in the scan."),
    ]
    warnings: Annotated[list[str], Field(description="What to know before using the result.")]
    model: Annotated[str, Field(description="The model that ran.")]
    weights: Annotated[
        Literal["demonstration", "installed"],
        Field(description="'demonstration': trained on synthetic phantoms, not for real use."),
    ]
    groups: Annotated[list[GroupUsed], Field(description="The networks that ran, and their files.")]
    image: Annotated[ImageSeen, Field(description="What was given, and the pixels it became.")]
    device: Annotated[DeviceUsed, Field(description="The device asked for and the one used.")]
    degradations: Annotated[
        list[str],
        Field(description="What was not run as asked, such as on another device; in warnings too."),
    ]
    timings: Annotated[Timings, Field(description="Seconds by stage, and weight reads.")]
