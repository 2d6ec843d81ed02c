import json
import os
import subprocess
import sys

import pytest

from totalseg_mcp.engine import heap

SIZE = 2**26  # beyond what glibc would ever keep of its own accord, 32 MiB
TIMES = 10
PROGRAM = f"""
import json, resource, sys
import numpy as np
from totalseg_mcp.engine.heap import give_back, keep_freed
from totalseg_mcp.engine.peak import resident

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def fill():
    np.ones({SIZE}, np.uint8).sum()

kept = sys.argv[1] == "keep" and keep_freed()
fill()
before = faults()
for _ in range({TIMES}):
    fill()
told = {{"kept": kept, "faults": faults() - before, "held": resident()}}
give_back()
print(json.dumps({{**told, "left": resident()}}))
"""


def process(how: str) -> dict[str, int]:
    """Faults of a process that fills as much memory ten times, and bytes that it has after it."""
    settings = {"NUMPY_MADVISE_HUGEPAGE": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        stdout=subprocess.PIPE,
        env={**os.environ, **settings},
        check=True,
        timeout=60,
    )
    told: dict[str, int] = json.loads(ran.stdout)
    return told


@pytest.fixture(scope="module")
def keeping() -> dict[str, int]:
    told = process("keep")
    if not told["kept"]:
        pytest.skip("this system's allocator cannot be told to keep memory")
    return told


def test_memory_that_is_kept_is_cleared_once_and_not_each_time(keeping):
    pages = TIMES * SIZE // os.sysconf("SC_PAGE_SIZE")
    assert keeping["faults"] < pages / 100
    assert process("let go")["faults"] > pages / 2


def test_what_was_kept_is_given_back(keeping):
    assert keeping["held"] - keeping["left"] > SIZE * 0.9


def test_what_the_user_has_set_stays(monkeypatch):
    asked = []

    class Libc:
        def mallopt(self, number, value):
            asked.append(number)
            return 1

    monkeypatch.setattr(heap, "_glibc", Libc)
    assert heap.keep_freed({"MALLOC_ARENA_MAX": "4"})
    assert asked == [-4, -1]  # M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h, and not M_ARENA_MAX


@pytest.mark.parametrize("error", [AttributeError, ValueError])
def test_another_system_is_left_as_it_is(monkeypatch, error):
    def confstr(name):
        raise error

    monkeypatch.setattr(os, "confstr", confstr, raising=False)
    assert not heap.keep_freed({})
    assert not heap.give_back()
