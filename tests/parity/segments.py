"""Segmentations as 3D Slicer keeps them, of which ts2d's files are a plain kind."""

from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from totalseg_mcp.engine.models2d import spelt_by_ts2d


def masks_by_name(file: Path) -> dict[str, NDArray[np.bool_]]:
    """[row, column] of every structure, by its name in ts2d's spelling; a size of 1 is left out."""
    image = SimpleITK.ReadImage(file)
    array = SimpleITK.GetArrayFromImage(image)
    count = image.GetNumberOfComponentsPerPixel()
    rows, columns = (size for size in image.GetSize()[::-1] if size > 1)
    layers = array.reshape(rows, columns, count)
    return {
        spelt_by_ts2d(_said(image, n, "Name")): _mask(image, layers, n) for n in _segments(image)
    }


def _segments(image: SimpleITK.Image) -> list[int]:
    keys = (key for key in image.GetMetaDataKeys() if key.endswith("_Name"))
    return sorted(int(key.removeprefix("Segment").removesuffix("_Name")) for key in keys)


def _mask(image: SimpleITK.Image, layers: NDArray[np.generic], segment: int) -> NDArray[np.bool_]:
    layer, value = (int(_said(image, segment, what)) for what in ("Layer", "LabelValue"))
    mask: NDArray[np.bool_] = layers[..., layer] == value
    return mask


def _said(image: SimpleITK.Image, segment: int, what: str) -> str:
    said: str = image.GetMetaData(f"Segment{segment}_{what}")
    return said
