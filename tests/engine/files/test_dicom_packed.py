"""Compressed slices, archives, and files with many frames."""

import io
import struct
import zipfile
import zlib

import imagecodecs
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from dicom_series import COUNT, enhanced, instance, packed, pixels, series, written, zipped
from PIL import Image
from pydicom import uid

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import read


def as_jpeg_2000(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG2000", no_jp2=True, irreversible=False)
    return stream.getvalue()


LOSSLESS = {
    uid.JPEGLossless: lambda a: imagecodecs.jpeg8_encode(a, lossless=True, predictor=7),
    uid.JPEGLosslessSV1: lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16),
    uid.JPEGLSLossless: imagecodecs.jpegls_encode,
    uid.JPEG2000Lossless: as_jpeg_2000,
    uid.JPEG2000: as_jpeg_2000,
}


def by_simpleitk(file) -> np.ndarray:
    """`[column, row, slice]` in real units."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file))).transpose(2, 1, 0)


def slices_packed(syntax, pack, stored=None, **elements):
    """A series of smooth slices of 16 x 12, compressed; the first has values up to 4000."""
    for number, one in enumerate(series(**elements)):
        rows, columns = np.indices((16, 12))
        values = (3000 + 60 * columns + 20 * rows - 100 * number).astype(np.uint16)
        values = values if stored is None else stored(values)
        one.Rows, one.Columns = values.shape
        one.PixelData = values.tobytes()
        yield packed(one, syntax, pack(values)) if pack else one


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.name)
def test_what_was_compressed_without_loss_is_as_it_was(tmp_path, syntax):
    plain = read(written(tmp_path / "plain", list(slices_packed(None, None))))
    folder = written(tmp_path / "packed", list(slices_packed(syntax, LOSSLESS[syntax])), seed=0)
    scan = read(folder)
    assert np.array_equal(scan.volume.data, plain.volume.data)
    assert scan.notes == ()
    for file in folder.iterdir():
        independent = by_simpleitk(file)[..., 0][:, ::-1]
        assert any(np.array_equal(independent, own) for own in np.moveaxis(scan.volume.data, 2, 0))


@pytest.mark.parametrize(
    "syntax",
    [
        *(uid.RLELossless, uid.DeflatedExplicitVRLittleEndian),
        *(uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian),
    ],
    ids=lambda syntax: syntax.name,
)
def test_what_pydicom_packs_is_unpacked(tmp_path, syntax):
    slices = series()
    for one in slices:
        if syntax.is_encapsulated:
            one.compress(syntax)
        if not syntax.is_little_endian:
            one["PixelData"].VR = "OW"
            one.PixelData = np.frombuffer(one.PixelData, "<u2").byteswap().tobytes()
        one.file_meta.TransferSyntaxUID = syntax
    expected = pixels().transpose(2, 1, 0)[:, ::-1].astype(int) - 1024
    assert np.array_equal(read(written(tmp_path / "a", slices)).volume.data, expected)


LOSSY = {
    uid.JPEGBaseline8Bit: (8, lambda a: imagecodecs.jpeg8_encode(a, level=95)),
    uid.JPEGExtended12Bit: (12, lambda a: imagecodecs.jpeg8_encode(a, level=95, bitspersample=12)),
    uid.JPEGLSNearLossless: (16, lambda a: imagecodecs.jpegls_encode(a, level=2)),
}


@pytest.mark.parametrize("syntax", LOSSY, ids=lambda syntax: syntax.name)
def test_what_was_compressed_with_loss_is_near_what_it_was_and_said(tmp_path, syntax):
    bits, pack = LOSSY[syntax]
    kind = np.uint8 if bits == 8 else np.uint16

    def stored(values):
        return (values // 20 if bits == 8 else values).astype(kind)

    elements = {"BitsAllocated": 8 * kind().itemsize, "BitsStored": bits, "HighBit": bits - 1}
    scan = read(written(tmp_path / "a", list(slices_packed(syntax, pack, stored, **elements))))
    rows, columns = np.indices((16, 12))
    first = stored(3000 + 60 * columns + 20 * rows) - 1024.0
    assert np.abs(scan.volume.data[:, ::-1, 0].T - first).max() <= 40
    assert "compressed with loss" in scan.notes[0]


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEGLSLossless])
def test_signed_values_in_fewer_bits_keep_their_sign(tmp_path, syntax):
    """Twelve bits in two's complement, as scanners pack them: -5 is 4091."""

    def stored(values):
        return ((values.astype(int) - 3005) & 0xFFF).astype(np.uint16)

    elements = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1, "RescaleIntercept": 0}
    slices = list(slices_packed(syntax, LOSSLESS[syntax], stored, **elements))
    assert read(written(tmp_path / "a", slices)).volume.data[0, -1, 0] == -5


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_that_are_not_stored_do_not_count(tmp_path, signed):
    slices = series(BitsStored=12, HighBit=11, PixelRepresentation=signed, RescaleIntercept=0)
    for one, values in zip(slices, pixels(), strict=True):
        one.PixelData = (values | 0xA000).tobytes()  # an overlay, in the bits above
    data = read(written(tmp_path / "a", slices)).volume.data
    assert np.array_equal(data, pixels().transpose(2, 1, 0)[:, ::-1])


def test_a_frame_of_another_size_than_its_header_says_is_refused_unread(tmp_path):
    pack = LOSSLESS[uid.JPEGLosslessSV1]
    slices = list(slices_packed(uid.JPEGLosslessSV1, pack))
    frame = bytearray(pack(np.zeros((16, 12), np.uint16)))
    at = frame.index(b"\xff\xc3") + 5
    frame[at : at + 4] = struct.pack(">HH", 65000, 65000)
    packed(slices[3], uid.JPEGLosslessSV1, bytes(frame))
    with pytest.raises(BadImageError, match="damaged"):
        read(written(tmp_path / "a", slices))


def test_padding_is_left_as_it_is_and_said(tmp_path):
    slices = series(PixelPaddingValue=0, RescaleIntercept=-3024)
    scan = read(written(tmp_path / "a", slices))
    assert scan.volume.data.min() == -3024
    assert "hold -3024 (padding)" in scan.notes[0]
    assert read(written(tmp_path / "b", series(PixelPaddingValue=0))).notes == (), "that is air"


def test_a_zip_archive_is_read_like_its_folder_and_nothing_is_unpacked(tmp_path):
    folder = written(tmp_path / "a", series())
    (folder / "readme.txt").write_text("not DICOM")
    archive = zipped(tmp_path / "scan.zip", folder)
    before = sorted(tmp_path.rglob("*"))
    plain, scan = read(folder), read(archive)
    assert np.array_equal(scan.volume.data, plain.volume.data)
    assert np.array_equal(scan.volume.grid.affine, plain.volume.grid.affine)
    assert sorted(tmp_path.rglob("*")) == before


def test_names_in_an_archive_lead_nowhere(tmp_path):
    archive = tmp_path / "in" / "scan.zip"
    archive.parent.mkdir()
    folder = written(tmp_path / "a", series())
    with zipfile.ZipFile(archive, "w") as to:
        for file in folder.iterdir():
            to.write(file, f"../../{file.name}")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        to.writestr(link, "/etc/passwd")
    assert read(archive).volume.data.shape[2] == COUNT
    assert list(archive.parent.iterdir()) == [archive]


def encrypted(raw: bytes) -> bytes:
    """`raw` with the bit that says so set for every member, in both of its headers."""
    marked = bytearray(raw)
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = marked.find(magic)
        while at >= 0:
            marked[at + flags] |= 1
            at = marked.find(magic, at + 4)
    return bytes(marked)


def promising(raw: bytes) -> bytes:
    """`raw` with a first member that unfolds to 4 GB."""
    at = raw.index(b"PK\x01\x02") + 24
    return raw[:at] + struct.pack("<L", 2**32 - 2) + raw[at + 4 :]


ARCHIVES = {
    "encrypted": (encrypted, "is encrypted"),
    "cut short": (lambda raw: raw[:-40], "damaged zip archive"),
    "a bomb": (promising, "unfolds to too much"),
    "torn inside": (lambda raw: raw[:60] + bytes(400) + raw[460:], "cannot be read|damaged"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_cannot_be_read_is_refused(tmp_path, case):
    spoil, words = ARCHIVES[case]
    archive = zipped(tmp_path / "scan.zip", written(tmp_path / "a", series()))
    archive.write_bytes(spoil(archive.read_bytes()))
    with pytest.raises(BadImageError, match=words):
        read(archive)


def test_an_archive_without_slices_is_told_from_one_with(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as to:
        to.writestr("notes.txt", "x")
    with pytest.raises(BadImageError, match="a zip archive without DICOM slices"):
        read(tmp_path / "a.zip")


def test_a_deflated_file_that_could_unfold_beyond_memory_is_refused(tmp_path):
    folder = written(tmp_path / "a", series())
    bomb = instance(pixels(1)[0], (0, 0, 0))
    bomb.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    bomb.save_as(folder / "bomb", enforce_file_format=True)
    raw = (folder / "bomb").read_bytes()
    (folder / "bomb").write_bytes(raw + zlib.compress(bytes(2**20)) + bytes(2**22))
    with pytest.raises(BadImageError, match="bomb is damaged"):
        read(folder)


def test_the_frames_of_one_file_are_its_slices_each_with_its_own_numbers(tmp_path):
    slices = series()
    for number, one in enumerate(slices):
        one.RescaleSlope, one.RescaleIntercept = 1 + number, -number
    folder = written(tmp_path / "a", [enhanced(slices[::-1])])
    scan, plain = read(folder), read(written(tmp_path / "b", slices))
    assert np.array_equal(scan.volume.data, plain.volume.data)
    assert np.array_equal(scan.volume.grid.affine, plain.volume.grid.affine)
    assert scan.modality == "CT"
    assert np.array_equal(read(zipped(tmp_path / "z", folder)).volume.data, plain.volume.data)


def test_a_file_of_many_frames_lies_where_simpleitk_puts_it(tmp_path):
    folder = written(tmp_path / "a", [enhanced(series())])
    scan, other = read(folder / "IM0000"), sitk.ReadImage(str(folder / "IM0000"))
    assert np.array_equal(
        scan.volume.data, sitk.GetArrayFromImage(other).transpose(2, 1, 0)[:, ::-1]
    )
    world = scan.volume.grid.affine @ [0, 0, 0, 1]
    lps = (float(-world[0]), float(-world[1]), float(world[2]))
    assert other.TransformPhysicalPointToIndex(lps) == (0, 5, 0)
    assert np.allclose(scan.volume.grid.spacing_mm, other.GetSpacing())


def test_compressed_frames_are_read(tmp_path):
    many = enhanced(series())
    many.compress(uid.RLELossless)
    expected = pixels().transpose(2, 1, 0)[:, ::-1].astype(int) - 1024
    assert np.array_equal(read(written(tmp_path / "a", [many])).volume.data, expected)


def test_several_volumes_in_one_file_are_refused_with_the_choices(tmp_path):
    slices = [*series(Modality="MR"), *series(Modality="MR", RescaleIntercept=7)]
    times = [{"TemporalPositionIndex": 1 + n // COUNT} for n in range(2 * COUNT)]
    with pytest.raises(BadImageError, match=r"time point 1.*; .*time point 2") as refusal:
        read(written(tmp_path / "a", [enhanced(slices, times)]))
    assert "Split the file" in str(refusal.value)


def test_the_parts_of_a_series_in_several_files_of_frames_are_joined(tmp_path):
    slices = series()
    parts = [enhanced(slices[:3]), enhanced(slices[3:])]
    parts[1].SOPInstanceUID = uid.generate_uid()
    scan = read(written(tmp_path / "a", parts) / "IM0001")
    assert np.array_equal(scan.volume.data, read(written(tmp_path / "b", slices)).volume.data)


def test_frames_without_a_description_of_each_are_refused(tmp_path):
    many = enhanced(series())
    del many.PerFrameFunctionalGroupsSequence[-1]
    with pytest.raises(BadImageError, match="damaged"):
        read(written(tmp_path / "a", [many]))
