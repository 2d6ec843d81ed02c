"""Arguments and result of the `totalsegmentator` tool, name for name as documented."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from totalseg_mcp.schemas.fields import Device, Formats, License, Names, SmallBlobs, TaskNames
from totalseg_mcp.schemas.findings import (
    DeviceUsed,
    ImageGrid,
    MemoryUsed,
    ModelUsed,
    RadiomicsError,
    RadiomicsFeatures,
    StructureStatistics,
    TaskInfo,
    Timings,
)
from totalseg_mcp.schemas.result import Result
from totalseg_mcp.schemas.several import ByTask

EXCLUSIVE = (
    ("fast", "fastest"),
    ("roi_subset", "roi_subset_robust"),
    ("higher_order_resampling", "higher_order_resampling_LEGACY"),
)


class Arguments(BaseModel):
    """Every documented parameter, with its documented default, and what is beyond them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    input_path: Annotated[
        str,
        Field(
            description="Absolute path of a CT/MR image (NIfTI, NRRD, MetaImage), or of a DICOM "
            "series: its folder, a zip archive of it, or one of its files."
        ),
    ]
    output_dir: Annotated[
        str,
        Field(description="Absolute path of the folder for the results; made if it is missing."),
    ]
    output_type: Annotated[
        Formats,
        Field(
            default="nifti",
            validate_default=True,
            description="One or more of: 'nifti'; for DICOM input 'dicom_rtstruct' (radiotherapy; "
            "'dicom' is the same), 'dicom_seg' (one label map), 'dicom_seg_binary' (the same for "
            "older viewers); 'nrrd' (3D Slicer).",
        ),
    ]
    multilabel: Annotated[
        bool, Field(description="Save one image with numbers, not a mask per structure.")
    ] = False
    preview: Annotated[bool, Field(description="Make a PNG preview of the segmentation.")] = False
    skip_saving: Annotated[
        bool, Field(description="Save no segmentations: faster if only statistics are wanted.")
    ] = False
    task: Annotated[
        TaskNames,
        Field(
            default="total",
            validate_default=True,
            description="What to segment; 'total' is for CT. Several: 'total,lung_vessels', each "
            "with its own folder in output_dir.",
        ),
    ]
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
        int | None, Field(ge=1, description="At most so many threads for resampling; null chooses.")
    ] = None
    nr_threads_saving: Annotated[
        int | None,
        Field(ge=1, description="At most so many threads for saving masks; null chooses."),
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
        bool, Field(description="Radiomics features of each structure (needs pyradiomics).")
    ] = False
    radiomics_parameters: Annotated[
        str | None,
        Field(
            description="Absolute path of a parameter file of pyradiomics (YAML or JSON), for "
            "other features, filters or settings than its defaults; with radiomics."
        ),
    ] = None
    stats_include_incomplete: Annotated[
        bool, Field(description="Measure also structures that the border cuts off (marked).")
    ] = False
    crop_path: Annotated[
        str | None,
        Field(
            description="Absolute path of a mask of your own, or of a folder of masks (such as "
            "an earlier output_dir): look only near them instead of finding out where."
        ),
    ] = None
    no_derived_masks: Annotated[
        bool, Field(description="Make no derived masks (e.g. skin from the body mask).")
    ] = False
    nora_tag: Annotated[
        str | None, Field(description="NORA project ID: recorded in the result, nothing is run.")
    ] = None
    quiet: Annotated[bool, Field(description="Leave command_output empty.")] = False
    verbose: Annotated[bool, Field(description="More detail in command_output.")] = False
    license_number: Annotated[
        License,
        Field(description="Licence number, 18 characters; only licensed tasks need one."),
    ] = None
    force: Annotated[
        bool, Field(description="Segment although the image is not of the task's modality.")
    ] = False
    robust_crop: Annotated[
        bool, Field(description="Find a task's region with the 3 mm model, not the 6 mm one.")
    ] = False
    resampling_order: Annotated[
        int, Field(ge=0, le=5, description="Spline order for resampling the scan; 3 is smoother.")
    ] = 1
    higher_order_resampling: Annotated[
        bool, Field(description="Interpolate the network's outputs to the scan's grid: smooth.")
    ] = False
    higher_order_resampling_LEGACY: Annotated[  # noqa: N815 (TotalSegmentator's name)
        bool, Field(description="Interpolate each mask to the scan's grid: smoother borders.")
    ] = False
    save_lowres: Annotated[
        bool, Field(description="With fast or fastest: leave results on the model's grid.")
    ] = False
    remove_small_blobs: Annotated[
        SmallBlobs, Field(description="Drop separate blobs of up to so many mm³; true: 200.")
    ] = None
    v1_order: Annotated[
        bool, Field(description="Number the structures of 'total' as TotalSegmentator 1 did.")
    ] = False
    stats_aggregation: Annotated[
        Literal["mean", "median"],
        Field(description="'median' adds each structure's median, in its detail."),
    ] = "mean"
    statistics_extra: Annotated[
        bool, Field(description="Also return spread, place and pieces of each structure.")
    ] = False
    cache: Annotated[
        bool, Field(description="Reuse the labels of an equal earlier call, and keep these.")
    ] = True

    @model_validator(mode="after")
    def _one_of_two(self) -> "Arguments":
        for one, other in EXCLUSIVE:
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"{one} and {other} exclude each other: give one of them.")
        if len(self.task) > 1 and (self.roi_subset or self.roi_subset_robust):
            raise ValueError("roi_subset is for one task: give one task, or leave it out.")
        if self.radiomics_parameters and not self.radiomics:
            raise ValueError("radiomics_parameters needs radiomics=true; give both or neither.")
        return self


class TotalSegmentatorResult(Result):
    """The documented result, and what is needed to trust it."""

    status: Annotated[
        Literal["success"], Field(description="Always 'success': a failure is an error.")
    ] = "success"
    output_dir: Annotated[str, Field(description="Absolute path of the folder of all files.")]
    command_output: Annotated[str, Field(description="The run's log lines; empty with quiet.")]
    segmentation_files: Annotated[
        list[str],
        Field(
            description="Absolute paths: a NIfTI mask per structure, also of those not found, or "
            "one file for all; and what else output_type asked for."
        ),
    ]
    key_file: Annotated[
        str | None,
        Field(description="Absolute path of the numbers, colours and SNOMED codes (multilabel)."),
    ] = None
    statistics: Annotated[
        dict[str, StructureStatistics] | None,
        Field(description="By structure; null if not asked for, or of several tasks: see results."),
    ]
    statistics_file: Annotated[str | None, Field(description="Absolute path of statistics.json.")]
    statistics_csv: Annotated[str | None, Field(description="The same as a table (CSV).")]
    statistics_grid: Annotated[
        Literal["scan", "model"] | None,
        Field(description="Measured on the scan's grid or, with fast, on the model's 3 mm grid."),
    ]
    radiomics: Annotated[
        dict[str, RadiomicsFeatures | RadiomicsError] | None,
        Field(
            description="By structure, by pyradiomics' names, or an error; null if not asked for "
            "or of more than 10 structures: see radiomics_file."
        ),
    ] = None
    radiomics_file: Annotated[
        str | None, Field(description="Absolute path of radiomics.json: settings, all structures.")
    ] = None
    radiomics_settings: Annotated[
        dict[str, Any] | None,
        Field(description="Version, image types, feature classes and settings of pyradiomics."),
    ] = None
    task_info: Annotated[TaskInfo, Field(description="Task, modality and resolution.")]
    found: Annotated[list[str], Field(description="Structures with at least one voxel.")]
    not_found: Annotated[list[str], Field(description="Structures looked for without success.")]
    warnings: Annotated[list[str], Field(description="What to know before using the result.")]
    weights: Annotated[
        Literal["demonstration", "installed"],
        Field(description="'demonstration': trained on synthetic phantoms, not for real use."),
    ]
    reused: Annotated[
        bool, Field(description="True: labels of an earlier call on this image; no model ran.")
    ] = False
    models: Annotated[list[ModelUsed], Field(description="Models that made the labels.")]
    device: Annotated[DeviceUsed, Field(description="The device asked for and the one used.")]
    degradations: Annotated[
        list[str],
        Field(description="What was not run as asked, such as on another device; in warnings too."),
    ]
    memory: Annotated[
        MemoryUsed, Field(description="Bytes of memory: foretold, available, and used at most.")
    ]
    timings: Annotated[Timings, Field(description="Seconds by stage, and weight reads.")]
    grid: Annotated[ImageGrid, Field(description="The voxel grid of the masks.")]
    nora_tag: Annotated[str | None, Field(description="As given; nothing was done with it.")]
    results: ByTask = None
