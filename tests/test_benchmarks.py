"""That the benchmarks compare what they say, and refuse to time what differs. No timings."""

import importlib
import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from benchmarks.agreement import (
    DisagreementError,
    like_labels,
    same_array,
    same_labels,
    same_masks,
    same_statistics,
)
from benchmarks.contests import CONTESTS, Contest
from benchmarks.machine import flags
from benchmarks.race import FailedError, Result, Side, median, race
from benchmarks.report import verdict
from benchmarks.sides.job import Seconds
from totalseg_mcp.engine.files.statistics import write_statistics
from totalseg_mcp.engine.measure.statistics import statistics
from totalseg_mcp.engine.tasks import task_named
from totalseg_mcp.engine.volume import Grid, Labels, Volume

NAMES = task_named("total").names
EMPTY = {
    "volume": 0.0,
    "intensity": 0.0,
    "n_voxels": 0,
    "intensity_std": 0.0,
    "intensity_min": 0.0,
    "intensity_max": 0.0,
    "centroid_vox": None,
    "bbox_vox": None,
}
# A cube of 8 voxels of 0.5 mm³, half of them 10 and half 20.
CUBE = {
    "volume": 4.0,
    "intensity": 15.0,
    "n_voxels": 8,
    "intensity_std": 5.0,
    "intensity_min": 10.0,
    "intensity_max": 20.0,
    "centroid_vox": [4.5, 4.5, 4.5],
    "bbox_vox": [[4, 5], [4, 5], [4, 5]],
}


@pytest.fixture
def outs(tmp_path):
    folders = tmp_path / "ours", tmp_path / "reference"
    for folder in folders:
        folder.mkdir()
    return folders


@pytest.fixture
def measured(outs):
    """Our statistics of the cube and of something absent."""
    grid = Grid((10, 10, 10), np.diag([1.0, 1.0, 0.5, 1.0]))
    data, image = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.int16)
    data[4:6, 4:6, 4:6] = 1
    image[4], image[5] = 10, 20
    found = statistics(Labels(data, grid, ("cube", "absent")), Volume(image, grid), False)
    write_statistics(found, outs[0] / "statistics.json")
    return outs


def reference_says(outs, **changed):
    theirs = {"cube": CUBE | changed, "absent": EMPTY}
    (outs[1] / "statistics.json").write_text(json.dumps(theirs))


def test_equal_statistics_agree_and_zero_stands_for_null(measured):
    reference_says(measured)
    same_statistics(*measured)


@pytest.mark.parametrize(
    "changed",
    [
        {"volume": 4.5},
        {"volume": 0.0},
        {"intensity": 15.0001},
        {"n_voxels": 9},
        {"intensity_std": 5.1},
        {"intensity_min": 9.0},
        {"intensity_max": 0.0},
        {"centroid_vox": [4.5, 4.5, 4.6]},
        {"bbox_vox": [[4, 5], [4, 5], [4, 6]]},
        {"bbox_vox": None},
    ],
)
def test_other_statistics_do_not_agree(measured, changed):
    reference_says(measured, **changed)
    with pytest.raises(DisagreementError, match="cube"):
        same_statistics(*measured)


def save_masks(folder, painted):
    for number, name in enumerate(NAMES):
        mask = np.zeros((4, 3, 2), np.uint8)
        mask[0, 0, 0] = number == painted
        nib.Nifti1Image(mask, np.eye(4)).to_filename(folder / f"{name}.nii.gz")


def test_masks_agree_only_if_all_voxels_of_all_files_do(outs):
    save_masks(outs[0], painted=5)
    save_masks(outs[1], painted=5)
    same_masks(*outs)
    save_masks(outs[1], painted=6)
    with pytest.raises(DisagreementError, match=NAMES[5]):
        same_masks(*outs)


def test_arrays_of_another_type_do_not_agree(outs):
    for folder, kind in zip(outs, (np.int32, np.int64), strict=True):
        np.save(folder / "resampled.npy", np.arange(3).astype(kind))
    with pytest.raises(DisagreementError, match="int32, int64"):
        same_array(*outs)


SIDE = """\
import json, sys
from pathlib import Path
job, inputs, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
with (inputs.parent / "order").open("a") as file:
    file.write({name!r})
(out / "answer").write_text({name!r})
(out / "seconds.json").write_text(json.dumps({{"wall": {wall}, "cpu": 1.0}}))
"""


def side(tmp_path: Path, name: str, wall: float) -> Side:
    script = tmp_path / f"{name}.py"
    script.write_text(SIDE.format(name=name, wall=wall))
    return Side(Path(sys.executable), script, {})


def raced(tmp_path, agree):
    (tmp_path / "inputs").mkdir()
    sides = side(tmp_path, "a", 2.0), side(tmp_path, "b", 8.0)
    contest = Contest("a race", "job", "job", agree, rounds=3)
    return race(contest, sides, tmp_path / "inputs", lambda: None)


def test_the_sides_take_turns_and_the_ratio_is_how_often_ours_fits_in_theirs(tmp_path):
    result = raced(tmp_path, lambda *_: None)
    assert (tmp_path / "order").read_text() == "abbaab"
    assert (result.ratio, result.cpu_ratio, len(result.ours)) == (4.0, 1.0, 3)


def test_a_race_whose_sides_differ_has_no_result(tmp_path):
    def differ(ours, reference):
        raise DisagreementError((ours / "answer").read_text() + (reference / "answer").read_text())

    with pytest.raises(DisagreementError, match="ab"):
        raced(tmp_path, differ)


def test_a_program_that_fails_says_why(tmp_path):
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit('no such model')")
    with pytest.raises(FailedError, match="broken, 'job': no such model"):
        Side(Path(sys.executable), script, {}).run("job", tmp_path, tmp_path / "out")


def test_the_median_does_not_mind_one_slow_round():
    times = tuple(Seconds(wall, 1.0) for wall in (1.0, 99.0, 1.2))
    assert median(times) == Seconds(1.2, 1.0)


def test_a_ratio_says_where_the_reference_is_faster():
    contest = CONTESTS["in-1"]
    result = Result(contest, (Seconds(2, 1),), (Seconds(1, 1),), (0.0, 0.0))
    assert verdict(result.ratio) == "0.50: **the reference is faster**"
    assert verdict(20.04) == "20.0"


def test_every_contest_is_between_jobs_that_exist(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks" / "sides")
    ours, reference = (importlib.import_module(name).JOBS for name in ("ours", "reference"))
    assert {contest.ours for contest in CONTESTS.values()} == set(ours)
    assert {contest.reference for contest in CONTESTS.values()} == set(reference)


def test_the_machine_is_told_by_its_instruction_sets_alone(tmp_path):
    (tmp_path / "cpuinfo").write_text("model name\t: Secret\nflags\t\t: fpu avx2 fma avx512f\n")
    assert flags(tmp_path / "cpuinfo") == ["avx2", "fma", "avx512f"]
    assert flags(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("agree", "differing", "most"),
    [(same_labels, 1, 0), (like_labels, 2, 1)],
    ids=["all", "99.9 %"],
)
def test_labels_agree_in_as_many_voxels_as_the_contest_asks_for(outs, agree, differing, most):
    labels = np.zeros(1000, np.uint8)
    np.save(outs[1] / "labels.npy", labels)
    labels[:most] = 1
    np.save(outs[0] / "labels.npy", labels)
    agree(*outs)
    labels[:differing] = 1
    np.save(outs[0] / "labels.npy", labels)
    with pytest.raises(DisagreementError, match="of the voxels agree"):
        agree(*outs)
