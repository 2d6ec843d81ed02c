"""The values that are shown black and white."""

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.imaging import Modality
from totalseg_mcp.engine.volume import Volume

MR_PERCENTILES = (1.0, 99.5)
SAMPLES = 128  # along each axis, enough to judge values by


class Window(NamedTuple):
    """Black at `low` and below, white at `high` and above."""

    low: float
    high: float

    def grey(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """`values` as 0..255."""
        share = (values.astype(np.float32) - self.low) / (self.high - self.low)
        grey: NDArray[np.uint8] = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
        return grey


# How the names of bones begin.
BONES = (
    *("vertebrae", "sacrum", "rib_", "sternum", "costal_", "clavicula_", "scapula_", "skull"),
    *("humerus", "ulna", "radius", "carpal", "metacarpal", "phalanges_", "hip_", "femur_"),
    *("patella", "tibia", "fibula", "tarsal", "metatarsal", "zygomatic_", "styloid_"),
    *("mandible", "lower_", "upper_", "teeth_", "bridge", "crown", "implant", "hard_palate"),
)
SOFT_TISSUE = Window(-160, 240)  # HU: level 40, width 400
# For scans in which nothing else was found than structures whose names begin so.
CT_WINDOWS: dict[Window, tuple[str, ...]] = {
    Window(-1350, 150): ("lung", "trachea"),  # level -600, width 1500
    Window(0, 80): (  # level 40, width 80
        *("brain", "cerebellum", "caudate_", "insular_", "internal_capsule", "intracerebral_"),
        *("lentiform_", "septum_pellucidum", "subarachnoid_", "thalamus", "venous_sinuses"),
        *("frontal_lobe", "parietal_lobe", "occipital_lobe", "temporal_lobe", "central_sulcus"),
        *("ventricle", "third_ventricle", "fourth_ventricle"),
    ),
    Window(-400, 1400): BONES,  # level 500, width 1800
}


def window(image: Volume, found: Collection[str], modality: Modality) -> Window:
    """What suits the structures `found`: by their kind on CT, by the scan's own values on MR."""
    if modality == "MR":
        thin = tuple(slice(None, None, 1 + n // SAMPLES) for n in image.grid.shape)
        low, high = np.percentile(image.data[thin], MR_PERCENTILES)
        return Window(float(low), float(max(high, low + 1e-6)))
    fitting = (
        shown
        for shown, kinds in CT_WINDOWS.items()
        if found and all(name.startswith(kinds) for name in found)
    )
    return next(fitting, SOFT_TISSUE)
