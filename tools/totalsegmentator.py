"""The `totalsegmentator` tool."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from totalseg_mcp.engine.measure.statistics import Measurement
from totalseg_mcp.engine.options import Options, Restoration
from totalseg_mcp.engine.products import (
    KEY_FILE,
    PREVIEW_FILE,
    RADIOMICS_FILE,
    STATISTICS_CSV,
    STATISTICS_FILE,
)
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import Outcome, run_all
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import Resolution, task_named
from totalseg_mcp.engine.threads import threads
from totalseg_mcp.engine.volume import Grid
from totalseg_mcp.schemas.findings import (
    DeviceUsed,
    ImageGrid,
    MemoryUsed,
    ModelUsed,
    StructureStatistics,
    TaskInfo,
)
from totalseg_mcp.schemas.totalsegmentator import Arguments, TotalSegmentatorResult
from totalseg_mcp.tools.demonstration import DEMONSTRATION
from totalseg_mcp.tools.radiomics import features_by_structure, radiomics_warnings
from totalseg_mcp.tools.several import together
from totalseg_mcp.tools.timings import timings


def run(arguments: Arguments, session: Session) -> TotalSegmentatorResult:
    """One call: a job for each task, and their outcomes as one result."""
    root = session.reach.writing(Path(arguments.output_dir))
    folders = {name: root / name if arguments.task[1:] else root for name in arguments.task}
    requests = {name: _request(arguments, session, name, at) for name, at in folders.items()}
    outcomes = zip(requests, run_all(tuple(requests.values()), session), strict=True)
    results = {name: _result(arguments, requests[name], done, session) for name, done in outcomes}
    return together(results, str(root)) if arguments.task[1:] else results[arguments.task[0]]


def _request(arguments: Arguments, session: Session, task: str, folder: Path) -> Request:
    return Request(
        input_path=session.reach.reading(Path(arguments.input_path)),
        folder=session.reach.writing(folder),
        options=_options(arguments, task),
        device=arguments.device if "device" in arguments.model_fields_set else session.device,
        force=arguments.force,
        masks=not arguments.skip_saving,
        formats=tuple(arguments.output_type),
        multilabel=arguments.multilabel,
        statistics=arguments.statistics,
        include_incomplete=arguments.stats_include_incomplete,
        radiomics=arguments.radiomics,
        radiomics_parameters=_parameters(arguments, session),
        preview=arguments.preview,
        licence=arguments.license_number,
        crop_path=session.reach.reading(Path(arguments.crop_path)) if arguments.crop_path else None,
        saving_threads=threads(arguments.nr_threads_saving),
        cache=arguments.cache,
    )


def _parameters(arguments: Arguments, session: Session) -> Path | None:
    file = arguments.radiomics_parameters
    return session.reach.reading(Path(file)) if file else None


def _options(arguments: Arguments, task: str) -> Options:
    resolution: Resolution = "fast" if arguments.fast else "default"
    return Options(
        task=task,
        resolution="fastest" if arguments.fastest else resolution,
        roi_subset=tuple(arguments.roi_subset or arguments.roi_subset_robust or ()),
        robust=bool(arguments.roi_subset_robust),
        body_only=arguments.body_seg,
        derive=not arguments.no_derived_masks,
        split=arguments.force_split,
        robust_crop=arguments.robust_crop,
        given_region=arguments.crop_path is not None,
        resampling_order=arguments.resampling_order,
        restore=_restoration(arguments),
        save_lowres=arguments.save_lowres,
        small_blobs_mm3=arguments.remove_small_blobs,
        v1_order=arguments.v1_order,
        threads=threads(arguments.nr_threads_resampling),
    )


def _restoration(arguments: Arguments) -> Restoration:
    if arguments.higher_order_resampling:
        return "logits"
    return "labels" if arguments.higher_order_resampling_LEGACY else "nearest"


def _result(
    arguments: Arguments, request: Request, outcome: Outcome, session: Session
) -> TotalSegmentatorResult:
    plan, found = outcome.findings.plan, outcome.found
    measured = outcome.findings.measurements if request.statistics else None
    files = {file.name: str(file) for file in outcome.files}
    textures = outcome.findings.radiomics
    warnings = [*outcome.warnings, *_cut_off(measured or {}), *radiomics_warnings(textures)]
    if session.store.demonstration:
        warnings.insert(0, DEMONSTRATION)
    return TotalSegmentatorResult(
        summary=_summary(outcome, warnings),
        preview_file=files.pop(PREVIEW_FILE, None),
        output_dir=str(request.folder),
        command_output="" if arguments.quiet else _log(outcome, arguments.verbose),
        statistics_file=files.pop(STATISTICS_FILE, None),
        key_file=files.pop(KEY_FILE, None),
        statistics_csv=files.pop(STATISTICS_CSV, None),
        statistics_grid=plan.measured_on if request.statistics else None,
        statistics=_statistics(arguments, measured),
        radiomics=features_by_structure(textures),
        radiomics_file=files.pop(RADIOMICS_FILE, None),
        radiomics_settings=None if textures is None else dict(textures.settings),
        segmentation_files=list(files.values()),
        task_info=_task_info(outcome),
        found=list(found),
        not_found=[name for name in plan.wanted if name not in found],
        warnings=warnings,
        weights="demonstration" if session.store.demonstration else "installed",
        reused=outcome.reused_s is not None,
        models=_models(outcome, session),
        device=DeviceUsed(asked=request.device, used=outcome.device, engine=outcome.engine),
        degradations=list(outcome.degradations),
        memory=MemoryUsed(**asdict(outcome.memory)),
        timings=timings(outcome.seconds, outcome.weight_reads, outcome.loads, outcome.reused_s),
        grid=_grid(outcome.findings.labels.grid),
        nora_tag=arguments.nora_tag,
    )


def _models(outcome: Outcome, session: Session) -> list[ModelUsed]:
    return [
        ModelUsed(dataset=model.dataset, folder=str(session.store.find(model)))
        for model in dict.fromkeys(outcome.models)
    ]


def _statistics(
    arguments: Arguments, measured: Mapping[str, Measurement] | None
) -> dict[str, StructureStatistics] | None:
    """What was measured; the detail, which is long, only where it was asked for."""
    if measured is None:
        return None
    left_out = set()
    if not (arguments.statistics_extra or arguments.stats_aggregation == "median"):
        left_out.add("detail")
    return {
        name: StructureStatistics.model_validate(
            {key: value for key, value in asdict(measurement).items() if key not in left_out}
        )
        for name, measurement in measured.items()
    }


def _task_info(outcome: Outcome) -> TaskInfo:
    plan = outcome.findings.plan
    modality = task_named(plan.task).modality
    return TaskInfo(
        task=plan.task,
        is_mr_task=modality == "MR",
        image_type=outcome.suits.detected or modality,
        detected_modality=outcome.suits.detected,
        forced=outcome.suits.forced,
        resolution=plan.resolution,
    )


def _grid(grid: Grid) -> ImageGrid:
    return ImageGrid(
        shape=grid.shape,
        spacing_mm=grid.spacing_mm,
        orientation=grid.axcodes,
        affine=grid.affine.tolist(),
    )


def _cut_off(measured: Mapping[str, Measurement]) -> list[str]:
    names = [name for name, measurement in measured.items() if measurement.complete is False]
    if not names:
        return []
    return [
        f"The image's border may cut off {len(names)} structures: {', '.join(names)}. Their "
        "numbers are null, or lower bounds where stats_include_incomplete was set."
    ]


def _summary(outcome: Outcome, warnings: list[str]) -> str:
    plan = outcome.findings.plan
    text = (
        f"{plan.task} ({plan.resolution}): found {len(outcome.found)} of {len(plan.wanted)} "
        f"structures, wrote {len(outcome.files)} files in {outcome.seconds['total']:.1f} s."
    )
    if outcome.reused_s is not None:
        text += f" {_reuse(outcome.reused_s)}"
    return f"{text} {warnings[0]}" if warnings else text


def _reuse(seconds: float) -> str:
    return f"Labels of an earlier call were reused, which saved {seconds:.1f} s."


def _log(outcome: Outcome, verbose: bool) -> str:
    """What a command line would have printed; `verbose` adds sizes and times."""
    findings = outcome.findings
    lines = [
        f"task {findings.plan.task}, {findings.plan.resolution} resolution, on {outcome.device}"
        + (f" by {outcome.engine}" if outcome.engine else ""),
        f"scan {findings.labels.grid.shape}, {findings.labels.grid.axcodes}",
        *(f"warning: {warning}" for warning in outcome.warnings),
    ]
    if outcome.reused_s is not None:
        lines.append(_reuse(outcome.reused_s))
    if verbose:
        lines += outcome.notes
        lines += [f"{name}: {seconds:.2f} s" for name, seconds in outcome.seconds.items()]
        lines += [f"model {model.dataset}: {model.folder}" for model in outcome.models]
    return "\n".join([*lines, f"{len(outcome.files)} files written"])
