"""How much memory this machine has, and how much of it networks may keep."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

# The rest is for the work: the outputs of `total` alone are gigabytes on a large scan. A network
# of TotalSegmentator has 125 MB, so 16 GiB of host memory keep 17, and an 8 GiB GPU as many.
HOST_SHARE, GPU_SHARE = 8, 4
ASSUMED = 8 << 30  # where the system does not say how much it has (Windows)

MEMBERSHIP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
KIB = 1024


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
    return min((group.limit for group in _groups(membership, mounted)), default=None)


def free_memory(
    meminfo: Path = MEMINFO, membership: Path = MEMBERSHIP, mounted: Path = CGROUPS
) -> int:
    """Bytes that this process may have beside those that it has; all, where nobody tells.

    What the system keeps of files in memory counts as free, as it gives that back.
    """
    rooms = [group.limit - group.used for group in _groups(membership, mounted)]
    rooms += [kib * KIB for kib in _numbers(meminfo, "MemAvailable:")]
    return max(0, min(rooms, default=installed()))


class _Group(NamedTuple):
    """Bytes that a control group may have, and has without what is kept of files."""

    limit: int
    used: int


class _Names(NamedTuple):
    """Where a version of control groups says what."""

    limit: str
    used: str
    files: str  # in memory.stat


VERSION_1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
VERSION_2 = _Names("memory.max", "memory.current", "inactive_file")


def _groups(membership: Path, mounted: Path) -> Iterator[_Group]:
    """The groups with a limit that the process is in."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        yield from _above(line, mounted)


def _above(line: str, mounted: Path) -> Iterator[_Group]:
    """Those on the way from the group of a line such as "0::/user/mine" to the top."""
    _, controllers, group = line.split(":", 2)
    if controllers and "memory" not in controllers.split(","):
        return
    top, names = (mounted / "memory", VERSION_1) if controllers else (mounted, VERSION_2)
    folder = top.joinpath(*(p for p in PurePosixPath(group).parts if p not in ("/", "..")))
    for place in (folder, *folder.parents):
        if place.is_relative_to(top):
            for limit in _numbers(place / names.limit):
                used = sum(_numbers(place / names.used))
                files = sum(_numbers(place / "memory.stat", names.files))
                yield _Group(limit, used - files)


def _numbers(file: Path, name: str = "") -> Iterator[int]:
    """The number in `file`, or in its line that begins with `name`.

    None if it says "max", or if a container does not show it.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if name in ("", words[0]) and (text := words[1 if name else 0]).isdecimal():
            yield int(text)
