"""Reading MetaImage (`.mha`, `.mhd` with its `.raw`), told by its content.

https://itk.org/Wiki/ITK/MetaIO/Documentation; geometry is what ITK makes of it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.stored import (
    TO_THE_END,
    Stored,
    Voxels,
    axes,
    numbers,
    partner,
    scan_of,
    sizes,
    unharmed,
)
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.scan import Scan

LONGEST_LINE, MOST_LINES = 2**14, 1000
BEGINNING = 4096  # bytes in which the size stands, if it is a MetaImage
KINDS = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_KEY = re.compile(rb"\s*[A-Za-z]+ *= *\S")
_SIZE = re.compile(rb"^DimSize *=", re.MULTILINE)


def is_metaimage(path: Path) -> bool:
    """Whether `path` is a MetaImage file, or the header of one."""
    if not path.is_file():
        return False
    with unharmed(path), path.open("rb") as file:
        start = file.read(BEGINNING)
    return _KEY.match(start) is not None and _SIZE.search(start) is not None


def read_metaimage(path: Path, reach: Reach) -> Scan:
    """The 3-D image in `path`, checked.

    Raises:
        BadImageError: it cannot be segmented as it is.
        OutOfReachError: the file of its voxels is elsewhere.
    """
    return scan_of(describe_metaimage(path, reach), "metaimage")


def describe_metaimage(path: Path, reach: Reach) -> Stored:
    """What the header at `path` says.

    Raises:
        BadImageError, OutOfReachError: as in `read_metaimage`.
    """
    file = reach.reading(path)
    with unharmed(path):
        fields, end = _header(file)
        count = axes(fields["NDims"])
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        if channels < 1:
            raise ValueError(f"{channels} channels")
        size = sizes(fields["DimSize"], count)
        _plain(path, fields)
        voxels = Voxels(
            path=file,
            kind=_kind(fields),
            sizes=(channels, *size) if channels > 1 else size,
            channel_axis=0 if channels > 1 else None,
            deflated=_true(fields, "CompressedData"),
            start=end,
            skipped=_skipped(fields),
        )
        edges = _first(fields, "ElementSpacing", "ElementSize")
        spacing = numbers(edges or "1 " * count, count)
        origin = numbers(_first(fields, "Offset", "Position", "Origin") or "0 " * count, count)
        said = _first(fields, "TransformMatrix", "Rotation", "Orientation")
        turn = np.reshape(numbers(said, count**2), (count, count)).T if said else np.eye(count)
        name = fields["ElementDataFile"]
        if name.upper() != "LOCAL":
            voxels = voxels._replace(path=partner(file, name, reach), start=0)
    return Stored(voxels, spacing, origin, turn, edges is not None, tuple(_notes(fields)))


def _header(path: Path) -> tuple[Mapping[str, str], int]:
    """Its fields, the last of which names the file of the voxels, and where they end."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for _ in range(MOST_LINES):
            line = file.readline(LONGEST_LINE).decode("utf-8", "replace")
            name, equals, text = line.partition("=")
            if equals:
                fields[name.strip()] = text.strip()
            if name.strip() == "ElementDataFile" or not line:
                return fields, file.tell()
    raise ValueError("a header without an end")


def _plain(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse voxels that are written as text, and those whose header scales them."""
    if not _true(fields, "BinaryData", "True"):
        raise BadImageError(f"{path} keeps its voxels as text. Save it with binary voxels.")
    slope = float(fields.get("ElementToIntensityFunctionSlope", "1"))
    offset = float(fields.get("ElementToIntensityFunctionOffset", "0"))
    if (slope, offset) != (1, 0):
        raise BadImageError(
            f"{path} scales its values (slope {slope:g}, offset {offset:g}), which programs read "
            "differently. Save it with its real values."
        )


def _kind(fields: Mapping[str, str]) -> np.dtype[np.generic]:
    big = _true(fields, "BinaryDataByteOrderMSB") or _true(fields, "ElementByteOrderMSB")
    said = fields["ElementType"].upper().removesuffix("_ARRAY")
    if said not in KINDS:
        raise ValueError(f"voxels of the type {said[:40]}")
    return np.dtype((">" if big else "<") + KINDS[said])


def _skipped(fields: Mapping[str, str]) -> int:
    skipped = int(fields.get("HeaderSize", "0"))
    if skipped < TO_THE_END:
        raise ValueError(f"a header of {skipped} bytes")
    return skipped


def _true(fields: Mapping[str, str], name: str, unsaid: str = "False") -> bool:
    return fields.get(name, unsaid)[:1].upper() in ("T", "1", "Y")


def _first(fields: Mapping[str, str], *names: str) -> str | None:
    return next((fields[name] for name in names if name in fields), None)


def _notes(fields: Mapping[str, str]) -> Iterator[str]:
    unit = fields.get("DistanceUnits", "?")
    if unit.lower() not in ("mm", "?"):
        yield f"The header gives lengths in {unit[:20]}; its numbers were taken as mm."
