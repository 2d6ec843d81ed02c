import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
from isal import isal_zlib

from totalseg_mcp.engine.image.crop import Box
from totalseg_mcp.engine.remembered import DamagedError, Remembered, packed, unpacked
from totalseg_mcp.engine.segment import Segmented
from totalseg_mcp.engine.volume import Grid, Labels

NAMES = ("liver", "spleen")


@pytest.fixture(params=["C", "F", "neither"])
def remembered(request, tilted):
    """Labels on a tilted grid and on a model's, in each order that arrays have in memory."""
    i, j, k = np.indices(tilted.shape)
    data = ((i + 2 * j + 3 * k) % 3).astype(np.uint8)
    if request.param == "F":
        data = np.asfortranarray(data)
    if request.param == "neither":
        data = data.transpose(1, 0, 2)[::-1]
    labels = Labels(data, replace(tilted, shape=data.shape, stated_mm=(0.7, 0.8, 0.1)), NAMES)
    on_model = Labels(np.ones((2, 3, 4), np.uint16), Grid((2, 3, 4), np.eye(4) / 3), NAMES)
    return Remembered(Segmented(labels, on_model, Box((0, 1, 2), (3, 4, 5)), True), 12.25)


def test_a_label_map_comes_back_as_it_was(remembered):
    again = unpacked(packed(remembered))
    assert (again.seconds, again.segmented.box) == (12.25, remembered.segmented.box)
    assert again.segmented.region_found
    for name in ("labels", "model_labels"):
        was, now = (getattr(one.segmented, name) for one in (remembered, again))
        np.testing.assert_array_equal(now.data, was.data)
        np.testing.assert_array_equal(now.grid.affine, was.grid.affine)
        assert now.data.dtype == was.data.dtype
        assert now.grid.stated_mm == was.grid.stated_mm
        assert now.names == NAMES


def test_all_of_the_scan_and_a_region_that_is_not_there_come_back(remembered):
    whole = replace(remembered.segmented, box=None, region_found=False)
    again = unpacked(packed(Remembered(whole, 1.0))).segmented
    assert (again.box, again.region_found) == (None, False)


def test_nothing_is_stored_but_labels_and_their_place(remembered):
    head = json.loads(gzip.decompress(packed(remembered)).split(b"\n")[0])
    place = {"shape", "affine", "stated_mm", "dtype", "order"}
    assert head.keys() == {"labels", "model_labels", "names", "box", "region_found", "seconds"}
    assert head["labels"].keys() == head["model_labels"].keys() == place


def spoilt(content: bytes) -> dict[str, bytes]:
    whole = gzip.decompress(content)
    head, voxels = whole.split(b"\n", 1)
    changed = json.loads(head) | {"patient": "Miller"}
    return {
        "nothing": b"",
        "cut short": content[:-20],
        "one bit": content[:40] + bytes([content[40] ^ 1]) + content[41:],
        "other": b"what is this",
        "too few voxels": gzip.compress(whole[:-1]),
        "too many voxels": gzip.compress(whole + b"\0"),
        "no head": gzip.compress(voxels.replace(b"\n", b"")),
        "another head": gzip.compress(json.dumps(changed).encode() + b"\n" + voxels),
    }


@pytest.mark.parametrize(
    "how",
    [
        "nothing",
        "cut short",
        "one bit",
        "other",
        "too few voxels",
        "too many voxels",
        "no head",
        "another head",
    ],
)
def test_what_is_damaged_is_not_taken_for_labels(remembered, how):
    content = packed(remembered)
    assert isal_zlib.decompress(content, wbits=31) == gzip.decompress(content)
    with pytest.raises(DamagedError):
        unpacked(spoilt(content)[how])
