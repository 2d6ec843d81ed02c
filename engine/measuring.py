"""From labels to what is known of them: the numbers that a request asks for."""

from dataclasses import replace

from totalseg_mcp.engine.files.nifti import header_of
from totalseg_mcp.engine.files.parameters import read_parameters
from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.measure.extraction import Extraction, extraction, version
from totalseg_mcp.engine.measure.radiomics import Radiomics, radiomics
from totalseg_mcp.engine.measure.statistics import Measurement, statistics
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.products import Findings
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.segment import Segmented
from totalseg_mcp.engine.watch import stage


def features_asked(request: Request) -> Extraction | None:
    """Which radiomics features, if any.

    Raises:
        EngineError: pyradiomics is missing, or the parameter file is not one.
    """
    if not request.radiomics:
        return None
    version()  # refuses if it is missing; a parameter file is read with what comes with it
    file = request.radiomics_parameters
    return extraction(read_parameters(file) if file else {})


def measure(
    request: Request,
    chosen: Plan,
    scan: Scan,
    segmented: Segmented,
    features: Extraction | None,
    demonstration: bool,
) -> Findings:
    """The labels, and what `request` wants measured of them.

    `demonstration` says that the weights are.
    """
    if chosen.lowres:  # the labels are on the model's grid, in the scan's order of axes
        image = reorient(segmented.model_image, scan.volume.grid.axcodes)
        scan = replace(scan, volume=image, header=header_of(image.grid))
    return Findings(
        plan=chosen,
        scan=scan,
        labels=segmented.labels,
        measurements=_statistics(request, chosen, scan, segmented) if request.statistics else {},
        saving_threads=request.saving_threads,
        demonstration=demonstration,
        radiomics=_radiomics(request, chosen, scan, segmented, features) if features else None,
    )


def _statistics(
    request: Request, chosen: Plan, scan: Scan, segmented: Segmented
) -> dict[str, Measurement]:
    """By structure, on the grid that TotalSegmentator measures on."""
    labels, image = segmented.labels, scan.volume
    if chosen.measured_on == "model" and not chosen.lowres:
        labels, image = segmented.model_labels, segmented.model_image
    measured = statistics(labels, image, request.include_incomplete)
    return {name: measured[name] for name in chosen.wanted if name in measured}


def _radiomics(
    request: Request, chosen: Plan, scan: Scan, segmented: Segmented, features: Extraction
) -> Radiomics:
    with stage("radiomics", 0.1, 1.0):
        return radiomics(
            segmented.labels, scan.volume, chosen.wanted, features, request.include_incomplete
        )
