"""NRRD and MetaImage, beside what ITK reads of the same files."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from nibabel.affines import apply_affine

from totalseg_mcp.engine.errors import BadImageError, OutOfReachError
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.reach import Reach

LPS = np.array([-1.0, -1.0, 1.0])
CORNERS = ((0, 0, 0), (3, 0, 0), (0, 4, 0), (0, 0, 5))
TURN = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, -1.0]])


@pytest.fixture
def ramp() -> np.ndarray:
    """`[k, j, i]`, as ITK has it."""
    return np.arange(6 * 5 * 4).reshape(6, 5, 4)


def saved(path: Path, array, compressed: bool = True) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((37.5, -120.25, 804))
    image.SetDirection(TURN.ravel().tolist())
    sitk.WriteImage(image, str(path), useCompression=compressed)
    return path


def nrrd(path: Path, voxels: bytes, **fields) -> Path:
    """A file of 16-bit voxels 4 x 5 x 6, some of its fields others; None leaves one out."""
    plain = {
        "type": "short",
        "dimension": "3",
        "sizes": "4 5 6",
        "encoding": "raw",
        "endian": "little",
        "space": "left-posterior-superior",
        "space dimension": None,
        "space directions": "(2,0,0) (0,3,0) (0,0,4)",
        "space origin": "(1,2,3)",
    }
    fields = plain | {name.replace("_", " "): text for name, text in fields.items()}
    lines = [f"{name}: {text}" for name, text in fields.items() if text is not None]
    path.write_bytes("\n".join(["NRRD0004", "# a comment", *lines, "key:=value", "", ""]).encode())
    with path.open("ab") as file:
        file.write(voxels)
    return path


def metaimage(path: Path, voxels: bytes, **fields) -> Path:
    plain = {
        "ObjectType": "Image",
        "NDims": "3",
        "Offset": "1 2 3",
        "ElementSpacing": "2 3 4",
        "DimSize": "4 5 6",
        "ElementType": "MET_SHORT",
        "ElementDataFile": "LOCAL",
    }
    file = plain | fields
    file["ElementDataFile"] = file.pop("ElementDataFile")
    lines = [f"{name} = {text}" for name, text in file.items() if text is not None]
    path.write_bytes("\n".join([*lines, ""]).encode() + voxels)
    return path


def assert_as_itk_reads(path: Path):
    scan, image = read(path), sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    assert np.array_equal(scan.volume.data, array.T)
    world = [image.TransformIndexToPhysicalPoint(corner) for corner in CORNERS]
    np.testing.assert_allclose(
        apply_affine(scan.volume.grid.affine, CORNERS), world * LPS, rtol=1e-12
    )
    assert scan.volume.grid.spacing_mm == image.GetSpacing()
    assert scan.header.get_data_shape() == scan.volume.data.shape
    np.testing.assert_allclose(scan.header.get_best_affine(), scan.volume.grid.affine, rtol=1e-6)
    return scan


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_values_and_place_are_those_that_itk_reads(tmp_path, ramp, name, compressed, kind):
    scan = assert_as_itk_reads(saved(tmp_path / name, ramp.astype(kind), compressed))
    assert scan.volume.data.dtype == (np.float64 if kind in ("f4", "f8") else np.dtype(kind))
    assert scan.form == ("nrrd" if name.endswith(("nrrd", "nhdr")) else "metaimage")
    assert (scan.modality, scan.source, scan.notes) == (None, None, ())


@pytest.mark.parametrize("content", ["a.nrrd", "a.mha"])
@pytest.mark.parametrize("name", ["scan.nii.gz", "scan", "scan.NRRD"])
def test_the_format_is_told_by_content_not_by_name(tmp_path, ramp, content, name):
    whole = saved(tmp_path / content, ramp.astype("i2")).read_bytes()
    (tmp_path / name).write_bytes(whole)
    assert np.array_equal(read(tmp_path / name).volume.data, ramp.T)


@pytest.mark.parametrize(
    "fields",
    [
        {"space": "right-anterior-superior"},
        {"space": "RAS"},
        {"space": "left-anterior-superior"},
        {"space": "LPS", "space_origin": None},
        {"space": None, "space_dimension": "3"},
        {"space": None, "space_directions": None, "space_origin": None, "spacings": "2 3 4"},
        {"space": None, "space_directions": None, "space_origin": None},
        {"endian": "big"},
        {"type": "int16_t", "kinds": "domain domain domain"},
        {"space_directions": "(2,1,0) (-1,3,0) (0,0.5,4)"},
    ],
    ids=str,
)
def test_headers_say_what_they_say_to_itk(tmp_path, ramp, fields):
    order = ">" if fields.get("endian") == "big" else "<"
    assert_as_itk_reads(nrrd(tmp_path / "a.nrrd", ramp.astype(f"{order}i2").tobytes(), **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"BinaryDataByteOrderMSB": "True"},
        {"TransformMatrix": "0 1 0 -1 0 0 0 0 1"},
        {"Offset": None, "Position": "4 5 6"},
        {"ElementNumberOfChannels": "1", "ElementMin": "0"},
    ],
    ids=str,
)
def test_fields_say_what_they_say_to_itk(tmp_path, ramp, fields):
    order = ">" if "BinaryDataByteOrderMSB" in fields else "<"
    voxels = ramp.astype(f"{order}i2").tobytes()
    assert_as_itk_reads(metaimage(tmp_path / "a.mha", voxels, **fields))


def test_what_stands_before_the_voxels_is_skipped(tmp_path, ramp):
    voxels = ramp.astype("<i2").tobytes()
    (tmp_path / "a.raw").write_bytes(b"one line\nabcd" + voxels)
    fields = {"data_file": "a.raw", "line_skip": "1", "byte_skip": "4"}
    assert_as_itk_reads(nrrd(tmp_path / "a.nhdr", b"", **fields))
    assert_as_itk_reads(nrrd(tmp_path / "b.nhdr", b"", data_file="a.raw", byte_skip="-1"))
    for size in ("13", "-1"):
        header = metaimage(tmp_path / "a.mhd", b"", ElementDataFile="a.raw", HeaderSize=size)
        assert_as_itk_reads(header)


def test_an_image_whose_place_is_not_said_is_noted(tmp_path, ramp):
    voxels = ramp.astype("<i2").tobytes()
    assert "sides may be swapped" in read(nrrd(tmp_path / "a.nrrd", voxels, space=None)).notes[0]
    units = '"um" "um" "um"'
    assert "lengths in um" in read(nrrd(tmp_path / "a.nrrd", voxels, space_units=units)).notes[0]
    assert read(nrrd(tmp_path / "a.nrrd", voxels, space_units='"mm" "mm" "mm"')).notes == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sizes": "4 5 0"}, "4 x 5 x 0"),
        ({"sizes": "40000 50000 60000"}, "too large"),
        ({"sizes": "400 500 600"}, "promises 240,000,000 bytes"),
        ({"sizes": "400 500 600", "encoding": "gzip"}, "promises 240,000,000 bytes"),
        ({"sizes": "4 5"}, "2 numbers|sizes"),
        ({"sizes": "4 5 -6"}, "sizes"),
        ({"sizes": "4 five 6"}, "five"),
        ({"dimension": "4000000000"}, "4000000000 axes"),
        ({"dimension": None}, "lacks 'dimension'"),
        ({"endian": None}, "lacks 'endian'"),
        ({"endian": "middle"}, "middle"),
        ({"type": "block"}, "'block'"),
        ({"encoding": "bzip2"}, "'bzip2'"),
        ({"encoding": "ascii"}, "'ascii'"),
        ({"byte_skip": "-7"}, "skipped"),
        ({"space_directions": "(1,0,0) (0,1,0) (0,0,0)"}, "without a direction"),
        ({"space_directions": "(1,0,0) (0,1,0) (0,0,nan)"}, "without a direction"),
        ({"space_directions": "(1,0,0) (0,1,0) (1,1,0)"}, "no inverse"),
        ({"space_directions": "(1,0) (0,1) (0,0)"}, "without a direction|axes in a space"),
        ({"space_directions": "(900,0,0) (0,1,0) (0,0,1)"}, "at most 50 mm"),
        ({"space_origin": "(nan,0,0)"}, "NaN"),
        ({"space_origin": "(0,0)"}, "2 numbers"),
        ({"dimension": "4", "sizes": "2 2 5 6", "kinds": "vector domain domain domain",
          "space_directions": "none (2,0,0) (0,3,0) (0,0,4)"}, "2 values a voxel"),
        ({"sizes": "20 1 6"}, "single slice"),
        ({"data_file": "LIST"}, "several files"),
        ({"data_file": "slice%03d.raw 1 6 1"}, "several files"),
        ({"data_file": "gone.raw"}, "is not there"),
    ],
    ids=str,
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused(tmp_path, ramp, fields, words):
    file = nrrd(tmp_path / "a.nrrd", ramp.astype("<i2").tobytes(), **fields)
    with pytest.raises(BadImageError, match=words):
        read(file)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"DimSize": "40 50 60"}, "promises 240,000 bytes"),
        ({"DimSize": "4 5"}, "sizes"),
        ({"NDims": "0"}, "0 axes"),
        ({"ElementType": "MET_STRING"}, "MET_STRING"),
        ({"BinaryData": "False"}, "as text"),
        ({"ElementToIntensityFunctionSlope": "2"}, "slope 2"),
        ({"ElementNumberOfChannels": "2", "DimSize": "2 5 6"}, "2 values a voxel"),
        ({"ElementNumberOfChannels": "0"}, "0 channels"),
        ({"TransformMatrix": "1 0 0 0 1 0 1 1 0"}, "no inverse"),
        ({"HeaderSize": "-9"}, "header of -9"),
        ({"ElementDataFile": "LIST"}, "several files"),
        ({"ElementDataFile": "a%02d.raw 1 6 1"}, "several files"),
        ({"ElementDataFile": "gone.raw"}, "is not there"),
        ({"CompressedData": "True"}, "cannot be read"),
    ],
    ids=str,
)
def test_a_field_that_cannot_be_is_refused(tmp_path, ramp, fields, words):
    file = metaimage(tmp_path / "a.mha", ramp.astype("<i2").tobytes(), **fields)
    with pytest.raises(BadImageError, match=words):
        read(file)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_was_cut_short_is_refused(tmp_path, name, compressed):
    noise = np.random.default_rng(0).integers(0, 999, (20, 20, 20), np.int16)
    file = saved(tmp_path / name, noise, compressed)
    whole = file.read_bytes()
    for cut in (1, 3, 500):
        file.write_bytes(whole[:-cut])
        with pytest.raises(BadImageError, match="cut short"):
            read(file)


def test_a_damaged_byte_is_found_by_the_checksum(tmp_path):
    noise = np.random.default_rng(0).integers(0, 999, (20, 20, 20), np.int16)
    whole = bytearray(saved(tmp_path / "a.nrrd", noise).read_bytes())
    whole[-8] ^= 1  # of gzip's checksum
    (tmp_path / "a.nrrd").write_bytes(whole)
    with pytest.raises(BadImageError, match="cannot be read"):
        read(tmp_path / "a.nrrd")


def test_what_unfolds_to_more_than_it_promises_is_cut_not_kept(tmp_path, ramp):
    packed = gzip.compress(ramp.astype("<i2").tobytes() + bytes(2**28))
    file = nrrd(tmp_path / "a.nrrd", packed, encoding="gzip")
    assert np.array_equal(read(file).volume.data, ramp.T)


@pytest.mark.parametrize("form", ["nhdr", "mhd"])
@pytest.mark.parametrize("there", ["../out.raw", "link.raw", "{outside}"])
def test_voxels_outside_the_allowed_folders_are_not_read(tmp_path, ramp, form, there):
    allowed, outside = tmp_path / "allowed", tmp_path / "out.raw"
    allowed.mkdir()
    outside.write_bytes(ramp.astype("<i2").tobytes())
    (allowed / "link.raw").symlink_to(outside)
    name = there.format(outside=outside)
    if form == "nhdr":
        file = nrrd(allowed / "a.nhdr", b"", data_file=name)
    else:
        file = metaimage(allowed / "a.mhd", b"", ElementDataFile=name)
    assert np.array_equal(read(file).volume.data, ramp.T), "unconfined, it is read"
    with pytest.raises(OutOfReachError, match="outside the folders"):
        read(file, Reach((allowed,)))


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_no_damaged_header_is_a_bug(tmp_path, ramp, name):
    file = saved(tmp_path / name, ramp.astype("i2"))
    whole = file.read_bytes()
    end = re.search(rb"\n\n|LOCAL\n", whole).end()
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(400):
        broken = bytearray(whole)
        for at in rng.integers(10, end, rng.integers(1, 4)):
            broken[at] = rng.choice(list(b"0129-. (\n:=nafZ\xff\x00"))
        file.write_bytes(broken)
        try:
            read(file)
        except BadImageError:
            refused += 1
    assert refused > 100


def test_nothing_of_itk_is_imported_to_read(tmp_path):
    import subprocess
    import sys

    code = "import sys, totalseg_mcp.engine.files.flat; print('SimpleITK' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
