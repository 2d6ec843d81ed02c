import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import checks, read


def saved(path: Path, data, affine=None, **header) -> Path:
    image = nib.Nifti1Image(data, np.diag([1.5, 1.5, 3, 1]) if affine is None else affine)
    for field, value in header.items():
        image.header[field] = value
    image.to_filename(path)
    return path


def patched(path: Path, field: str, value) -> Path:
    """`path` with one field of its raw header changed, unchecked by nibabel."""
    raw = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    header[field] = value
    raw[:348] = header.binaryblock
    path.write_bytes(raw)
    return path


@pytest.fixture
def ramp() -> np.ndarray:
    return np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 60


@pytest.fixture
def scan(tmp_path, ramp) -> Path:
    return saved(tmp_path / "scan.nii", ramp)


def test_integers_without_scaling_stay_what_they_are_on_disk(tmp_path, ramp, tilted):
    path = saved(tmp_path / "a.nii.gz", ramp, tilted.affine)
    scan = read(path)
    assert scan.volume.data.dtype == np.int16
    assert np.array_equal(scan.volume.data, ramp)
    assert np.array_equal(scan.volume.grid.affine, nib.load(path).affine)
    assert scan.volume.grid.axcodes == "LPS"
    assert (scan.form, scan.modality, scan.notes) == ("nifti", None, ())


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_slope_and_intercept_are_applied_as_nibabel_does(tmp_path, ramp, kind):
    image = nib.Nifti1Image(np.abs(ramp).astype(kind), np.eye(4))
    image.header.set_slope_inter(0.3, -1024.7)
    image.to_filename(tmp_path / "a.nii")
    scan = read(tmp_path / "a.nii")
    assert scan.volume.data.dtype == np.float64
    assert np.array_equal(scan.volume.data, nib.load(tmp_path / "a.nii").get_fdata())


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.dcm", "scan"])
def test_the_format_is_told_by_content_not_by_name(tmp_path, ramp, name):
    packed = saved(tmp_path / "a.nii.gz", ramp).read_bytes()
    for content in (packed, gzip.decompress(packed)):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(read(tmp_path / name).volume.data, ramp)


def test_big_endian_files_become_native(tmp_path, ramp):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nib.Nifti1Image(ramp, np.diag([2, 2, 2, 1]), header).to_filename(tmp_path / "a.nii")
    scan = read(tmp_path / "a.nii")
    assert scan.volume.data.dtype == np.dtype("=i2")
    assert np.array_equal(scan.volume.data, ramp)
    assert scan.header.endianness == nib.Nifti1Header().endianness
    assert scan.header["pixdim"][1] == 2


def test_nifti_2_is_read_and_stays_nifti_2(tmp_path, ramp):
    nib.Nifti2Image(ramp, np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    scan = read(tmp_path / "a.nii.gz")
    assert np.array_equal(scan.volume.data, ramp)
    assert isinstance(scan.header, nib.Nifti2Header)


@pytest.mark.parametrize("given", ["a.hdr", "a.img"])
def test_either_file_of_a_pair_may_be_given(tmp_path, ramp, given):
    nib.Nifti1Pair(ramp, np.diag([1, 2, 3, 1])).to_filename(tmp_path / "a.img")
    scan = read(tmp_path / given)
    assert np.array_equal(scan.volume.data, ramp)
    assert scan.header["magic"] == b"n+1"


def test_a_header_without_its_voxels_is_refused(tmp_path, ramp):
    nib.Nifti1Pair(ramp, np.eye(4)).to_filename(tmp_path / "a.img")
    (tmp_path / "a.img").unlink()
    with pytest.raises(BadImageError, match=r"\.img with its voxels is not beside it"):
        read(tmp_path / "a.hdr")


def test_further_axes_of_size_one_are_dropped_with_a_note(tmp_path, ramp):
    scan = read(saved(tmp_path / "a.nii", ramp[..., None, None]))
    assert scan.volume.data.shape == scan.header.get_data_shape() == (4, 5, 6)
    assert "size 1" in scan.notes[0]


def test_a_header_without_orientation_is_taken_with_a_note(tmp_path, ramp):
    path = patched(saved(tmp_path / "a.nii", ramp), "sform_code", 0)
    scan = read(path)
    assert "left and right" in scan.notes[0]
    assert np.array_equal(scan.volume.grid.affine, nib.load(path).affine)


def test_lengths_that_are_not_mm_are_noted(tmp_path, ramp):
    assert "micrometres" in read(saved(tmp_path / "a.nii", ramp, xyzt_units=3)).notes[0]


def test_small_contradictions_in_the_spacing_are_noted_and_large_ones_refused(scan):
    assert "1.502" in read(patched(scan, "pixdim", [1, 1.502, 1.5, 3, 0, 0, 0, 0])).notes[0]
    with pytest.raises(BadImageError, match=r"1\.6, 1\.5, 3 mm by pixdim but 1\.5, 1\.5, 3 mm"):
        read(patched(scan, "pixdim", [1, 1.6, 1.5, 3, 0, 0, 0, 0]))


def test_a_sheared_grid_is_noted_with_the_error_of_its_volumes(tmp_path, ramp):
    affine = np.diag([1.0, 1, 3, 1])
    affine[1, 2] = 0.75  # a gantry tilt of 14 degrees; the cell is 1/cos(14 deg) too large
    assert "3.1% too large" in read(saved(tmp_path / "a.nii", ramp, affine)).notes[0]


REFUSED = {
    "a picture": (np.ones((5, 6), np.int16), r"2-D \(5 x 6\)"),
    "a slice": (np.ones((5, 6, 1), np.int16), r"single slice .*5 x 6 x 1"),
    "several volumes": (np.ones((4, 5, 6, 3), np.int16), r"holds 3 volumes"),
    "a vector image": (np.ones((4, 5, 6, 1, 3), np.int16), r"holds 3 volumes"),
    "nothing": (np.full((4, 5, 6), -1024, np.int16), r"empty: all its voxels are -1024"),
    "complex": (np.ones((4, 5, 6), np.complex64), "complex64"),
    "colour": (np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "RGB"),
    "not numbers": (np.where(np.eye(5)[None], np.nan, np.ones((3, 5, 5))), r"15 of 75 voxels are"),
    "infinite": (np.where(np.eye(5)[None], -np.inf, np.ones((3, 5, 5))), r"15 of 75 voxels are"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_segmented_is_refused_with_its_value(tmp_path, case):
    data, words = REFUSED[case]
    with pytest.raises(BadImageError, match=words):
        read(saved(tmp_path / "a.nii.gz", data))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("pixdim", [1, 0, 1.5, 3, 0, 0, 0, 0], "spacing is 0, 1.5, 3 mm"),
        ("pixdim", [1, 1.5, 1.5, 60, 0, 0, 0, 0], "spacing is 1.5, 1.5, 60 mm"),
        ("pixdim", [1, np.nan, 1.5, 3, 0, 0, 0, 0], "spacing is nan, 1.5, 3 mm"),
        ("srow_x", [np.nan, 0, 0, 0], "NaN"),
        ("srow_x", [0, 1.5, 0, 0], "no inverse"),
        ("srow_x", [0, 0, 0, 0], "no inverse"),
        ("dim", [3, 4, 0, 6, 1, 1, 1, 1], "4 x 0 x 6"),
        ("dim", [0, 4, 5, 6, 1, 1, 1, 1], "damaged"),
        ("dim", [3, 4, -5, 6, 1, 1, 1, 1], "4 x -5 x 6"),
        ("dim", [3, 32000, 32000, 32000, 1, 1, 1, 1], "too large"),
        ("dim", [3, 400, 500, 600, 1, 1, 1, 1], "promises 240,000,000 bytes"),
        ("datatype", 77, "damaged header"),
        ("vox_offset", -5, "damaged header"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused_with_its_value(scan, field, value, words):
    with pytest.raises(BadImageError, match=words):
        read(patched(scan, field, value))


@pytest.mark.parametrize("cut", [1, 40, 200, 400])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_cut_short_is_refused(tmp_path, name, cut):
    noise = np.random.default_rng(0).integers(-1000, 1000, (9, 9, 9), np.int16)
    path = saved(tmp_path / name, noise)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(BadImageError, match="cut short"):
        read(path)


def test_a_changed_byte_in_a_packed_file_is_noticed(tmp_path):
    noise = np.random.default_rng(0).integers(-1000, 1000, (9, 9, 9), np.int16)
    path = saved(tmp_path / "a.nii.gz", noise)
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1  # of the checksum
    path.write_bytes(raw)
    with pytest.raises(BadImageError, match="CRC"):
        read(path)


def test_a_packed_file_that_cannot_be_unpacked_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 999, (20, 20, 20), np.int16)
    whole = saved(tmp_path / "a.nii.gz", noise).read_bytes()
    for at in range(30, 1000, 50):
        raw = bytearray(whole)
        raw[at] ^= 0xFF
        (tmp_path / "b.nii.gz").write_bytes(raw)
        with pytest.raises(BadImageError):
            read(tmp_path / "b.nii.gz")


def test_any_damage_to_a_header_is_an_error_that_can_be_read(tmp_path, ramp):
    whole = saved(tmp_path / "a.nii", ramp).read_bytes()
    random = np.random.default_rng(1)
    for _ in range(300):
        raw = bytearray(whole)
        for at in random.integers(0, 344, 4):
            raw[at] = random.integers(256)
        (tmp_path / "b.nii").write_bytes(raw)
        try:
            scan = read(tmp_path / "b.nii")
        except BadImageError:
            continue
        assert np.isfinite(scan.volume.data).all()


def test_a_wrong_path_is_answered_with_the_names_that_are_there(tmp_path, ramp):
    saved(tmp_path / "patient.nii.gz", ramp)
    with pytest.raises(BadImageError, match=r"Did you mean patient\.nii\.gz\?"):
        read(tmp_path / "pateint.nii.gz")
    with pytest.raises(BadImageError, match="Its folder does not exist"):
        read(tmp_path / "nowhere" / "patient.nii.gz")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an image"),
        (b"NRRD0004\n" + bytes(600), "lacks 'dimension'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "PNG"),
        (b"PK\x03\x04" + bytes(600), "unpack it first"),
        (gzip.compress(b"a log file"), "not an image"),
        (b"\x1f\x8b but not gzip" + bytes(600), "cannot be read"),
    ],
)
def test_a_file_that_is_no_image_is_named_for_what_it_is(tmp_path, content, words):
    (tmp_path / "scan.nii.gz").write_bytes(content)
    with pytest.raises(BadImageError, match=words):
        read(tmp_path / "scan.nii.gz")


def test_real_scans_read_as_nibabel_reads_them(shared):
    for path in sorted((shared / "data").glob("*.nii.gz")):
        scan, image = read(path), nib.load(path)
        assert np.array_equal(scan.volume.data, image.get_fdata())
        assert np.array_equal(scan.volume.grid.affine, image.affine)
        assert scan.notes == ()


@pytest.mark.parametrize(("slope", "gib"), [(1, 1.0), (0.5, 4.0)], ids=["as stored", "scaled"])
def test_voxels_that_do_not_fit_into_memory_are_refused_before_they_are_read(
    tmp_path, monkeypatch, slope, gib
):
    monkeypatch.setattr(checks, "free_memory", lambda: 2**29)
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((512, 1024, 1024))
    header.set_sform(np.eye(4), 1)
    header["scl_slope"] = slope
    path = tmp_path / "huge.nii"
    with path.open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        file.truncate(352 + 2**30)  # takes no room on the disk
    with pytest.raises(BadImageError, match=rf"{gib} GiB of memory, and 0\.5 GiB are free"):
        read(path)
