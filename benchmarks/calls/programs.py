"""The programs, each in processes of its own: how they are started, asked and timed."""

import importlib.util
import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.calls.measured import Call
from benchmarks.race import MOST_SAID, FailedError
from benchmarks.sides.client import Server, ours
from benchmarks.sides.processes import cpu_of, observed

if TYPE_CHECKING:
    from benchmarks.calls.cases import Case

OURS, OPENVINO = "ours", "ours, OpenVINO"
CLI, API, THEIR_SERVER = "its command line", "its Python API", "its MCP server"
OUR_TOOL, THEIR_TOOL = "totalsegmentator", "run_segmentation"
RESULT = "result"  # the folder, below that of a trial, where the last call's files lie
SCRIPT = Path(__file__).parents[1] / "sides" / "api.py"


@dataclass(frozen=True)
class Place:
    """Where a trial runs: the scan, the folder for what it leaves, the variables, the peer."""

    scan: Path
    out: Path
    environment: Mapping[str, str]
    peer: Path | None = None  # the interpreter of the environment with TotalSegmentator

    @property
    def result(self) -> Path:
        """The folder that the program writes to."""
        return self.out / RESULT

    @property
    def scripts(self) -> Path:
        """Where the peer's commands are."""
        assert self.peer
        return self.peer.parent


@dataclass(frozen=True)
class Answers:
    """The calls of one process, and its seconds to the list of tools if it is a server."""

    calls: tuple[Call, ...]
    listed: float | None = None


@dataclass(frozen=True)
class Program:
    """Somebody who takes part. `peer` needs the other environment; `package` has to be here."""

    run: "Callable[[Case, Place], Answers]"
    peer: bool = False
    package: str | None = None

    @property
    def there(self) -> bool:
        """Whether it can take part."""
        return self.package is None or importlib.util.find_spec(self.package) is not None


def served(
    command: Sequence[str], tool: str, arguments: Mapping[str, Any], times: int, place: Place
) -> Answers:
    """A server, asked for its tools and then `times` for the same work."""
    calls: list[Call] = []
    began = time.perf_counter()
    with (
        (place.out / "log.txt").open("w") as log,
        Server(place.environment, command, log) as server,
        observed(server.pid, place.out),
    ):
        server.tools()
        listed = time.perf_counter() - began
        since, spent = began, 0.0
        for _ in range(times):
            answer = server.call(tool, arguments)
            now, cpu = time.perf_counter(), cpu_of(server.pid)
            stages = answer.get("timings", {}).get("stages_s", {})
            calls.append(Call(now - since, cpu - spent, stages))
            since, spent = time.perf_counter(), cpu_of(server.pid)
    return Answers(tuple(calls), listed)


def our_server(cpu: str, case: "Case", place: Place) -> Answers:
    """Ours, with its networks computed by torch or by OpenVINO."""
    files = {"input_path": str(place.scan), "output_dir": str(place.result)}
    return served(ours(cpu), OUR_TOOL, {**files, **case.ours}, case.calls, place)


def their_server(case: "Case", place: Place) -> Answers:
    """TotalSegmentator's own, which starts its command line for every call."""
    place.result.mkdir()
    arguments = {
        "input_path": str(place.scan),
        "output_path": str(place.result),
        "task": "total",
        "device": case.device,
        "speed": "fast",
        "statistics": case.statistics,
    }
    path = f"{place.scripts}{os.pathsep}{place.environment['PATH']}"
    there = replace(place, environment={**place.environment, "PATH": path})
    command = [str(place.scripts / "totalseg_mcp")]
    return served(command, THEIR_TOOL, arguments, case.calls, there)


def their_command(case: "Case", place: Place) -> Answers:
    """TotalSegmentator's command line, once: every call starts anew."""
    flags = [f"--{name}" for name, wanted in case.theirs.items() if wanted]
    files = ["-i", str(place.scan), "-o", str(place.result), "--device", case.device]
    wall, cpu = _process([str(place.scripts / "TotalSegmentator"), *files, *flags], place)
    return Answers((Call(wall, cpu),))


def their_api(case: "Case", place: Place) -> Answers:
    """TotalSegmentator's Python interface, several times in one process."""
    began = time.perf_counter()
    asked = {"calls": case.calls, "began": began, "options": {**case.theirs, "device": case.device}}
    files = [str(place.scan), str(place.result), str(place.out / "calls.json")]
    _process([str(place.peer), str(SCRIPT), *files, json.dumps(asked)], place)
    known = json.loads((place.out / "calls.json").read_text())
    return Answers(tuple(Call(**call) for call in known))


def _process(command: Sequence[str], place: Place) -> tuple[float, float]:
    """Seconds by the clock and of processor time of a whole process.

    Raises:
        FailedError: it failed.
    """
    began, before = time.perf_counter(), _cpu_of_children()
    with (place.out / "log.txt").open("w+") as log:
        process = subprocess.Popen(
            command, env=dict(place.environment), stdout=log, stderr=subprocess.STDOUT
        )
        with observed(process.pid, place.out):
            code = process.wait()
            wall = time.perf_counter() - began
        if code:
            log.seek(0)
            raise FailedError(f"{Path(command[0]).name}: {log.read()[-MOST_SAID:]}")
    return wall, _cpu_of_children() - before


def _cpu_of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


PROGRAMS: Mapping[str, Program] = {
    OURS: Program(partial(our_server, "torch")),
    OPENVINO: Program(partial(our_server, "openvino"), package="openvino"),
    CLI: Program(their_command, peer=True),
    API: Program(their_api, peer=True),
    THEIR_SERVER: Program(their_server, peer=True),
}
