"""From labels to what is known of them: the numbers that a job asks for."""

from dataclasses import replace

from totalseg_mcp.engine.files.nifti import header_of
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.job import Job
from totalseg_mcp.engine.measure.radiomics import Radiomics, radiomics
from totalseg_mcp.engine.measure.statistics import Measurement, statistics
from totalseg_mcp.engine.products import Findings
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.segment import Segmented
from totalseg_mcp.engine.views import Views
from totalseg_mcp.engine.watch import stage


def measure(
    job: Job, scan: Scan, views: Views, segmented: Segmented, demonstration: bool
) -> Findings:
    """The labels, and what `job` wants measured of them.

    `views` are those of the scan; `demonstration` says that the weights are.
    """
    chosen = job.plan
    if chosen.lowres:  # the labels are on the model's grid, in the scan's order of axes
        image = reorient(views.of(chosen, segmented.box), scan.volume.grid.axcodes)
        scan = replace(scan, volume=image, header=header_of(image.grid))
    return Findings(
        plan=chosen,
        scan=scan,
        labels=segmented.labels,
        measurements=_statistics(job, scan, views, segmented) if job.request.statistics else {},
        saving_threads=job.request.saving_threads,
        demonstration=demonstration,
        radiomics=_radiomics(job, scan, segmented),
    )


def _statistics(job: Job, scan: Scan, views: Views, segmented: Segmented) -> dict[str, Measurement]:
    """By structure, on the grid that TotalSegmentator measures on."""
    labels, image = segmented.labels, scan.volume
    on_model = job.plan.measured_on == "model" and not job.plan.lowres
    if on_model and segmented.region_found:
        labels, image = segmented.model_labels, views.of(job.plan, segmented.box)
    measured = statistics(labels, image, job.request.include_incomplete)
    return {name: measured[name] for name in job.plan.wanted if name in measured}


def _radiomics(job: Job, scan: Scan, segmented: Segmented) -> Radiomics | None:
    if job.features is None:
        return None
    labels, wanted = segmented.labels, job.plan.wanted
    with stage("radiomics", 0.1, 1.0):
        return radiomics(labels, scan.volume, wanted, job.features, job.request.include_incomplete)
