"""Calls of the tool, and the processes that each starts.

`python process_starts.py MODELS SCAN OUT` prints a JSON list: for each call its timings and its
process starts; at last those of processes that are started on purpose, to show that they count.
"""

import _posixsubprocess
import json
import multiprocessing
import subprocess
import sys
from functools import partial
from pathlib import Path

STARTS = {
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.spawn",
}
started: list[str] = []


def watch() -> None:
    """Note every start from here on: those that Python tells its auditors, and the one it does not.

    multiprocessing's way to spawn goes straight to `_posixsubprocess.fork_exec`.
    """
    sys.addaudithook(lambda event, _: started.append(event) if event in STARTS else None)
    unwatched = _posixsubprocess.fork_exec

    def fork_exec(*arguments: object) -> int:
        started.append("fork_exec")
        return unwatched(*arguments)

    _posixsubprocess.fork_exec = fork_exec


async def calls(models: Path, scan: str, out: str) -> list[dict[str, object]]:
    """Two calls of the server, one after the other."""
    from mcp import Client

    from totalseg_mcp.engine.session import Session
    from totalseg_mcp.engine.weights import Store
    from totalseg_mcp.server.app import build
    from totalseg_mcp.tools import TOOLS

    session = Session(Store((models,)), device="cpu")
    call = {"input_path": scan, "output_dir": out, "fastest": True, "statistics": True}
    told = []
    async with Client(build(TOOLS, session)) as client:
        for _ in range(2):
            started.clear()
            answer = await client.call_tool("totalsegmentator", {**call, "preview": True})
            timings = (answer.structured_content or {})["timings"]
            told.append({"timings": timings, "starts": list(started)})
    return told


def on_purpose() -> dict[str, list[str]]:
    """What is noted of starts by subprocess, by fork and by multiprocessing's spawn."""
    ways = {
        "subprocess": partial(subprocess.run, [sys.executable, "-c", ""], check=True),
        "fork": partial(finish, "fork"),
        "spawn": partial(finish, "spawn"),
    }
    noted = {}
    for name, start in ways.items():
        started.clear()
        start()
        noted[name] = list(started)
    return noted


def finish(method: str) -> None:
    process = multiprocessing.get_context(method).Process(target=int)
    process.start()
    process.join()


def main(models: str, scan: str, out: str) -> None:
    import anyio

    watch()
    told = anyio.run(calls, Path(models), scan, out)
    sys.stdout.write(json.dumps([*told, on_purpose()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
