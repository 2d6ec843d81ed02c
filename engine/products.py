"""The files that a job can write: one entry a kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from totalseg_mcp.engine.files.masks import write_labels, write_mask, write_masks
from totalseg_mcp.engine.files.radiomics import write_radiomics
from totalseg_mcp.engine.files.statistics import write_statistics, write_table
from totalseg_mcp.engine.image.derived import DERIVED
from totalseg_mcp.engine.measure.radiomics import Radiomics
from totalseg_mcp.engine.measure.statistics import Measurement
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.preview import preview
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.tasks import task_named
from totalseg_mcp.engine.volume import Labels
from totalseg_mcp.engine.watch import track

LABELS_FILE = "segmentation.nii.gz"
STATISTICS_FILE = "statistics.json"
STATISTICS_CSV = "statistics.csv"
RADIOMICS_FILE = "radiomics.json"
PREVIEW_FILE = "preview.png"


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """All there is to write from: the labels lie on the scan's grid."""

    plan: Plan
    scan: Scan
    labels: Labels
    measurements: Mapping[str, Measurement]
    saving_threads: int = 1
    radiomics: Radiomics | None = None  # where it was asked for


@dataclass(frozen=True, slots=True)
class Product:
    """A kind of file: when it is asked for, how it is called, how it is written."""

    asked: Callable[[Request], bool]
    names: Callable[[Plan], tuple[str, ...]]
    write: Callable[[Findings, Path], None]


def _write_masks(findings: Findings, folder: Path) -> None:
    labels, scan, wanted = findings.labels, findings.scan, findings.plan.wanted
    write_masks(labels, scan, folder, wanted, findings.saving_threads)
    for name in track(findings.plan.derived, "derived mask"):
        mask = DERIVED[name](findings.scan.volume, findings.labels)
        write_mask(mask, findings.scan, folder / f"{name}.nii.gz")


def _write_labels(findings: Findings, folder: Path) -> None:
    write_labels(findings.labels, findings.scan, folder / LABELS_FILE, findings.plan.wanted)


def _write_statistics(findings: Findings, folder: Path) -> None:
    write_statistics(findings.measurements, folder / STATISTICS_FILE)
    write_table(findings.measurements, folder / STATISTICS_CSV)


def _write_radiomics(findings: Findings, folder: Path) -> None:
    if findings.radiomics is not None:
        write_radiomics(findings.radiomics, folder / RADIOMICS_FILE)


def _write_preview(findings: Findings, folder: Path) -> None:
    modality = task_named(findings.plan.task).modality
    picture = preview(findings.scan.volume, findings.labels, modality)
    (folder / PREVIEW_FILE).write_bytes(picture)


PRODUCTS: Mapping[str, Product] = {
    "masks": Product(
        lambda request: request.masks and not request.multilabel,
        lambda plan: tuple(f"{name}.nii.gz" for name in plan.wanted + plan.derived),
        _write_masks,
    ),
    "label map": Product(
        lambda request: request.masks and request.multilabel,
        lambda plan: (LABELS_FILE,),
        _write_labels,
    ),
    "statistics": Product(
        lambda request: request.statistics,
        lambda plan: (STATISTICS_FILE, STATISTICS_CSV),
        _write_statistics,
    ),
    "radiomics": Product(
        lambda request: request.radiomics, lambda plan: (RADIOMICS_FILE,), _write_radiomics
    ),
    "preview": Product(
        lambda request: request.preview, lambda plan: (PREVIEW_FILE,), _write_preview
    ),
}


def asked(request: Request) -> dict[str, Product]:
    """The products of `request`."""
    return {name: product for name, product in PRODUCTS.items() if product.asked(request)}


def file_names(request: Request, plan: Plan) -> tuple[str, ...]:
    """The names of all files that `request` will write."""
    return tuple(name for product in asked(request).values() for name in product.names(plan))
