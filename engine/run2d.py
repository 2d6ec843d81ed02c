"""One job of the 2-D tool: read, look from the front, segment, measure, write."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from totalseg_mcp.engine.cautions import beside
from totalseg_mcp.engine.files.outputs import check
from totalseg_mcp.engine.flat import Flat
from totalseg_mcp.engine.look import look
from totalseg_mcp.engine.measure.layers import measure_layers, without_mm
from totalseg_mcp.engine.models2d import Group
from totalseg_mcp.engine.picture import Layers
from totalseg_mcp.engine.product import asked, file_names
from totalseg_mcp.engine.products2d import PRODUCTS_2D, Findings2D
from totalseg_mcp.engine.regions import body_regions
from totalseg_mcp.engine.request2d import Plan2D, Request2D, plan_2d
from totalseg_mcp.engine.segment2d import Seen, Segmented2D, segment_2d
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.starting import started
from totalseg_mcp.engine.suggestions import suggestions
from totalseg_mcp.engine.supply import deliver, ordered_2d
from totalseg_mcp.engine.watch import clocked, stage
from totalseg_mcp.engine.writing import write_together

if TYPE_CHECKING:
    from totalseg_mcp.engine.ladder import Ladder
    from totalseg_mcp.engine.network2d import Network2D


@dataclass(frozen=True, slots=True, eq=False)
class Outcome2D:
    """What came of a job: `files` are final, `seconds` are by stage, with the total.

    `flat` is the picture that was given; None where it was a volume.
    """

    findings: Findings2D
    plan: Plan2D
    form: str
    flat: Flat | None
    files: tuple[Path, ...]
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    weight_reads: int
    loads: int
    device: str
    engine: str | None  # what computed the networks
    degradations: tuple[str, ...] = ()  # what was done otherwise than asked; in `warnings` too


def run_2d(request: Request2D, session: Session) -> Outcome2D:
    """Do what was asked; files appear in `request.folder` only when all of it is done.

    What can be refused is refused before a model is loaded.

    Raises:
        EngineError: the caller or the operator can put it right; nothing was written.
    """
    began, before = time.perf_counter(), session.stats()
    chosen = plan_2d(request)
    leftovers = check(request.folder, file_names(PRODUCTS_2D, request, chosen))
    with session.job(), clocked() as seconds:
        given = look(request, chosen.model, session.reach)
        deliver(ordered_2d(chosen.groups, session), session, 0.4)
        with stage("start the device", 0.41, 0.45):
            ladder, why_not = started(request.device, session)
        with stage("segment", 0.45, 0.85):
            segmented = ladder.climbed(partial(_segmented, request, chosen, given.seen, ladder))
        with stage("measure", 0.85, 0.88):
            findings = _findings(request, chosen, segmented)
            findings = of_flat(findings, given.flat) if given.flat else findings
        with stage("write", 0.88, 1.0):
            writers = {name: product.write for name, product in asked(PRODUCTS_2D, request).items()}
            files = write_together(writers, findings, request.folder)
    seconds["total"] = time.perf_counter() - began
    degraded = _told(why_not, *ladder.degradations)
    told = _told(*given.notes, *degraded, beside(leftovers))
    after = session.stats()
    return Outcome2D(
        findings=findings,
        plan=chosen,
        form=given.form,
        flat=given.flat,
        files=files,
        warnings=told,
        seconds=seconds,
        weight_reads=after.weight_reads - before.weight_reads,
        loads=after.loads - before.loads,
        device=ladder.devices,
        engine=ladder.engines,
        degradations=degraded,
    )


def _told(*texts: str | None) -> tuple[str, ...]:
    """What there is to tell, each once."""
    return tuple(dict.fromkeys(text for text in texts if text))


def _segmented(request: Request2D, chosen: Plan2D, seen: Seen, ladder: "Ladder") -> Segmented2D:
    """The structures in the picture; the networks are let go of, so that they can be put out."""
    used = []

    def network(group: Group) -> "Network2D":
        used.append(ladder.loaded_2d(group))
        return used[-1]

    segmented = segment_2d(seen, chosen.groups, network, request.threshold, request.mirroring)
    for one in used:
        ladder.note(one.network)
    return segmented


def _findings(request: Request2D, chosen: Plan2D, segmented: Segmented2D) -> Findings2D:
    """Every structure that is wanted, measured."""
    layers, picture = segmented.layers, segmented.picture
    layers = only(layers, chosen.wanted) if request.structures else layers
    parts = {
        group: tuple(name for name in names if name in layers.names)
        for group, names in segmented.parts.items()
    }
    extents = measure_layers(layers, picture, request.include_incomplete)
    regions = body_regions(extents, layers.plane)
    fitting = suggestions(regions, extents, chosen.model.image)
    return Findings2D(request, None, picture, layers, parts, extents, regions, fitting)


def of_flat(findings: Findings2D, given: Flat) -> Findings2D:
    """Without mm, and regions by them, where nobody knows how large a pixel is."""
    if given.spacing_known:
        return replace(findings, flat=given)
    extents = {name: without_mm(extent) for name, extent in findings.extents.items()}
    return replace(findings, flat=given, extents=extents, regions=())


def only(layers: Layers, wanted: tuple[str, ...]) -> Layers:
    """The layers of `wanted`, in their own order."""
    kept = [at for at, name in enumerate(layers.names) if name in wanted]
    return replace(
        layers,
        data=layers.data[kept],
        names=tuple(layers.names[at] for at in kept),
        confidence=tuple(layers.confidence[at] for at in kept),
    )
