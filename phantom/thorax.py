"""Ribs, breastbone, lungs, heart, airways and the diaphragm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.phantom.combine import Common, Grown, common, half, union
from totalseg_mcp.phantom.part import KEEP, SIDES, Part, Parts
from totalseg_mcp.phantom.shapes import (
    Box,
    Distances,
    Points,
    Shape,
    Tube,
    ellipsoid,
    stack,
    tube,
    turned,
    vector,
)
from totalseg_mcp.phantom.subject import Subject

# From the first to the twelfth: how far round a rib goes (radians from behind), and how far its
# front end lies below its head.
_ROUND = (2.45, 2.55, 2.58, 2.6, 2.58, 2.5, 2.4, 2.25, 2.05, 1.8, 1.35, 0.9)
_DROP_MM = (34, 56, 66, 76, 87, 99, 107, 110, 102, 90, 58, 34)


@dataclass(frozen=True, slots=True, eq=False)
class Dome:
    """The space under one half of the diaphragm: a bell, highest at its middle."""

    middle: NDArray[np.float64]  # of the top
    reach_mm: tuple[float, float]  # sideways, front to back
    fall_mm: float

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        return np.array([-300.0, -300, -900]), np.array([300.0, 300, self.middle[2]])

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface, measured obliquely."""
        across = (points[0] - np.float32(self.middle[0])) / np.float32(self.reach_mm[0])
        along = (points[1] - np.float32(self.middle[1])) / np.float32(self.reach_mm[1])
        away = across**2 + along**2
        ceiling = np.float32(self.middle[2]) - np.float32(self.fall_mm) * away
        out: Distances = (points[2] - ceiling) * np.float32(0.75)
        return out


def diaphragm(person: Subject) -> dict[str, Dome]:
    """The two domes by side; breathing in lowers both."""
    shift = person.jitter(3, 3, 4)
    top = 272 - person.breath_mm
    return {
        "right": Dome(np.array([58, 38, top]) + shift, (88, 108), 82),
        "left": Dome(np.array([-58, 36, top - 10]) - shift, (86, 106), 78),
    }


def rib_path(person: Subject, n: int, side: int) -> NDArray[np.float64]:
    """The middle of rib n (1..12), from the spine to its front end."""
    top = person.level_mm(f"T{n}") + 7
    swing = _ROUND[n - 1]
    angle = np.linspace(0.34 if n < 12 else 0.3, swing, 12)
    height = top - _DROP_MM[n - 1] * (angle / swing) ** 1.15
    levels, _, y, width, depth = person.cage.table.T
    outward = 6.5
    wide = np.interp(height, levels, width) + outward
    deep = np.interp(height, levels, depth) + outward
    middle = np.interp(height, levels, y)
    path = np.stack([side * wide * np.sin(angle), middle - deep * np.cos(angle), height], axis=1)
    head = np.array([side * 17.0, person.spine_y(top) - 12, top - 3])
    neck = np.array([side * 30.0, person.spine_y(top) - 20, top])
    return np.vstack([head, neck, path[path[:, 0] * side > 36]])


def cage(person: Subject) -> Parts:
    """Ribs, costal cartilages and the breastbone."""
    bone, cartilage = person.tissue["bone"], person.tissue["cartilage"]
    front = person.cage.table
    breast_z = np.array([455, 440, 412, 360, 318, 298], dtype=float) + person.jitter(4)[0]
    breast_y = np.interp(breast_z, front[:, 0], front[:, 2] + front[:, 4]) + 7
    for _, side in SIDES:
        for n in range(1, 11):
            end = rib_path(person, n, side)[-1]
            bar = _cartilage(end, n, side, (breast_z, breast_y))
            yield Part("costal_cartilages", bar, cartilage)
    for word, side in SIDES:
        for n in range(1, 13):
            path = rib_path(person, n, side)
            thick = (
                6.4 * person.size(0.05) * np.interp(np.arange(len(path)), [0, 2, 20], [0.9, 1, 1])
            )
            yield Part(f"rib_{word}_{n}", Tube(path, thick, 1.45), bone)
    wide = np.array([27, 29, 20, 21, 20, 11])
    rows = np.stack([breast_z, breast_z * 0, breast_y, wide, np.full(6, 9.5)], axis=1)
    yield Part("sternum", stack(rows, 3), bone)


def _cartilage(
    end: NDArray[np.float64], n: int, side: int, breast: tuple[NDArray[np.float64], ...]
) -> Tube:
    """From a rib's front end to the breastbone, or (ribs 8 to 10) along the costal arch."""
    z, y = breast
    aim = np.interp(n, [1, 2, 7, 10], [444, 414, 308, 296])
    goal = np.array([side * (20.0 if n < 7 else 12.0), np.interp(-aim, -z, y), aim])
    bend = 0.5 * (end + goal) + [side * 8.0, 4.0, -10.0 if n > 3 else 0.0]
    if n > 7:
        goal = 0.45 * end + 0.55 * goal
        bend = 0.5 * (end + goal) + [side * 4.0, 3.0, -4.0]
    return tube([end, bend, goal], 7.5, 1.25, smooth=3)


def heart_shape(person: Subject) -> Common:
    """The heart, resting on the diaphragm."""
    shift = person.jitter(4, 4, 4) + vector((0, 0, -0.75 * person.breath_mm))
    size = person.size(0.06)
    main = ellipsoid(
        np.array([-24, 58, 310]) + shift, np.array([66, 46, 50]) * size, turned(y=-28, z=-35)
    )
    atria = ellipsoid(np.array([12, 38, 325]) + shift, np.array([38, 38, 42]) * size)
    return common(union(main, atria), Grown(person.cage, -9))


def lungs(person: Subject) -> Parts:
    """Five lobes, filling the cage above the diaphragm and beside the mediastinum."""
    domes, inside = diaphragm(person), Grown(person.cage, -2.0)
    lung = person.tissue["lung"]
    tilt = person.jitter(6, 6)
    for word, side in SIDES:
        space = common(inside, half((side * 9, 0, 0), (-side, 0, 0)))
        oblique = half((0, 20, 342 + tilt[0]), (0, -0.74, -0.67))
        yield Part(f"lung_lower_lobe_{word}", _above(space, domes[word]), lung)
        yield Part(f"lung_upper_lobe_{word}", common(_above(space, domes[word]), oblique), lung)
        if word == "right":
            low = half((0, 0, 352 + tilt[1]), (0, 0.05, 1))
            yield Part(
                "lung_middle_lobe_right", common(_above(space, domes[word]), oblique, low), lung
            )


def _above(space: Shape, dome: Dome) -> Common:
    return common(space, _Over(dome))


@dataclass(frozen=True, slots=True, eq=False)
class _Over:
    """Everything above a dome."""

    dome: Dome

    @property
    def box(self) -> Box:
        """A box that holds the shape."""
        lowest = self.dome.middle[2] - 130
        return np.array([-300.0, -300, lowest]), np.array([300.0, 300, 900])

    def distance(self, points: Points) -> Distances:
        """Signed distance of each point to the surface."""
        return -self.dome.distance(points)


def mediastinum(person: Subject) -> Parts:
    """What lies between the lungs: fat, heart, gullet, windpipe; and the vessels of the lungs."""
    fat, wall = person.tissue["fat"], person.tissue["wall"]
    low = 225 - person.breath_mm
    rows = [(low, -2, 20, 30, 75), (330, 0, 10, 30, 80), (400, 2, -5, 30, 70), (450, 0, -8, 34, 55)]
    rows += [(515, 0, -12, 30, 36)]
    yield Part(None, common(stack(rows, 2.6), Grown(person.cage, -1)), fat)
    yield from _lung_vessels(person)
    yield Part("heart", heart_shape(person), person.tissue["heart"])
    shift = person.jitter(2.0, 1.5)
    path = [(0, 24, 590), (-2, 25, 520), (-1, 25, 470), (2, 25, 400), (2, 32, 335), (-8, 56, 270)]
    path += [(-26, 66, 236)]
    course = np.array([(x, person.spine_y(z) + y, z) for x, y, z in path])
    course += [shift[0], shift[1], 0]
    yield Part("esophagus", tube(course, 9.5, smooth=2), wall)
    yield Part("esophagus", tube(course[1:-1], 2.5, smooth=2), person.tissue["gas"])
    yield from _airways(person, shift)


def _airways(person: Subject, shift: NDArray[np.float64]) -> Parts:
    fork = np.array([3 + shift[0], person.spine_y(405) + 44, 405])
    top = np.array([0, person.spine_y(570) + 44, 572])
    middle = np.array([2, person.spine_y(480) + 45, 480])
    pipe = tube([top, middle, fork], 10.5, smooth=3)
    right = tube([fork, fork + vector((22, -6, -22)), fork + vector((38, -10, -38))], [9.5, 9, 8])
    left = tube([fork, fork + vector((-24, -6, -18)), fork + vector((-44, -12, -30))], [9.5, 9, 8])
    yield Part(None, Grown(pipe, 1.5), person.tissue["wall"])
    yield Part("trachea", union(pipe, right, left), person.tissue["gas"])
    larynx = tube([top, top + vector((0, 4, 40)), top + vector((0, 8, 75))], [10, 9, 12])
    yield Part(None, larynx, person.tissue["gas"])


def _lung_vessels(person: Subject) -> Parts:
    """Branching vessels from each hilum; what they run through keeps its name."""
    for _, side in SIDES:
        hilum = np.array([side * 34.0, person.spine_y(375) + 36, 375])
        twigs: list[Shape] = []
        for _ in range(14):
            way = person.rng.normal(size=3) * [0.6, 1, 1.1] + [0.9 * side, -0.2, -0.15]
            reach = person.rng.uniform(45, 85) * way / np.linalg.norm(way)
            bend = person.rng.normal(0, 6, 3)
            twigs.append(tube([hilum, hilum + 0.5 * reach + bend, hilum + reach], [5.5, 3.2, 1.2]))
        inside = common(union(*twigs), Grown(person.cage, -8))
        yield Part(KEEP, inside, person.tissue["veins"])
