"""Arguments and result of the `totalsegmentator` tool, name for name as documented."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from totalseg_mcp.schemas.fields import Device, License, Names, TaskName
from totalseg_mcp.schemas.result import Result

LATER = " Not available in this version: leave it out."


class Arguments(BaseModel):
    """Every documented parameter, with its documented default."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    input_path: Annotated[
        str, Field(description="Absolute path of a CT/MR NIfTI image or a folder of DICOM slices.")
    ]
    output_dir: Annotated[
        str,
        Field(description="Absolute path of the folder for the results; made if it is missing."),
    ]
    output_type: Annotated[
        Literal["nifti", "dicom"],
        Field(description="Format of the segmentations; 'dicom' is not available in this version."),
    ] = "nifti"
    multilabel: Annotated[
        bool,
        Field(description="Save one image with a number per structure, not a mask per structure."),
    ] = False
    preview: Annotated[bool, Field(description="Make a PNG preview of the segmentation.")] = False
    skip_saving: Annotated[
        bool, Field(description="Save no segmentations: faster if only statistics are wanted.")
    ] = False
    task: Annotated[TaskName, Field(description="What to segment; 'total' is for CT.")] = "total"
    roi_subset: Annotated[
        Names | None,
        Field(description="Only these structures of the task, e.g. 'liver,spleen'; faster."),
    ] = None
    roi_subset_robust: Annotated[
        Names | None,
        Field(description="Like roi_subset, but found first with a more robust (3 mm) model."),
    ] = None
    fast: Annotated[
        bool, Field(description="3 mm model: faster, less memory, a little less exact.")
    ] = False
    fastest: Annotated[bool, Field(description="6 mm model: fastest, coarse.")] = False
    nr_threads_resampling: Annotated[
        int | None, Field(ge=1, description="Threads for resampling; null chooses." + LATER)
    ] = None
    nr_threads_saving: Annotated[
        int | None,
        Field(ge=1, description="Threads for saving segmentations; null chooses." + LATER),
    ] = None
    device: Annotated[
        Device,
        Field(
            description="'gpu' (CPU where there is none, with a warning), 'gpu:N', 'cpu', 'mps'."
        ),
    ] = "gpu"
    force_split: Annotated[
        bool, Field(description="Process the image in 3 chunks, for less memory.")
    ] = False
    body_seg: Annotated[
        bool, Field(description="Find the body roughly first and crop to it (CT).")
    ] = False
    statistics: Annotated[
        bool, Field(description="Measure volume (mm³) and mean intensity of each structure.")
    ] = False
    radiomics: Annotated[
        bool, Field(description="Calculate radiomics features (requires pyradiomics)." + LATER)
    ] = False
    stats_include_incomplete: Annotated[
        bool,
        Field(description="Measure also structures that the image's border cuts off (marked)."),
    ] = False
    crop_path: Annotated[
        str | None, Field(description="Path of masks of your own to crop to." + LATER)
    ] = None
    no_derived_masks: Annotated[
        bool, Field(description="Make no derived masks (e.g. skin from the body mask).")
    ] = False
    nora_tag: Annotated[
        str | None, Field(description="Tag in NORA as mask (NORA project ID)." + LATER)
    ] = None
    quiet: Annotated[bool, Field(description="Leave command_output empty.")] = False
    verbose: Annotated[bool, Field(description="More detail in command_output.")] = False
    license_number: Annotated[
        License,
        Field(description="Licence number, 18 characters; only licensed tasks need one."),
    ] = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Arguments":
        for one, other in (("fast", "fastest"), ("roi_subset", "roi_subset_robust")):
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"{one} and {other} exclude each other: give one of them.")
        return self


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


class TaskInfo(BaseModel):
    """What was run."""

    task: str
    is_mr_task: bool
    image_type: Literal["CT", "MR"]
    resolution: Literal["default", "fast", "fastest"]


class ImageGrid(BaseModel):
    """The scan's voxel grid, which every mask repeats."""

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


class Timings(BaseModel):
    """Seconds, and what they were spent on."""

    total_s: float
    stages_s: Annotated[
        dict[str, float],
        Field(description="By stage; 'segment' contains the stages from region to restore."),
    ]
    weight_reads: Annotated[
        int, Field(description="Models read from disk; 0 where all were still loaded.")
    ]


class TotalSegmentatorResult(Result):
    """The documented result, and what is needed to trust it."""

    status: Annotated[
        Literal["success"], Field(description="Always 'success': a failure is an error.")
    ] = "success"
    output_dir: Annotated[str, Field(description="Absolute path of the folder of all files.")]
    command_output: Annotated[str, Field(description="The run's log lines; empty with quiet.")]
    segmentation_files: Annotated[
        list[str],
        Field(description="Absolute paths: a mask per structure, also of those not found."),
    ]
    statistics: Annotated[
        dict[str, StructureStatistics] | None,
        Field(description="By structure; null where statistics were not asked for."),
    ]
    statistics_file: Annotated[str | None, Field(description="Absolute path of statistics.json.")]
    statistics_grid: Annotated[
        Literal["scan", "model"] | None,
        Field(description="Measured on the scan's grid or, with fast, on the model's 3 mm grid."),
    ]
    radiomics: Annotated[None, Field(description="Not available yet: always null.")] = None
    task_info: Annotated[TaskInfo, Field(description="Task, modality and resolution.")]
    found: Annotated[list[str], Field(description="Structures with at least one voxel.")]
    not_found: Annotated[list[str], Field(description="Structures looked for without success.")]
    warnings: Annotated[list[str], Field(description="What to know before using the result.")]
    weights: Annotated[
        Literal["demonstration", "installed"],
        Field(description="'demonstration': trained on synthetic phantoms, not for real use."),
    ]
    models: Annotated[list[ModelUsed], Field(description="The models that ran, and their files.")]
    device: Annotated[DeviceUsed, Field(description="The device asked for and the one used.")]
    timings: Annotated[Timings, Field(description="Seconds by stage, and weight reads.")]
    grid: Annotated[ImageGrid, Field(description="The scan's voxel grid, which masks repeat.")]
