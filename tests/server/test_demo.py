"""What the demonstration shows."""

import io

import nibabel
import numpy as np
import pytest
from model_folder import make_model_folder
from parity.models_2d import members
from parity.stand_ins_2d import make_stand_in_2d

from totalseg_mcp.engine.watch import Progress
from totalseg_mcp.schemas.totalsegmentator import StructureStatistics, TotalSegmentatorResult
from totalseg_mcp.server.bar import Bar
from totalseg_mcp.server.demo import demo
from totalseg_mcp.server.table import table


class Terminal(io.StringIO):
    def isatty(self):
        return True


def _row(volume_mm3, mean, **more):
    known = {
        "volume_mm3": volume_mm3,
        "mean_intensity": mean,
        "present": True,
        "complete": True,
        "touches": [],
        "voxels": int(volume_mm3 or 1),
        "lower_bound": False,
    }
    return StructureStatistics(**known | more)


@pytest.fixture
def result():
    return TotalSegmentatorResult(
        summary="total (fastest): found 3 of 4 structures.",
        preview_file="/out/preview.png",
        output_dir="/out",
        command_output="",
        segmentation_files=["/out/liver.nii.gz", "/out/spleen.nii.gz"],
        statistics={
            "spleen": _row(200_000.0, 50.25),
            "liver": _row(1_500_000.0, 60.0),
            "aorta": _row(None, None, complete=False),
            "heart": _row(0.0, None, present=False, complete=None),
        },
        statistics_file="/out/statistics.json",
        statistics_csv="/out/statistics.csv",
        nora_tag=None,
        statistics_grid="scan",
        task_info={
            "task": "total",
            "is_mr_task": False,
            "image_type": "CT",
            "resolution": "fastest",
            "detected_modality": "CT",
            "forced": False,
        },
        found=["liver", "spleen", "aorta"],
        not_found=["heart"],
        warnings=["There is no GPU here."],
        weights="demonstration",
        models=[{"dataset": 298, "folder": "/models/298"}],
        device={"asked": "gpu", "used": "cpu"},
        degradations=[],
        memory={"needed": 2**30, "available": 2**33, "peak": None},
        timings={
            "total_s": 3.21,
            "stages_s": {"read": 0.5, "infer": 2.0},
            "weight_reads": 1,
            "loads": 1,
        },
        grid={
            "shape": (4, 4, 4),
            "spacing_mm": (1, 1, 1),
            "orientation": "RAS",
            "affine": [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        },
    )


def test_the_table_shows_what_was_measured_the_largest_first(result):
    lines = table(result).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Structure"))
    assert [line.split() for line in lines[start : start + 4]] == [
        ["Structure", "Volume", "(ml)", "Mean", "(HU)", "Complete"],
        ["liver", "1500.0", "60.0", "yes"],
        ["spleen", "200.0", "50.2", "yes"],
        ["aorta", "-", "-", "cut", "off"],
    ]


def test_the_table_names_the_files_and_what_to_beware_of(result):
    text = table(result)
    assert text.startswith("total (fastest): found 3 of 4 structures.")
    for told in ("/out", "statistics.json", "preview.png", "demonstration", "cpu", "3.2"):
        assert told in text
    assert "Not found: heart." in text
    assert "- There is no GPU here." in text


def test_the_demonstration_segments_a_scan_with_both_tools_on_a_real_server(tmp_path, capsys):
    make_model_folder(tmp_path / "models", 298)
    for model in members("ts2d-v2-ep4000b2"):
        make_stand_in_2d(tmp_path / "models", model)
    scan = tmp_path / "scan.nii.gz"
    voxels = np.random.default_rng(7).integers(-1000, 1000, (24, 24, 24)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([6.0, 6.0, 6.0, 1.0])), scan)
    assert demo(scan, tmp_path / "out", str(tmp_path / "models")) == 0
    told = capsys.readouterr().out
    assert f"Folder      {tmp_path / 'out'}" in told
    assert "installed (models 298)" in told
    assert (tmp_path / "out" / "statistics.json").exists()
    assert (tmp_path / "out" / "preview.png").exists()
    assert f"Folder      {tmp_path / 'out' / '2d'}" in told
    assert "Model       ts2d-v2 (installed)" in told
    assert (tmp_path / "out" / "2d" / "segmentation.seg.nrrd").exists()
    assert (tmp_path / "out" / "2d" / "preview.png").exists()


def test_an_error_of_the_tool_is_told_plainly(tmp_path, capsys):
    assert demo(tmp_path / "nothing.nii.gz", tmp_path / "out", str(tmp_path)) == 1
    told = capsys.readouterr().out.splitlines()
    refused = [
        line for line in told if line.startswith(f"There is no {tmp_path / 'nothing.nii.gz'}")
    ]
    assert len(refused) == 2  # by either tool


def test_a_server_that_does_not_start_is_told_plainly(tmp_path, capsys):
    assert demo(tmp_path / "scan.nii.gz", tmp_path / "out", str(tmp_path / "no folder")) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("The server ended")


def test_in_a_log_the_bar_is_a_line_now_and_then():
    log = io.StringIO()
    bar = Bar(log)
    for step in range(100):
        bar.show(Progress(step / 100, f"step {step}"))
    bar.close()
    lines = log.getvalue().splitlines()
    assert len(lines) == 20
    assert lines[1] == "[#.......................]   5 % step 5"


def test_on_a_terminal_the_bar_is_one_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    bar = Bar(terminal)
    bar.show(Progress(0.5, "a message that is much too long for it"))
    bar.show(Progress(1.0, "short"))
    bar.close()
    _, first, second = terminal.getvalue().split("\r")
    assert first == "[############............]  50 % a mess"
    assert second == "[########################] 100 % short \n"
