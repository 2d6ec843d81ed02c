"""What a scan's values say about how it was taken: CT in Hounsfield units, or MR.

Hounsfield units are fixed: air is -1000 and water 0. Fat lies at -100…-50, organs at 20…65 (Buzug,
Computed Tomography, Springer 2008, p. 475), with contrast medium mostly below 150. MR has no
scale, but air gives no signal, magnitudes are not negative (Gudbjartsson and Patz, Magn Reson Med
34:910, 1995), and tissues differ by factors, where in CT fat and muscle differ by a seventh of
their distance from air. Some images that are not in Hounsfield units look like MR, so every such
way in which a CT may have been stored is looked for before a scan is called MR.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.imaging import Modality
from totalseg_mcp.engine.values import LOWEST_HU, PILE, Values

SAMPLES_AN_AXIS = 96  # at most; a scan of 512 x 512 x 300 is judged in 0.1 s
AIR_HU = (-1100.0, -800.0)  # with its noise; -1024 where a scanner cuts off
BETWEEN_HU = (-700.0, -400.0)  # hardly any tissue: less than air, where there is air
FAT_HU = (-200.0, -20.0)  # with its border to water
TISSUE_HU = (-200.0, 150.0)  # fat and soft tissue
ALIKE = 0.15  # relative; fat (-100 HU) and liver with contrast (150 HU) over air differ by 25 %


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the values look like, whether that is `sure`, and why.

    `leans` is None where they look like neither CT in Hounsfield units nor MR. `reason` is a
    clause about the image.
    """

    leans: Modality | None
    sure: bool
    reason: str

    @property
    def modality(self) -> Modality | None:
        """The modality, if the values leave no doubt."""
        return self.leans if self.sure else None


class Sign(NamedTuple):
    """Something that values may show, and what follows from it."""

    shown: Callable[[Values], bool]
    leans: Modality | None
    reason: str
    sure: bool = False


def judge(data: NDArray[Any]) -> Verdict:
    """How the image `data`[i, j, k] was probably taken; finite values, in any scale."""
    return judge_sample(sample(data, data.shape))


def sample(slab: NDArray[Any], shape: tuple[int, ...], first: int = 0) -> NDArray[Any]:
    """The voxels that an image of `shape` is judged by, of those in its planes from `first` on."""
    i, j, k = (-(-n // SAMPLES_AN_AXIS) for n in shape)
    return slab[::i, ::j, -first % k :: k].flatten()


def judge_sample(voxels: NDArray[Any]) -> Verdict:
    """How an image was probably taken; `voxels` are its `sample`, in any order."""
    values = Values(voxels)
    sign = next(sign for sign in SIGNS if sign.shown(values))
    return Verdict(sign.leans, sign.sure, sign.reason.format(values=values))


def _hounsfield(values: Values) -> bool:
    """Air at -1000, a gap, fat, and most of the rest soft tissue."""
    scanned = values.scanned
    body, dense = scanned.above(AIR_HU[1]), scanned.above(TISSUE_HU[0])
    return (
        scanned.share(*AIR_HU) > max(0.02, scanned.share(*BETWEEN_HU))
        and scanned.share(-np.inf, LOWEST_HU) < 0.01
        and body.share(*FAT_HU) > 0.01
        and dense.share(*TISSUE_HU) > 0.5
    )


def _too_low(values: Values) -> bool:
    return values.scanned.share(-np.inf, LOWEST_HU) > 0.01


def _deep(values: Values) -> bool:
    return values.scanned.share(-np.inf, TISSUE_HU[0]) > 0.01


def _narrow(values: Values) -> bool:
    return values.high - values.low <= 50


def _without_air(values: Values) -> bool:
    scanned = values.scanned
    return scanned.share(*FAT_HU) > PILE and scanned.share(*TISSUE_HU) > 0.6


def _signed(values: Values) -> bool:
    return values.share(-np.inf, 0) > PILE or values.at(0.001) < -0.25 * values.at(0.99)


def _eight_bits(values: Values) -> bool:
    return values.high <= 255


def _offset_lost(values: Values) -> bool:
    return values.signal.share(850, 1200) > 0.5


def _bright_background(values: Values) -> bool:
    return values.share(-np.inf, 0.05 * values.at(0.99)) < PILE


def _saturated(values: Values) -> bool:
    return values.signal.share(values.high) > 0.002


def _alike(values: Values) -> bool:
    middle = values.signal.at(0.5)
    return values.signal.share((1 - ALIKE) * middle, (1 + ALIKE) * middle) > 0.5


def _cut_at_zero(values: Values) -> bool:
    return values.above(20).share(20, TISSUE_HU[1]) > 0.55


def _long_tail(values: Values) -> bool:
    return values.at(0.999) > 12 * values.signal.at(0.5)


# The first that is shown decides. Shares were measured on phantoms of all regions and on real
# scans: those of `_alike` and `_offset_lost` are 0.57…0.96 in CT without its offset, even with
# noise of 100 HU, and 0.42 in MR of the abdomen; that of `_cut_at_zero` is 0.68…0.95 in CT and
# 0.00…0.54 in MR.
SIGNS: tuple[Sign, ...] = (
    Sign(_hounsfield, "CT", "it has air near -1000, fat near -100 and soft tissue near 50", True),
    Sign(
        _too_low,
        None,
        "more than 1 % of its values are below -1200, which is neither CT nor an MR magnitude "
        "(perhaps a phase image, or an offset taken off twice)",
    ),
    Sign(_deep, "CT", "it has values below -200, as air has in CT and nothing in MR"),
    Sign(
        _narrow,
        "MR",
        "its values lie between {values.low:.4g} and {values.high:.4g}: it was scaled or "
        "standardised, and CT must be in HU",
    ),
    Sign(_without_air, "CT", "its values are those of fat and soft tissue in HU"),
    Sign(_signed, None, "its negative values are neither those of air or fat nor of MR's noise"),
    Sign(
        _eight_bits,
        "MR",
        "its values lie between {values.low:.4g} and {values.high:.4g} (air is -1000 in CT); a CT "
        "must be in HU, not scaled to 8 bits",
    ),
    Sign(
        _offset_lost,
        None,
        "most of it is near 1024, as soft tissue is in a CT whose offset is missing: if it is one, "
        "subtract 1024 from its values",
    ),
    Sign(_bright_background, "MR", "hardly a value is negative, as those of air and fat are in CT"),
    Sign(
        _saturated,
        "MR",
        "hardly a value is negative, and the highest are cut off at {values.high:.4g}: a CT must "
        "be in HU, not in a window",
    ),
    Sign(
        _alike,
        "MR",
        "hardly a value is negative, and if it is a CT, as its tissues' likeness allows, it is not "
        "in HU",
    ),
    Sign(
        _cut_at_zero,
        "MR",
        "hardly a value is negative; if it is a CT, its air and fat were cut off at 0",
    ),
    Sign(_long_tail, None, "few of its values are far above all others, as in PET"),
    Sign(
        lambda values: True,
        "MR",
        "hardly a value is negative, as those of air and fat are in CT, the background is near "
        "0, and the tissues differ as they do in MR only",
        True,
    ),
)
