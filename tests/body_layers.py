"""What a perfect network would find in a picture: truth, seen from the front."""

import numpy as np

from totalseg_mcp.engine.image.orientation import reorient
from totalseg_mcp.engine.image.project import FROM_FRONT, plane_of
from totalseg_mcp.engine.picture import Layers
from totalseg_mcp.engine.volume import Labels


def seen_from_front(truth: Labels) -> Layers:
    facing = reorient(truth, FROM_FRONT)
    columns, _, rows = facing.grid.shape
    data = np.zeros((len(truth.names), rows, columns), bool)
    i, j, k = np.nonzero(facing.data)
    data[facing.data[i, j, k] - 1, k, i] = True
    sure = tuple(0.9 if layer.any() else float("nan") for layer in data)
    return Layers(data, truth.names, sure, plane_of(truth.grid))
