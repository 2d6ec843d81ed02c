"""One of several tasks of a call."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from totalseg_mcp.schemas.findings import (
    ImageGrid,
    ModelUsed,
    RadiomicsError,
    RadiomicsFeatures,
    StructureStatistics,
    TaskInfo,
)


class TaskResult(BaseModel):
    """The fields of the same names in the result, for one task."""

    model_config = ConfigDict(extra="forbid")

    output_dir: str
    segmentation_files: list[str]
    key_file: str | None
    preview_file: str | None
    statistics: dict[str, StructureStatistics] | None
    statistics_file: str | None
    statistics_csv: str | None
    statistics_grid: Literal["scan", "model"] | None
    radiomics: dict[str, RadiomicsFeatures | RadiomicsError] | None
    radiomics_file: str | None
    radiomics_settings: dict[str, Any] | None
    task_info: TaskInfo
    found: list[str]
    not_found: list[str]
    warnings: list[str]
    reused: bool
    models: list[ModelUsed]
    grid: ImageGrid


ByTask = Annotated[
    dict[str, TaskResult] | None,
    Field(
        description="Of several tasks, by task; the lists above hold those of all, and what is "
        "null there is here."
    ),
]
