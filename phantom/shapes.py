"""Solids as signed distances in millimetres: negative inside, zero on the surface.

A shape takes points as `(3, ...)` float32 arrays (x to the patient's right, y forwards, z upwards)
and answers with an array `(...)`. Distances are exact for tubes and plates, and good near the
surface for the others. Every shape knows a box that holds it: a scan evaluates it only there.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float32]  # (3, ...)
Distances = NDArray[np.float32]  # (...)
Box = tuple[NDArray[np.float64], NDArray[np.float64]]  # lowest and highest corner, mm


class Shape(Protocol):
    """Anything solid."""

    @property
    def box(self) -> Box:
        """A box that holds the shape."""

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""


def vector(xyz: ArrayLike) -> NDArray[np.float64]:
    """Three numbers as an array."""
    return np.asarray(xyz, dtype=np.float64)


def _minus(points: Points, origin: NDArray[np.float64]) -> Points:
    shifted: Points = points - origin.astype(np.float32).reshape((3,) + (1,) * (points.ndim - 1))
    return shifted


@dataclass(frozen=True, slots=True, eq=False)
class Ellipsoid:
    """Semi-axes `radii` along the columns of `axes` (orthonormal), about `centre`."""

    centre: NDArray[np.float64]
    radii: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        reach = np.sqrt(((self.axes * self.radii) ** 2).sum(axis=1))
        return self.centre - reach, self.centre + reach

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        own = np.tensordot(
            (self.axes / self.radii).T.astype(np.float32), _minus(points, self.centre), 1
        )
        slope = own / self.radii.astype(np.float32).reshape((3,) + (1,) * (points.ndim - 1))
        k0 = np.sqrt((own**2).sum(axis=0))
        k1 = np.sqrt((slope**2).sum(axis=0)) + np.float32(1e-6)
        out: Distances = k0 * (k0 - 1) / k1
        return np.maximum(out, -np.float32(self.radii.min()))


def turned(x: float = 0, y: float = 0, z: float = 0) -> NDArray[np.float64]:
    """A rotation by degrees about x, then y, then z."""
    a, b, c = np.deg2rad([x, y, z])
    about_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    about_y = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
    about_z = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
    return np.array(about_z) @ np.array(about_y) @ np.array(about_x)


def ellipsoid(
    centre: ArrayLike, radii: ArrayLike, axes: NDArray[np.float64] | None = None
) -> Ellipsoid:
    """An ellipsoid, turned by `axes` (upright when None)."""
    return Ellipsoid(vector(centre), vector(radii), np.eye(3) if axes is None else axes)


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """A path `(n, 3)` with a thickness, `radii` (n,); `tall` > 1 stretches its section in z."""

    path: NDArray[np.float64]
    radii: NDArray[np.float64]
    tall: float = 1.0

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        reach = self.radii[:, None] * np.array([1.0, 1.0, self.tall])
        return (self.path - reach).min(axis=0), (self.path + reach).max(axis=0)

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        squash = np.array([1.0, 1.0, 1 / self.tall])
        seen = points if self.tall == 1 else points * squash.astype(np.float32)[:, None, None, None]
        path = (self.path * squash).astype(np.float32)
        nearest = np.full(points.shape[1:], np.inf, dtype=np.float32)
        for (start, end), (r0, r1) in zip(
            pairwise(path),
            pairwise(self.radii),
            strict=True,
        ):
            np.minimum(nearest, to_segment(seen, start, end, (r0, r1)), out=nearest)
        return nearest


def to_segment(points: Points, start: Points, end: Points, radii: tuple[float, float]) -> Distances:
    """Distance to a segment whose radius goes from the first of `radii` to the second."""
    along = end - start
    square = max(float(along @ along), 1e-6)
    x, y, z = points[0] - start[0], points[1] - start[1], points[2] - start[2]
    t = (x * along[0] + y * along[1] + z * along[2]) / np.float32(square)
    np.clip(t, 0, 1, out=t)
    x -= t * along[0]
    y -= t * along[1]
    z -= t * along[2]
    length: Distances = np.sqrt(x * x + y * y + z * z)
    length -= np.float32(radii[0]) + t * np.float32(radii[1] - radii[0])
    return length


def tube(path: ArrayLike, radii: ArrayLike, tall: float = 1.0, smooth: int = 1) -> Tube:
    """A tube through the points of `path`, a spline with `smooth` segments between two of them."""
    points = np.asarray(path, dtype=np.float64)
    thick = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(points),))
    if smooth > 1 and len(points) > 2:
        points, thick = (
            _splined(points, smooth),
            np.interp(
                np.linspace(0, len(points) - 1, (len(points) - 1) * smooth + 1),
                np.arange(len(points)),
                thick,
            ),
        )
    return Tube(points, np.array(thick), tall)


def stretches(whole: Tube, segments: int) -> list[Tube]:
    """A long tube as several short ones, which are quicker to scan."""
    starts = range(0, len(whole.path) - 1, segments)
    return [
        Tube(whole.path[n : n + segments + 1], whole.radii[n : n + segments + 1], whole.tall)
        for n in starts
    ]


def _splined(points: NDArray[np.float64], smooth: int) -> NDArray[np.float64]:
    """A Catmull-Rom spline through `points`."""
    before = np.vstack([2 * points[0] - points[1], points[:-1]])
    after = np.vstack([points[1:], 2 * points[-1] - points[-2]])
    slope = (after - before) / 2
    out = [points[:1]]
    steps = np.arange(1, smooth + 1)[:, None] / smooth
    for p0, p1, m0, m1 in zip(points[:-1], points[1:], slope[:-1], slope[1:], strict=True):
        t = steps
        out.append(
            (2 * t**3 - 3 * t**2 + 1) * p0
            + (t**3 - 2 * t**2 + t) * m0
            + (-2 * t**3 + 3 * t**2) * p1
            + (t**3 - t**2) * m1
        )
    return np.vstack(out)


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Superellipses piled up in z: a body, a rib cage, a bone with a changing section.

    `table` rows are z, centre x, centre y, half width, half depth; between rows they are
    interpolated. `power` 2 is an ellipse, more is squarer. Grown by `grow_mm` all round.
    """

    table: NDArray[np.float64]
    power: float = 2.0
    grow_mm: float = 0.0

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        z, x, y, width, depth = self.table.T
        low = np.array([(x - width).min(), (y - depth).min(), z.min()])
        high = np.array([(x + width).max(), (y + depth).max(), z.max()])
        return low - max(self.grow_mm, 0), high + max(self.grow_mm, 0)

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        levels = self.table[:, 0]
        x, y, width, depth = (
            np.interp(points[2], levels, column).astype(np.float32) for column in self.table.T[1:]
        )
        a, b = np.abs(points[0] - x) / width, np.abs(points[1] - y) / depth
        if self.power == 2:
            k = np.sqrt(a * a + b * b)
        else:
            k = (a**self.power + b**self.power) ** np.float32(1 / self.power)
        k = np.maximum(k, np.float32(1e-4))
        slope = np.sqrt((a / (k * width)) ** 2 + (b / (k * depth)) ** 2) + np.float32(1e-6)
        across: Distances = np.maximum((k - 1) / slope, -np.minimum(width, depth))
        ends = np.maximum(levels[0] - points[2], points[2] - levels[-1]).astype(np.float32)
        out: Distances = np.maximum(across, ends) - np.float32(self.grow_mm)
        return out


def stack(table: ArrayLike, power: float = 2.0, grow_mm: float = 0.0) -> Stack:
    """A pile of superellipses; rows may come in any order."""
    rows = np.asarray(table, dtype=np.float64)
    return Stack(rows[np.argsort(rows[:, 0])], power, grow_mm)
