import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its own name for itself)
from dicom_series import COLUMNS, COUNT, ROWS, instance, item, packed, pixels, series, written
from pydicom.uid import MPEG2MPML
from scipy.spatial.transform import Rotation

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.watch import Watch, watching


def test_an_axial_series_becomes_an_las_image_in_ras_millimetres(tmp_path):
    scan = read(written(tmp_path / "a", series(), seed=0))
    assert (scan.form, scan.modality, scan.notes) == ("dicom", "CT", ())
    assert scan.volume.grid.axcodes == "LAS"
    assert scan.volume.data.dtype == np.int16
    # LPS (-10, -20, 30) is RAS (10, 20, 30); rows run backwards, so the last row comes first.
    expected = np.diag([-0.7, 0.8, 2.5, 1])
    expected[:3, 3] = [10, 20 - 0.8 * (ROWS - 1), 30]
    assert np.allclose(scan.volume.grid.affine, expected, atol=1e-5)
    assert np.array_equal(scan.volume.data, pixels().transpose(2, 1, 0)[:, ::-1].astype(int) - 1024)


def test_the_header_is_as_dicom2nifti_makes_it(tmp_path):
    header = read(written(tmp_path / "a", series())).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 0)
    assert header.get_xyzt_units() == ("mm", "unknown")
    assert header.get_data_shape() == (COLUMNS, ROWS, COUNT)


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (20, -10, 5), (90, 0, 0), (0, 90, 0), (100, 60, 200)]
)
def test_every_orientation_puts_each_voxel_where_simpleitk_puts_it(tmp_path, angles):
    directions = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    folder = written(tmp_path / "a", series(directions))
    scan = read(folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    other = reader.Execute()
    values = sitk.GetArrayFromImage(other)
    for index in np.ndindex(scan.volume.data.shape):
        world = scan.volume.grid.affine @ [*index, 1]
        lps = (float(-world[0]), float(-world[1]), float(world[2]))
        i, j, k = other.TransformPhysicalPointToIndex(lps)
        assert scan.volume.data[index] == values[k, j, i]


def test_slices_are_ordered_by_place_not_by_name(tmp_path):
    one, other = (read(written(tmp_path / str(n), series(), seed=n)) for n in (1, 2))
    assert np.array_equal(one.volume.data, other.volume.data)
    assert np.array_equal(one.volume.grid.affine, other.volume.grid.affine)


def test_each_slice_is_rescaled_by_its_own_numbers(tmp_path):
    slices = series()
    for number, one in enumerate(slices):
        one.RescaleSlope, one.RescaleIntercept = 1 + number / 2, -number
    data = read(written(tmp_path / "a", slices)).volume.data
    assert data.dtype == np.float64
    for number in range(COUNT):
        stored = pixels()[number].T[:, ::-1]
        assert np.array_equal(data[..., number], stored * (1 + number / 2) - number)


def test_signed_values_and_values_beyond_16_bits_are_right(tmp_path):
    signed = series(PixelRepresentation=1)
    for one in signed:
        one.PixelData = np.full((ROWS, COLUMNS), -5, np.int16).tobytes()
    signed[0].PixelData = np.full((ROWS, COLUMNS), 7, np.int16).tobytes()
    assert set(np.unique(read(written(tmp_path / "a", signed)).volume.data)) == {-1029, -1017}
    wide = read(written(tmp_path / "b", series(RescaleIntercept=60000))).volume.data
    assert wide.dtype == np.int32
    assert wide.max() == 60000 + pixels().max()


def test_an_mr_series_without_rescaling_is_read(tmp_path):
    slices = series(Modality="MR")
    for one in slices:
        del one.RescaleSlope, one.RescaleIntercept
    scan = read(written(tmp_path / "a", slices))
    assert scan.modality == "MR"
    assert scan.volume.data.max() == pixels().max()


def test_copies_of_a_slice_are_left_out_with_a_note(tmp_path):
    slices = series()
    scan = read(written(tmp_path / "a", [*slices, *slices[:2]]))
    assert scan.volume.data.shape[2] == COUNT
    assert "2 x copy" in scan.notes[0]


def test_localizers_and_reports_are_left_out_with_a_note(tmp_path):
    sagittal = np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]])
    folder = written(tmp_path / "a", [*series(), *series(sagittal, heights=[0, 2.5])])
    report = instance(pixels(1)[0], (0, 0, 0), Modality="SR")
    report.save_as(folder / "report", enforce_file_format=True)
    (folder / "readme.txt").write_text("not DICOM")
    scan = read(folder)
    assert scan.volume.data.shape == (COLUMNS, ROWS, COUNT)
    assert "1 x SR file" in scan.notes[0]
    assert "1 x CT series of 2" in scan.notes[0]


def test_slices_in_subfolders_are_found(tmp_path):
    written(tmp_path / "ST0", series())
    assert read(tmp_path).volume.data.shape[2] == COUNT


REFUSED = {
    "a PET": ({"Modality": "PT"}, "8 x PT file"),
    "colour": ({"SamplesPerPixel": 3}, "8 x CT colour picture"),
    "colour by a palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, "8 x CT colour pict"),
    "many frames in a file": ({"NumberOfFrames": 8}, "8 x CT file of many frames without the"),
    "a lookup table": (
        {"ModalityLUTSequence": item(LUTExplanation="x")},
        "values by a lookup table",
    ),
    "a slope of 0": ({"RescaleSlope": 0}, "damaged, or lacks"),
    "two slopes": ({"RescaleSlope": [1, 2]}, "damaged, or lacks"),
    "an intercept beyond reason": ({"RescaleIntercept": "1e300"}, "damaged, or lacks"),
    "a negative spacing": ({"PixelSpacing": [-1, 1]}, "spacing is 1, -1 mm"),
    "no columns": ({"Columns": None}, "damaged, or lacks"),
    "no size": ({"Rows": 0}, "empty: its size is 5 x 0 x 8"),
    "more pixels than any file": ({"Rows": 65535, "Columns": 65535}, "too large"),
    "a strange modality": ({"Modality": "DOE JANE"}, "8 x unknown file"),
    "no place": ({"ImagePositionPatient": None}, "without its place"),
    "half a place": ({"ImagePositionPatient": ["1", "2"]}, "damaged, or lacks"),
    "no angles": ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "damaged, or lacks"),
    "no spacing": ({"PixelSpacing": [0, 0]}, "spacing is 0, 0"),
    "too few pixels": ({"PixelData": b"1234"}, "damaged, or lacks"),
    "no pixels": ({"PixelData": None}, "damaged, or lacks"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_stack_of_slices_is_refused_for_what_it_is(tmp_path, case):
    elements, words = REFUSED[case]
    with pytest.raises(BadImageError, match=words):
        read(written(tmp_path / "a", series(**elements)))


def test_a_packing_that_cannot_be_unpacked_is_named(tmp_path):
    with pytest.raises(BadImageError, match="packed as MPEG2 Main Profile"):
        read(written(tmp_path / "a", [packed(one, MPEG2MPML, b"\0\0") for one in series()]))


def test_a_packing_that_nobody_knows_is_not_repeated(tmp_path):
    folder = written(tmp_path / "a", series())
    for file in folder.iterdir():
        file.write_bytes(
            file.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.4711.1000.1.2.1\0")
        )
    with pytest.raises(BadImageError, match="packed as something unknown"):
        read(folder)


def test_damaged_files_are_errors_that_can_be_read(tmp_path):
    whole = written(tmp_path / "whole", series())
    random = np.random.default_rng(2)
    for attempt in range(40):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        for file in whole.iterdir():
            raw = bytearray(file.read_bytes())
            if file.name == "IM0003":
                for at in random.integers(132, len(raw), 12):
                    raw[at] = random.integers(256)
                raw = raw[: random.integers(200, len(raw) + 1)]
            (folder / file.name).write_bytes(raw)
        try:
            assert read(folder).volume.data.ndim == 3
        except BadImageError:
            continue


def test_a_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadImageError, match="no DICOM"):
        read(tmp_path)


def test_reading_tells_its_progress_and_it_rises(tmp_path):
    told = []
    with watching(Watch(told.append, lambda: None)):
        read(written(tmp_path / "a", series()))
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert len(done) > COUNT


def test_a_real_series_lies_where_the_reference_puts_it(shared):
    scan = read(shared / "data/ct_series")
    golden = nib.load(shared / "parity/goldens/dicom_in_nifti_ml/seg.nii.gz")
    assert scan.volume.data.shape == golden.shape
    assert np.array_equal(scan.volume.grid.affine, golden.affine)
    for field in set(golden.header.keys()) - {"datatype", "bitpix", "scl_slope", "scl_inter"}:
        assert np.array_equal(scan.header[field], golden.header[field]), field


def test_a_real_series_has_the_values_that_simpleitk_reads(shared):
    folder = shared / "data/ct_series"
    files = sorted(folder.iterdir(), reverse=True)  # from the feet up
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in files])
    values = sitk.GetArrayFromImage(reader.Execute())
    scan = read(folder)
    assert np.array_equal(scan.volume.data, values.transpose(2, 1, 0)[:, ::-1])
