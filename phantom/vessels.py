"""The great vessels; those too thin to be seen at 6 mm are left out."""

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.phantom.part import SIDES, Part, Parts
from totalseg_mcp.phantom.shapes import tube, vector
from totalseg_mcp.phantom.subject import Subject


def _before_spine(person: Subject, x: float, z: float, gap_mm: float) -> list[float]:
    """A point `gap_mm` before the front of the vertebral bodies."""
    front = person.spine_y(z) + float(np.interp(z, [0, 180, 500], [19, 17, 13]))
    return [x, front + gap_mm, z]


def chest_vessels(person: Subject) -> Parts:
    """Aorta and its first branch, the upper caval vein, the veins that make it, lung vessels."""
    arteries, veins = person.tissue["arteries"], person.tissue["veins"]
    size = person.size(0.08)
    drop = person.jitter(4)[0]
    root = np.array([2, 52, 338 + drop])
    yield from _pulmonary(person, drop)
    yield Part(
        "superior_vena_cava", tube([(30, 42, 335), (31, 38, 375), (29, 38, 418)], 10.5), veins
    )
    meet = np.array([29, 38, 416.0])
    right_end, left_end = np.array([44, 22, 462.0]), np.array([-42, 26, 462.0])
    middle = np.array([-4, 47, 440.0])
    yield Part("brachiocephalic_vein_left", tube([meet, middle, left_end], 9.0, smooth=3), veins)
    yield Part("brachiocephalic_vein_right", tube([meet, right_end], 9.0), veins)
    arch = [
        root,
        root + vector((16, 6, 34)),
        root + vector((14, 0, 66)),
        (2, 26, 424 + drop),
        (-14, 6, 424 + drop),
    ]
    arch += [_before_spine(person, -22, 400, 6), _before_spine(person, -20, 340, 10)]
    down = [
        _before_spine(person, x, z, 15) for x, z in ((-14, 270), (-8, 220), (-6, 160), (-6, 60))
    ]
    thick = np.array([16, 16, 15.5, 14.5, 14, 13.5, 13, 12.5, 12, 11.5, 10.5]) * size
    trunk = np.array([(8, 34, 430), (20, 28, 448), (28, 24, 470)]) + vector((0, 0, drop))
    yield Part("brachiocephalic_trunk", tube(trunk, 8.5, smooth=2), arteries)
    yield Part("aorta", tube(np.array([*arch, *down]), thick, smooth=3), arteries)


def _pulmonary(person: Subject, drop: float) -> Parts:
    """The trunk and main branches of the pulmonary artery (no label), and the pulmonary veins."""
    veins = person.tissue["veins"]
    trunk = np.array([(-22, 62, 345), (-14, 42, 378), (-10, 26, 384)]) + vector((0, 0, drop))
    yield Part(None, tube(trunk, 13), veins)
    for side, reach in ((1, 58), (-1, 50)):
        course = np.array([(side * 26, 20, 382 + drop), (side * reach, 8, 374 + drop)])
        yield Part(None, tube(np.vstack([trunk[-1:], course]), [11, 10, 8]), veins)
        for height, far in ((350, 62), (326, 58)):
            vein = [
                (side * 14 - 4, 22, 336 + drop),
                (side * 36, 14, height - 6 + drop),
                (side * far, 6, height + drop),
            ]
            yield Part("pulmonary_vein", tube(vein, [9, 8.5, 8]), veins)


def belly_vessels(person: Subject) -> Parts:
    """Lower caval vein, portal and splenic vein, iliac arteries and veins."""
    arteries, veins = person.tissue["arteries"], person.tissue["veins"]
    breath = -0.8 * person.breath_mm
    size = person.size(0.08)
    portal = [(-84, 22, 184), (-38, 46, 166), (6, 50, 152), (26, 50, 166), (42, 52, 192)]
    course = np.array(portal) + vector((0, 0, breath))
    portal_vein = tube(course, [7, 8, 9, 9.5, 8.5], smooth=3)
    yield Part("portal_vein_and_splenic_vein", portal_vein, person.tissue["portal"])
    for word, side in SIDES:
        yield Part(f"iliac_vena_{word}", tube(_iliac(person, side, 9, -9), 9.5, smooth=2), veins)
    for word, side in SIDES:
        yield Part(
            f"iliac_artery_{word}", tube(_iliac(person, side, -6, 4), 8.0, smooth=2), arteries
        )
    cava = [
        _before_spine(person, x, z, gap)
        for x, z, gap in ((14, 52, 11), (20, 110, 12), (22, 170, 14))
    ]
    cava += [[25, 26, 225.0], [22, 36, 262.0], [18, 40, 292.0]]
    yield Part(
        "inferior_vena_cava", tube(cava, np.array([11, 12, 12, 13, 14, 14]) * size, smooth=2), veins
    )


def _iliac(person: Subject, side: int, x: float, y: float) -> NDArray[np.float64]:
    """The course from the fork before L4 to the groin."""
    fork = _before_spine(person, 0, 58, 14 + 0.5 * y)
    middle = _before_spine(person, side * 36.0, 5, 16 + y)
    return np.array(
        [
            fork,
            middle,
            [side * 62, 24 + y, -40],
            [side * 74, 58 + y, -84],
            [side * 80, 72 + y, -125],
        ]
    ) + vector((x, 0, 0))
