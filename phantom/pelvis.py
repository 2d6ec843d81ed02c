"""Hip bones, thigh bones and the muscles about them."""

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.phantom.combine import common, half, union, without
from totalseg_mcp.phantom.part import SIDES, Part, Parts
from totalseg_mcp.phantom.plates import fan
from totalseg_mcp.phantom.shapes import Shape, ellipsoid, tube, turned, vector
from totalseg_mcp.phantom.subject import Subject

_SOCKET = np.array([90.0, 6.0, -80.0])
# The rim of the iliac wing from the sacrum over the crest to the front.
_CREST = (
    *((40, -62, -48), (42, -66, -14), (64, -48, 24), (98, -16, 38), (122, 18, 34)),
    *((130, 48, 8), (122, 60, -16), (108, 42, -46)),
)
# The middle of the psoas from the lumbar spine to the thigh; y is from the spine in the upper four.
_PSOAS = np.array(
    [
        (32, 4, 172),
        (40, 8, 110),
        (50, 12, 40),
        (66, 30, -20),
        (88, 50, -70),
        (100, 24, -125.0),
    ]
)


def hips(person: Subject) -> Parts:
    """The hip bones, and the femora in their sockets."""
    wide = person.size(0.035)
    for word, side in SIDES:
        flip = np.array([side * wide, 1.0, 1.0])
        socket = _SOCKET * flip
        wing = fan(socket + vector((0, -4, 18)), [np.array(point) * flip for point in _CREST], 12.5)
        rest: list[Shape] = [
            ellipsoid(socket + vector((side * -6, 0, 4)), (31, 33, 33)),
            tube(np.array([_SOCKET, (56, 52, -98), (15, 66, -112)]) * flip, [17, 11, 11]),
            tube(np.array([_SOCKET, (72, -24, -118), (64, -34, -150)]) * flip, [24, 18, 17]),
            tube(np.array([(64, -28, -152), (36, 20, -144), (13, 58, -126)]) * flip, [13, 8, 9]),
        ]
        head = ellipsoid(socket, (25, 25, 25))
        bone = person.tissue["bone"]
        whole = without(union(wing, *rest), head, gap_mm=2)
        medial = common(whole, half((side * 4.0, 0, 0), (-side, 0, 0)))
        yield Part(f"hip_{word}", medial, bone)
        yield Part(f"femur_{word}", union(head, _thigh(socket, flip)), person.tissue["long_bone"])


def _thigh(socket: NDArray[np.float64], flip: NDArray[np.float64]) -> Shape:
    neck = tube([socket, socket + flip * [48, -10, -22]], [17, 16])
    hump = ellipsoid(socket + flip * [52, -14, -22], (17, 21, 24))
    path = np.array(
        [socket + flip * [46, -10, -34], socket + flip * [42, -6, -80], (104, 6, -460) * flip]
    )
    shaft = tube(path, [20, 15.5, 14])
    return union(neck, hump, shaft)


def hip_muscles(person: Subject) -> Parts:
    """Gluteal and iliopsoas muscles; separated by thin seams of fat."""
    wide, bulk = person.size(0.03), person.size(0.06)
    fat, muscle = person.tissue["fat"], person.tissue["muscle"]
    for word, side in SIDES:
        flip = np.array([side * wide, 1.0, 1.0])
        yield Part(f"iliopsoas_{word}", _iliopsoas(person, flip, bulk), muscle)
        large = ellipsoid(
            (92, -68, -78) * flip, np.array([34, 66, 76]) * bulk, turned(x=-18, z=side * -52)
        )
        cut = common(
            large,
            half((0, -24, -60), (-0.25 * side, 1, -0.25)),
            half((side * 16, 0, 0), (-side, 0, 0)),
        )
        middle = ellipsoid(
            (132, -6, -16) * flip, np.array([24, 56, 56]) * bulk, turned(y=side * 12, z=side * 32)
        )
        small = ellipsoid(
            (124, 12, -48) * flip, np.array([17, 38, 40]) * bulk, turned(y=side * 18, z=side * 30)
        )
        yield Part(
            None, ellipsoid((92, -66, -78) * flip, np.array([37, 69, 79]) * bulk, large.axes), fat
        )
        yield Part(f"gluteus_maximus_{word}", cut, muscle)
        yield Part(None, ellipsoid(middle.centre, middle.radii + 2.5, middle.axes), fat)
        yield Part(f"gluteus_medius_{word}", middle, muscle)
        yield Part(None, ellipsoid(small.centre, small.radii + 2.5, small.axes), fat)
        yield Part(f"gluteus_minimus_{word}", small, muscle)


def _iliopsoas(person: Subject, flip: NDArray[np.float64], bulk: float) -> Shape:
    """From the lumbar spine and the inside of the hip bone to the thigh."""
    path = _PSOAS.copy()
    path[:4, 1] += [person.spine_y(z) - 4 for z in path[:4, 2]]
    thick = np.array([9, 17, 23, 23, 19, 13]) * bulk
    iliacus = fan(
        np.array((84, 40, -58)) * flip,
        list(np.array([(62, -26, 0), (96, 0, 24), (116, 36, 4)]) * flip),
        15,
    )
    return union(tube(path * flip, thick, smooth=3), iliacus)
