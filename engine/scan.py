"""An image as it came in, with what its file said about it."""

from dataclasses import dataclass, field
from typing import Literal

from nibabel.nifti1 import Nifti1Header

from totalseg_mcp.engine.headers import Headers
from totalseg_mcp.engine.imaging import Modality
from totalseg_mcp.engine.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A checked image: 3-D, finite, scalar, and its data agree with its header.

    `volume.data` holds real units (HU for CT), slope and intercept applied. `header`
    is the NIfTI header whose geometry every result repeats. `modality` is None where
    the file does not say. `notes` tell what reading changed or left out. `source` is
    None where the image did not come as DICOM slices.
    """

    volume: Volume
    header: Nifti1Header
    form: Literal["nifti", "nrrd", "metaimage", "dicom"]
    modality: Modality | None = None
    notes: tuple[str, ...] = ()
    source: Headers | None = field(default=None, repr=False)
