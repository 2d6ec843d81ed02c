"""That the benchmarks in two dimensions compare and count what they say. No timings."""

import importlib
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from benchmarks.agreement import DisagreementError
from benchmarks.agreement_2d import nearly_same_layers, same_layers
from benchmarks.contests import Contest
from benchmarks.contests_2d import CONTESTS_2D, OURS
from benchmarks.inputs_2d import PATCH, VOLUME_PATCH, stages
from benchmarks.race import Result
from benchmarks.report import put
from benchmarks.report_2d import part
from benchmarks.sides.job import Seconds
from benchmarks.sides.processes import SIZE, Size, cpu_of, observed, size_of

GRANDCHILD = "x = bytearray(b'1' * 80 * 2**20); print('there', flush=True); input()"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {GRANDCHILD!r}])"
BUSY = "import time\nwhile time.process_time() < 0.5: pass"


@pytest.fixture
def outs(tmp_path):
    folders = tmp_path / "ours", tmp_path / "reference"
    for folder in folders:
        folder.mkdir()
    return folders


def save(folder, **masks):
    """A segmentation with a channel for each mask, in their order."""
    image = SimpleITK.GetImageFromArray(np.stack(list(masks.values()), -1)[:, None], isVector=True)
    for n, name in enumerate(masks):
        for what, value in {"Name": name, "Layer": n, "LabelValue": 1}.items():
            image.SetMetaData(f"Segment{n}_{what}", str(value))
    SimpleITK.WriteImage(image, folder / "scan.seg.nrrd")


def mask(*pixels):
    made = np.zeros((4, 3), np.uint8)
    for pixel in pixels:
        made[pixel] = 1
    return made


def test_layers_agree_in_any_order_and_in_either_spelling(outs):
    save(outs[0], vertebrae_C1=mask((0, 0)), liver=mask((1, 1), (2, 2)))
    save(outs[1], **{"liver": mask((1, 1), (2, 2)), "vertebrae-c1": mask((0, 0))})
    same_layers(*outs)


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({"liver": mask((1, 1), (2, 1))}, "liver: 2 of 12 pixels"),
        ({"spleen": mask((1, 1), (2, 2))}, "structures"),
    ],
)
def test_other_layers_do_not_agree(outs, theirs, said):
    save(outs[0], liver=mask((1, 1), (2, 2)), lung=mask())
    save(outs[1], lung=mask(), **theirs)
    with pytest.raises(DisagreementError, match=said):
        same_layers(*outs)


def test_one_pixel_in_ten_thousand_may_differ_where_sums_round_in_another_way(outs):
    whole = np.zeros((100, 100), np.uint8)
    whole[:50] = 1
    most = whole.copy()
    save(outs[0], liver=whole, lung=whole)
    for differing, allowed in ((1, True), (2, False)):
        most[:] = whole
        most[0, :differing] = 0
        save(outs[1], liver=most, lung=whole)
        with nullcontext() if allowed else pytest.raises(DisagreementError, match="liver: 2 of"):
            nearly_same_layers(*outs)


def test_empty_results_are_no_agreement(outs):
    for folder in outs:
        save(folder, liver=mask(), lung=mask())
    with pytest.raises(DisagreementError, match="nothing was found"):
        same_layers(*outs)


def test_the_size_of_a_program_is_that_of_its_whole_family():
    program = [sys.executable, "-c", CHILD]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"there\n"
        size = size_of(child.pid, proportional=True)
        child.communicate(b"\n")
    assert size.processes == 2
    assert size.resident_mib > 80
    assert 80 < size.proportional_mib <= size.resident_mib


def test_what_a_program_took_is_written_when_it_is_done(tmp_path):
    with observed(os.getpid(), tmp_path):
        pass
    size = Size(**json.loads((tmp_path / SIZE).read_text()))
    assert size.processes >= 1
    assert 0 < size.proportional_mib <= size.resident_mib


def test_processor_time_counts_children_that_have_ended():
    before = cpu_of(os.getpid())
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    assert cpu_of(os.getpid()) - before >= 0.45


def test_the_most_is_kept_of_each_figure():
    assert Size(2, 10.0, 5.0).or_more(Size(1, 11.0, 4.0)) == Size(2, 11.0, 5.0)


def test_each_part_of_the_page_is_written_without_touching_the_other(tmp_path):
    page = tmp_path / "page.md"
    put(page, "three\n")
    put(page, "two\n", second=True)
    put(page, "three again\n")
    text = page.read_text()
    assert text.startswith("three again\n")
    assert text.endswith("two\n")
    assert "three\n" not in text


def test_the_page_says_how_often_we_are_faster_and_how_much_we_take():
    contest = Contest("a call", "ours", "theirs", same_layers)
    sizes = Size(1, 500.4, 480.0), Size(12, 5437.9, 3512.7)
    result = Result(contest, (Seconds(2, 1),), (Seconds(8, 5),), (0.0, 0.0), sizes)
    text = part([result], [result], ({}, {}), machine="m", threads="1", inputs="i")
    assert "| a call | 2.00 | 8.00 | 4.0 | 1.00 | 5.00 | 5.0 | 1 |" in text
    assert "| a call | 1: 500, 480 | 12: 5,438, 3,513 |" in text
    assert "| a call | 2.0 | 8.0 | 4.0 | 5.0 | 1: 500, 480 | 12: 5,438, 3,513 |" in text


def test_every_contest_in_two_dimensions_is_between_jobs_that_exist(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks" / "sides")
    ours, reference = (importlib.import_module(f"{name}_2d").JOBS for name in ("ours", "reference"))
    flat, others = CONTESTS_2D.values(), OURS.values()
    assert {contest.reference for contest in flat} == set(reference)
    used = {contest.ours for contest in (*flat, *others)}
    used |= {contest.reference for contest in others}
    assert used == set(ours)


def test_networks_of_the_real_size_are_those_that_nnu_net_plans():
    assert stages(PATCH)[1] == [32, 64, 128, 256, 512, 512, 512]
    assert stages(VOLUME_PATCH)[1] == [32, 64, 128, 256, 320]
    assert stages(PATCH)[0] == [[1, 1], *[[2, 2]] * 6]
