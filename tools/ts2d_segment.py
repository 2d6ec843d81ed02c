"""The `ts2d_segment` tool."""

from pathlib import Path

from totalseg_mcp.engine.products2d import PREVIEW_FILE, STATISTICS_CSV, STATISTICS_FILE
from totalseg_mcp.engine.request2d import Request2D
from totalseg_mcp.engine.run2d import Outcome2D, run_2d
from totalseg_mcp.engine.session import Session
from totalseg_mcp.schemas.findings import DeviceUsed
from totalseg_mcp.schemas.findings2d import (
    GroupUsed,
    ImageSeen,
    regions_in_view,
    structures_in_2d,
    suggested_calls,
)
from totalseg_mcp.schemas.ts2d_segment import Arguments, Ts2dResult
from totalseg_mcp.tools.demonstration import DEMONSTRATION
from totalseg_mcp.tools.timings import timings


def run(arguments: Arguments, session: Session) -> Ts2dResult:
    """One call: a job, and its outcome as a result."""
    request = Request2D(
        input_path=session.reach.reading(Path(arguments.input_path)),
        folder=session.reach.writing(Path(arguments.output_dir)),
        model=arguments.model,
        groups=tuple(arguments.groups or ()),
        structures=tuple(arguments.roi_subset or ()),
        device=arguments.device if "device" in arguments.model_fields_set else session.device,
        force=arguments.force,
        threshold=arguments.threshold,
        mirroring=arguments.mirroring,
        formats=tuple(arguments.output_type),
        collapse=arguments.collapse,
        save_all=arguments.save_all,
        statistics=arguments.statistics,
        include_incomplete=arguments.stats_include_incomplete,
        preview=arguments.preview,
    )
    return _result(request, run_2d(request, session), session)


def _result(request: Request2D, outcome: Outcome2D, session: Session) -> Ts2dResult:
    findings, found = outcome.findings, outcome.findings.found
    files = {file.name: str(file) for file in outcome.files}
    warnings = [*outcome.warnings, *_cut_off(outcome)]
    if session.store_2d.demonstration:
        warnings.insert(0, DEMONSTRATION)
    return Ts2dResult(
        summary=_summary(outcome, warnings),
        preview_file=files.pop(PREVIEW_FILE, None),
        output_dir=str(request.folder),
        statistics_file=files.pop(STATISTICS_FILE, None),
        statistics_csv=files.pop(STATISTICS_CSV, None),
        projection_files=[file for name, file in files.items() if name.startswith("projection_")],
        segmentation_files=[
            file for name, file in files.items() if not name.startswith("projection_")
        ],
        structures=structures_in_2d(findings.extents),
        found=list(found),
        not_found=[name for name in findings.extents if name not in found],
        body_regions=regions_in_view(findings.regions),
        suggestions=suggested_calls(findings.suggestions),
        warnings=warnings,
        model=outcome.plan.model.name,
        weights="demonstration" if session.store_2d.demonstration else "installed",
        groups=[
            GroupUsed(group=group.name, folder=str(session.store_2d.find(group)))
            for group in outcome.plan.groups
        ],
        image=_image(outcome),
        device=DeviceUsed(asked=request.device, used=outcome.device, engine=outcome.engine),
        degradations=list(outcome.degradations),
        timings=timings(outcome.seconds, outcome.weight_reads, outcome.loads),
    )


def _image(outcome: Outcome2D) -> ImageSeen:
    flat, plane = outcome.flat, outcome.findings.layers.plane
    known = flat.spacing_known if flat else True
    return ImageSeen(
        kind="picture" if flat else "volume",
        form=outcome.form,
        rows=plane.shape[0],
        columns=plane.shape[1],
        spacing_mm=plane.spacing_mm if known else None,
        channels=list(outcome.findings.picture.channels),
        affine=plane.grid.affine.tolist() if plane.grid else None,
    )


def _cut_off(outcome: Outcome2D) -> list[str]:
    names = [name for name, extent in outcome.findings.extents.items() if extent.complete is False]
    if not names:
        return []
    return [
        f"The border may cut off {len(names)} structures: {', '.join(names)}. Their areas are "
        "null, or lower bounds where stats_include_incomplete was set."
    ]


def _summary(outcome: Outcome2D, warnings: list[str]) -> str:
    findings = outcome.findings
    regions = [region.name for region in findings.regions if region.present]
    text = (
        f"{outcome.plan.model.name}: found {len(findings.found)} of {len(findings.extents)} "
        f"structures in {outcome.seconds['total']:.1f} s"
        + (f"; in view: {', '.join(regions)}." if regions else ".")
    )
    return f"{text} {warnings[0]}" if warnings else text
