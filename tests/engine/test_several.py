"""Several tasks in one call: each as if alone, on one scan that is read once; all or none."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from model_folder import make_model_folder

from totalseg_mcp.engine import run as module
from totalseg_mcp.engine.errors import BadRequestError, NotReadyError, OutputInTheWayError
from totalseg_mcp.engine.image.crop import Box
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.results import Results
from totalseg_mcp.engine.run import run, run_all
from totalseg_mcp.engine.segment import Network, segment_views
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.views import Views
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.watch import Progress, Watch, watching
from totalseg_mcp.engine.weights import Store

TASKS = ("breasts", "trunk_cavities", "lung_vessels_LEGACY", "pleural_pericard_effusion")
LUNGS = ("lung_vessels_LEGACY", "pleural_pericard_effusion")


@pytest.fixture(scope="module")
def several_models(tmp_path_factory) -> Path:
    """Those of four tasks, and the rough one: two see the whole scan at 1.5 mm, two near lungs."""
    root = tmp_path_factory.mktemp("several")
    for dataset in (298, *(m.dataset for name in TASKS for m in plan(Options(name)).models)):
        make_model_folder(root, dataset, seed=4)  # with which the rough one finds lungs
    return root


@pytest.fixture
def session(several_models) -> Session:
    return Session(Store((several_models,)), device="cpu")


@pytest.fixture
def small_scan(scan_file: Path) -> Path:
    """A corner of the scan, since 1.5 mm are many voxels."""
    file = scan_file.with_name("small.nii.gz")
    nib.load(scan_file).slicer[8:30, 8:28, 8:22].to_filename(file)
    return file


@pytest.fixture
def requests(small_scan: Path, tmp_path: Path):
    def asked(tasks: Sequence[str], **given: object) -> list[Request]:
        usual = {"device": "cpu", "multilabel": True, "statistics": True, **given}
        return [
            Request(small_scan, tmp_path / "out" / name, Options(name), **usual) for name in tasks
        ]

    return asked


def test_every_task_gives_what_it_gives_alone(requests, session, tmp_path):
    together = run_all(requests(TASKS), session)
    assert ["Nothing" in " ".join(outcome.warnings) for outcome in together] == [False] * 4
    for request, outcome in zip(requests(TASKS), together, strict=True):
        alone = run(replace(request, folder=tmp_path / "alone" / request.options.task), session)
        assert outcome.findings.measurements == alone.findings.measurements
        np.testing.assert_array_equal(
            outcome.findings.labels.data, alone.findings.labels.data, request.options.task
        )
        assert [file.name for file in outcome.files] == [file.name for file in alone.files]
        assert outcome.warnings == alone.warnings


def test_the_scan_is_read_once(requests, session, monkeypatch):
    """Reading is an edge, and counted there."""
    paths: list[Path] = []
    read = module.read

    def counted(path, reach):
        paths.append(path)
        return read(path, reach)

    monkeypatch.setattr(module, "read", counted)
    run_all(requests(TASKS[:2]), session)
    assert len(paths) == 1


def counting(ran: list[int], near: Sequence[str]):
    """Models that note that they ran, and call all they see the first of `near` that they know."""

    def network(model: Model) -> Network:
        def labels(image: Volume, tile_step: float, by_class: bool) -> np.ndarray:
            ran.append(model.dataset)
            number = next((model.names.index(n) + 1 for n in near if n in model.names), 0)
            return np.full(image.grid.shape, number, np.uint8)

        return labels

    return network


@pytest.mark.parametrize(
    ("tasks", "near", "datasets"),
    [
        (LUNGS, ["lung_upper_lobe_left"], [298, 258, 315]),
        (("vertebrae_body", "vertebrae_pp_refined"), [], [305, 803]),
        (("craniofacial_structures", "teeth"), ["teeth_lower", "skull"], [298, 115, 113]),
    ],
)
def test_what_two_tasks_build_on_is_segmented_once(tasks, near, datasets):
    views = Views(
        Volume(np.zeros((20, 20, 20), np.int16), Grid((20, 20, 20), np.diag([3.0] * 3 + [1])))
    )
    ran: list[int] = []
    for name in tasks:
        chosen = plan(Options(name))
        segmented = segment_views(views, chosen, counting(ran, near))
        views.labels(chosen, lambda labels=segmented.labels: labels)
    assert ran == datasets


def test_tasks_of_equal_spacing_see_the_same_image_and_two_images_are_kept():
    views = Views(Volume(np.zeros((20, 20, 20), np.int16), Grid((20, 20, 20), np.eye(4))))
    one, other = plan(Options("breasts")), plan(Options("trunk_cavities"))
    fastest, smooth = (
        plan(Options("total", "fastest")),
        plan(Options("breasts", resampling_order=3)),
    )
    first = views.of(one, None)
    assert views.of(other, None) is first
    assert views.of(one, Box((0, 0, 0), (9, 9, 9))) is not first
    assert views.of(one, None) is first
    assert views.of(smooth, None) is not first
    views.of(fastest, None)
    assert views.of(one, None) is not first


def test_a_stop_in_the_second_task_leaves_no_file_of_the_first(requests, session):
    class StopError(Exception):
        pass

    told: list[Progress] = []

    def check() -> None:
        if sum(progress.message.startswith("restore") for progress in told) > 1:
            raise StopError

    with watching(Watch(told.append, check)), pytest.raises(StopError):
        run_all(requests(TASKS[:2]), session)
    assert not requests(TASKS)[0].folder.parent.exists()


def test_a_file_in_the_way_of_one_task_stops_all_before_a_model_loads(requests, session):
    theirs = requests(TASKS)[1].folder / "segmentation.nii.gz"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    with pytest.raises(OutputInTheWayError):
        run_all(requests(TASKS[:2]), session)
    assert session.weight_reads == 0
    assert [path.name for path in theirs.parent.parent.rglob("*") if path.is_file()] == [
        theirs.name
    ]


@pytest.mark.parametrize("late", [0, 1])
def test_a_file_that_came_into_the_way_meanwhile_keeps_all_away(requests, session, late):
    both = requests(TASKS[:2])
    theirs = both[late].folder / "segmentation.nii.gz"

    def notice(progress: Progress) -> None:
        if progress.message.startswith("write: folder 2 of 2: file kind 2"):
            theirs.write_text("mine")

    with watching(Watch(notice, lambda: None)), pytest.raises(OutputInTheWayError):
        run_all(both, session)
    out = theirs.parent.parent
    assert [path for path in out.rglob("*") if path.is_file()] == [theirs]
    assert theirs.read_text() == "mine"


@pytest.mark.parametrize(
    ("other", "error"),
    [
        (Options("breasts", "fast"), BadRequestError),
        (Options("tissue_types"), NotReadyError),
    ],
    ids=["no such resolution", "no licence number"],
)
def test_what_can_be_refused_of_any_task_is_refused_before_a_model_loads(
    requests, session, other, error
):
    first, second = requests(TASKS[:2])
    with pytest.raises(error):
        run_all([first, replace(second, options=other)], session)
    assert session.weight_reads == 0
    assert not first.folder.parent.exists()


def test_progress_rises_through_all_tasks(requests, session):
    told: list[Progress] = []
    with watching(Watch(told.append, lambda: None)):
        run_all(requests(TASKS), session)
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert done[-1] > 0.9


def test_tasks_that_were_run_before_are_reused_and_the_others_are_not(
    requests, several_models, tmp_path
):
    results = Results(tmp_path / "results")
    run_all(requests(TASKS[:1]), Session(Store((several_models,)), results=results))
    later = run_all(requests(TASKS[:2]), Session(Store((several_models,)), results=results))
    assert [outcome.reused_s is None for outcome in later] == [False, True]


def test_a_rough_model_that_ran_for_itself_is_not_run_again_for_others(
    requests, several_models, tmp_path
):
    """Labels and warnings are those of a run without anything remembered."""
    results = Results(tmp_path / "results")
    (lungs,) = requests(LUNGS[:1])
    rough = replace(lungs, options=Options("total", "fastest"), folder=tmp_path / "rough")
    run(rough, Session(Store((several_models,)), results=results))
    later, fresh = (Session(Store((several_models,)), results=r) for r in (results, None))
    built, anew = run(lungs, later), run(lungs, fresh)
    assert any("built on" in line for line in built.notes)
    assert fresh.weight_reads - later.weight_reads == 1
    assert built.reused_s is None
    np.testing.assert_array_equal(built.findings.labels.data, anew.findings.labels.data)
    assert built.warnings == anew.warnings
    assert anew.findings.labels.data.any()
