"""Fetches the model of the tests: ADDRESS ROOT, and perhaps `killed`.

It says when it is ready, and begins when told. With `killed`, process after process is
killed (SIGKILL) before its first, second, third … touch of a file, until one comes through;
what each leaves must be no model, or all of it.
"""

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from weights_server import FILES, MODEL, in_use

from totalseg_mcp.engine.fetch import fetch
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.weights import Store

TOUCHES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "os.truncate")


def killed(sources: Sources, root: Path) -> int:
    """The number of processes that were killed."""
    for number in itertools.count(1):
        if _ended(sources, root, number):
            return number - 1
        assert_whole_or_nothing(root)
        left = root.with_name(f"left-{number}")
        shutil.copytree(root, left)
        fetch(MODEL, left, sources)
        assert_whole_or_nothing(left)
        if number % 2:  # the next process finds what this one left, or begins anew
            shutil.rmtree(root)
            root.mkdir()
    raise AssertionError


def assert_whole_or_nothing(root: Path) -> None:
    found = {name: content for name, content in in_use(root).items() if name in FILES}
    assert found in ({}, FILES), sorted(found)
    assert Store((root,)).has(MODEL) == bool(found)


def _ended(sources: Sources, root: Path, touch: int) -> bool:
    """Whether a process came to its end before its `touch`-th touch of a file."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    left = touch

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        left -= event in TOUCHES
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    fetch(MODEL, root, sources)
    os._exit(0)


if __name__ == "__main__":
    address, folder, *how = sys.argv[1:]
    servers = Sources(base_url=address)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    Path(folder).mkdir(exist_ok=True)
    done = killed(servers, Path(folder)) if how else fetch(MODEL, Path(folder), servers)
    sys.stdout.write(f"{done}\n")
