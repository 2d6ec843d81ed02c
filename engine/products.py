"""The files that a job can write: one entry a kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.files.key import write_key
from totalseg_mcp.engine.files.masks import write_labels, write_mask, write_masks
from totalseg_mcp.engine.files.origin import INSTEAD, Origin, made_up, origin
from totalseg_mcp.engine.files.planes import Planes, fitting, planes
from totalseg_mcp.engine.files.provenance import Provenance
from totalseg_mcp.engine.files.radiomics import write_radiomics
from totalseg_mcp.engine.files.statistics import write_statistics, write_table
from totalseg_mcp.engine.image.derived import DERIVED
from totalseg_mcp.engine.measure.radiomics import Radiomics
from totalseg_mcp.engine.measure.statistics import Measurement
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.preview import preview
from totalseg_mcp.engine.product import Product, Products, asked
from totalseg_mcp.engine.request import Format, Request
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.tasks import task_named
from totalseg_mcp.engine.volume import Labels
from totalseg_mcp.engine.watch import track

LABELS_FILE = "segmentation.nii.gz"
KEY_FILE = "segmentation.json"
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
    demonstration: bool = False  # of the weights

    @property
    def provenance(self) -> Provenance:
        """What made them, as their files say it."""
        return Provenance(self.plan.task, self.plan.resolution, self.demonstration)

    @property
    def shown(self) -> tuple[str, ...]:
        """The structures that were found, in label order; all that were looked for if none was.

        What a format lists that has no room for an empty mask.
        """
        there = self.labels.there
        wanted = sorted(self.plan.wanted, key=self.labels.names.index)
        return tuple(name for name in wanted if name in there) or tuple(wanted)

    radiomics: Radiomics | None = None  # where it was asked for


def _write_masks(findings: Findings, folder: Path) -> None:
    labels, scan, wanted = findings.labels, findings.scan, findings.plan.wanted
    write_masks(labels, scan, folder, wanted, findings.saving_threads)
    for name in track(findings.plan.derived, "derived mask"):
        mask = DERIVED[name](findings.scan.volume, findings.labels)
        write_mask(mask, findings.scan, folder / f"{name}.nii.gz")


def _write_labels(findings: Findings, folder: Path) -> None:
    write_labels(findings.labels, findings.scan, folder / LABELS_FILE, findings.plan.wanted)
    write_key(findings.labels.names, findings.plan.wanted, findings.provenance, folder / KEY_FILE)


def _write_nrrd(findings: Findings, folder: Path) -> None:
    from totalseg_mcp.engine.files.nrrd import write_nrrd

    write_nrrd(findings.labels, findings.shown, folder / "segmentation.seg.nrrd")


def _write_labelmap_seg(findings: Findings, folder: Path) -> None:
    from totalseg_mcp.engine.files.dicom_seg import write_seg

    write_seg(*_for_dicom(findings), "LABELMAP", folder / "segmentation_seg.dcm")


def _write_binary_seg(findings: Findings, folder: Path) -> None:
    from totalseg_mcp.engine.files.dicom_seg import write_seg

    write_seg(*_for_dicom(findings), "BINARY", folder / "segmentation_seg_binary.dcm")


def _write_rtstruct(findings: Findings, folder: Path) -> None:
    from totalseg_mcp.engine.files.rtstruct import write_rtstruct

    write_rtstruct(*_for_dicom(findings), folder / "segmentation_rtstruct.dcm")


def _for_dicom(findings: Findings) -> tuple[Planes, Origin, tuple[str, ...], Provenance]:
    if findings.scan.source is None:
        raise ValueError("the scan was not read from DICOM slices")
    made_from = origin(findings.scan.source)
    return planes(findings.labels, made_from), made_from, findings.shown, findings.provenance


def _with_slices(chosen: Plan, scan: Scan) -> tuple[str, ...]:
    """DICOM results lie on the slices of the series that they were made from."""
    if scan.source is None:
        raise BadRequestError(
            "DICOM results refer to the patient, the study and the slices they were made from, "
            f"and this image ({scan.form}) does not have them. Give "
            f"the folder of the original DICOM series as input_path. {INSTEAD}"
        )
    if chosen.lowres:
        raise BadRequestError(
            "save_lowres leaves the labels on the model's grid, and DICOM results must lie on the "
            f"slices. Leave save_lowres out. {INSTEAD}"
        )
    fitting(scan.volume, origin(scan.source))
    return made_up(scan.source)


def _in(kind: Format) -> Callable[[Request], bool]:
    return lambda request: request.masks and kind in request.formats


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


PRODUCTS: Products[Request, Plan, Findings] = {
    "masks": Product(
        lambda request: _in("nifti")(request) and not request.multilabel,
        lambda plan: tuple(f"{name}.nii.gz" for name in plan.wanted + plan.derived),
        _write_masks,
    ),
    "label map": Product(
        lambda request: _in("nifti")(request) and request.multilabel,
        lambda plan: (LABELS_FILE, KEY_FILE),
        _write_labels,
    ),
    "segmentation for Slicer": Product(
        _in("nrrd"), lambda plan: ("segmentation.seg.nrrd",), _write_nrrd
    ),
    "DICOM SEG": Product(
        _in("dicom_seg"),
        lambda plan: ("segmentation_seg.dcm",),
        _write_labelmap_seg,
    ),
    "DICOM SEG, binary": Product(
        _in("dicom_seg_binary"),
        lambda plan: ("segmentation_seg_binary.dcm",),
        _write_binary_seg,
    ),
    "DICOM RTSTRUCT": Product(
        _in("dicom_rtstruct"),
        lambda plan: ("segmentation_rtstruct.dcm",),
        _write_rtstruct,
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


# What tells what to know before a product is made, and raises where the scan does not allow it.
SUITED: Mapping[str, Callable[[Plan, Scan], tuple[str, ...]]] = dict.fromkeys(
    ("DICOM SEG", "DICOM SEG, binary", "DICOM RTSTRUCT"), _with_slices
)


def suited(request: Request, plan: Plan, scan: Scan) -> tuple[str, ...]:
    """What to know of the products of `request` before they are made.

    Raises:
        BadRequestError: one cannot be made from this scan.
    """
    checks = (SUITED[name] for name in asked(PRODUCTS, request) if name in SUITED)
    notes = (note for check in checks for note in check(plan, scan))
    return tuple(dict.fromkeys(notes))
