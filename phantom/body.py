"""The body's outside: skin, fat, the muscle wall, the space within, arms, legs and the couch."""

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.phantom.combine import Grown, common, half
from totalseg_mcp.phantom.part import SIDES, Part, Parts
from totalseg_mcp.phantom.shapes import Shape, Stack, Tube, ellipsoid, stack, tube
from totalseg_mcp.phantom.subject import Subject

# The outside of the muscles: height, centre x, centre y, half width, half depth.
_TRUNK = (
    *(
        (-150, 0, -12, 120, 80),
        (-110, 0, -6, 160, 98),
        (-70, 0, -8, 166, 102),
        (-20, 0, 4, 158, 102),
    ),
    *((30, 0, 14, 148, 100), (90, 0, 17, 148, 103), (150, 0, 20, 154, 110), (200, 0, 20, 160, 115)),
    *(
        (240, 0, 18, 160, 114),
        (300, 0, -1, 158, 110),
        (350, 0, -8, 157, 105),
        (400, 0, -14, 160, 98),
    ),
    *(
        (440, 0, -20, 160, 84),
        (470, 0, -22, 140, 70),
        (490, 0, -22, 105, 60),
        (510, 0, -18, 72, 52),
    ),
    *((540, 0, -10, 56, 52), (600, 0, -2, 54, 56), (650, 0, 5, 56, 62)),
)
# The space for the organs below the ribs, the same columns.
_HOLLOW = (
    *((-135, 0, 5, 45, 40), (-100, 0, 8, 66, 62), (-60, 0, 8, 78, 66), (-20, 0, 26, 105, 66)),
    *((30, 0, 36, 122, 68), (90, 0, 34, 126, 74), (150, 0, 30, 132, 86), (190, 0, 27, 138, 92)),
    *((230, 0, 22, 140, 94),),
)


def trunk(person: Subject) -> Stack:
    """The outside of the trunk's muscles."""
    return stack(_fitted(person, _TRUNK), 2.3)


def hollow(person: Subject) -> Stack:
    """The space inside the abdominal wall and the true pelvis."""
    return stack(_fitted(person, _HOLLOW), 2.4)


def _fitted(person: Subject, rows: tuple[tuple[int, ...], ...]) -> NDArray[np.float64]:
    """Scaled like the rib cage, with the belly put on in front."""
    table = np.array(rows, dtype=float)
    wide, deep = person.cage.table[1, 3] / 147, person.cage.table[1, 4] / 100
    table[:, 3] *= wide
    table[:, 4] *= deep
    belly = person.belly_mm * np.interp(table[:, 0], [-100, 0, 130, 280], [0, 1, 1, 0])
    table[:, 2] += belly / 2
    table[:, 4] += belly / 2
    return table


def arm(person: Subject, side: int) -> Tube:
    """Skin of an arm, raised or hanging."""
    if person.arms_up:
        path = [(158, -18, 430), (165, -18, 500), (158, -12, 600), (150, 0, 800)]
        return tube(np.array(path) * (side, 1, 1), [40, 52, 44, 38])
    path = [(158, -12, 440), (186, -10, 380), (205, -8, 180), (215, 15, 0), (205, 40, -160)]
    return tube(np.array(path) * (side, 1, 1), [50, 46, 42, 36, 28])


def leg(side: int) -> Tube:
    """Muscles of a thigh."""
    return tube(
        np.array([(88, 0, -110), (88, 4, -200), (82, 8, -420)]) * (side, 1, 1), [80, 76, 62]
    )


def envelope(person: Subject) -> Parts:
    """Skin and fat, then muscle, then what lies inside it (fat); the couch first of all."""
    flesh, inside = trunk(person), hollow(person)
    head = ellipsoid((0, 14, 706), (73, 92, 98))
    face = ellipsoid((0, 58, 640), (52, 52, 62))
    limbs = [arm(person, side) for _, side in SIDES]
    limbs_and_head: list[Shape] = [*limbs, head, face]
    limbs_and_head += [Grown(leg(side), 0.6 * person.fat_mm) for _, side in SIDES]
    table = stack([(-900, 0, 0, 215, 14), (1200, 0, 0, 215, 14)], 6)
    back = flesh.table[:, 2] - flesh.table[:, 4]
    table.table[:, 2] = back.min() - person.fat_mm - 12
    if person.rng.random() < 0.7:
        yield Part(None, table, person.tissue["table"])
    fat, muscle = person.tissue["fat"], person.tissue["muscle"]
    neck_fat = Grown(common(flesh, half((0, 0, 520), (0, 0, -1))), 6)
    for skin in (
        Grown(common(flesh, half((0, 0, 522), (0, 0, 1))), person.fat_mm),
        neck_fat,
        *limbs_and_head,
    ):
        yield Part(None, skin, fat)
    for limb, (_, side) in zip(limbs, SIDES, strict=True):
        yield Part(None, Grown(limb, -9), muscle)
        yield Part(None, leg(side), muscle)
    for meat in (flesh, Grown(head, -6), Grown(face, -6)):
        yield Part(None, meat, muscle)
    yield Part(None, inside, person.tissue["mesentery"])
