import hashlib
import json

import nibabel as nib
import numpy as np
import pytest

from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.files.masks import label_table, write_labels, write_masks
from totalseg_mcp.engine.volume import Labels
from totalseg_mcp.engine.watch import Watch, watching

NAMES = ("spleen", "liver", "kidney_left")
OWN_FIELDS = {"datatype", "bitpix", "scl_slope", "scl_inter", "cal_min", "cal_max", "vox_offset"}


@pytest.fixture
def scan(tmp_path, tilted):
    """A CT with both forms, odd codes, units, a display window and a private extension."""
    data = np.arange(np.prod(tilted.shape), dtype=np.int16).reshape(tilted.shape)
    image = nib.Nifti1Image(data, tilted.affine)
    image.set_qform(tilted.affine, code=1)
    image.header.set_xyzt_units("mm", "sec")
    image.header["cal_max"], image.header["descrip"] = 300, b"odd geometry"
    image.header.set_slope_inter(2, -1024)
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"Jane Doe"))
    image.to_filename(tmp_path / "scan.nii.gz")
    return read(tmp_path / "scan.nii.gz")


@pytest.fixture
def labels(scan):
    data = np.zeros(scan.volume.grid.shape, np.int32)
    data[2:5, 3:6, 4:6] = 1
    data[6:9, 3:6, 4:6] = 3
    return Labels(data, scan.volume.grid, NAMES)


def test_a_label_map_comes_back_as_it_went_out(scan, labels, tmp_path):
    write_labels(labels, scan, tmp_path / "out.nii.gz")
    image = nib.load(tmp_path / "out.nii.gz")
    assert image.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(image.dataobj), labels.data)


def test_every_header_field_of_the_scan_is_kept_bit_for_bit_but_for_type_and_window(
    scan, labels, tmp_path
):
    write_labels(labels, scan, tmp_path / "out.nii.gz")
    write_masks(labels, scan, tmp_path)
    before = nib.load(tmp_path / "scan.nii.gz").header
    for name in ("out", "spleen"):
        after = nib.load(tmp_path / f"{name}.nii.gz").header
        for field in set(before.keys()) - OWN_FIELDS:
            assert after[field].tobytes() == before[field].tobytes(), field
        assert (after["cal_min"], after["cal_max"]) == (0, 0)


def test_nothing_that_followed_the_header_is_carried_over(scan, labels, tmp_path):
    write_labels(labels, scan, tmp_path / "out.nii")
    assert b"Jane" not in (tmp_path / "out.nii").read_bytes()


def test_more_than_255_structures_take_two_bytes(scan, tmp_path):
    names = tuple(f"structure_{number}" for number in range(1, 301))
    data = np.arange(np.prod(scan.volume.grid.shape)).reshape(scan.volume.grid.shape) % 301
    write_labels(Labels(data, scan.volume.grid, names), scan, tmp_path / "out.nii.gz")
    image = nib.load(tmp_path / "out.nii.gz")
    assert image.get_data_dtype() == np.uint16
    assert np.array_equal(np.asarray(image.dataobj), data)


def test_the_label_table_is_totalsegmentators_to_the_byte(shared):
    golden = nib.load(shared / "parity/goldens/total_fast_ml/seg.nii.gz").header.extensions[0]
    tasks = json.loads((shared / "design/tasks.json").read_text())["tasks"]
    names = tuple(tasks["total"]["classes"].values())
    assert golden.get_code() == 0
    assert label_table(names, names).encode() == golden.get_content()


def test_the_label_table_of_a_subset_keeps_the_numbers():
    table = label_table(NAMES, ("kidney_left", "spleen"))
    assert table.index('Key="1"') < table.index("spleen") < table.index('Key="3"')
    assert "liver" not in table


def test_one_mask_each_also_for_what_is_absent(scan, labels, tmp_path):
    write_masks(labels, scan, tmp_path)
    for number, name in enumerate(NAMES, start=1):
        image = nib.load(tmp_path / f"{name}.nii.gz")
        assert image.get_data_dtype() == np.uint8
        assert np.array_equal(np.asarray(image.dataobj), labels.data == number)
        assert not image.header.extensions


def test_masks_can_be_limited_to_what_is_wanted(scan, labels, tmp_path):
    (tmp_path / "out").mkdir()
    write_masks(labels, scan, tmp_path / "out", ("kidney_left",))
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["kidney_left.nii.gz"]


def test_writing_masks_tells_its_progress_and_stops_when_asked(scan, tmp_path):
    names = tuple(f"structure_{number}" for number in range(20))
    labels = Labels(np.zeros(scan.volume.grid.shape, np.uint8), scan.volume.grid, names)
    told = []

    def stop_after_two():
        if len(told) == 2:
            raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt), watching(Watch(told.append, stop_after_two)):
        write_masks(labels, scan, tmp_path / "out", threads=4)
    assert [round(progress.done, 2) for progress in told] == [0.0, 0.2]
    assert len(list((tmp_path / "out").iterdir())) == 8


def test_the_same_labels_make_the_same_bytes(scan, labels, tmp_path):
    digests = set()
    for name in ("a.nii.gz", "b.nii.gz"):
        write_labels(labels, scan, tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_reference_label_map_is_repeated_with_its_geometry(shared, tmp_path):
    scan = read(shared / "parity/inputs/ct_odd.nii.gz")
    golden = nib.load(shared / "parity/goldens/total_fastest_odd_ml_stats/seg.nii.gz")
    names = tuple(f"structure_{number}" for number in range(1, 118))
    labels = Labels(np.asarray(golden.dataobj), scan.volume.grid, names)
    write_labels(labels, scan, tmp_path / "o.nii.gz")
    ours = nib.load(tmp_path / "o.nii.gz").header
    for field in set(golden.header.keys()) - {"cal_max", "vox_offset"}:
        assert ours[field].tobytes() == golden.header[field].tobytes(), field
