"""Skull and brain, and the thyroid gland in the neck."""

import numpy as np

from totalseg_mcp.phantom.combine import Grown, union
from totalseg_mcp.phantom.part import SIDES, Part, Parts
from totalseg_mcp.phantom.shapes import Shape, ellipsoid, tube, vector
from totalseg_mcp.phantom.subject import Subject


def head(person: Subject) -> Parts:
    """Jaw, face, skull with the brain inside, airways of the nose."""
    size = person.size(0.04)
    bone = person.tissue["skull"]
    centre = np.array([0, 10, 712])
    inside = union(
        ellipsoid(centre, np.array([64, 82, 68]) * size),
        ellipsoid(centre + vector((0, -32, -42)), np.array([46, 40, 30]) * size),
    )
    face = ellipsoid((0, 70, 655), np.array([40, 32, 42]) * size)
    jaw: list[Shape] = []
    for _, side in SIDES:
        path = np.array([(48, 26, 652), (46, 36, 604), (26, 84, 594), (0, 96, 596)]) * (side, 1, 1)
        jaw.append(tube(path * [size, 1, 1], [7, 8, 8, 9]))
    yield Part("skull", union(face, *jaw), person.tissue["face"])
    yield Part(None, ellipsoid((0, 62, 612), (28, 30, 16)), person.tissue["muscle"])
    yield Part("skull", Grown(inside, 9), bone)
    yield Part("brain", inside, person.tissue["brain"])
    for _, side in SIDES:
        yield Part("skull", ellipsoid((side * 24, 72, 656), (11, 16, 17)), person.tissue["gas"])
    throat = tube([(0, 56, 648), (0, 36, 640), (0, 30, 600)], [10, 10, 9])
    yield Part(None, throat, person.tissue["gas"])


def thyroid(person: Subject) -> Parts:
    """The gland's two lobes and the bridge before the windpipe."""
    lobes = []
    size = person.size(0.1)
    y = person.spine_y(545) + 38
    for _, side in SIDES:
        lobes.append(ellipsoid((side * 21, y, 545), np.array([12, 14, 26]) * size))
    bridge = tube([(-16, y + 10, 538), (16, y + 10, 538)], 5.5)
    yield Part("thyroid_gland", union(*lobes, bridge), person.tissue["gland"])
