"""One job of the 2-D tool: read, look from the front, segment, measure, write."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from totalseg_mcp.engine.cautions import beside
from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.files.flat import read_seen
from totalseg_mcp.engine.files.outputs import check
from totalseg_mcp.engine.flat import Flat
from totalseg_mcp.engine.measure.layers import measure_layers, without_mm
from totalseg_mcp.engine.models2d import Group, spelt_as_in
from totalseg_mcp.engine.picture import Layers, Picture
from totalseg_mcp.engine.products2d import Findings2D, asked_2d, file_names_2d
from totalseg_mcp.engine.regions import body_regions
from totalseg_mcp.engine.request2d import Plan2D, Request2D, plan_2d
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.segment2d import Networks2D, Seen, of_picture, of_volume, segment_2d
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.suggestions import suggestions
from totalseg_mcp.engine.suitability import suitability_2d
from totalseg_mcp.engine.supply import deliver, ordered_2d
from totalseg_mcp.engine.watch import clocked, stage
from totalseg_mcp.engine.writing import write_together

if TYPE_CHECKING:
    import torch

    from totalseg_mcp.engine.ladder import Ladder
    from totalseg_mcp.engine.network2d import Network2D


@dataclass(frozen=True, slots=True, eq=False)
class Outcome2D:
    """What came of a job: `files` are final, `seconds` are by stage, with the total."""

    findings: Findings2D
    plan: Plan2D
    given: Scan | Flat
    files: tuple[Path, ...]
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    weight_reads: int
    loads: int
    device: str
    engine: str  # what computed the networks
    degradations: tuple[str, ...] = ()  # what was done otherwise than asked; in `warnings` too


def run_2d(request: Request2D, session: Session) -> Outcome2D:
    """Do what was asked; files appear in `request.folder` only when all of it is done.

    What can be refused is refused before a model is loaded.

    Raises:
        EngineError: the caller or the operator can put it right; nothing was written.
    """
    began, before = time.perf_counter(), session.stats()
    ran: dict[str, Network2D] = {}
    chosen = plan_2d(request)
    leftovers = check(request.folder, file_names_2d(request, chosen))
    with session.job(), clocked() as seconds:
        with stage("read", 0.0, 0.4):
            given = read_seen(request.input_path, session.reach)
            remark = _suits(given, request, chosen)
        deliver(ordered_2d(chosen.groups, session), session, 0.4)
        with stage("start the device", 0.41, 0.45):
            device, why_not = _device(request.device)
        with stage("segment", 0.45, 0.85):
            seen = of_volume(given.volume) if isinstance(given, Scan) else of_picture(given.picture)
            ladder = _ladder(session, device, request.device)
            layers = ladder.climbed(partial(_layers, request, chosen, seen, _networks(ladder, ran)))
        with stage("measure", 0.85, 0.88):
            picture = seen(next(iter(ran.values())).channels)
            findings = _findings(request, chosen, layers, picture, ran)
            findings = of_flat(findings, given) if isinstance(given, Flat) else findings
        with stage("write", 0.88, 1.0):
            writers = {name: product.write for name, product in asked_2d(request).items()}
            files = write_together(writers, findings, request.folder)
    seconds["total"] = time.perf_counter() - began
    degraded = _told(why_not, *(one.network.degraded for one in ran.values()), *ladder.steps)
    told = _told(*given.notes, remark, *degraded, *_of_flat(given), beside(leftovers))
    after = session.stats()
    return Outcome2D(
        findings=findings,
        plan=chosen,
        given=given,
        files=files,
        warnings=told,
        seconds=seconds,
        weight_reads=after.weight_reads - before.weight_reads,
        loads=after.loads - before.loads,
        device=str(ladder.device),
        engine=", ".join(dict.fromkeys(one.network.engine for one in ran.values())),
        degradations=degraded,
    )


def _told(*texts: str | None) -> tuple[str, ...]:
    """What there is to tell, each once."""
    return tuple(dict.fromkeys(text for text in texts if text))


def _layers(request: Request2D, chosen: Plan2D, seen: Seen, networks: Networks2D) -> Layers:
    return segment_2d(seen, chosen.groups, networks, request.threshold, request.mirroring)


def _suits(given: Scan | Flat, request: Request2D, chosen: Plan2D) -> str | None:
    """What speaks against the model for this image, if anything does.

    Raises:
        BadRequestError: it is surely not what the model is for.
    """
    if isinstance(given, Flat):
        return None
    if chosen.model.image == "X-ray":
        raise BadRequestError(
            f"The model {chosen.model.name!r} is for X-ray pictures, and this is a 3-D volume. Use "
            "model='ts2d-v2'."
        )
    return suitability_2d(given, chosen.model.name, request.force).warning


def _of_flat(given: Scan | Flat) -> tuple[str | None, ...]:
    """What to know of the pixels of a picture."""
    if isinstance(given, Scan):
        return ()
    return (
        None
        if given.spacing_known
        else "The picture does not say how large its pixels are: the networks took them for 1 mm. "
        "Nothing is measured in mm, and structures may be missed.",
        "The pixels were measured at the detector: everything in the patient is smaller than "
        "that, by a tenth or more."
        if given.at_detector
        else None,
    )


def _device(name: str) -> "tuple[torch.device, str | None]":
    from totalseg_mcp.engine.device import choose_device

    return choose_device(name)


def _ladder(session: Session, device: "torch.device", asked: str) -> "Ladder":
    from totalseg_mcp.engine.ladder import ANY_GPU, Ladder

    return Ladder(session, device, cpu_allowed=asked == ANY_GPU)


def _networks(ladder: "Ladder", ran: "dict[str, Network2D]") -> Networks2D:
    """The session's networks; those that are asked for are added to `ran`, by their group."""

    def network(group: Group) -> "Network2D":
        ran[group.name] = ladder.loaded_2d(group)
        return ran[group.name]

    return network


def _findings(
    request: Request2D,
    chosen: Plan2D,
    layers: Layers,
    picture: Picture,
    ran: "Mapping[str, Network2D]",
) -> Findings2D:
    """Every structure that is wanted, measured."""
    layers = only(layers, chosen.wanted) if request.structures else layers
    parts = {
        group.name: tuple(
            called
            for name in ran[group.name].names
            if (called := spelt_as_in(group.names, name)) in layers.names
        )
        for group in chosen.groups
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
