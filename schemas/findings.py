"""What a result says of structures, images and the run; tools share it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class StructureDetail(BaseModel):
    """How a structure's values spread, and where it lies, on the grid that was measured on."""

    median_intensity: float
    std_intensity: float
    min_intensity: float
    max_intensity: float
    p10_intensity: float
    p90_intensity: float
    components: Annotated[int, Field(description="Pieces that share no voxel face.")]
    centroid_voxel: tuple[float, float, float]
    centroid_mm: Annotated[tuple[float, float, float], Field(description="RAS+.")]
    first_voxel: tuple[int, int, int]
    last_voxel: Annotated[tuple[int, int, int], Field(description="Inclusive.")]
    bbox_mm: Annotated[
        tuple[tuple[float, float, float], tuple[float, float, float]],
        Field(description="RAS+, around the voxels' outer edges."),
    ]


class StructureStatistics(BaseModel):
    """One structure. Null means not measured, never zero."""

    volume_mm3: float | None
    mean_intensity: Annotated[float | None, Field(description="HU for CT.")]
    present: bool
    complete: Annotated[
        bool | None, Field(description="False: the image's border may cut it off; null: absent.")
    ]
    touches: Annotated[
        list[str], Field(description="Sides of the image that it comes near to, of the patient.")
    ]
    voxels: int
    lower_bound: Annotated[
        bool, Field(description="True: cut off, and the volume is that of the visible part.")
    ]
    detail: Annotated[
        StructureDetail | None,
        Field(description="Null unless asked for by statistics_extra; always in the file."),
    ] = None


RadiomicsFeatures = dict[str, float | None]  # null: not defined, or not computable


class RadiomicsError(BaseModel):
    """Why a structure that was found has no features."""

    model_config = ConfigDict(extra="forbid")

    error: str


class TaskInfo(BaseModel):
    """What was run."""

    task: str
    is_mr_task: bool
    image_type: Literal["CT", "MR"]
    detected_modality: Annotated[
        Literal["CT", "MR"] | None,
        Field(description="What the file or its values show; null: they leave doubt."),
    ]
    forced: Annotated[
        bool, Field(description="True: the image is of another modality; force=true overrode it.")
    ]
    resolution: Literal["default", "fast", "fastest"]


class ImageGrid(BaseModel):
    """The voxel grid of every mask: the scan's, or with save_lowres the model's."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: Annotated[str, Field(description="Direction of each axis, e.g. RAS.")]
    affine: Annotated[list[list[float]], Field(description="Voxel index to RAS+ mm, 4x4.")]


class ModelUsed(BaseModel):
    """A model that ran."""

    dataset: int
    folder: Annotated[str, Field(description="Absolute path of its weights.")]


class DeviceUsed(BaseModel):
    """Where the networks ran."""

    asked: str
    used: str
    engine: Annotated[
        str | None,
        Field(description="What computed the networks, and its version; null: none had to run."),
    ] = None


class MemoryUsed(BaseModel):
    """Main memory, in bytes, for the whole of the process."""

    needed: Annotated[int, Field(description="Estimated before the work, from plan and image.")]
    available: Annotated[
        int, Field(description="What the process had, and what was free for it, at that moment.")
    ]
    peak: Annotated[
        int | None, Field(description="The most that it had; null where the system does not tell.")
    ]


class Timings(BaseModel):
    """Seconds, and what they were spent on."""

    total_s: float
    stages_s: Annotated[
        dict[str, float],
        Field(
            description="By stage; 'segment' contains the stages from region to restore, and "
            "'load weights'."
        ),
    ]
    weight_reads: Annotated[
        int,
        Field(description="Files of weights read, one a fold; 0 where all were still loaded."),
    ]
    loads: Annotated[
        int, Field(description="Networks put on the device; 0 where all were still there.")
    ]
    saved_s: Annotated[
        float, Field(description="Seconds that the reused labels took when they were made.")
    ] = 0.0
