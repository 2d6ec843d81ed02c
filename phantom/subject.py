"""One person: proportions, posture and habitus, drawn at random.

Distances are millimetres in the body's own frame: x to the right, y forwards, z upwards; the
origin is the middle of the top of the sacrum. Means are an adult's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from totalseg_mcp.phantom.shapes import Stack, stack
from totalseg_mcp.phantom.tissue import Tissue, tissues

LEVELS = (
    *(f"L{n}" for n in range(5, 0, -1)),
    *(f"T{n}" for n in range(12, 0, -1)),
    *(f"C{n}" for n in range(7, 0, -1)),
)
_PITCH_MM = (
    *(37, 37, 36.5, 35.5, 34.5),
    *(32, 30.5, 29.5, 28.5, 28, 27.5, 27, 26.5, 26, 25, 24, 23),
    *(18, 17.5, 17, 17, 17, 20, 16),
)
# The course of the spine: height, and how far forwards the middle of the vertebral bodies lies.
_COURSE = (
    *((-130, -22), (-95, -42), (-50, -40), (0, -10), (90, 6), (180, -5), (300, -28)),
    *((400, -28), (505, -8), (560, 4), (640, 0)),
)
# The inside of the rib cage: height, centre x, centre y, half width, half depth.
_CAGE = (
    *((100, 0, 27, 138, 90), (190, 0, 27, 147, 100), (230, 0, 22, 147, 100), (300, 0, 6, 141, 92)),
    *((350, 0, -2, 133, 86), (400, 0, -8, 118, 76), (440, 0, -11, 98, 64), (470, 0, -13, 73, 52)),
    *((495, 0, -14, 48, 36), (515, 0, -14, 18, 14)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Who is depicted. `jitter` draws further small differences where they are needed."""

    rng: Generator
    male: bool
    arms_up: bool
    fat_mm: float
    belly_mm: float
    breath_mm: float
    curve: float
    cage: Stack
    levels_mm: NDArray[np.float64]
    tissue: dict[str, Tissue]

    def spine_y(self, z: float) -> float:
        """How far forwards the vertebral bodies' middle lies at height z."""
        heights, forwards = np.array(_COURSE).T
        return float(np.interp(z, heights, forwards * self.curve))

    def jitter(self, *spread_mm: float) -> NDArray[np.float64]:
        """A random shift, one component per spread, never more than two spreads."""
        drawn = np.clip(self.rng.normal(size=len(spread_mm)), -2, 2)
        out: NDArray[np.float64] = drawn * np.array(spread_mm)
        return out

    def size(self, spread: float = 0.07) -> float:
        """A random factor about one, never more than two spreads away."""
        return 1 + float(self.jitter(spread)[0])

    def level_mm(self, name: str) -> float:
        """Height of the middle of a vertebra."""
        n = LEVELS.index(name)
        return float(self.levels_mm[n] + self.levels_mm[n + 1]) / 2


def subject(rng: Generator) -> Subject:
    """A person at random."""
    pitch = np.array(_PITCH_MM) * np.clip(rng.normal(1, 0.015, len(_PITCH_MM)), 0.97, 1.03)
    wide, deep = rng.normal(1, 0.04), rng.normal(1, 0.05)
    cage = np.array(_CAGE, dtype=float) * [1, 1, 1, wide, deep]
    return Subject(
        rng=rng,
        male=bool(rng.random() < 0.5),
        arms_up=bool(rng.random() < 0.7),
        fat_mm=float(rng.uniform(5, 32)),
        belly_mm=float(rng.uniform(-12, 35)),
        breath_mm=float(np.clip(rng.normal(0, 11), -22, 22)),
        curve=float(rng.uniform(0.75, 1.25)),
        cage=stack(cage),
        levels_mm=np.concatenate([[0.0], np.cumsum(pitch)]),
        tissue=tissues(rng),
    )
