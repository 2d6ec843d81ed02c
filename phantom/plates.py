"""Thin solids: sheets of triangles, such as a shoulder blade or the wing of a hip bone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from totalseg_mcp.phantom.shapes import Box, Distances, Points, to_segment, vector


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A sheet of triangles (n, 3, 3), `thickness_mm` thick."""

    triangles: NDArray[np.float64]
    thickness_mm: float

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        corners = self.triangles.reshape(-1, 3)
        half = self.thickness_mm / 2
        return corners.min(axis=0) - half, corners.max(axis=0) + half

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        near = np.full(points.shape[1:], np.inf, dtype=np.float32)
        for triangle in self.triangles:
            np.minimum(near, _to_triangle(points, triangle), out=near)
        return near - np.float32(self.thickness_mm / 2)


def _to_triangle(points: Points, corners: NDArray[np.float64]) -> Distances:
    """Unsigned distance to a triangle: to its plane above it, to its edges elsewhere."""
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    normal = normal / np.linalg.norm(normal)
    edges = np.full(points.shape[1:], np.inf, dtype=np.float32)
    inside = np.ones(points.shape[1:], dtype=bool)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        start, end = corners[a].astype(np.float32), corners[b].astype(np.float32)
        np.minimum(edges, to_segment(points, start, end, (0, 0)), out=edges)
        inward = np.cross(normal, corners[b] - corners[a]).astype(np.float32)
        inside &= np.tensordot(inward, points, 1) >= inward @ start
    plane = np.abs(
        np.tensordot(normal.astype(np.float32), points, 1) - np.float32(normal @ corners[0])
    )
    return np.where(inside, plane, edges)


def fan(hub: ArrayLike, rim: Sequence[ArrayLike], thickness_mm: float) -> Plate:
    """Triangles from `hub` to each pair of neighbours on `rim`."""
    corners = [(vector(hub), vector(a), vector(b)) for a, b in pairwise(rim)]
    return Plate(np.array(corners), thickness_mm)
