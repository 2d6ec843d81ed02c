"""Which 2-D jobs may run with which weights, and what they may fetch."""

from pathlib import Path

import pytest
from parity.models_2d import models_2d
from parity.stand_ins_2d import make_stand_in_2d
from weights_server import GROUP, SAMPLES, answering, from_, in_use, sending, shelf, zipped

from totalseg_mcp.engine.errors import MissingWeightsError
from totalseg_mcp.engine.request2d import Request2D
from totalseg_mcp.engine.run2d import run_2d
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.supply import deliver, ordered_2d
from totalseg_mcp.engine.watch import Watch, watching
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.engine.weights2d import Store2D


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> bytes:
    """The network of the ribs, such as it can run, as an archive."""
    root = tmp_path_factory.mktemp("model")
    make_stand_in_2d(root, models_2d()[GROUP.folder])
    files = [path for path in root.rglob("*") if path.is_file()]
    return zipped({path.relative_to(root).as_posix(): path.read_bytes() for path in files})


@pytest.fixture
def request_(scan_file: Path, tmp_path: Path) -> Request2D:
    return Request2D(scan_file, tmp_path / "out", groups=("ribs",), device="cpu", force=True)


def session_2d(*roots: Path, sources: Sources, demonstration: bool = False) -> Session:
    return Session(Store(), sources=sources, store_2d=Store2D(roots, demonstration))


@pytest.mark.parametrize(
    ("allowed", "demonstration", "words"),
    [
        ({}, False, "are not in .*totalseg-mcp weights fetch ts2d-v2 --weights"),
        ({"automatic": True, "offline": True}, False, "The server is offline.*fetch ts2d-v2"),
        ({"automatic": True}, True, "demonstration weights, which do not cover ts2d-v2 ribs"),
    ],
)
def test_2d_networks_are_fetched_only_where_calls_may(tmp_path, allowed, demonstration, words):
    asked = session_2d(tmp_path, sources=Sources(**allowed), demonstration=demonstration)
    with pytest.raises(MissingWeightsError, match=words):
        ordered_2d((GROUP,), asked)
    with pytest.raises(MissingWeightsError, match="none is set"):
        ordered_2d((GROUP,), session_2d(sources=Sources(automatic=True)))


def test_2d_networks_that_lack_are_delivered_to_the_first_folder(tmp_path):
    own, usual = tmp_path / "own", tmp_path / "usual"
    with answering(shelf(SAMPLES["2-D"].archive)) as server:
        asked = session_2d(own, usual, sources=from_(server, automatic=True))
        order = ordered_2d((GROUP, GROUP), asked)
        assert (order.models, order.number) == ((GROUP,), None)
        deliver(order, asked)
        assert asked.store_2d.find(GROUP).is_relative_to(own)
        deliver(ordered_2d((GROUP,), asked), asked)
    assert len(server.asked) == 1


def test_2d_networks_that_ts2d_has_brought_are_not_ordered(tmp_path):
    SAMPLES["2-D"].put(tmp_path / "usual")
    asked = session_2d(tmp_path / "own", tmp_path / "usual", sources=Sources())
    deliver(ordered_2d((GROUP,), asked), asked)
    assert in_use(tmp_path / "usual").keys() == SAMPLES["2-D"].files.keys()
    assert not list(tmp_path.rglob(".totalseg-mcp")), "also where nobody may write"


def test_the_first_call_fetches_what_it_lacks_and_says_so(request_, tmp_path, archive):
    told = []
    with answering(shelf(archive)) as server:
        asked = session_2d(tmp_path / "w", sources=from_(server, automatic=True))
        with watching(Watch(told.append, lambda: None)):
            outcome = run_2d(request_, asked)
        run_2d(request_, asked)
    assert len(server.asked) == 1
    assert outcome.files
    assert outcome.seconds["fetch weights"] > 0
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert any("fetch model ts2d-v2 ribs: 0." in progress.message for progress in told)
    reading = max(progress.done for progress in told if progress.message.startswith("read"))
    fetching = min(progress.done for progress in told if "fetch weights" in progress.message)
    assert reading < 0.4 <= fetching, "reading many files comes up to where fetching begins"


def test_a_call_that_may_not_fetch_names_the_command_and_writes_nothing(request_, tmp_path):
    with answering(sending(b"x")) as server:
        with pytest.raises(MissingWeightsError, match="totalseg-mcp weights fetch ts2d-v2"):
            run_2d(request_, session_2d(tmp_path / "w", sources=from_(server)))
        assert server.asked == []
    assert not request_.folder.exists()
