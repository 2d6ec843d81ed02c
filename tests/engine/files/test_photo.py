import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from PIL import Image

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.flat import read_seen


@pytest.fixture
def smooth() -> np.ndarray:
    rows, columns = np.indices((24, 16))
    return (rows * 5 + columns * 6).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_grey_png_is_what_itk_reads(tmp_path, smooth, kind):
    values = smooth.astype(kind) * (1 if kind == np.uint8 else 257)
    Image.fromarray(values).save(tmp_path / "a.png")
    flat = read_seen(tmp_path / "a.png")
    image = sitk.ReadImage(str(tmp_path / "a.png"))
    assert np.array_equal(flat.picture.data[0], sitk.GetArrayFromImage(image))
    assert np.array_equal(flat.picture.data[0], values)
    assert flat.picture.plane.spacing_mm == image.GetSpacing() == (1.0, 1.0)
    assert (flat.form, flat.spacing_known, flat.sides) == ("png", False, None)
    assert "16 x 24 mm" in flat.notes[0]


def test_a_jpeg_is_nearly_what_was_saved_and_says_that_it_was_packed_with_loss(tmp_path, smooth):
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    flat = read_seen(tmp_path / "a.jpg")
    assert flat.form == "jpeg"
    assert np.abs(flat.picture.data[0] - smooth.astype(float)).max() < 6
    assert np.array_equal(
        flat.picture.data[0], sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.jpg")))
    )
    assert "with loss" in flat.notes[0]


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_greys_in_three_colours_are_grey(tmp_path, smooth, name):
    Image.fromarray(smooth).convert("RGB").save(tmp_path / name)
    assert np.abs(read_seen(tmp_path / name).picture.data[0] - smooth.astype(float)).max() < 6


def test_a_palette_and_transparency_are_seen_through(tmp_path, smooth):
    Image.fromarray(smooth).convert("P").save(tmp_path / "p.png")
    assert np.array_equal(read_seen(tmp_path / "p.png").picture.data[0], smooth)
    Image.fromarray(smooth).convert("LA").save(tmp_path / "la.png")
    flat = read_seen(tmp_path / "la.png")
    assert np.array_equal(flat.picture.data[0], smooth)
    assert "alpha" in flat.notes[0]


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_colours_are_refused(tmp_path, smooth, name):
    Image.fromarray(np.stack([smooth, smooth.T.reshape(24, 16), smooth], -1)).save(tmp_path / name)
    with pytest.raises(BadImageError, match="has colours"):
        read_seen(tmp_path / name)


@pytest.mark.parametrize(
    ("dpi", "spacing_mm"),
    [(254, 0.1), (127, 0.2), (72, None), (96, None), (300, None)],
)
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_density_is_believed_unless_it_is_one_of_screens(tmp_path, smooth, name, dpi, spacing_mm):
    Image.fromarray(smooth).save(tmp_path / name, dpi=(dpi, dpi))
    flat = read_seen(tmp_path / name)
    assert flat.spacing_known == (spacing_mm is not None)
    edge = spacing_mm or 1.0
    assert flat.picture.plane.spacing_mm == pytest.approx((edge, edge), rel=1e-3)


def test_a_picture_held_sideways_is_turned(tmp_path, smooth):
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row is the right side
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=100, exif=exif)
    flat = read_seen(tmp_path / "a.jpg")
    assert np.abs(flat.picture.data[0] - np.rot90(smooth, -1).astype(float)).max() < 4
    assert "EXIF" in flat.notes[1]


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_damaged_picture_is_refused(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for end in (20, len(whole) // 2):
        (tmp_path / name).write_bytes(whole[:end])
        with pytest.raises(BadImageError, match="cannot be read"):
            read_seen(tmp_path / name)


def test_a_picture_too_large_is_refused_before_it_is_unpacked(tmp_path):
    Image.new("1", (9000, 9000)).save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="67,108,864"):
        read_seen(tmp_path / "a.png")


def test_the_tool_for_volumes_takes_no_pictures(tmp_path, smooth):
    Image.fromarray(smooth).save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="a PNG picture"):
        read(tmp_path / "a.png")
