"""What things look like: Hounsfield units by tissue, and how they differ from person to person."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.random import Generator

PHASES = ("native", "arterial", "portal", "late")


@dataclass(frozen=True, slots=True)
class Tissue:
    """`hu` deep inside, `rim_hu` at the surface (fading over 2 mm), mottled by `texture_hu`."""

    hu: float
    rim_hu: float | None = None
    texture_hu: float = 0.0


# Mean without contrast medium, spread between subjects, mottle; native CT of adults.
_PLAIN: Mapping[str, tuple[float, float, float]] = {
    "air": (-1000, 3, 0),
    "fat": (-102, 7, 8),
    "muscle": (48, 7, 10),
    "lung": (-800, 45, 45),
    "liver": (54, 8, 6),
    "spleen": (45, 6, 5),
    "kidney": (30, 6, 8),
    "pancreas": (36, 7, 12),
    "gland": (90, 12, 8),
    "blood": (40, 6, 3),
    "wall": (38, 7, 10),
    "bowel": (25, 15, 25),
    "urine": (6, 6, 2),
    "bile": (10, 6, 2),
    "brain": (36, 4, 6),
    "cord": (28, 6, 4),
    "cartilage": (105, 18, 15),
    "disc": (80, 12, 8),
    "gas": (-960, 25, 20),
    "stool": (0, 60, 110),
}

# What contrast medium adds: native, arterial, portal, late.
_ENHANCED: Mapping[str, tuple[float, float, float, float]] = {
    "arteries": (0, 260, 115, 75),
    "veins": (0, 40, 120, 80),
    "portal": (0, 60, 130, 80),
    "heart": (0, 190, 100, 70),
    "liver": (0, 12, 58, 40),
    "spleen": (0, 65, 75, 50),
    "kidney": (0, 110, 155, 130),
    "pancreas": (0, 55, 50, 30),
    "muscle": (0, 5, 12, 12),
    "wall": (0, 25, 40, 30),
    "gland": (0, 60, 50, 30),
}

_SOURCE = {"arteries": "blood", "veins": "blood", "portal": "blood", "heart": "blood"}


def tissues(rng: Generator) -> dict[str, Tissue]:
    """The tissues of one subject by name, in a contrast phase drawn at random."""
    phase = int(rng.choice(len(PHASES), p=[0.3, 0.2, 0.4, 0.1]))
    strength = rng.uniform(0.75, 1.25)
    found = {}
    for name in {**_PLAIN, **_ENHANCED}:
        mean, spread, texture = _PLAIN[_SOURCE.get(name, name)]
        added = _ENHANCED.get(name, (0, 0, 0, 0))[phase] * strength * rng.uniform(0.85, 1.15)
        found[name] = Tissue(float(rng.normal(mean, spread) + added), None, texture)
    # Lean people's organs touch: what lies between them looks less and less like fat.
    found["mesentery"] = Tissue(found["fat"].hu + float(rng.uniform(0, 1) ** 2 * 75), None, 14)
    density = rng.uniform(0.75, 1.25)
    found["bone"] = Tissue(170 * density, 620 * density, 45)
    found["long_bone"] = Tissue(120 * density, 1100 * density, 40)
    found["skull"] = Tissue(650 * density, 950 * density, 80)
    found["face"] = Tissue(180 * density, 450 * density, 120)
    found["table"] = Tissue(-820, -350, 5)
    return found
