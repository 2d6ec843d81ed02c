"""CT and MR are told apart by their values, on phantoms stored in all the ways that are met.

The MRs are the phantom's tissues with the signal that they have in that kind of image, relative
to fat, and Rician noise. What cannot be told must not be called the other modality: a CT that is
refused is worse than an MR that is not.
"""

from collections.abc import Callable

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import zoom

from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.modality import judge
from totalseg_mcp.phantom import REGIONS, phantom, scan, view

Image = NDArray[np.floating]
SPACING_MM = (6.0, 6.0, 6.0)


@pytest.fixture(scope="module")
def hu() -> Image:
    """Thorax and abdomen in HU, as a CT shows them."""
    anatomy = phantom(1)
    return scan(anatomy, view(anatomy, "thorax_abdomen", SPACING_MM))[0].data.astype(float)


def circle(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """What a scanner's round field of view leaves out."""
    i, j = np.ogrid[: shape[0], : shape[1]]
    x, y = 2 * i / (shape[0] - 1) - 1, 2 * j / (shape[1] - 1) - 1
    return np.broadcast_to((x**2 + y**2 > 1)[..., None], shape)


def outside(hu: Image, value: float) -> Image:
    return np.where(circle(hu.shape), value, hu)


def noisy(image: Image, sigma: float, seed: int = 1) -> Image:
    return image + np.random.default_rng(seed).normal(0, sigma, image.shape)


def chance(image: Image) -> Image:
    """Numbers in 0…1 that depend on nothing."""
    return np.random.default_rng(2).random(image.shape)


def inner(hu: Image) -> Image:
    """Liver, vessels and muscle, cut out of the abdomen: no air."""
    return hu[40:56, 16:36, 12:32].clip(-180, None)


def scaled(image: Image, low: float, high: float, top: float) -> Image:
    """A window of the values, stretched to 0…top."""
    return (image.clip(low, high) - low) / (high - low) * top


def standardised(image: Image) -> Image:
    return (image - image.mean()) / image.std()


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_ct_in_hounsfield_units_is_surely_ct_whatever_it_shows(region, seed):
    """The seeds' contrast phases differ; head, thorax, abdomen, pelvis, and all of them."""
    anatomy = phantom(seed)
    assert judge(scan(anatomy, view(anatomy, region, (8.0, 8.0, 8.0)))[0].data).modality == "CT"


SURELY_CT: dict[str, Callable[[Image], Image]] = {
    "zeros outside the circle": lambda hu: outside(hu, 0),
    **{f"{pad} outside the circle": lambda hu, v=pad: outside(hu, v) for pad in (-2000, -3024)},
    "air cut off at -1024": lambda hu: np.maximum(noisy(hu - 24, 30), -1024),
    "metal": lambda hu: np.where(chance(hu) < 0.005, 30_000, hu),
    "low dose": lambda hu: noisy(hu, 60),
    "a cone beam's noise and shift": lambda hu: noisy(hu + 80, 60),
    "the body only, in air": lambda hu: np.where(hu > -900, hu, -1000),
    "32-bit floats": lambda hu: hu.astype(np.float32),
}


@pytest.mark.parametrize("store", SURELY_CT.values(), ids=SURELY_CT)
def test_a_ct_is_surely_ct_as_scanners_store_it(hu, store):
    assert judge(store(hu)).modality == "CT"


# What becomes of CTs on the way: what they lean to, and a word of the advice.
NO_LONGER_SURE: dict[str, tuple[Callable[[Image], Image], str | None, str]] = {
    "no air": (inner, "CT", "fat and soft tissue"),
    "abdominal window": (lambda hu: hu.clip(-160, 240), "CT", "fat and soft tissue"),
    "liver only, in air": (lambda hu: np.where((hu > 40) & (hu < 90), hu, -1000), "CT", "-200"),
    "air everywhere": (lambda hu: np.full_like(hu, -1000), "CT", "-200"),
    "offset missing": (lambda hu: hu + 1024, None, "subtract 1024"),
    "offset missing, noisy": (lambda hu: noisy(hu + 1000, 100).clip(0), None, "subtract 1024"),
    "offset missing, 0 outside": (lambda hu: outside(hu + 1024, 0), None, "subtract 1024"),
    "offset taken off twice": (lambda hu: hu - 1024, None, "-1200"),
    "negatives cut off": (lambda hu: hu.clip(0), "MR", "cut off at 0"),
    "negatives wrapped": (lambda hu: hu.astype(np.uint16), "MR", "not in HU"),
    "0…1": (lambda hu: scaled(hu, -1000, 1000, 1), "MR", "must be in HU"),
    "window to 0…1": (lambda hu: scaled(hu, -160, 240, 1), "MR", "between 0 and 1"),
    "8 bits": (lambda hu: scaled(hu, -160, 240, 255).astype(np.uint8), "MR", "8 bits"),
    "10 bits": (lambda hu: scaled(hu, -160, 240, 1000), "MR", "cut off"),
    "16 bits": (lambda hu: scaled(hu, -1024, 3071, 65535), "MR", "not in HU"),
    "standardised": (standardised, "MR", "must be in HU"),
    "organs only, 0 outside": (lambda hu: np.where(abs(hu - 80) < 70, hu, 0), "MR", "8 bits"),
}


@pytest.mark.parametrize(("store", "leans", "told"), NO_LONGER_SURE.values(), ids=NO_LONGER_SURE)
def test_a_ct_that_lost_its_scale_is_never_surely_mr(hu, store, leans, told):
    verdict = judge(store(hu))
    assert (verdict.modality, verdict.leans) == (None, leans)
    assert told in verdict.reason


# Signal relative to fat: air, lung, fat, water, muscle, liver, contrast medium or bone marrow, bone
HU = (-1000, -700, -100, 5, 45, 70, 200, 700)
KINDS = {
    "T1": (0.0, 0.05, 1.0, 0.15, 0.35, 0.5, 0.6, 0.1),
    "T2": (0.0, 0.05, 0.6, 1.0, 0.2, 0.3, 0.4, 0.1),
    "water of a Dixon": (0.0, 0.05, 0.05, 0.6, 0.5, 0.7, 0.9, 0.1),
    "fat of a Dixon": (0.0, 0.03, 1.0, 0.05, 0.08, 0.1, 0.6, 0.3),
}


def magnitude(hu: Image, kind: str = "T1", fat: float = 800.0) -> Image:
    """An MR of the tissues in `hu`: coils in front, and Rician noise of 2 % of the fat's signal."""
    shading = np.linspace(0.6, 1.4, hu.shape[1])[:, None]
    signal = shading * fat * np.interp(hu, HU, KINDS[kind])
    return np.hypot(noisy(signal, 0.02 * fat), noisy(np.zeros_like(signal), 0.02 * fat, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fat", [3000.0, 40_000.0], ids=["12 bits", "16 bits"])
def test_an_mr_is_surely_mr_on_any_scale_with_a_dark_background(hu, kind, fat):
    assert judge(magnitude(hu, kind, fat).astype(np.uint16)).modality == "MR"


def test_an_mr_stays_mr_where_interpolation_left_negative_values(hu):
    ringing = zoom(magnitude(hu), 1.3, order=3)
    assert ringing.min() < 0
    assert judge(ringing).modality == "MR"


def phase(hu: Image, top: float) -> Image:
    """Smooth in the body and noise in air, once around from -top to top."""
    i, j, k = np.indices(hu.shape)
    turns = np.where(hu > -500, 0.3 * np.sin(i / 9 + j / 7) + k / 40, chance(hu))
    return (2 * (turns % 1) - 1) * top


def masked(hu: Image, values: Image) -> Image:
    return np.where(hu > -500, values, 0)


# MRs that are not magnitudes in a scale of their own: what they may lean to.
NOT_MAGNITUDES: dict[str, tuple[Callable[[Image], Image], set[str | None]]] = {
    "0…1": (lambda hu: magnitude(hu, fat=0.9), {"MR"}),
    "8 bits": (lambda hu: magnitude(hu, fat=220).clip(0, 255), {"MR"}),
    "standardised": (lambda hu: standardised(magnitude(hu)), {"MR"}),
    "phase -4096…4094": (lambda hu: phase(hu, 4095), {None}),
    "phase in radians": (lambda hu: phase(hu, np.pi), {"MR"}),
    "phase in milliradians": (lambda hu: phase(hu, 1000), {"CT", None}),
    "field map in Hz": (lambda hu: masked(hu, noisy(np.zeros_like(hu), 200)), {"CT", None}),
    "susceptibility in ppb": (lambda hu: masked(hu, noisy(np.zeros_like(hu), 60)), {"CT", None}),
    "ADC with negative noise": (lambda hu: masked(hu, noisy(magnitude(hu), 300)), {"CT", None}),
    "-1000 around it": (lambda hu: outside(magnitude(hu), -1000), {"CT", None}),
    "no background": (lambda hu: magnitude(inner(hu)), {"MR"}),
}


@pytest.mark.parametrize(("store", "leans"), NOT_MAGNITUDES.values(), ids=NOT_MAGNITUDES)
def test_what_is_not_an_ordinary_mr_is_never_surely_ct(hu, store, leans):
    verdict = judge(store(hu))
    assert verdict.modality is None
    assert verdict.leans in leans


def test_a_few_voxels_are_enough_to_tell():
    """Every ninth voxel of a large scan: its tissues are where the others are."""
    large = np.zeros((800, 790, 8), np.int16)
    large[:400], large[400:600], large[600:] = -1000, -100, 50
    assert judge(large).modality == "CT"


@pytest.mark.parametrize(
    ("file", "modality"),
    [
        ("data/ct_thorax_3mm.nii.gz", "CT"),
        ("data/ct_series", "CT"),
        ("parity/inputs/ct_odd.nii.gz", "CT"),
        ("parity/inputs/ct_xs.nii.gz", "CT"),
        ("parity/inputs/ct_odd_sm.nii.gz", None),
        ("data/mr_abdomen_3mm.nii.gz", "MR"),
        ("parity/inputs/mr_xs.nii.gz", "MR"),
    ],
)
def test_real_scans_are_told_apart(shared, file, modality):
    verdict = judge(read(shared / file).volume.data)
    assert verdict.modality == modality
    assert verdict.leans == (modality or "CT")


def test_real_scans_that_lost_their_offset_are_not_called_mr(shared):
    for file in ("data/ct_thorax_3mm.nii.gz", "parity/inputs/ct_odd_sm.nii.gz"):
        data = np.asanyarray(nib.load(shared / file).dataobj) + 1024
        assert judge(data).leans is None
