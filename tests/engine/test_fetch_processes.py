"""Many processes at once, and processes that die at any moment."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from fetch_program import assert_whole_or_nothing
from weights_server import SAMPLES, answering, sending, shelf

from totalseg_mcp.engine.parcel import fault

PROGRAM = Path(__file__).parents[1] / "fetch_program.py"
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="no fork and no SIGKILL there")


@contextmanager
def program(address: str, root: Path, kind: str, *how: str) -> Iterator[subprocess.Popen[str]]:
    """The program, which has said that it is ready."""
    with subprocess.Popen(
        [sys.executable, PROGRAM, address, root, kind, *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("now\n")
    process.stdin.flush()


def test_eight_processes_at_once_fetch_it_once_and_all_have_it(tmp_path):
    kind, sample = "3-D", SAMPLES["3-D"]
    slow = sending(sample.archive, pause=lambda: time.sleep(1))
    with answering(slow) as server, ExitStack() as stack:
        eight = [stack.enter_context(program(server.address, tmp_path, kind)) for _ in range(8)]
        for process in eight:
            begin(process)
        told = {process.communicate(timeout=60)[0].strip() for process in eight}
    assert told == {str(tmp_path / sample.parcel.inside)}
    assert len(server.asked) == 1
    assert_whole_or_nothing(sample, tmp_path)


@UNIX
@pytest.mark.parametrize("kind", SAMPLES)
def test_a_process_killed_at_any_touch_of_a_file_leaves_all_of_the_model_or_none(tmp_path, kind):
    with (
        answering(shelf(SAMPLES[kind].archive)) as server,
        program(server.address, tmp_path / "root", kind, "killed") as process,
    ):
        told, _ = process.communicate("now\n", timeout=120)
    assert process.returncode == 0
    assert int(told) > 20


@UNIX
def test_processes_killed_at_random_moments_leave_what_the_next_one_goes_on_from(tmp_path):
    chance, kind, sample = random.Random(5), "2-D", SAMPLES["2-D"]
    drip = shelf(sample.archive, pause=lambda: time.sleep(0.2))
    with answering(drip) as server:
        for _ in range(5):
            with program(server.address, tmp_path, kind) as process:
                begin(process)
                time.sleep(chance.uniform(0, 0.3))
            assert_whole_or_nothing(sample, tmp_path)
        with program(server.address, tmp_path, kind) as process:
            process.communicate("now\n", timeout=60)
    assert fault(sample.parcel, tmp_path) is None
    assert_whole_or_nothing(sample, tmp_path)
