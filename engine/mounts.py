"""What kind of file system a file is on."""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# On these nobody but this machine takes a file away while it is mapped; on others, such as NFS,
# reading it then ends the process (SIGBUS).
LOCAL = frozenset(
    {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "tmpfs", "xfs", "zfs"}
)
ESCAPED = re.compile(r"\\([0-7]{3})")  # a space is \040 (proc_pid_mountinfo(5))


def local(file: Path, mounts: Path = MOUNTS) -> bool:
    """Whether `file` is on a disk of this machine; False where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    where = file.resolve()
    kinds = {}
    for line in lines:
        about, _, kind = line.partition(" - ")
        place = ESCAPED.sub(lambda code: chr(int(code[1], 8)), about.split()[4])
        kinds[Path(place)] = kind.split()[0]  # of those at one place the last one is seen
    above = (folder for folder in where.parents if folder in kinds)
    return kinds.get(next(above, where)) in LOCAL
