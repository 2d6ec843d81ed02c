"""What a call asks for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from totalseg_mcp.engine.licence import LicenceNumber
from totalseg_mcp.engine.options import Options

Format = Literal["nifti", "nrrd", "dicom_seg", "dicom_seg_binary", "dicom_rtstruct"]


@dataclass(frozen=True, slots=True)
class Request:
    """One job: what goes in, what is wanted, where it goes. The paths are resolved and allowed.

    `device` is cpu, mps, gpu or gpu:N.
    """

    input_path: Path
    folder: Path
    options: Options = field(default_factory=Options)
    device: str = "gpu"
    force: bool = False  # segment although the image looks like another modality than the task's
    masks: bool = True
    formats: tuple[Format, ...] = ("nifti",)  # of the masks
    multilabel: bool = False  # one NIfTI file for all masks
    statistics: bool = False
    include_incomplete: bool = False
    radiomics: bool = False
    radiomics_parameters: Path | None = None  # None: pyradiomics' defaults
    preview: bool = False
    crop_path: Path | None = None  # a mask of where to look, or a folder of masks
    saving_threads: int = 1
    cache: bool = True  # labels of an earlier call may serve, and these may serve later ones
    licence: LicenceNumber | None = None  # None: the operator's, if the task needs one
