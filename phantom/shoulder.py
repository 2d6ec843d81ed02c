"""Shoulder blades, collarbones, upper arms, and the long muscles of the back."""

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.phantom.combine import Grown, union
from totalseg_mcp.phantom.part import SIDES, Part, Parts
from totalseg_mcp.phantom.plates import fan
from totalseg_mcp.phantom.shapes import Shape, ellipsoid, stack, tube, vector
from totalseg_mcp.phantom.subject import Subject


def shoulders(person: Subject) -> Parts:
    """Arm bones, shoulder blades and collarbones; raised arms lift and tilt them."""
    lift = 26.0 if person.arms_up else 0.0
    move = person.jitter(2, 3, 4) + vector((0, 0, lift))
    bone = person.tissue["bone"]
    for word, side in SIDES:
        flip = np.array([side, 1.0, 1.0])
        joint = (np.array([158, -18, 440]) + move) * flip
        if person.arms_up:
            path = [joint, (164, -16, 505) * flip, (156, -10, 620) * flip, (148, 0, 790) * flip]
        else:
            path = [joint, (182, -12, 390) * flip, (196, -10, 300) * flip, (205, -4, 140) * flip]
        arm = union(ellipsoid(joint, (24, 24, 24)), tube(path, [20, 15, 13, 14]))
        yield Part(f"humerus_{word}", arm, person.tissue["long_bone"])
        yield Part(f"scapula_{word}", _blade(person, move, flip), bone)
        inner = np.array([20, 48, 462]) * flip
        outer = (np.array([148, -8, 466]) + vector((0, 0, 0.7 * lift))) * flip
        bow = [inner, (58, 46, 466 + 0.2 * lift) * flip, (104, 10, 468 + 0.5 * lift) * flip, outer]
        yield Part(f"clavicula_{word}", tube(np.array(bow), [10, 8.5, 8.5, 9], smooth=3), bone)


def _blade(person: Subject, move: NDArray[np.float64], flip: NDArray[np.float64]) -> Shape:
    """The shoulder blade: two leaves, spine, acromion and socket, lying on the ribs."""
    swing = np.array([22, 14, 0]) if person.arms_up else np.zeros(3)
    lowest = (np.array([98, -98, 318]) + swing + move) * flip
    inner = (np.array([70, -94, 400]) + move) * flip
    upper = (np.array([72, -74, 452]) + move) * flip
    socket = (np.array([130, -26, 432]) + move) * flip
    blade = fan(socket, [lowest, inner, upper], 11.0)
    tip = (np.array([154, -30, 470]) + move) * flip
    ridge = tube(
        [inner + vector((0, -2, 14)), (np.array([120, -74, 450]) + move) * flip, tip], [6.5, 8, 9]
    )
    edge = tube([lowest, socket], [7.5, 10])
    beak = tube([socket, (np.array([124, 6, 452]) + move) * flip], [11, 7])
    return union(blade, ridge, edge, beak, ellipsoid(socket, (12, 15, 19)))


def back_muscles(person: Subject) -> Parts:
    """The autochthonous muscles: one column on each side of the spinous processes."""
    bulk = person.size(0.06)
    rows = (
        *(
            (-95, 18, -34, 14, 9),
            (-45, 28, -42, 24, 16),
            (20, 38, -50, 33, 22),
            (110, 39, -54, 36, 22),
        ),
        *(
            (190, 37, -56, 34, 20),
            (300, 31, -56, 28, 17),
            (420, 28, -54, 27, 17),
            (500, 26, -46, 26, 18),
        ),
        *((560, 24, -36, 22, 17), (615, 22, -32, 20, 15), (638, 20, -32, 15, 10)),
    )
    for word, side in SIDES:
        table = np.array(rows, dtype=float)
        table[:, 2] += [person.spine_y(z) for z in table[:, 0]]
        table[:, 1] *= side
        table[:, 3:] *= bulk
        column = stack(table, 2.2)
        yield Part(None, Grown(column, 1.4), person.tissue["fat"])
        yield Part(f"autochthon_{word}", column, person.tissue["muscle"])
