"""Finding the one DICOM series that can be segmented.

Only the elements listed here are read, so nothing else of a patient can come out; those in
`engine.headers` come out in DICOM results only.
"""

import struct
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.stack import Place
from totalseg_mcp.engine.headers import IDENTITY, PLACE, REFERENCE
from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.scan import Modality
from totalseg_mcp.engine.watch import track

ELEMENTS = [
    *IDENTITY,
    *REFERENCE,
    *("SeriesNumber", "NumberOfFrames"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept"),
    *("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
]
FEWEST = 4  # slices; a stack of fewer is taken for a localizer
MOST_FILES = 20_000
PREAMBLE = 128  # bytes before the word DICM
# What pydicom raises for broken files.
DAMAGE = (
    *(InvalidDicomError, BytesLengthException, OSError, EOFError, struct.error, ValueError),
    *(TypeError, AttributeError, LookupError, NotImplementedError, RuntimeError),
)
MODALITIES = get_args(Modality)


class Slice(NamedTuple):
    """One file, without its pixels."""

    path: Path
    header: Dataset

    @property
    def kind(self) -> str:
        """What the file holds, in DICOM's two letters or so."""
        return str(self.header.get("Modality") or "unknown")

    @property
    def unfit(self) -> str | None:
        """Why it cannot be one of the slices; None where it can."""
        header, frames = self.header, int(self.header.get("NumberOfFrames") or 1)
        reasons = {
            f"{self.kind} file": self.kind not in MODALITIES,
            f"{self.kind} file without an image": "Rows" not in header,
            f"{self.kind} file with {frames} frames (convert it with dcm2niix)": frames > 1,
            f"{self.kind} colour picture": header.get("SamplesPerPixel", 1) != 1,
            f"{self.kind} image without its place in the patient": not all(map(header.get, PLACE)),
        }
        return next((reason for reason, true in reasons.items() if true), None)

    @property
    def stack(self) -> tuple[object, ...]:
        """Equal for the slices that can lie on one another."""
        size = (self.header.get(name) for name in ("SeriesInstanceUID", "Rows", "Columns"))
        turned = (round(float(part), 3) for name in PLACE[1:] for part in self.header[name].value)
        return self.kind, *size, *turned

    @property
    def place(self) -> Place:
        """Where it lies in the patient."""
        with understood(self.path):
            position, turn, (down, across) = (
                np.array(self.header[name].value, float) for name in PLACE
            )
            along, downward = turn.reshape(2, 3)
            return Place(position.reshape(3), along, downward, (float(across), float(down)))


def is_dicom(path: Path) -> bool:
    """Whether `path` is a DICOM file, or a folder with one somewhere in it."""
    return any(_is_part_10(file) for file in _files(path))


def one_stack(path: Path, reach: Reach) -> tuple[list[Slice], tuple[str, ...]]:
    """The slices that belong together, and notes on the rest."""
    beside = path.parent.glob("*") if path.is_file() else _files(path)
    near = (reach.reading(file) for file in sorted(beside) if file.is_file())
    files = [file for file in near if _is_part_10(file)]
    stacks: dict[tuple[object, ...], dict[object, Slice]] = {}
    left_out: Counter[str] = Counter()
    for one in map(_header, track(files, "file")):
        with understood(one.path):
            if one.unfit:
                left_out[one.unfit] += 1
                continue
            stack = stacks.setdefault(one.stack, {})
        if stack.setdefault(one.header.get("SOPInstanceUID") or one.path, one) is not one:
            left_out[f"copy of a {one.kind} slice"] += 1
    if path.is_file() and not (own := _header(path)).unfit:
        stacks = {key: stack for key, stack in stacks.items() if key == own.stack}
    return _chosen(path, [list(stack.values()) for stack in stacks.values()], left_out)


def _chosen(
    path: Path, stacks: Sequence[list[Slice]], left_out: Mapping[str, int]
) -> tuple[list[Slice], tuple[str, ...]]:
    """The only stack of enough slices, and a note on what is beside it."""
    choices = [stack for stack in stacks if len(stack) >= FEWEST]
    if len(choices) > 1:
        raise BadImageError(_several(choices))
    few = Counter(
        f"{stack[0].kind} series of {len(stack)}" for stack in stacks if len(stack) < FEWEST
    )
    rest = ", ".join(f"{n} x {what}" for what, n in {**left_out, **few}.items())
    if not choices:
        raise BadImageError(
            f"{path} has no series of at least {FEWEST} CT or MR slices. What is there: "
            f"{rest or 'nothing'}. Give the folder with the slices of one series."
        )
    return choices[0], (f"Left out: {rest}.",) if rest else ()


def _several(choices: Sequence[Sequence[Slice]]) -> str:
    lines = (
        f"series {slices[0].header.get('SeriesNumber') or 'without number'}, {slices[0].kind}, "
        f"{len(slices)} slices: {slices[0].path}"
        for slices in choices
    )
    return (
        f"There are several series. Give the path of one file of the right one: {'; '.join(lines)}."
    )


def _header(file: Path) -> Slice:
    with understood(file):
        return Slice(file, dcmread(file, stop_before_pixels=True, specific_tags=ELEMENTS))


def _files(path: Path) -> list[Path]:
    """`path`, or the files anywhere in it."""
    if path.is_file():
        return [path]
    files = list(islice(filter(Path.is_file, path.rglob("*")), MOST_FILES + 1))
    if len(files) > MOST_FILES:
        raise BadImageError(
            f"{path} has more than {MOST_FILES:,} files. Give the folder of the one series."
        )
    return sorted(files)


def _is_part_10(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(PREAMBLE + 4)[PREAMBLE:] == b"DICM"


@contextmanager
def understood(file: Path) -> Iterator[None]:
    """Tell what pydicom cannot read of `file`; its warnings may quote it, and are dropped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DAMAGE as error:
        raise BadImageError(
            f"{file} is damaged, or lacks something that every slice has "
            f"({type(error).__name__}). Export the series again."
        ) from error
