"""A new task is two table entries and a list of names, and nothing else."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from model_folder import make_model_folder

from totalseg_mcp.engine import tasks
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store

TASK = """
[spleen_thirds]
modality = "CT"
models = { default = [998, 999] }
crop = { to = ["spleen", "liver", "heart", "aorta"], margin_mm = 12 }
steps = ["keep_largest_trunk"]
"""
MODEL = """
[{number}]
folder = "Dataset{number}_made_up"
trainer = "nnUNetTrainer"
spacing_mm = [4.0, 4.0, 5.0]
labels = "{labels}"
auxiliary = ["never_shown"]
folds = "all"
"""


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables with a task of two models more."""
    tables = tmp_path / "tables"
    shutil.copytree(Path(str(tasks.TABLES)), tables)
    with (tables / "tasks.toml").open("a") as file:
        file.write(TASK)
    with (tables / "models.toml").open("a") as file:
        file.write(MODEL.format(number=998, labels="upper_third"))
        file.write(MODEL.format(number=999, labels="other_thirds"))
    (tables / "labels" / "upper_third.txt").write_text("upper_third\n")
    (tables / "labels" / "other_thirds.txt").write_text("lower_third\nbody_trunc\n")
    (tables / "labels" / "spleen_thirds.txt").write_text("upper_third\nlower_third\nbody_trunc\n")
    monkeypatch.setattr(tasks, "TABLES", tables)
    for number in (998, 999):
        monkeypatch.setitem(tasks.MODELS, number, tasks._models()[number])
    monkeypatch.setitem(tasks.TASKS, "spleen_thirds", tasks._tasks()["spleen_thirds"])


@pytest.mark.usefixtures("made_up")
def test_a_made_up_task_runs_by_its_entries_alone(models, scan_file, tmp_path):
    weights = tmp_path / "weights"
    for number in (998, 999):
        make_model_folder(weights, number, seed=number)
    session = Session(Store((weights, models)), device="cpu")
    request = Request(
        scan_file, tmp_path / "out", Options("spleen_thirds"), device="cpu", multilabel=True
    )
    outcome = run(request, session)
    assert [m.dataset for m in outcome.findings.plan.needs] == [298, 998, 999]
    assert (outcome.loads, outcome.weight_reads) == (3, 1 + 2 + 2)  # the made ones in two folds
    image = nib.load(tmp_path / "out" / "segmentation.nii.gz")
    assert set(np.unique(image.get_fdata())) <= {0, 1, 2, 3}
    assert len(outcome.found) >= 2
