"""Reading NRRD (`.nrrd`, `.nhdr`), told by its content: http://teem.sourceforge.net/nrrd/format.html.

Geometry is what ITK makes of it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.stored import (
    Stored,
    Voxels,
    axes,
    numbers,
    partner,
    scan_of,
    sizes,
    unharmed,
    unit,
)
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.scan import Scan

MAGIC = b"NRRD000"
LONGEST_LINE, MOST_LINES = 2**16, 2**16  # a segmentation of 117 structures has 1100 lines
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        *("longlong", "long long", "long long int", "signed long long"),
        *("signed long long int", "int64", "int64_t"),
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
KINDS = {name: kind for kind, spellings in TYPES.items() for name in spellings}
DEFLATED = {"raw": False, "gzip": True, "gz": True}
ENDIAN = {"little": "<", "big": ">"}
IN_SPACE = {"domain", "space", "???", "none"}  # kinds of axes; all others are channels
# How each space's axes lie in LPS. Of others ITK takes the numbers as they are.
LIES: Mapping[str, tuple[int, int, int]] = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
_VECTOR = re.compile(r"none|\(([^()]*)\)")


class _Header(NamedTuple):
    fields: Mapping[str, str]
    end: int  # where it ends, in bytes


class _Place(NamedTuple):
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: NDArray[np.float64]


def is_nrrd(path: Path) -> bool:
    """Whether `path` is an NRRD file, or the header of one."""
    if not path.is_file():
        return False
    with unharmed(path), path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_nrrd(path: Path, reach: Reach) -> Scan:
    """The 3-D image in `path`, checked.

    Raises:
        BadImageError: it cannot be segmented as it is.
        OutOfReachError: the file of its voxels is elsewhere.
    """
    return scan_of(describe_nrrd(path, reach), "nrrd")


def describe_nrrd(path: Path, reach: Reach) -> Stored:
    """What the header at `path` says.

    Raises:
        BadImageError, OutOfReachError: as in `read_nrrd`.
    """
    file = reach.reading(path)
    with unharmed(path):
        fields, end = _header(file)
        count = axes(fields["dimension"])
        channel = _channel_axis(fields, count)
        voxels = Voxels(
            path=file,
            kind=_kind(path, fields),
            sizes=sizes(fields["sizes"], count),
            channel_axis=channel,
            deflated=_deflated(path, fields),
            start=end,
            lines=int(fields.get("line skip", "0")),
            skipped=int(fields.get("byte skip", "0")),
        )
        if voxels.lines < 0 or voxels.skipped < -1 or (voxels.deflated and voxels.skipped):
            raise ValueError("lines or bytes that cannot be skipped")
        place = _place(fields, [n for n in range(count) if n != channel])
        if name := fields.get("data file", fields.get("datafile")):
            voxels = voxels._replace(path=partner(file, name, reach), start=0)
    known = "space directions" in fields or "spacings" in fields
    return Stored(voxels, *place, known, tuple(_notes(fields, len(place.spacing_mm))))


def _header(path: Path) -> _Header:
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        file.readline(LONGEST_LINE)
        for _ in range(MOST_LINES):
            line = file.readline(LONGEST_LINE).decode("utf-8", "replace").rstrip("\r\n")
            if not line:
                return _Header(fields, file.tell())
            name, colon, text = line.partition(":")
            if colon and not line.startswith("#") and not text.startswith("="):
                fields[name.strip().lower()] = text.strip()
    raise ValueError("a header without an end")


def _kind(path: Path, fields: Mapping[str, str]) -> np.dtype[np.generic]:
    said = " ".join(fields["type"].lower().split())
    if said not in KINDS:
        raise BadImageError(
            f"{path} has voxels of the type {said[:40]!r}, which are no numbers. Give the "
            "original scan."
        )
    kind = KINDS[said]
    if kind.endswith("1"):
        return np.dtype(kind)
    order = fields["endian"].lower()
    if order not in ENDIAN:
        raise ValueError(f"the byte order {order[:20]!r}")
    return np.dtype(ENDIAN[order] + kind)


def _deflated(path: Path, fields: Mapping[str, str]) -> bool:
    said = fields["encoding"].lower()
    if said not in DEFLATED:
        raise BadImageError(
            f"{path} is packed as {said[:20]!r}, which is not unpacked here. Save it raw or as "
            "gzip."
        )
    return DEFLATED[said]


def _channel_axis(fields: Mapping[str, str], count: int) -> int | None:
    """The axis that is not in space: by its kind, or because it has no direction."""
    outside = {n for n, vector in enumerate(_vectors(fields)) if vector is None}
    outside |= {n for n, kind in enumerate(_words(fields, "kinds")) if kind not in IN_SPACE}
    if len(outside) > 1 or max(outside, default=0) >= count:
        raise ValueError("several axes that are not in space")
    return next(iter(outside), None)


def _words(fields: Mapping[str, str], name: str) -> list[str]:
    return fields.get(name, "").lower().split()


def _vectors(fields: Mapping[str, str]) -> Iterator[tuple[float, ...] | None]:
    """The space directions, None for an axis that has none."""
    for found in _VECTOR.finditer(fields.get("space directions", "")):
        yield None if found[1] is None else tuple(map(float, found[1].split(",")))


def _place(fields: Mapping[str, str], in_space: list[int]) -> _Place:
    """As ITK: by the directions, else by the spacings, else with edges of 1 mm."""
    count = len(in_space)
    origin = numbers(re.sub(r"[(),]", " ", fields.get("space origin", "0 " * count)), count)
    lies = np.array(LIES.get(fields.get("space", "").lower(), (1,) * count))
    vectors = list(_vectors(fields))
    if vectors:
        spacing, direction = unit([vectors[n] or () for n in in_space])
    else:
        said = list(map(float, _words(fields, "spacings"))) or [1.0] * (max(in_space) + 1)
        spacing, direction = tuple(abs(said[n]) for n in in_space), np.eye(count)
    if direction.shape != (count, count) or len(lies) != count:
        raise ValueError(f"{count} axes in a space of {direction.shape[0]} dimensions")
    spacing = tuple(1.0 if np.isnan(edge) else edge for edge in spacing)
    turned = tuple(float(x) for x in lies * origin)
    return _Place(spacing, turned, lies[:, None] * direction)


def _notes(fields: Mapping[str, str], count: int) -> Iterator[str]:
    if count > 2 and fields.get("space", "").lower() not in LIES:
        yield (
            "The header does not say how the image lies in the patient: its axes were taken as "
            "ITK does (x to the left, y to the back, z up), so sides may be swapped."
        )
    units = {unit.strip('" ').lower() for unit in fields.get("space units", "").split('" "')}
    if strange := sorted(units - {"", "mm", "millimeter", "millimeters", "millimetre"}):
        yield f"The header gives lengths in {strange[0][:20]}; its numbers were taken as mm."
