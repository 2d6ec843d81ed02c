"""What a program takes together with all processes that it started, as /proc tells it (Linux).

Standard library only: it runs in the environment of either program.
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")
SIZE = "size.json"
GPU_TOOL = "nvidia-smi"
PAUSE_S = 0.5
TICKS = os.sysconf("SC_CLK_TCK")
NOTABLY = 1.05  # times larger than when it was last shared out, which takes milliseconds a process


@dataclass(frozen=True)
class Size:
    """The most processes and memory at any time.

    `resident` is the sum over the processes, where what they share counts in each;
    `proportional` shares it out among them. `gpu_mib` is what all programs on the first NVIDIA GPU
    take, so that nothing else may run on it; 0 where there is none.
    """

    processes: int
    resident_mib: float
    proportional_mib: float
    gpu_mib: float = 0.0

    def or_more(self, other: "Size") -> "Size":
        """The greater of each."""
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return Size(*(max(pair) for pair in pairs))


def size_in(file: Path) -> Size:
    """What `observed` has written."""
    return Size(**json.loads(file.read_text()))


@contextmanager
def observed(root: int, out: Path) -> Iterator[None]:
    """Look at the process `root` and its descendants twice a second; write the most to `out`."""
    over, seen = threading.Event(), [Size(0, 0.0, 0.0)]

    def look() -> None:
        shared_out_at = 0.0
        while not over.wait(PAUSE_S):
            now = size_of(root, proportional=False)
            if now.resident_mib > NOTABLY * shared_out_at:
                now, shared_out_at = size_of(root, proportional=True), now.resident_mib
            seen[0] = seen[0].or_more(now)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
        seen[0] = seen[0].or_more(size_of(root, proportional=True))
    finally:
        over.set()
        thread.join()
        (out / SIZE).write_text(json.dumps(asdict(seen[0])))


def size_of(root: int, proportional: bool) -> Size:
    """Of `root` and its descendants at this moment; the proportional part takes a while."""
    family = descendants(root)
    resident = sum(_kib(pid, "status", "VmRSS:") for pid in family) / 1024
    shared_out = sum(_kib(pid, "smaps_rollup", "Pss:") for pid in family) if proportional else 0
    return Size(len(family), resident, shared_out / 1024, on_gpu())


def on_gpu() -> float:
    """MiB of the first NVIDIA GPU that are in use; 0 where there is none."""
    if shutil.which(GPU_TOOL) is None:
        return 0.0
    asked = [GPU_TOOL, "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    return float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)


def cpu_of(root: int) -> float:
    """Seconds of processor time of `root` and its descendants, ended ones included."""
    return sum(sum(map(int, fields[11:15])) for _, fields in _family(root)) / TICKS


def descendants(root: int) -> list[int]:
    """The living ones, `root` included."""
    return [pid for pid, _ in _family(root)]


def _family(root: int) -> list[tuple[int, list[str]]]:
    """Of `root` and each descendant: its number, and the fields of `stat` from the third on."""
    everyone = {int(entry.name): _stat(entry) for entry in PROC.iterdir() if entry.name.isdigit()}
    parents = {pid: int(fields[1]) for pid, fields in everyone.items() if fields}
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return [(pid, everyone[pid]) for pid in family if everyone.get(pid)]


def _stat(process: Path) -> list[str]:
    """Nothing, once the process has ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _kib(pid: int, file: str, field: str) -> int:
    """A line of a file of process `pid`; 0, once it has ended."""
    try:
        lines = (PROC / str(pid) / file).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
