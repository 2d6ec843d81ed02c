"""How much memory this machine has, and how much of it networks may keep."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# The rest is for the work: the outputs of `total` alone are gigabytes on a large scan. A network
# of TotalSegmentator has 125 MB, so 16 GiB of host memory keep 17, and an 8 GiB GPU as many.
HOST_SHARE, GPU_SHARE = 8, 4
ASSUMED = 8 << 30  # where the system does not say how much it has (Windows)

MEMBERSHIP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes of networks that stay loaded between jobs; None leaves it to a share of what is there.

    `gpu` is for each GPU.
    """

    host: int | None = None
    gpu: int | None = None

    def in_host(self) -> int:
        """For networks on the CPU: what was given, else an eighth of the machine's memory."""
        return host_memory() // HOST_SHARE if self.host is None else self.host

    def in_gpu(self, memory: int) -> int:
        """For networks on a GPU with so much `memory`: what was given, else a quarter of it."""
        return memory // GPU_SHARE if self.gpu is None else self.gpu


def host_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or less in a container."""
    limit = cgroup_limit()
    return min(installed(), limit) if limit is not None else installed()


def installed() -> int:
    """Bytes of memory in the machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):
        return ASSUMED


def cgroup_limit(membership: Path = MEMBERSHIP, mounted: Path = CGROUPS) -> int | None:
    """The least limit of the process's control groups (version 1 or 2); None without one."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    limits = [limit for line in lines for limit in _limits(line, mounted)]
    return min(limits, default=None)


def _limits(line: str, mounted: Path) -> Iterator[int]:
    """The limits on the way from the group of a line such as "0::/user/mine" to the top."""
    _, controllers, group = line.split(":", 2)
    if controllers and "memory" not in controllers.split(","):
        return
    top, name = (
        (mounted / "memory", "memory.limit_in_bytes") if controllers else (mounted, "memory.max")
    )
    folder = top.joinpath(*(p for p in PurePosixPath(group).parts if p not in ("/", "..")))
    for place in (folder, *folder.parents):
        if place.is_relative_to(top):
            yield from _limit(place / name)


def _limit(file: Path) -> Iterator[int]:
    """The number in `file`; none if it says "max", or if a container does not show it."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError:
        return
    if text.isdecimal():
        yield int(text)
