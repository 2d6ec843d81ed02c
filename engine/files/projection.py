"""Writing a projection, channel by channel, as ts2d names them."""

from pathlib import Path

import numpy as np
from PIL import Image

from totalseg_mcp.engine.files.layers import square
from totalseg_mcp.engine.files.plate import write_plate
from totalseg_mcp.engine.picture import Picture


def write_projection(picture: Picture, folder: Path, collapse: bool = False) -> tuple[Path, ...]:
    """`projection_<channel>.nrrd` (float32, as the networks see it) and `.png` of each channel.

    The NRRD files are one slice in 3-D, or 2-D with `collapse`. The PNG files are grey, black at
    the lowest value and white at the highest, in square pixels, and not turned: in a projection
    the patient's left is at the left.
    """
    written = []
    for name, values in zip(picture.channels, picture.data, strict=True):
        stem = folder / f"projection_{''.join(c if c.isalnum() else '_' for c in name)}"
        exact, seen = stem.with_name(f"{stem.name}.nrrd"), stem.with_name(f"{stem.name}.png")
        write_plate(values, picture.plane, exact, collapse)
        low, high = float(values.min()), float(values.max())
        share = (values.astype(np.float64) - low) / max(high - low, np.finfo(np.float32).tiny)
        grey = Image.fromarray(np.rint(share * 255).astype(np.uint8))
        grey.resize(square(picture.plane), Image.Resampling.BICUBIC).save(seen, "PNG")
        written += [exact, seen]
    return tuple(written)
