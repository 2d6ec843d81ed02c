"""Which jobs may run with which weights, and what they may fetch."""

import threading
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from model_folder import make_model_folder
from weights_server import MODEL, NUMBER, answering, failing, from_, sending, shelf, zipped

from totalseg_mcp.engine.errors import BadImageError, MissingWeightsError, NotReadyError
from totalseg_mcp.engine.licence import LicenceNumber
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.sources import Patience, Sources
from totalseg_mcp.engine.supply import ordered, terms
from totalseg_mcp.engine.tasks import MODELS, TASKS
from totalseg_mcp.engine.watch import Watch, watching
from totalseg_mcp.engine.weights import Store

COMMERCIAL = [name for name, task in TASKS.items() if task.licence == "commercial"]
NEED = "needs a licence number"


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> bytes:
    """The 6 mm model, such as it can run, as an archive."""
    root = tmp_path_factory.mktemp("model")
    make_model_folder(root, MODEL.dataset)
    files = [path for path in root.rglob("*") if path.is_file()]
    return zipped({path.relative_to(root).as_posix(): path.read_bytes() for path in files})


@pytest.fixture
def request_(scan_file: Path, tmp_path: Path) -> Request:
    return Request(scan_file, tmp_path / "out", Options("total", "fastest"), device="cpu")


def session(root: Path, sources: Sources) -> Session:
    return Session(Store((root,)), device="cpu", sources=sources)


def test_eighteen_tasks_are_licensed():
    assert len(COMMERCIAL) == 18


@pytest.mark.parametrize("task", ["tissue_types", "face_mr", "aortic_dissection"])
def test_a_licensed_task_needs_a_number_also_where_its_weights_are(tmp_path, task):
    chosen = plan(Options(task))
    for model in chosen.needs:
        make_model_folder(tmp_path, model.dataset)
    told = refusal(task, session(tmp_path, Sources()))
    assert NEED in told
    assert "https://backend.totalsegmentator.com/license-academic/" in told
    assert "license_number" in told
    assert "TOTALSEG_MCP_LICENSE" in told
    given = LicenceNumber(NUMBER)
    assert ordered(chosen, session(tmp_path, Sources()), given).models == ()
    assert ordered(chosen, session(tmp_path, Sources(number=given)), None).number is given


def refusal(task: str, asked: Session) -> str:
    with pytest.raises(NotReadyError) as error:
        ordered(plan(Options(task)), asked, None)
    return str(error.value)


def test_the_number_of_the_call_comes_before_the_operators(tmp_path):
    given, own = LicenceNumber(NUMBER), LicenceNumber("x" * 18)
    asked = session(tmp_path, Sources(number=own, automatic=True))
    assert ordered(plan(Options("tissue_types")), asked, given).number is given


def test_an_open_task_takes_no_number_along(tmp_path):
    asked = session(tmp_path, Sources(automatic=True))
    order = ordered(plan(Options("total", "fastest")), asked, LicenceNumber(NUMBER))
    assert (order.models, order.number) == ((MODEL,), None)


def test_a_job_orders_its_rough_model_too_and_none_twice(tmp_path):
    asked = session(tmp_path, Sources(automatic=True))
    order = ordered(plan(Options("total", "fastest", ("liver",))), asked, None)
    assert order.models == (MODEL,)
    order = ordered(plan(Options("liver_segments")), asked, None)
    assert order.models == (MODEL, MODELS[570])


def test_calls_fetch_nothing_unless_they_may(request_, tmp_path):
    with answering(sending(b"x")) as server:
        with pytest.raises(MissingWeightsError) as error:
            run(request_, session(tmp_path / "w", from_(server)))
        assert server.asked == []
    command = "totalseg-mcp weights fetch total --fastest"
    assert f"{command} --weights {tmp_path / 'w'}" in str(error.value)


def test_offline_forbids_what_calls_may_otherwise_fetch(request_, tmp_path):
    with answering(sending(b"x")) as server:
        with pytest.raises(MissingWeightsError, match="The server is offline"):
            run(request_, session(tmp_path, from_(server, automatic=True, offline=True)))
        assert server.asked == []


def test_the_demonstration_fetches_nothing(request_):
    asked = Session(Store.demo(), device="cpu", sources=Sources(automatic=True))
    with pytest.raises(MissingWeightsError, match="demonstration weights"):
        run(replace(request_, options=Options("total", "fast")), asked)


def test_the_first_call_fetches_what_it_lacks_and_says_so(request_, tmp_path, archive):
    told = []
    with answering(shelf(archive)) as server:
        asked = session(tmp_path / "w", from_(server, automatic=True))
        with watching(Watch(told.append, lambda: None)):
            outcome = run(request_, asked)
        run(request_, asked)
    assert len(server.asked) == 1
    assert len(outcome.files) == 117
    assert outcome.seconds["fetch weights"] > 0
    assert any("fetch model 298: 0." in progress.message for progress in told)
    done = [progress.done for progress in told]
    assert done == sorted(done)


def test_an_image_that_cannot_be_segmented_is_refused_before_anything_is_fetched(
    request_, tmp_path
):
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes(b"no image")
    with answering(sending(b"x")) as server:
        with pytest.raises(BadImageError):
            run(request_, session(tmp_path / "w", from_(server, automatic=True)))
        assert server.asked == []


def test_what_cannot_be_fetched_is_told_and_nothing_is_written(request_, tmp_path):
    with answering(failing(404)) as server, pytest.raises(NotReadyError, match="HTTP status 404"):
        run(request_, session(tmp_path / "w", from_(server, automatic=True)))
    assert not request_.folder.exists()


class StopError(Exception):
    pass


def test_a_call_cancelled_in_mid_download_leaves_what_the_next_one_goes_on_from(
    request_, tmp_path, archive
):
    silence, half = threading.Event(), threading.Event()

    def check() -> None:
        if half.is_set():
            raise StopError

    def note(progress) -> None:
        if "MiB" in progress.message:
            half.set()

    silent = shelf(archive, pause=silence.wait)
    with answering(silent, shelf(archive)) as server:
        sources = from_(server, automatic=True, patience=Patience(silence_s=600.0))
        asked = session(tmp_path / "w", sources)
        with watching(Watch(note, check)), pytest.raises(StopError):
            run(request_, asked)
        silence.set()
        assert not request_.folder.exists()
        assert run(request_, asked).files
    assert server.ranges[0] is None
    assert server.ranges[1] is not None


def test_non_commercial_weights_need_no_number_and_say_what_they_are(tmp_path):
    chosen = plan(Options("brain_aneurysm"))
    assert ordered(chosen, session(tmp_path, Sources(automatic=True)), None).number is None
    assert "CC BY-NC 4.0" in (terms(chosen) or "")
    assert terms(plan(Options("total"))) is None


def test_a_result_of_non_commercial_weights_says_so(request_, tmp_path):
    make_model_folder(tmp_path / "w", MODELS[615].dataset)
    small = tmp_path / "small.nii.gz"
    data = np.arange(1000, dtype=np.int16).reshape(10, 10, 10)
    nib.Nifti1Image(data, np.diag([1.5, 1.5, 1.5, 1.0])).to_filename(small)
    asked = replace(request_, input_path=small, options=Options("brain_aneurysm"))
    warnings = run(asked, session(tmp_path / "w", Sources())).warnings
    assert any("CC BY-NC 4.0" in warning for warning in warnings)
