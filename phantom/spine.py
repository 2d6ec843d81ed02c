"""Vertebrae, discs, sacrum and spinal cord."""

import numpy as np

from totalseg_mcp.phantom.combine import common, half, union
from totalseg_mcp.phantom.part import SIDES, Part, Parts
from totalseg_mcp.phantom.shapes import Shape, Tube, ellipsoid, stack, tube, turned
from totalseg_mcp.phantom.subject import LEVELS, Subject

# By region: half width and half depth of the body at its lowest and highest vertebra, the reach of
# the transverse processes, of the spinous process backwards and downwards, their thickness.
_FORM = {
    "L": ((26, 19), (23, 17), 44, 40, 8, 7.5),
    "T": ((22, 17), (16, 14), 32, 40, 16, 7.2),
    "C": ((16, 12), (16, 12), 25, 30, 5, 6.8),
}


def spine(person: Subject) -> Parts:
    """The sacrum, discs and vertebrae from below upwards, then the cord."""
    yield from _sacrum(person)
    column = [(0, person.spine_y(z), z) for z in range(0, 600, 30)]
    yield Part(None, tube(column, np.linspace(19, 9, len(column))), person.tissue["disc"])
    for n, name in enumerate(LEVELS):
        low, high = person.levels_mm[n], person.levels_mm[n + 1]
        yield Part(f"vertebrae_{name}", _vertebra(person, name, low, high), person.tissue["bone"])
    cord = [(0, _canal_y(person, z), z) for z in range(30, 660, 30)]
    yield Part("spinal_cord", tube(cord, 8.0), person.tissue["cord"])


def _canal_y(person: Subject, z: float) -> float:
    """How far forwards the middle of the spinal canal lies."""
    depth = np.interp(z, [0, 180, 500, 600], [19, 17, 13, 9])
    return person.spine_y(z) - float(depth) - 10


def _place(name: str) -> float:
    """0 at the bottom of the vertebra's region, 1 at its top."""
    region = [level for level in LEVELS if level[0] == name[0]]
    return region.index(name) / (len(region) - 1)


def _vertebra(person: Subject, name: str, low: float, high: float) -> Shape:
    at, middle = _place(name), (low + high) / 2
    bottom, top, reach, back, down, thick = _FORM[name[0]]
    width, depth = np.array(bottom) * (1 - at) + np.array(top) * at
    y, canal = person.spine_y(middle), _canal_y(person, middle)
    gap = 0.08 * (high - low)
    slope = (person.spine_y(high) - person.spine_y(low)) / 2
    waist = 0.93
    body = stack(
        [
            (low + gap, 0, y - slope * 0.8, width, depth),
            (middle, 0, y, width * waist, depth * waist),
            (high - gap, 0, y + slope * 0.8, width, depth),
        ],
        2.4,
    )
    spinous = tube([(0, canal - 10, middle), (0, canal - 10 - 0.55 * back, middle - down)], thick)
    parts: list[Shape] = [body, Tube(spinous.path, spinous.radii, 1.5)]
    for _, side in SIDES:
        pedicle = (side * 14.0, canal, middle + 2)
        tip = (side * reach, canal - 6, middle + 1)
        lamina = (side * 12.0, canal - 9, middle)
        parts.append(
            tube([(side * 13.0, y - 6, middle + 3), pedicle, lamina, spinous.path[0]], thick)
        )
        parts.append(tube([pedicle, tip], [thick, thick - 1]))
    return union(*parts)


def _sacrum(person: Subject) -> Parts:
    def at(z: float, width: float, depth: float) -> tuple[float, float, float, float, float]:
        return z, 0.0, person.spine_y(z) - 4, width * 1.0, depth

    whole = stack(
        [
            at(-2, 40, 24),
            at(-12, 50, 27),
            at(-40, 47, 25),
            at(-65, 34, 19),
            at(-95, 18, 12),
            at(-122, 8, 7),
        ],
        2.4,
    )
    yield Part("sacrum", whole, person.tissue["bone"])
    first = ellipsoid((0, person.spine_y(-14) + 4, -14), (29, 21, 17), turned(x=-15))
    block = common(first, half((0, 0, -1), (0, 0, 1)))
    yield Part("vertebrae_S1", block, person.tissue["bone"])
