"""The files that a job of the 2-D tool can write: one entry a kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from totalseg_mcp.engine.files.extents import write_extents, write_extents_table
from totalseg_mcp.engine.flat import Flat
from totalseg_mcp.engine.measure.layers import Extent, row_at
from totalseg_mcp.engine.models2d import spelt_by_ts2d
from totalseg_mcp.engine.picture import Layers, Picture
from totalseg_mcp.engine.product import Product, Products
from totalseg_mcp.engine.regions import BodyRegion
from totalseg_mcp.engine.request2d import Format2D, Plan2D, Request2D
from totalseg_mcp.engine.suggestions import Suggestion

SEGMENTATION_FILE = "segmentation.seg.nrrd"
COLOURED_FILE = "segmentation.png"
STATISTICS_FILE = "statistics.json"
STATISTICS_CSV = "statistics.csv"
PREVIEW_FILE = "preview.png"


@dataclass(frozen=True, slots=True, eq=False)
class Findings2D:
    """All there is to write from: the layers lie on the picture's plane.

    `parts` are the structures of each network that ran, by its name; `flat` is what was given
    where that was no volume.
    """

    request: Request2D
    flat: Flat | None
    picture: Picture
    layers: Layers
    parts: Mapping[str, tuple[str, ...]]
    extents: Mapping[str, Extent]
    regions: tuple[BodyRegion, ...]
    suggestions: tuple[Suggestion, ...]

    @property
    def found(self) -> tuple[str, ...]:
        """The structures with at least one pixel, in their order."""
        return tuple(name for name, extent in self.extents.items() if extent.present)


def projection_files(plan: Plan2D) -> tuple[str, ...]:
    """What the networks see, a file a channel, exact and to look at."""
    return tuple(
        f"projection_{channel}.{kind}"
        for channel in plan.model.channels
        for kind in ("nrrd", "png")
    )


def group_files(plan: Plan2D) -> tuple[str, ...]:
    """The segmentations of the networks, one by one."""
    return tuple(f"segmentation-{group.name}.seg.nrrd" for group in plan.groups)


def _write_segmentation(findings: Findings2D, folder: Path) -> None:
    _write_part(findings, findings.layers.names, folder / SEGMENTATION_FILE)


def _write_groups(findings: Findings2D, folder: Path) -> None:
    for group, names in findings.parts.items():
        _write_part(findings, names, folder / f"segmentation-{group}.seg.nrrd")


def _write_part(findings: Findings2D, names: tuple[str, ...], path: Path) -> None:
    from totalseg_mcp.engine.files.layers import write_layers_nrrd

    called = {name: spelt_by_ts2d(name) for name in names}
    write_layers_nrrd(findings.layers, called, path, findings.request.collapse)


def _write_masks(findings: Findings2D, folder: Path) -> None:
    from totalseg_mcp.engine.files.layers import write_layers_nifti

    layers = findings.layers
    write_layers_nifti(layers, layers.names, folder, findings.request.collapse)


def _write_coloured(findings: Findings2D, folder: Path) -> None:
    from totalseg_mcp.engine.files.layers import write_layers_png

    write_layers_png(findings.layers, folder / COLOURED_FILE)


def _write_projections(findings: Findings2D, folder: Path) -> None:
    from totalseg_mcp.engine.files.projection import write_projection

    write_projection(findings.picture, folder, findings.request.collapse)


def _write_statistics(findings: Findings2D, folder: Path) -> None:
    write_extents(findings.extents, folder / STATISTICS_FILE)
    write_extents_table(findings.extents, findings.picture.channels, folder / STATISTICS_CSV)


def _write_preview(findings: Findings2D, folder: Path) -> None:
    from totalseg_mcp.engine.preview.front import Region, front_view

    plane, flat = findings.layers.plane, findings.flat
    regions = [
        Region(region.name, round(row_at(plane, top)), round(row_at(plane, bottom)))
        for region in findings.regions
        if (top := region.top_mm) is not None and (bottom := region.bottom_mm) is not None
    ]
    sides, known = (flat.sides, flat.spacing_known) if flat else (None, True)
    picture = front_view(findings.picture, findings.layers, regions, sides, known)
    (folder / PREVIEW_FILE).write_bytes(picture)


def _in(kind: Format2D) -> Callable[[Request2D], bool]:
    return lambda request: kind in request.formats


PRODUCTS_2D: Products[Request2D, Plan2D, Findings2D] = {
    "segmentation for Slicer": Product(
        _in("nrrd"), lambda plan: (SEGMENTATION_FILE,), _write_segmentation
    ),
    "masks": Product(
        _in("nifti"), lambda plan: tuple(f"{name}.nii.gz" for name in plan.wanted), _write_masks
    ),
    "coloured picture": Product(_in("png"), lambda plan: (COLOURED_FILE,), _write_coloured),
    "each group": Product(lambda request: request.save_all, group_files, _write_groups),
    "projections": Product(lambda request: request.save_all, projection_files, _write_projections),
    "statistics": Product(
        lambda request: request.statistics,
        lambda plan: (STATISTICS_FILE, STATISTICS_CSV),
        _write_statistics,
    ),
    "preview": Product(
        lambda request: request.preview, lambda plan: (PREVIEW_FILE,), _write_preview
    ),
}
