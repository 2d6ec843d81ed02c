"""One result out of those of several tasks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from totalseg_mcp.schemas.several import TaskResult
from totalseg_mcp.schemas.totalsegmentator import TotalSegmentatorResult

# What has no meaning but by task.
BY_TASK = (
    *("key_file", "statistics", "statistics_file", "statistics_csv"),
    *("radiomics", "radiomics_file", "radiomics_settings"),
)


def together(
    results: Mapping[str, TotalSegmentatorResult], output_dir: str
) -> TotalSegmentatorResult:
    """The results of one call's tasks as one: lists of all of them, and each by its task.

    The preview is the first task's; what is the same for all is as it was.
    """
    every = list(results.values())
    first = every[0]
    found = _joined(every, lambda result: result.found)
    looked_for = _joined(every, lambda result: result.not_found)
    told = _warnings(results)
    changes = {
        **dict.fromkeys(BY_TASK),
        "summary": _summary(results, told),
        "output_dir": output_dir,
        "command_output": "\n".join(r.command_output for r in every if r.command_output),
        "segmentation_files": _joined(every, lambda result: result.segmentation_files),
        "task_info": first.task_info.model_copy(update={"task": ",".join(results)}),
        "found": found,
        "not_found": [name for name in looked_for if name not in found],
        "warnings": told,
        "reused": all(result.reused for result in every),
        "models": _joined(every, lambda result: result.models),
        "timings": first.timings.model_copy(
            update={"saved_s": sum(result.timings.saved_s for result in every)}
        ),
        "results": {name: _one(result) for name, result in results.items()},
    }
    return first.model_copy(update=changes)


def _one(result: TotalSegmentatorResult) -> TaskResult:
    return TaskResult.model_validate(
        {name: getattr(result, name) for name in TaskResult.model_fields}
    )


def _joined(
    results: Sequence[TotalSegmentatorResult], of: Callable[[TotalSegmentatorResult], list[Any]]
) -> list[Any]:
    """What the lists hold, each once, in their order."""
    joined: list[Any] = []
    for result in results:
        joined += [item for item in of(result) if item not in joined]
    return joined


def _warnings(results: Mapping[str, TotalSegmentatorResult]) -> list[str]:
    """Those of all tasks as they are, the others with the task that they are of."""
    every = [result.warnings for result in results.values()]
    common = [text for text in every[0] if all(text in warnings for warnings in every)]
    own = (
        f"{name}: {text}"
        for name, result in results.items()
        for text in result.warnings
        if text not in common
    )
    return [*common, *own]


def _summary(results: Mapping[str, TotalSegmentatorResult], told: list[str]) -> str:
    tasks = (
        f"{name} {len(result.found)} of {len(result.found) + len(result.not_found)} structures"
        + " (reused)" * result.reused
        for name, result in results.items()
    )
    seconds = next(iter(results.values())).timings.total_s
    text = f"{len(results)} tasks in {seconds:.1f} s: found of {'; of '.join(tasks)}."
    return f"{text} {told[0]}" if told else text
