"""Shapes made of shapes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from totalseg_mcp.phantom.shapes import Box, Distances, Points, Shape, vector

_EVERYWHERE: Box = (np.full(3, -1e4), np.full(3, 1e4))


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """Inside any of `shapes`."""

    shapes: tuple[Shape, ...]

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        low, high = zip(*(shape.box for shape in self.shapes), strict=True)
        return np.min(low, axis=0), np.max(high, axis=0)

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        out: Distances = np.minimum.reduce([shape.distance(points) for shape in self.shapes])
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """Inside all of `shapes`."""

    shapes: tuple[Shape, ...]

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        low, high = zip(*(shape.box for shape in self.shapes), strict=True)
        return np.max(low, axis=0), np.min(high, axis=0)

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        out: Distances = np.maximum.reduce([shape.distance(points) for shape in self.shapes])
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """Everything that is at least `gap_mm` outside of `shape`."""

    shape: Shape
    gap_mm: float = 0.0

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        return _EVERYWHERE

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        return np.float32(self.gap_mm) - self.shape.distance(points)


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """`shape` with a layer of `by_mm` added (taken off when negative)."""

    shape: Shape
    by_mm: float

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        low, high = self.shape.box
        return low - max(self.by_mm, 0), high + max(self.by_mm, 0)

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        return self.shape.distance(points) - np.float32(self.by_mm)


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """The side of a plane that `normal` points away from."""

    origin: NDArray[np.float64]
    normal: NDArray[np.float64]

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        return _EVERYWHERE

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        offset = np.float32(self.normal @ self.origin)
        out: Distances = np.tensordot(self.normal.astype(np.float32), points, 1) - offset
        return out


def half(origin: ArrayLike, normal: ArrayLike) -> Half:
    """The half-space behind the plane through `origin`; `normal` need not have length one."""
    outward = vector(normal)
    return Half(vector(origin), outward / np.linalg.norm(outward))


def union(*shapes: Shape) -> Union:
    """Inside any of the shapes."""
    return Union(shapes)


def common(*shapes: Shape) -> Common:
    """Inside all of the shapes."""
    return Common(shapes)


def without(shape: Shape, *holes: Shape, gap_mm: float = 0.0) -> Common:
    """`shape` less the holes, each with `gap_mm` around it."""
    return Common((shape, *(Outside(hole, gap_mm) for hole in holes)))
