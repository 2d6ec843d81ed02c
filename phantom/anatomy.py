"""A body at random: its parts in order, and how it lies in the world."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from totalseg_mcp.phantom import abdomen, body, head, pelvis, shoulder, spine, thorax, vessels
from totalseg_mcp.phantom.part import Part
from totalseg_mcp.phantom.shapes import Points, turned
from totalseg_mcp.phantom.subject import Subject, subject

_WAVES = 7

# In the order of painting: what is more to the point comes later.
_BUILDERS = (
    body.envelope,
    pelvis.hip_muscles,
    thorax.lungs,
    abdomen.under_diaphragm,
    thorax.mediastinum,
    shoulder.back_muscles,
    abdomen.bowel,
    abdomen.pelvic_organs,
    abdomen.upper_abdomen,
    spine.spine,
    vessels.chest_vessels,
    vessels.belly_vessels,
    thorax.cage,
    shoulder.shoulders,
    pelvis.hips,
    head.thyroid,
    head.head,
)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """From the world to the body's own frame: turn, scale, then bend by a few long waves."""

    matrix: NDArray[np.float64]  # (3, 3)
    origin_mm: NDArray[np.float64]  # of the body's frame, in the world
    swing_mm: NDArray[np.float64]  # (waves, 3)
    waves: NDArray[np.float64]  # (waves, 3), radians per mm
    phase: NDArray[np.float64]  # (waves,)

    def to_body(self, affine: NDArray[np.float64], shape: tuple[int, int, int]) -> Points:
        """Every voxel's place in the body's frame, `(3, *shape)`."""
        matrix = (self.matrix @ affine[:3, :3]).astype(np.float32)
        start = (self.matrix @ (affine[:3, 3] - self.origin_mm)).astype(np.float32)
        axes = np.ogrid[: shape[0], : shape[1], : shape[2]]
        index = [axis.astype(np.float32) for axis in axes]

        def linear(row: NDArray[np.float32], offset: float) -> NDArray[np.float32]:
            out: NDArray[np.float32] = row[0] * index[0] + row[1] * index[1] + row[2] * index[2]
            return out + np.float32(offset)

        points: Points = np.stack([linear(matrix[n], start[n]) for n in range(3)])
        turns = self.waves.astype(np.float32) @ matrix
        offsets = self.waves @ start + self.phase
        for swing, turn, offset in zip(self.swing_mm, turns, offsets, strict=True):
            wave = np.sin(linear(turn, float(offset)))
            for axis in range(3):
                points[axis] += np.float32(swing[axis]) * wave
        return points

    def corners(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
        """The corners in the world `(8, 3)` of a box in the body's frame, with room to bend."""
        slack = np.abs(self.swing_mm).sum(axis=0) + 1
        box = np.array([low - slack, high + slack])
        corners = np.array(
            [box[[a, b, c], [0, 1, 2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
        )
        world: NDArray[np.float64] = corners @ np.linalg.inv(self.matrix).T + self.origin_mm
        return world


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """A body: its parts (later ones on top), its pose, its person, and the seed it came from."""

    seed: int
    person: Subject
    parts: tuple[Part, ...]
    pose: Pose

    def world_z(self, body_z: float) -> float:
        """The height in the world of a height in the body's frame."""
        return float((np.linalg.inv(self.pose.matrix) @ [0, 0, body_z] + self.pose.origin_mm)[2])


def phantom(seed: int) -> Anatomy:
    """The body with this number; the same number always gives the same body."""
    rng = np.random.default_rng([seed, 1])
    person = subject(np.random.default_rng([seed, 2]))
    parts = tuple(part for build in _BUILDERS for part in build(person))
    return Anatomy(seed, person, parts, _pose(rng))


def _pose(rng: Generator) -> Pose:
    tall = rng.normal(1, 0.045)
    scale = np.array([tall * rng.normal(1, 0.03), tall * rng.normal(1, 0.03), tall])
    turn = turned(*rng.normal(0, [2.0, 1.5, 2.5]))
    length = rng.uniform(160, 420, _WAVES)
    way = rng.normal(size=(_WAVES, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return Pose(
        matrix=turn / np.clip(scale, 0.88, 1.13)[:, None],
        origin_mm=rng.uniform(-40, 40, 3),
        swing_mm=rng.normal(0, 1.9, (_WAVES, 3)) * (length / 250)[:, None],
        waves=way * (2 * np.pi / length)[:, None],
        phase=rng.uniform(0, 2 * np.pi, _WAVES),
    )
