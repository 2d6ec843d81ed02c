"""A finished label map as bytes, and back.

What is stored is labels, their place, and the seconds that they took: no image, no path, no
name, date or number of anybody.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from isal import isal_zlib
from isal.igzip_lib import IsalError
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from totalseg_mcp.engine.image.crop import Box
from totalseg_mcp.engine.imaging import Spacing
from totalseg_mcp.engine.segment import Segmented
from totalseg_mcp.engine.volume import Grid, Labels, Shape

GZIP = 31  # window bits: with a check sum at the end
LEVEL = 1


class DamagedError(Exception):
    """These bytes are not a label map that `packed` made."""


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """Labels, and the seconds that it took to make them."""

    segmented: Segmented
    seconds: float


class _Map(BaseModel):
    """One label map, but for its voxels."""

    model_config = ConfigDict(extra="forbid")

    shape: Shape
    affine: tuple[tuple[float, float, float, float], ...]
    stated_mm: Spacing | None
    dtype: str
    order: str  # of the voxels: C or F

    @property
    def grid(self) -> Grid:
        return Grid(self.shape, np.array(self.affine), self.stated_mm)


class _Head(BaseModel):
    """The line before the voxels."""

    model_config = ConfigDict(extra="forbid")

    labels: _Map
    model_labels: _Map
    names: tuple[str, ...]
    box: tuple[Shape, Shape] | None
    region_found: bool
    seconds: float


def packed(remembered: Remembered) -> bytes:
    """Compressed, with a check sum: 4 MB for a CT of 512 x 512 x 300 voxels."""
    segmented = remembered.segmented
    box = segmented.box
    head = _Head(
        labels=_described(segmented.labels),
        model_labels=_described(segmented.model_labels),
        names=segmented.labels.names,
        box=None if box is None else (box.start, box.stop),
        region_found=segmented.region_found,
        seconds=remembered.seconds,
    )
    packer = isal_zlib.compressobj(LEVEL, wbits=GZIP)
    parts = [
        head.model_dump_json().encode() + b"\n",
        *(_bytes(labels.data) for labels in (segmented.labels, segmented.model_labels)),
    ]
    return b"".join([*map(packer.compress, parts), packer.flush()])


def unpacked(content: bytes) -> Remembered:
    """What `packed` was given.

    Raises:
        DamagedError: it was not, or some of it is lost.
    """
    try:
        whole = isal_zlib.decompress(content, wbits=GZIP)
        end = whole.index(b"\n")
        head = _Head.model_validate_json(whole[:end])
        voxels, rest = _voxels(head.labels, memoryview(whole)[end + 1 :])
        on_model, nothing = _voxels(head.model_labels, rest)
    except (IsalError, ValidationError, ValueError, TypeError) as error:  # type: ignore[misc]  # isal's stub has IsalError as an instance
        raise DamagedError(str(error)) from error
    if nothing:
        raise DamagedError(f"{len(nothing)} bytes too many")
    segmented = Segmented(
        Labels(voxels, head.labels.grid, head.names),
        Labels(on_model, head.model_labels.grid, head.names),
        None if head.box is None else Box(*head.box),
        head.region_found,
    )
    return Remembered(segmented, head.seconds)


def _described(labels: Labels) -> _Map:
    return _Map(
        shape=labels.grid.shape,
        affine=labels.grid.affine.tolist(),
        stated_mm=labels.grid.stated_mm,
        dtype=labels.data.dtype.str,
        order=_order(labels.data),
    )


def _bytes(data: NDArray[Any]) -> memoryview:
    return data.ravel(order=_order(data)).data


def _order(data: NDArray[Any]) -> Any:  # noqa: ANN401 (numpy's literals)
    return "F" if data.flags.f_contiguous else "C"


def _voxels(described: _Map, content: memoryview) -> tuple[NDArray[Any], memoryview]:
    """The first label map in `content`, and what comes after it."""
    count = int(np.prod(described.shape, dtype=np.int64))
    data = np.frombuffer(content, np.dtype(described.dtype), count)
    order: Any = described.order
    return data.reshape(described.shape, order=order), content[data.nbytes :]
