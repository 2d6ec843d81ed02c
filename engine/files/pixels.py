"""The values of DICOM slices, in real units."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import checks, codecs
from totalseg_mcp.engine.files.slices import Slice, understood
from totalseg_mcp.engine.files.sources import Source
from totalseg_mcp.engine.watch import track

PIXELS = [
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
]


def voxels(slices: Sequence[Slice]) -> NDArray[Any]:
    """`[column, row, slice]`, each slice rescaled by its own numbers.

    Whole numbers stay integers (16 bits where they fit), all else becomes float64.

    Raises:
        BadImageError: a file is damaged, or packed in a way that cannot be unpacked.
    """
    for one in {one.packing: one for one in slices}.values():
        unpackable(one.source, one.packing)
    whole = all(one.rescale.slope == 1 and one.rescale.intercept.is_integer() for one in slices)
    shape = checks.three_dimensional((*slices[0].size, len(slices)))
    integer = np.int32 if max(one.bits for one in slices) <= 16 else np.int64
    data = np.empty(shape, integer if whole else np.float64, order="F")
    for k, stored in _stored(slices):
        slope, intercept = slices[k].rescale
        data[..., k] = (stored + int(intercept) if whole else stored * slope + intercept).T
    small = np.iinfo(np.int16)
    if whole and small.min <= data.min() and data.max() <= small.max:
        return data.astype(np.int16)
    return data


def unpackable(source: Source, packing: UID) -> None:
    """Refuse what no decoder is here for."""
    codecs.register()
    try:
        ready = get_decoder(packing).is_available
    except NotImplementedError:
        ready = False
    if not ready:
        known = packing.name != packing  # else it may be anything
        form = packing.name if known else "something unknown"
        raise BadImageError(
            f"{source.name} is packed as {form}, which cannot be unpacked here. Have the "
            "series exported uncompressed, or convert it to NIfTI, with dcm2niix for example."
        )


def _stored(slices: Sequence[Slice]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The number of each slice, and its values `[row, column]` as stored, file by file."""
    files: dict[Source, list[int]] = {}
    for k, one in enumerate(slices):
        files.setdefault(one.source, []).append(k)
    for source in track(list(files), "file"):
        numbers = sorted(files[source], key=lambda k: slices[k].frame)
        frames = [slices[k].frame for k in numbers]
        with understood(source):
            decoded = decode(source, slices[numbers[0]].packing, frames)
            yield from zip(numbers, decoded, strict=True)


def decode(source: Source, packing: UID, frames: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """The values `[row, column]` of the `frames` in a file, as stored."""
    plugin = codecs.LABEL if codecs.is_available(packing) else ""
    with source.opened() as stream:
        whole = dcmread(stream, specific_tags=PIXELS)
    for frame in iter_pixels(whole, indices=frames, decoding_plugin=plugin):
        yield frame.astype(np.int64)
