"""Names that belong together, so that 117 structures fit into a legend."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SIDES = {"right": "R", "left": "L"}
_SIDE = re.compile(r"(?:^|_)(right|left)(?=_|$)")
_TOOTH = re.compile(r"_fdi\d+$")
_SERIES = re.compile(r"_([A-Z]?)(\d+)$")


@dataclass(frozen=True, slots=True)
class Family:
    """What is one line of the legend: its text and its members, as they are numbered."""

    text: str
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Member:
    stem: str
    side: str
    series: str
    number: int
    label: int


def families(found: Sequence[int], names: Sequence[str]) -> list[Family]:
    """The labels `found` in families: both sides of a pair, or the numbered parts of a row.

    They come in the order of their first members in `names`.

    >>> names = ["kidney_right", "liver", "kidney_left", "rib_left_2", "rib_left_1", "rib_left_4"]
    >>> for family in families([1, 2, 3, 4, 5, 6], names):
    ...     print(family.text, family.labels)
    kidney R, L (1, 3)
    liver (2,)
    rib L 1-2, 4 (5, 4, 6)
    """
    groups: dict[tuple[str, str, str], list[_Member]] = {}
    for member in (_member(label, names[label - 1]) for label in sorted(found)):
        side = member.side if member.number else ""
        groups.setdefault((member.stem, side, member.series), []).append(member)
    return [_family(members) for members in groups.values()]


def _member(label: int, name: str) -> _Member:
    bare = _TOOTH.sub("", name)
    row = _SERIES.search(bare)
    bare = _SERIES.sub("", bare)
    side = _SIDE.search(bare)
    stem = _SIDE.sub("", bare).strip("_").replace("_", " ")
    series, number = (row[1], int(row[2])) if row else ("", 0)
    return _Member(stem, SIDES[side[1]] if side else "", series, number, label)


def _family(members: Sequence[_Member]) -> Family:
    ordered = sorted(members, key=lambda member: (-ord(member.side or " "), member.number))
    first = ordered[0]
    text = first.stem
    if first.number:
        text = " ".join(filter(None, (text, first.side, _ranges(ordered))))
    elif first.side:
        text += " " + ", ".join(dict.fromkeys(member.side for member in ordered if member.side))
    return Family(text, tuple(member.label for member in ordered))


def _ranges(members: Sequence[_Member]) -> str:
    """Their numbers, with what follows on one another drawn together: "T1-T4, T6"."""
    starts = [0] + [
        n for n, (a, b) in enumerate(pairwise(members), start=1) if b.number != a.number + 1
    ]
    runs = [members[a:b] for a, b in pairwise([*starts, len(members)])]
    return ", ".join(
        "-".join(f"{end.series}{end.number}" for end in (run[0], run[-1])[: len(run)])
        for run in runs
    )


def largest(
    lines: Sequence[Family], volumes: Mapping[int, int], most: int
) -> tuple[list[Family], int]:
    """The largest of `lines`, at most `most`, and the number of structures in the others."""
    size = {line: sum(volumes[label] for label in line.labels) for line in lines}
    kept = set(sorted(lines, key=lambda line: -size[line])[:most])
    others = sum(len(line.labels) for line in lines if line not in kept)
    return [line for line in lines if line in kept], others
