import gzip

import numpy as np
import pytest

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.files.nrrd import write_nrrd
from totalseg_mcp.engine.volume import Labels

NAMES = ("spleen", "kidney_right", "kidney_left", "kidney_cyst_left")


@pytest.fixture
def labels(tilted):
    data = np.zeros(tilted.shape, np.uint8)
    data[2:5, 3:6, 4:7] = 1
    data[8, 1:9, 5] = 3
    return Labels(data, tilted, NAMES)


def opened(file):
    """The fields, the texts, and the voxels [i, j, k], by NRRD's own rules."""
    head, packed = file.read_bytes().split(b"\n\n", 1)
    lines = [line for line in head.decode().splitlines()[1:] if not line.startswith("#")]
    fields = dict(line.split(": ", 1) for line in lines if ":=" not in line)
    texts = dict(line.split(":=", 1) for line in lines if ":=" in line)
    kind = {"unsigned char": np.uint8, "unsigned short": np.uint16}[fields["type"]]
    sizes = [int(size) for size in fields["sizes"].split()]
    return fields, texts, np.frombuffer(gzip.decompress(packed), kind).reshape(sizes, order="F")


def vector(text):
    return np.array(text.strip("()").split(","), float)


def test_labels_lie_where_they_lay(labels, tmp_path):
    write_nrrd(labels, NAMES[:3], tmp_path / "s.seg.nrrd")
    fields, _, data = opened(tmp_path / "s.seg.nrrd")
    assert np.array_equal(data, labels.data)
    assert fields["space"] == "left-posterior-superior"
    lps = np.diag([-1, -1, 1, 1]) @ labels.grid.affine
    np.testing.assert_allclose(vector(fields["space origin"]), lps[:3, 3], atol=1e-6)
    edges = [vector(text) for text in fields["space directions"].split(" ")]
    np.testing.assert_allclose(np.array(edges).T, lps[:3, :3], atol=1e-6)


def test_each_segment_says_what_slicer_wants_to_know(labels, tmp_path):
    write_nrrd(labels, ("spleen", "kidney_left"), tmp_path / "s.seg.nrrd")
    _, texts, _ = opened(tmp_path / "s.seg.nrrd")
    assert texts["Segmentation_MasterRepresentation"] == "Binary labelmap"
    first, second = (
        {
            key.split("_", 1)[1]: text
            for key, text in texts.items()
            if key.startswith(f"Segment{n}_")
        }
        for n in (0, 1)
    )
    assert (first["ID"], first["Name"], first["LabelValue"]) == ("spleen", "spleen", "1")
    assert (second["Name"], second["LabelValue"], second["Layer"]) == ("kidney_left", "3", "0")
    assert first["Extent"] == "2 4 3 5 4 6"
    assert second["Extent"] == "8 8 1 8 5 5"
    shades = [float(value) * 255 for value in second["Color"].split()]
    np.testing.assert_allclose(shades, colour("kidney_left"), atol=0.01)
    assert "Segment2_ID" not in texts


def test_terms_are_in_slicers_seven_parts(labels, tmp_path):
    write_nrrd(labels, ("kidney_left", "kidney_cyst_left"), tmp_path / "s.seg.nrrd")
    _, texts, _ = opened(tmp_path / "s.seg.nrrd")
    for at, words, places in (
        (0, ("Anatomical Structure", "Kidney", "Left"), ("", "")),
        (1, ("Morphologically Altered Structure", "Cyst", ""), ("Kidney", "Left")),
    ):
        key, entry = texts[f"Segment{at}_Tags"].rstrip("|").split(":")
        parts = entry.split("~")
        assert key == "TerminologyEntry"
        assert len(parts) == 7
        assert tuple(part.split("^")[2] for part in parts[1:4]) == words
        assert tuple(part.split("^")[2] for part in parts[5:]) == places


def test_an_empty_segment_has_an_empty_extent(labels, tmp_path):
    write_nrrd(labels, ("kidney_cyst_left",), tmp_path / "s.seg.nrrd")
    assert opened(tmp_path / "s.seg.nrrd")[1]["Segment0_Extent"] == "0 -1 0 -1 0 -1"


def test_more_than_255_structures_take_two_bytes(tilted, tmp_path):
    names = tuple(f"structure_{number}" for number in range(1, 301))
    data = np.arange(np.prod(tilted.shape)).reshape(tilted.shape) % 301
    write_nrrd(Labels(data, tilted, names), names, tmp_path / "s.seg.nrrd")
    assert np.array_equal(opened(tmp_path / "s.seg.nrrd")[2], data)
