"""Finding the one stack of slices that can be segmented, among all that lies together.

Stacks are told apart to the caller by numbers and sizes, never by their descriptions or
identifiers, which may say who the patient is.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from pydicom import dcmread

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files.slices import MARKS, Other, Slice, slices_of, understood
from totalseg_mcp.engine.files.sources import Source
from totalseg_mcp.engine.files.stack import in_one_place, in_order
from totalseg_mcp.engine.watch import track

FEWEST = 4  # slices; a stack of fewer is taken for a localizer, as dicom2nifti does
LARGER = 1.25  # so many times the voxels of the next; phases and kernels are closer than that
MOST_LISTED = 12


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices of one series, in order; `mark` is what tells it from others of it."""

    slices: tuple[Slice, ...]
    mark: str = ""

    @cached_property
    def crowded(self) -> int:
        """How many slices lie where others do; 0 where it is one volume."""
        return in_one_place([one.place for one in self.slices])

    @property
    def voxels(self) -> int:
        """How many, of all slices."""
        columns, rows = self.slices[0].size
        return columns * rows * len(self.slices)

    @property
    def told(self) -> str:
        """What the caller can tell it by."""
        one, last = self.slices[0], self.slices[-1]
        deep = float((last.place.position - one.place.position) @ one.place.normal)
        parts = (
            f"series {one.number}",
            one.kind,
            f"{len(self.slices)} slices of {one.size[0]} x {one.size[1]} over {deep:.0f} mm",
            one.kernel and f"kernel {one.kernel}",
            "" if one.original else "derived",
            self.mark,
            self.crowded and "several volumes that cannot be told apart",
        )
        return ", ".join(part for part in parts if part)


def one_stack(
    path: Path, files: Sequence[Source], empty: int = 0
) -> tuple[tuple[Slice, ...], tuple[str, ...]]:
    """The slices that belong together, in order, and notes on the rest.

    Of several stacks the one is taken that is one volume, original, and by far the
    largest, in this order; where `path` is one of the files, the one that it is of.

    Raises:
        BadImageError: the rules leave none, or more than one; the choices are in the text.
    """
    own = path.resolve()
    files = sorted(files, key=lambda source: source.path != own)  # it is kept, copies are not
    parts = [part for source in track(files, "file") for part in slices_of(source)]
    others = [part for part in parts if isinstance(part, Other)]
    slices, left_out = _once([part for part in parts if isinstance(part, Slice)])
    left_out.update({"empty file": empty} if empty else {})
    stacks = [stack for group in _parallel(slices) for stack in _volumes(group, left_out)]
    left_out.update(other.reason for other in others)
    left_out.update(
        f"{stack.slices[0].kind} series of {len(stack.slices)}"
        for stack in stacks
        if len(stack.slices) < FEWEST
    )
    rest = ", ".join(f"{n} x {what}" for what, n in left_out.items())
    choices = [stack for stack in stacks if len(stack.slices) >= FEWEST]
    if any(source.path == own for source in files):
        choices = [stack for stack in choices if own in _paths(stack)]
    if not choices:
        raise _nothing(path, others, rest)
    chosen, notes = _chosen(choices)
    for other in others:
        if other.fault and other.series in ("", chosen.slices[0].series):
            raise other.fault
    return chosen.slices, (*notes, f"Left out: {rest}.") if rest else notes


def _paths(stack: Stack) -> set[Path | None]:
    return {one.source.path for one in stack.slices}


def _once(slices: Iterable[Slice]) -> tuple[list[Slice], Counter[str]]:
    """`slices` without those that are there already under another name; what was dropped."""
    seen: dict[Hashable, Slice] = {}
    copies: Counter[str] = Counter()
    for one in slices:
        place = tuple(one.place.position)  # an anonymiser may have given all the same identifier
        if seen.setdefault((one.series, one.instance, one.frame, place), one) is not one:
            copies[f"copy of a {one.kind} slice"] += 1
    return list(seen.values()), copies


def _parallel(slices: Iterable[Slice]) -> list[list[Slice]]:
    """`slices` by series, size, and how they are turned."""
    groups: dict[Hashable, list[list[Slice]]] = {}
    for one in slices:
        alike = groups.setdefault((one.series, one.kind, one.size), [])
        for group in alike:
            if group[0].place.parallel(one.place):
                group.append(one)
                break
        else:
            alike.append([one])
    return [group for alike in groups.values() for group in alike]


def _volumes(slices: Sequence[Slice], left_out: Counter[str]) -> list[Stack]:
    """The volumes among parallel slices of one series; one crowded stack if that fails."""
    whole = _stack(slices)
    if not whole.crowded:
        return [whole]
    different = _different(whole.slices)
    if copies := len(slices) - len(different):
        left_out[f"copy of a {slices[0].kind} slice"] += copies
    whole = _stack(different)
    if not whole.crowded:
        return [whole]
    for at, name in enumerate(MARKS.values()):
        volumes = [
            _stack(group, f"{name} {mark or 'not given'}")
            for mark, group in _by(at, different).items()
        ]
        large = any(len(volume.slices) >= FEWEST for volume in volumes)
        if len(volumes) > 1 and large and not any(volume.crowded for volume in volumes):
            return volumes
    return [whole]


def _stack(slices: Sequence[Slice], mark: str = "") -> Stack:
    return Stack(tuple(in_order(slices, [one.place for one in slices])), mark)


def _by(at: int, slices: Iterable[Slice]) -> dict[str, list[Slice]]:
    groups: dict[str, list[Slice]] = {}
    for one in slices:
        groups.setdefault(one.marks[at], []).append(one)
    return groups


def _different(slices: Sequence[Slice]) -> list[Slice]:
    """`slices` without those that lie where another does and hold the same values."""
    places = [tuple(np.round(one.place.position, 2)) for one in slices]
    shared = Counter(places)
    kept: dict[Hashable, Slice] = {}
    for place, one in zip(places, track(slices, "slice"), strict=True):
        content = _digest(one) if shared[place] > 1 else b""
        kept.setdefault((place, one.rescale, one.frame, content), one)
    return list(kept.values())


def _digest(one: Slice) -> bytes:
    with understood(one.source), one.source.opened() as stream:
        packed = dcmread(stream, specific_tags=["PixelData"]).PixelData
        return sha256(packed).digest()


def _chosen(choices: Sequence[Stack]) -> tuple[Stack, tuple[str, ...]]:
    """The one that the rules leave, and a note if there were others."""
    left = [stack for stack in choices if not stack.crowded] or list(choices)
    if len({stack.slices[0].kind for stack in left}) == 1:
        left = [stack for stack in left if stack.slices[0].original] or left
        left = sorted(left, key=lambda stack: stack.voxels, reverse=True)
        if len(left) == 1 or left[0].voxels >= LARGER * left[1].voxels:
            return left[0], _note(left[0], choices)
    raise BadImageError(
        f"There are several series, and no rule to choose one by. {_advice(choices)}: "
        f"{_listed(choices)}."
    )


def _note(chosen: Stack, choices: Sequence[Stack]) -> tuple[str, ...]:
    others = [stack for stack in choices if stack is not chosen]
    if not others:
        return ()
    return (
        f"Of {len(choices)} series the one that is one volume, of original images, and the "
        f"largest was taken: {chosen.told}. {_advice(others)}: {_listed(others)}.",
    )


def _advice(stacks: Sequence[Stack]) -> str:
    """How the caller gets at one of `stacks`."""
    if any(path is None for stack in stacks for path in _paths(stack)):
        return "Unpack the archive, and give the path of one file of the right one as input_path"
    files = [_paths(stack) for stack in stacks]
    if len(set().union(*files)) < sum(map(len, files)):
        return "Split the file (with dcm2niix, for example) and give the right one as NIfTI"
    return "Give the path of one file of the right one as input_path"


def _listed(stacks: Sequence[Stack]) -> str:
    lines = [f"{stack.told} ({stack.slices[0].source.name})" for stack in stacks[:MOST_LISTED]]
    more = len(stacks) - MOST_LISTED
    return "; ".join([*lines, f"and {more} more"] if more > 0 else lines)


def _nothing(path: Path, others: Sequence[Other], rest: str) -> BadImageError:
    """Why there is no stack in `path`."""
    own = [other for other in others if other.source.path == path.resolve()]
    for other in own or others:
        if other.fault:
            return other.fault
    if own:
        return BadImageError(
            f"{path} holds no slice: it is a {own[0].reason}. Give one file of a CT or MR series."
        )
    return BadImageError(
        f"{path} has no series of at least {FEWEST} CT or MR slices. What is there: "
        f"{rest or 'nothing'}. Give the folder with the slices of one series."
    )
