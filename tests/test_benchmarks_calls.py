"""That whole calls are compared and counted as the pages say. No timings."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window
from parity.record import CONFIGURATION

from benchmarks.agreement import DisagreementError
from benchmarks.calls.alike import compared, like_masks
from benchmarks.calls.cases import CASES, GPU, LONG, ON_GPU, chosen
from benchmarks.calls.cohort import PAGE as SCALE_PAGE
from benchmarks.calls.cohort import PARTS, hourly, task_tiles, tile_count
from benchmarks.calls.cohort import TEMPLATE as SCALE
from benchmarks.calls.cohort import page as scale_page
from benchmarks.calls.measured import Call, Measured, Slope, Trial, load
from benchmarks.calls.networks import TINY, make_network
from benchmarks.calls.page import MEASURED, PAGE, TEMPLATE, on_gpu, page
from benchmarks.calls.plot import draw
from benchmarks.calls.programs import (
    API,
    CLI,
    OPENVINO,
    OURS,
    PROGRAMS,
    THEIR_SERVER,
    Answers,
    Program,
)
from benchmarks.calls.ratios import OTHER, by_stage, cpu, memory, ratio, wall
from benchmarks.calls.scans import EXTENTS
from benchmarks.calls.tables import times
from benchmarks.calls.targets import TARGETS, ratio_in
from benchmarks.calls.trials import Track, trials
from benchmarks.run import RESULTS
from benchmarks.sides.processes import Size
from totalseg_mcp.engine.loading import load as load_network
from totalseg_mcp.engine.tasks import MODELS, TASKS, task_named
from totalseg_mcp.schemas.totalsegmentator import Arguments

NAMES = task_named("total").names
ABOUT = {"date": "today", "machine": "m", "threads": "1", "ours": "o", "reference": "r"}
STAGES = {"read": 0.5, "infer": 1.0, "load weights": 0.25, "write": 0.125}


def trial(case, program, *walls, mib=100.0):
    calls = tuple(Call(wall, 2 * wall, STAGES) for wall in walls)
    listed = 1.5 if program == OURS else None
    return Trial(case, program, calls, Size(1, 2 * mib, mib), (1.0, 3.0), listed, written=1000)


@pytest.fixture
def measured():
    return Measured(
        ABOUT,
        (
            trial("small-tiny", OURS, 8.0, 2.0, 2.5),
            trial("small-tiny", OURS, 9.0, 4.0, 2.5),
            trial("small-tiny", OURS, 9.0, 3.0, 2.5),
            *(trial("small-tiny", CLI, wall, mib=250.0) for wall in (30.0, 27.0, 36.0)),
            trial("small-tiny", API, 50.0, 1.5, 1.5),
            trial("small-true", OURS, 9.0, 3.0, 2.5),
            trial("large-tiny", OURS, 9.0, 3.0),
        ),
        (Slope(1, {"masks": 1.0}, 1.0), Slope(117, {"masks": 2.16}, 1.0)),
    )


def test_a_ratio_is_of_medians_and_its_spread_of_any_two_rounds(measured):
    found = ratio(measured, "small-tiny", CLI, wall(1))
    assert found is not None
    assert (found.middle, found.least, found.most, found.rounds) == (10.0, 27 / 4, 18.0, 3)


def test_every_call_of_a_command_line_is_like_its_only_one(measured):
    cold, second = (ratio(measured, "small-tiny", CLI, wall(number)) for number in (0, 1))
    assert cold is not None
    assert second is not None
    assert (cold.middle, second.middle) == (30 / 9, 10.0)


def test_memory_and_processor_time_have_ratios_of_their_own(measured):
    assert ratio(measured, "small-tiny", CLI, memory).middle == 2.5
    assert ratio(measured, "small-tiny", CLI, cpu(1)).middle == 10.0


def test_what_was_not_measured_has_no_ratio(measured):
    assert ratio(measured, "small-tiny", THEIR_SERVER, wall(1)) is None
    assert times(None) == "–"


def test_a_stage_counts_without_what_lies_inside_it_and_nothing_is_lost(measured):
    stages = by_stage(measured.of("small-true", OURS))
    assert stages["infer"] == 0.75
    assert stages[OTHER] == pytest.approx(3.0 - 0.5 - 1.0 - 0.125)
    assert sum(stages.values()) == pytest.approx(3.0)


def test_what_was_measured_is_read_as_it_was_saved(measured, tmp_path):
    measured.save(tmp_path / "measured.json")
    assert load(tmp_path / "measured.json") == measured


def test_a_case_that_is_measured_anew_replaces_its_old_trials_only(measured):
    anew = measured.with_case("small-tiny", [trial("small-tiny", OURS, 1.0)])
    assert [(t.case, t.program) for t in anew.trials] == [
        ("small-true", OURS),
        ("large-tiny", OURS),
        ("small-tiny", OURS),
    ]


def test_the_page_says_what_was_reached_what_was_missed_and_what_nobody_measured(measured):
    text = page(
        measured,
        "| Volume and mean of 117 structures | 2 | 8 | 4.0 |\n",
        TEMPLATE.read_text("utf-8"),
    )
    rows = {line.split(" | ")[0][2:]: line for line in text.splitlines() if line.startswith("| ")}
    assert "| 10.0 (6.8 to 18.0) | – | 10.0 (6.8 to 18.0) | **missed** |" in rows[TARGETS[3].what]
    assert "| 0.5 (0.4 to 0.8): **we lose** | – |" in rows[TARGETS[5].what]
    assert rows[TARGETS[0].what].endswith("| not measured |")
    assert "| 4.0, in results.md |  |  | **missed** |" in rows["Volume and mean of 117 structures"]
    assert rows["start of our process to `tools/list`"].endswith("1.5 to 1.5 s |  |  | met |")
    assert rows["masks"].endswith("| 0.99 + 10.0 ms a structure |")


def test_the_pages_are_made_from_what_was_measured_and_from_nothing_else():
    known = load(MEASURED)
    written = PAGE.read_text("utf-8"), SCALE_PAGE.read_text("utf-8")
    assert written == (
        page(known, RESULTS.read_text("utf-8"), TEMPLATE.read_text("utf-8")),
        scale_page(known, RESULTS.read_text("utf-8"), SCALE.read_text("utf-8")),
    ), "run: PYTHONPATH=tests python -m benchmarks.calls.page, and benchmarks.calls.cohort"


def test_ratios_are_read_from_the_rows_of_the_other_page():
    text = "| Saving | 1.0 (0.9 to 1.1) | 20.00 | 20.0 | 1.00 |\n| Saving more | 1 | 3 | 3.0 |\n"
    assert (ratio_in(text, "Saving"), ratio_in(text, "Saving more")) == (20.0, 3.0)
    assert ratio_in(text, "Reading") is None


def test_the_plot_is_a_picture(measured, tmp_path):
    draw(measured, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("name", "expected"), [("small", 1), ("medium", 4), ("large", 12)])
def test_the_scans_are_so_many_tiles_of_the_3_mm_model(name, expected):
    assert tile_count(EXTENTS[name], 297, 0.8) == expected


def test_tiles_of_a_task_are_those_of_all_its_models():
    # 410 x 410 x 750 mm at 1.5 mm are 273 x 273 x 500 voxels; tiles of 128 move on by 0.8.
    a_model = np.prod(
        [len(s) for s in compute_steps_for_sliding_window((500, 273, 273), [128] * 3, 0.8)]
    )
    assert task_tiles("total", "default") == 5 * a_model
    assert all(task_tiles(name, "default") is None for name, task in TASKS.items() if task.crop)


def test_the_page_about_scale_is_worked_out_from_the_parts(measured):
    results = "".join(f"| {row} | 4.50 (4 to 5) | 9 |\n" for row in PARTS.values())
    text = scale_page(measured, results, SCALE.read_text("utf-8"))
    # Four parts of 4.5 s are 18 s: 500 hours for 100,000 scans; 200 an hour in one lane without
    # a network, and 3600 / (18 + 2) with one that takes 2 s.
    assert "Together 18.0 s." in text
    assert "| reading, measuring, writing | 500 hours of such a machine |" in text
    assert "| 2 | 180 | 1800 | 9 |" in text
    assert "One tile of a network of the true size took 0.8 s here" in text
    assert "944 GPU hours" in text
    assert hourly(34) == "106"


def test_the_cases_are_calls_that_both_programs_understand():
    for case in (*CASES.values(), *ON_GPU.values()):
        Arguments(input_path="/scan", output_dir="/out", **case.ours)
        assert set(case.programs) <= set(PROGRAMS)
        assert case.programs[0] == OURS
    assert {target.case for target in TARGETS} <= set(CASES)


def test_long_cases_run_only_if_they_are_named_and_peers_only_if_they_are_asked_for():
    assert set(chosen(None, peers=True)) == set(CASES) - set(LONG)
    assert list(chosen(["large-true"], peers=True)) == ["large-true"]
    alone = chosen(["small-tiny"], peers=False)["small-tiny"]
    assert alone.programs == (OURS, OPENVINO)


def test_cases_on_a_gpu_run_only_if_that_device_is_asked_for():
    assert set(chosen(None, peers=True, device=GPU)) == set(ON_GPU)
    assert not set(ON_GPU) & set(CASES)
    assert {case.ours["device"] for case in ON_GPU.values()} == {"gpu"}
    assert {case.ours["device"] for case in CASES.values()} == {"cpu"}


def test_the_tables_of_a_gpu_say_the_ratio_and_what_of_it_was_taken():
    def on_it(program, wall, mib):
        known = trial("gpu-small-true", program, wall, wall)
        return replace(known, size=replace(known.size, gpu_mib=mib))

    text = on_gpu(Measured(ABOUT, (on_it(OURS, 2.0, 1500.0), on_it(CLI, 9.0, 2500.0))))
    rows = {line.split(" | ")[0][2:]: line for line in text.splitlines() if line.startswith("| ")}
    assert "- machine: m" in text
    assert "| 4.5 | 4.5 |" in rows[CLI]
    assert "GPU 1,500" in rows[OURS]
    assert "GPU 2,500" in rows[CLI]


def save_masks(folder: Path, voxels):
    folder.mkdir()
    for number, name in enumerate(NAMES):
        mask = np.zeros((10, 10, 20), np.uint8)
        if number == 3:
            mask.ravel()[:voxels] = 1
        nib.Nifti1Image(mask, np.eye(4)).to_filename(folder / f"{name}.nii.gz")


@pytest.mark.parametrize(("voxels", "alike"), [(502, True), (503, False)])
def test_openvino_and_a_gpu_may_differ_in_one_voxel_of_a_thousand(tmp_path, voxels, alike):
    save_masks(tmp_path / "ours", 500)
    save_masks(tmp_path / "other", voxels)
    assert compared(OPENVINO, CASES["small-tiny"]) is like_masks
    assert compared(CLI, ON_GPU["gpu-small-true"]) is like_masks
    if alike:
        like_masks(tmp_path / "ours", tmp_path / "other")
        return
    with pytest.raises(DisagreementError, match=r"99\.8500%"):
        like_masks(tmp_path / "ours", tmp_path / "other")


def test_statistics_are_compared_where_they_are_asked_for():
    names = {name: compared(CLI, case).__name__ for name, case in CASES.items()}
    assert names["small-tiny"] == "same_masks"
    assert names["large-tiny"] == "same_masks_and_statistics"


def test_the_made_up_network_shows_many_structures_and_leaves_most_to_the_background(tmp_path):
    model = MODELS[297]
    folder = make_network(tmp_path, model, TINY)
    network = load_network(folder, model, torch.device("cpu"))
    noise = torch.nn.functional.interpolate(
        torch.randn(1, 1, 8, 8, 8), (64, 64, 64), mode="trilinear"
    )
    shown = network.folds[0](noise)[0].argmax(0).unique(return_counts=True)
    share = dict(zip(shown[0].tolist(), (shown[1] / 64**3).tolist(), strict=True))
    assert len(share) > 30
    assert 0.3 < share[0] < 0.9


def test_a_program_that_does_not_come_to_the_same_is_left_out_and_the_page_says_why(
    tmp_path, monkeypatch, measured
):
    def run(voxels, case, place):
        save_masks(place.result, voxels)
        (place.out / "size.json").write_text(json.dumps(vars(Size(1, 2.0, 1.0))))
        return Answers((Call(1.0, 1.0),))

    for name, voxels in {OURS: 500, CLI: 500, API: 501}.items():
        monkeypatch.setitem(PROGRAMS, name, Program(partial(run, voxels)))
    (tmp_path / "inputs").mkdir()
    track = Track(tmp_path / "inputs", tmp_path, tmp_path, None, "1", lambda: None)
    case = replace(CASES["small-tiny"], programs=(OURS, CLI, API), rounds=2)
    done, refused = trials("small-tiny", case, track)
    assert [trial.program for trial in done] == [OURS, CLI, CLI, OURS]
    assert [(r.program, r.reason) for r in refused] == [(API, f"{NAMES[3]}: the voxels")]
    text = page(measured.with_case("small-tiny", done, refused), "", TEMPLATE.read_text("utf-8"))
    assert f"Small scan, tiny network, {API}: it did not come to the same as ours." in text


def test_our_server_is_asked_and_timed_as_a_host_would(tmp_path, monkeypatch):
    case = CASES["small-tiny"]
    inputs, networks, home = (tmp_path / name for name in ("inputs", "networks", "home"))
    for folder in (inputs, home):
        folder.mkdir()
    (home / "config.json").write_text(json.dumps(CONFIGURATION))
    voxels = np.random.default_rng(0).integers(-1000, 1000, (12, 14, 16), np.int16)
    nib.Nifti1Image(voxels, np.diag([3.0, 3, 3, 1])).to_filename(inputs / "small.nii")
    make_network(networks / "tiny", MODELS[297], TINY)
    track = Track(inputs, networks, home, None, "1", lambda: None)
    alone = chosen(["small-tiny"], peers=False)["small-tiny"]
    short = type(case)(**{**vars(alone), "programs": (OURS,), "calls": 2, "rounds": 1})
    (done,), refused = trials("small-tiny", short, track)
    assert refused == []
    assert len(done.calls) == 2
    assert done.listed < done.calls[0].wall
    assert "load weights" in done.calls[0].stages
    assert done.written > 117 * 50
    assert done.size.proportional_mib > 0


def test_the_script_of_the_reference_needs_nothing_of_ours():
    source = (Path(__file__).parents[1] / "benchmarks/sides/api.py").read_text("utf-8")
    assert "benchmarks" not in source
    assert "totalseg_mcp" not in source
