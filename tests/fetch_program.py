"""Fetches a model of the tests: ADDRESS ROOT KIND ("3-D" or "2-D"), and perhaps `killed`.

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

from weights_server import SAMPLES, Sample, in_use

from totalseg_mcp.engine.fetch import fetch
from totalseg_mcp.engine.parcel import fault
from totalseg_mcp.engine.sources import Sources

TOUCHES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "os.truncate")


def killed(sample: Sample, sources: Sources, root: Path) -> int:
    """The number of processes that were killed."""
    for number in itertools.count(1):
        if _ended(sample, sources, root, number):
            return number - 1
        assert_whole_or_nothing(sample, root)
        left = root.with_name(f"left-{number}")
        shutil.copytree(root, left)
        fetch(sample.parcel, left, sources)
        assert_whole_or_nothing(sample, left)
        if number % 2:  # the next process finds what this one left, or begins anew
            shutil.rmtree(root)
            root.mkdir()
    raise AssertionError


def assert_whole_or_nothing(sample: Sample, root: Path) -> None:
    found = sample.within(in_use(root))
    assert found in ({}, sample.files), sorted(found)
    assert (fault(sample.parcel, root) is None) == bool(found)


def _ended(sample: Sample, sources: Sources, root: Path, touch: int) -> bool:
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
    fetch(sample.parcel, root, sources)
    os._exit(0)


if __name__ == "__main__":
    address, folder, kind, *how = sys.argv[1:]
    servers, one, place = Sources(base_url=address, ts2d_url=address), SAMPLES[kind], Path(folder)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    place.mkdir(exist_ok=True)
    done = killed(one, servers, place) if how else fetch(one.parcel, place, servers)
    sys.stdout.write(f"{done}\n")
