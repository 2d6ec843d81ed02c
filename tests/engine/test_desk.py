"""What every desk does, whoever works behind it: another one is another entry of `DESKS`."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from totalseg_mcp.engine.desk import Desk, DeskStats, Ticket
from totalseg_mcp.engine.errors import BadRequestError, CancelledJobError, EngineError
from totalseg_mcp.engine.local_desk import LocalDesk
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.run import run
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.watch import stage, track

PATIENCE_S = 20.0
Work = Callable[[str], str]
OpenDesk = Callable[[Work, int], AbstractContextManager[Desk[str, str]]]
DESKS: dict[str, OpenDesk] = {"local": LocalDesk}


@pytest.fixture(params=DESKS)
def open_desk(request):
    """From what a worker does, and how many ended jobs are remembered, to an open desk."""
    return DESKS[request.param]


class Gate:
    """Work that says when it has begun, and ends a stage later, once it is let through."""

    def __init__(self):
        self.begun, self.let = threading.Event(), threading.Event()
        self.served = []

    def work(self, asked):
        self.served.append(asked)
        with stage("segment", 0.25, 0.75):
            self.begun.set()
            if asked == "held":
                self.wait()
        with stage("write", 0.75, 1.0):
            return asked.upper()

    def wait(self):
        for _ in track(range(int(PATIENCE_S / 0.01)), "tick"):
            if self.let.wait(0.01):
                return


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.let.set()


def result(desk, ticket: Ticket) -> str:
    return desk.result(ticket, PATIENCE_S)


def test_what_came_of_a_job_can_be_asked_for_twice(open_desk, gate):
    with open_desk(gate.work, 8) as desk:
        ticket = desk.submit("liver")
        assert [result(desk, ticket), result(desk, ticket)] == ["LIVER", "LIVER"]
        standing = desk.progress(ticket)
    assert (standing.state, standing.progress.done, standing.over) == ("done", 1.0, True)


def test_jobs_are_served_one_at_a_time_in_the_order_in_which_they_came(open_desk, gate):
    with open_desk(gate.work, 8) as desk:
        tickets = [desk.submit(asked) for asked in ("held", "first", "second")]
        assert gate.begun.wait(PATIENCE_S)
        standings = [desk.progress(ticket) for ticket in tickets]
        assert [(s.state, s.ahead) for s in standings] == [
            ("running", 0),
            ("waiting", 1),
            ("waiting", 2),
        ]
        assert desk.stats() == DeskStats(waiting=2, running=1, done=0, failed=0, cancelled=0)
        gate.let.set()
        assert [result(desk, ticket) for ticket in tickets] == ["HELD", "FIRST", "SECOND"]
        assert desk.stats() == DeskStats(waiting=0, running=0, done=3, failed=0, cancelled=0)
    assert gate.served == ["held", "first", "second"]


def test_progress_tells_the_stage_and_how_far_it_is(open_desk, gate):
    with open_desk(gate.work, 8) as desk:
        ticket = desk.submit("held")
        assert gate.begun.wait(PATIENCE_S)
        progress = desk.progress(ticket).progress
        assert 0.25 <= progress.done < 0.75
        assert progress.message.startswith("segment")


def test_a_running_job_that_is_cancelled_stops_at_its_next_step_and_lets_the_next_one_in(
    open_desk, gate
):
    with open_desk(gate.work, 8) as desk:
        held, next_one = desk.submit("held"), desk.submit("next")
        assert gate.begun.wait(PATIENCE_S)
        desk.cancel(held)
        with pytest.raises(CancelledJobError):
            result(desk, held)
        assert result(desk, next_one) == "NEXT"
        assert desk.progress(held).state == "cancelled"
        assert desk.stats().cancelled == 1


def test_a_waiting_job_that_is_cancelled_never_runs(open_desk, gate):
    with open_desk(gate.work, 8) as desk:
        held, waiting = desk.submit("held"), desk.submit("waiting")
        desk.cancel(waiting)
        with pytest.raises(CancelledJobError):
            desk.result(waiting, 0.0)
        gate.let.set()
        assert result(desk, held) == "HELD"
    assert gate.served == ["held"]


def test_cancelling_what_is_over_changes_nothing(open_desk, gate):
    with open_desk(gate.work, 8) as desk:
        ticket = desk.submit("liver")
        result(desk, ticket)
        desk.cancel(ticket)
        assert result(desk, ticket) == "LIVER"
        assert desk.stats().cancelled == 0


@pytest.mark.parametrize("error", [BadRequestError("no such file"), ValueError("a bug")])
def test_the_error_of_a_job_comes_out_as_it_is_and_the_next_job_runs(open_desk, error):
    def work(asked):
        if asked == "bad":
            raise error
        return asked

    with open_desk(work, 8) as desk:
        bad, good = desk.submit("bad"), desk.submit("good")
        with pytest.raises(type(error), match=str(error)):
            result(desk, bad)
        assert result(desk, good) == "good"
        assert (desk.stats().failed, desk.progress(bad).state) == (1, "failed")


def test_an_exit_in_a_job_is_its_error_and_not_the_end_of_the_desk(open_desk):
    def work(asked):
        if asked == "bad":
            raise SystemExit(3)
        return asked

    with open_desk(work, 8) as desk:
        bad, good = desk.submit("bad"), desk.submit("good")
        with pytest.raises(RuntimeError, match=r"sys\.exit\(3\)"):
            result(desk, bad)
        assert result(desk, good) == "good"


def test_who_waits_no_longer_than_that_leaves_the_job_alone(open_desk, gate):
    with open_desk(gate.work, 8) as desk:
        ticket = desk.submit("held")
        with pytest.raises(TimeoutError, match="it goes on"):
            desk.result(ticket, 0.01)
        gate.let.set()
        assert result(desk, ticket) == "HELD"


def test_a_ticket_that_was_never_given_out_is_refused(open_desk, gate):
    with open_desk(gate.work, 8) as desk:
        for ask in (desk.progress, desk.cancel, desk.result):
            with pytest.raises(BadRequestError, match="No job 'x'"):
                ask(Ticket("x"))


def test_a_desk_remembers_the_last_jobs_that_ended_and_forgets_those_before(open_desk, gate):
    with open_desk(gate.work, 2) as desk:
        tickets = [desk.submit(name) for name in ("a", "b", "c")]
        assert result(desk, tickets[2]) == "C"
        assert result(desk, tickets[1]) == "B"
        with pytest.raises(BadRequestError, match="Submit it again"):
            desk.progress(tickets[0])
        assert desk.stats().done == 3


def test_a_desk_that_closes_cancels_its_jobs_and_takes_no_more(open_desk, gate):
    with open_desk(gate.work, 8) as desk:
        desk.submit("held")
        desk.submit("waiting")
        assert gate.begun.wait(PATIENCE_S)
    assert gate.served == ["held"]
    assert desk.stats().cancelled == 2
    with pytest.raises(BadRequestError, match="closed"):
        desk.submit("late")


def test_segmenting_is_work_for_a_desk(open_desk, tmp_path: Path):
    """A request that cannot be met comes back with the engine's own words."""
    with open_desk(partial(run, session=Session()), 8) as desk:
        ticket = desk.submit(Request(tmp_path / "nowhere.nii.gz", tmp_path / "out"))
        with pytest.raises(EngineError, match="nowhere"):
            result(desk, ticket)
