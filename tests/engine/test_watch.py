import pytest

from totalseg_mcp.engine.watch import Progress, Watch, clocked, stage, track, watching


class StopError(Exception):
    pass


def test_tracks_inside_tracks_share_the_part_of_their_item():
    told: list[Progress] = []
    with watching(Watch(told.append, lambda: None)), stage("infer", 0.5, 1.0):
        for _ in track("ab", "model"):
            for _ in track("xy", "tile"):
                pass
    assert [round(p.done, 4) for p in told] == [0.5, 0.5, 0.5, 0.625, 0.75, 0.75, 0.875]
    assert told[-1].message == "infer: model 2 of 2: tile 2 of 2"


def test_a_job_is_stopped_before_its_next_item():
    calls: list[str] = []

    def check() -> None:
        if len(calls) == 2:
            raise StopError

    with watching(Watch(lambda _: None, check)), pytest.raises(StopError):
        calls.extend(track("abcd", "letter"))
    assert calls == ["a", "b"]


def leave_a_loop() -> None:
    with stage("first", 0.0, 0.5):
        for _ in track("ab", "item"):
            raise StopError


def test_after_an_error_the_part_around_the_loop_is_back():
    told: list[Progress] = []
    with watching(Watch(told.append, lambda: None)):
        with pytest.raises(StopError):
            leave_a_loop()
        with stage("second", 0.5, 1.0):
            pass
    assert told[-1] == Progress(0.5, "second")


def test_seconds_add_up_by_stage_and_stay_in_their_job():
    with clocked() as outer:
        with clocked() as inner:
            for _ in range(3):
                with stage("read", 0.0, 1.0):
                    pass
        with stage("write", 0.0, 1.0):
            pass
    assert list(inner) == ["read"]
    assert list(outer) == ["write"]
