"""Liver, gallbladder, spleen, kidneys, pancreas, stomach and bowel."""

import numpy as np

from totalseg_mcp.phantom.combine import Grown, Outside, common, half, union
from totalseg_mcp.phantom.part import KEEP, SIDES, Part, Parts
from totalseg_mcp.phantom.shapes import Shape, Tube, ellipsoid, stretches, tube, turned, vector
from totalseg_mcp.phantom.subject import Subject
from totalseg_mcp.phantom.thorax import diaphragm

_COLON = (
    *((82, 38, -18), (92, 28, 20), (98, 20, 70), (96, 26, 108), (84, 56, 122), (58, 84, 104)),
    *((20, 98, 84), (-25, 98, 86), (-62, 86, 118), (-92, 50, 158), (-110, 20, 168), (-116, 0, 140)),
    *((-112, -2, 90), (-110, 6, 40), (-98, 30, -5), (-74, 44, -35), (-38, 34, -48), (-8, 12, -52)),
    *((4, -12, -66), (0, -20, -95), (0, -26, -130)),
)


def under_diaphragm(person: Subject) -> Parts:
    """The space under the domes, before the organs fill it."""
    for dome in diaphragm(person).values():
        space = common(Grown(person.cage, -3), Grown(dome, -3))
        yield Part(None, space, person.tissue["mesentery"])


def upper_abdomen(person: Subject) -> Parts:
    """The organs under the diaphragm, each beside its neighbours."""
    domes = diaphragm(person)
    breath = -0.8 * person.breath_mm
    room = Grown(person.cage, -5.5)
    yield from _liver(person, room, breath)
    yield from _spleen(person, common(room, Grown(domes["left"], -4)), breath)
    yield from _kidneys(person, breath)
    yield from _pancreas(person, breath)
    yield from _stomach(person, common(room, Grown(domes["left"], -4)), breath)


def _liver(person: Subject, room: Shape, breath: float) -> Parts:
    domes = diaphragm(person)
    size = person.size(0.05)
    move = person.jitter(5, 4, 6) + vector((0, 0, breath))
    right = ellipsoid(np.array([66, 32, 190]) + move, np.array([92, 108, 98]) * size)
    left = ellipsoid(np.array([-2, 78, 210]) + move, np.array([78, 52, 42]) * size, turned(y=-12))
    edge = half(np.array([66, 32, 138]) + move, (-0.5, 0.28, -1))
    back = half(np.array([0, -2, 0]), (-0.5, -1, 0))
    under = union(Grown(domes["right"], -3), Grown(domes["left"], -6))
    whole = common(union(common(right, edge), left), room, under, back)
    yield Part("liver", whole, person.tissue["liver"])
    for _ in range(5):
        start = np.array([25, 45, 185]) + move
        way = person.rng.normal(size=3) * [30, 26, 22] + [42, 0, 10]
        yield Part(
            KEEP, common(tube([start, start + way], [4.5, 2]), whole), person.tissue["veins"]
        )
    bile = ellipsoid(
        np.array([58, 82, 140]) + move, np.array([15, 17, 30]) * person.size(0.12), turned(x=-28)
    )
    yield Part("gallbladder", bile, person.tissue["bile"])


def _spleen(person: Subject, room: Shape, breath: float) -> Parts:
    move = person.jitter(4, 5, 6) + vector((0, 0, breath))
    radii = np.array([33, 50, 54]) * person.size(0.1)
    whole = ellipsoid(np.array([-110, -10, 190]) + move, radii, turned(x=-20, z=-28))
    hollow = ellipsoid(np.array([-70, 18, 182]) + move, (26, 36, 46))
    yield Part("spleen", common(whole, room, Outside(hollow)), person.tissue["spleen"])


def _kidneys(person: Subject, breath: float) -> Parts:
    for word, side in SIDES:
        move = person.jitter(4, 4, 7) + vector((0, 0, 0.6 * breath))
        low = 0 if side < 0 else -10
        middle = np.array([side * 68, -14, 132 + low]) + move
        axes = turned(x=-10, y=side * -14, z=side * 30)
        bean = ellipsoid(middle, np.array([25, 29, 53]) * person.size(0.08), axes)
        yield Part(f"kidney_{word}", bean, person.tissue["kidney"])
        sinus = ellipsoid(middle - np.array([side * 19.0, -6, 0]), (13, 12, 18), axes)
        yield Part(None, sinus, person.tissue["fat"])


def _pancreas(person: Subject, breath: float) -> Parts:
    move = person.jitter(4, 4, 6) + vector((0, 0, breath))
    path = np.array([(34, 46, 104), (32, 52, 128), (6, 62, 146), (-32, 56, 158), (-84, 20, 176)])
    gland = tube(path + move, np.array([13, 15, 12, 12, 12]) * person.size(), smooth=3)
    yield Part("pancreas", gland, person.tissue["pancreas"])
    gut = np.array(
        [(30, 84, 140), (50, 66, 138), (58, 42, 116), (56, 34, 82), (28, 34, 66), (-18, 40, 68)]
    )
    yield Part("duodenum", tube(gut + move, 12.5, smooth=3), person.tissue["bowel"])


def _stomach(person: Subject, room: Shape, breath: float) -> Parts:
    move = person.jitter(5, 5, 6) + vector((0, 0, breath))
    path = np.array(
        [
            (-62, 24, 226),
            (-68, 48, 196),
            (-58, 78, 160),
            (-28, 92, 138),
            (8, 90, 138),
            (26, 84, 142),
        ]
    )
    size = person.size(0.12)
    thick = np.array([33, 34, 30, 25, 19, 13]) * size
    bag = common(tube(path + move, thick, smooth=3), room)
    yield Part("stomach", bag, person.tissue["wall"])
    yield Part("stomach", Grown(bag, -4.5), person.tissue["bowel"])
    air = float(person.rng.uniform(50, 100))
    bubble = common(Grown(bag, -4.5), half((0, air, 0), (0, -1, 0)))
    yield Part("stomach", bubble, person.tissue["gas"])


def bowel(person: Subject) -> Parts:
    """Loops of small bowel, and the colon around them."""
    belly = 0.6 * person.belly_mm
    yield from _loops(person, belly)
    path = np.array(_COLON) + person.rng.normal(0, 4, (len(_COLON), 3)).clip(-7, 7)
    path[:, 2] += np.interp(path[:, 2], [0, 170], [0, 1]) * -0.6 * person.breath_mm
    path[:, 1] += np.interp(path[:, 1], [20, 90], [0, 1]) * belly
    path[-3:, 0] *= 0.4
    size = person.size(0.08)
    thick = np.interp(np.arange(len(path)), [0, 4, 10, 13, 17, 20], [29, 26, 24, 19, 18, 21]) * size
    pipe = tube(path, thick, smooth=4)
    haustra = pipe.radii * (1 + 0.12 * np.sin(np.arange(len(pipe.radii)) * 1.9))
    whole, content = Tube(pipe.path, haustra), Tube(pipe.path, haustra - 3.5)
    for layer, tissue in ((whole, "wall"), (content, "stool")):
        for piece in stretches(layer, 5):
            yield Part("colon", piece, person.tissue[tissue])
    for piece in stretches(Tube(pipe.path + vector((0, 4, 0)), haustra - 8), 8):
        if person.rng.random() < 0.5:
            yield Part("colon", piece, person.tissue["gas"])


def _loops(person: Subject, belly: float) -> Parts:
    """Small bowel: rows that wind from side to side, front to back and downwards."""
    path = []
    for row, z in enumerate(np.linspace(88, -62, 7)):
        reach = np.interp(z, [-60, 0, 90], [42, 72, 56])
        for depth, y in enumerate((40, 78 if z > -30 else 60)):
            across = np.linspace(-1, 1, 7) * reach * (1 if (row + depth) % 2 else -1)
            wave = 9 * np.sin(np.arange(7) * 2.2 + row)
            path += [
                (x, y + w * 0.6 + belly * (y - 30) / 50, z + w)
                for x, w in zip(across, wave, strict=True)
            ]
    course = np.array(path) + person.rng.normal(0, 3.5, (len(path), 3))
    for thick, tissue in ((12.0, "wall"), (8.5, "bowel")):
        for piece in stretches(tube(course, thick, smooth=2), 12):
            yield Part("small_bowel", piece, person.tissue[tissue])


def pelvic_organs(person: Subject) -> Parts:
    """Bladder and, in men, prostate; in women the womb, which carries no label."""
    move = person.jitter(4, 4, 4)
    full = person.size(0.14)
    if person.male:
        gland = ellipsoid(np.array([0, 18, -124]) + move, np.array([24, 18, 20]) * person.size(0.1))
        yield Part("prostate", gland, person.tissue["muscle"])
    else:
        womb = ellipsoid(np.array([0, 16, -62]) + move, (28, 24, 30))
        yield Part(None, womb, person.tissue["muscle"])
    bag = ellipsoid(np.array([0, 44, -92]) + move, np.array([40, 30, 28]) * full)
    yield Part("urinary_bladder", bag, person.tissue["wall"])
    yield Part("urinary_bladder", Grown(bag, -4), person.tissue["urine"])
