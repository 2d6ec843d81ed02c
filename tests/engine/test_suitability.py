import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Header

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.imaging import Modality
from totalseg_mcp.engine.scan import Scan
from totalseg_mcp.engine.suitability import Suitability, counterparts, suitability
from totalseg_mcp.engine.tasks import TASKS
from totalseg_mcp.engine.volume import Grid, Volume

CT = np.array([-1000, -1000, -100, 40, 60])
MR = np.array([0, 0, 300, 450, 700])
CROPPED = np.array([-90, -60, 20, 40, 60])
UNSIGNED = CT + 1024


def scan(tissues: np.ndarray, modality: Modality | None = None, unit: float = 1.0) -> Scan:
    """Layers of the tissues, each as thick as the others, with noise of 6 and no negative MR."""
    noise = np.random.default_rng(1).normal(0, 6, (20, 20, 20))
    data = (np.repeat(tissues, 4)[:, None, None] + noise) * unit
    data = data if tissues.min() < 0 else abs(data)
    return Scan(Volume(data, Grid(data.shape, np.eye(4))), Nifti1Header(), "nifti", modality)


@pytest.mark.parametrize(
    ("image", "task"),
    [
        (scan(CT), "total"),
        (scan(MR), "total_mr"),
        (scan(MR, "CT"), "total"),
        (scan(CT, "MR"), "brain_aneurysm"),
    ],
    ids=["CT", "MR", "the file says CT", "the file says MR"],
)
def test_an_image_of_the_tasks_modality_is_taken_without_a_word(image, task):
    assert suitability(image, TASKS[task], force=False) == Suitability(TASKS[task].modality)


@pytest.mark.parametrize(
    ("image", "task", "advice"),
    [
        (scan(CT), "total_mr", "looks like CT.*Use task='total', or force=true"),
        (scan(MR), "total", "looks like MR.*Use task='total_mr', or force=true"),
        (scan(CT, "MR"), "body", "looks like MR: its header says so.*Use task='body_mr'"),
        (scan(MR, "CT"), "liver_segments_mr", "its header says so.*Use task='liver_segments'"),
        (scan(CT), "vertebrae_mr", "'total' or 'total_v3' or 'vertebrae_pp'"),
        (scan(MR), "vertebrae_body", "Use task='total_mr'"),
        (scan(MR), "lung_vessels", "No task for MR finds these structures"),
    ],
)
def test_an_image_of_the_other_modality_is_refused_with_the_task_that_fits(image, task, advice):
    with pytest.raises(BadImageError, match=advice):
        suitability(image, TASKS[task], force=False)


def test_force_overrides_a_refusal_and_records_it():
    forced = suitability(scan(MR), TASKS["total"], force=True)
    assert (forced.detected, forced.forced) == ("MR", True)
    assert "force=true" in (forced.warning or "")
    assert "looks like MR" in (forced.warning or "")


def test_force_changes_nothing_where_nothing_was_refused():
    assert suitability(scan(CT), TASKS["total"], force=True) == Suitability("CT")


@pytest.mark.parametrize(
    ("image", "task", "told"),
    [
        (scan(CROPPED), "total", None),
        (scan(CROPPED), "total_mr", "looks like CT"),
        (scan(CT, unit=1e-3), "total", "must be in HU"),
        (scan(CT, unit=1e-3), "total_mr", None),
        (scan(UNSIGNED), "total", "subtract 1024"),
        (scan(UNSIGNED), "total_mr", "subtract 1024"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_doubt_is_a_warning_and_never_a_refusal(image, task, told, force):
    judged = suitability(image, TASKS[task], force)
    assert (judged.detected, judged.forced) == (None, False)
    assert judged.warning is None if told is None else told in (judged.warning or "")


OTHER: dict[Modality, Modality] = {"CT": "MR", "MR": "CT"}


def test_a_task_and_its_namesake_for_the_other_modality_stand_for_each_other():
    pairs = [(name, f"{name}_mr") for name in TASKS if f"{name}_mr" in TASKS]
    assert len(pairs) >= 8
    for ct, mr in pairs:
        assert (TASKS[ct].modality, TASKS[mr].modality) == ("CT", "MR")
        assert counterparts(TASKS[ct], "MR") == (mr,)
        assert counterparts(TASKS[mr], "CT") == (ct,)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_only_tasks_of_the_other_modality_are_advised(task):
    other = OTHER[task.modality]
    assert all(TASKS[name].modality == other for name in counterparts(task, other))
