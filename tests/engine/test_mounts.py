"""Which files are on a disk of this machine."""

from pathlib import Path

import pytest

from totalseg_mcp.engine.mounts import local

# As /proc/self/mountinfo has them (proc_pid_mountinfo(5)).
MOUNTS = r"""22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/l
36 22 98:0 /mnt1 /home rw,noatime master:1 - nfs4 server:/home rw,errors=continue
37 36 8:1 / /home/scratch rw - ext4 /dev/sda1 rw
38 22 8:2 / /data rw shared:7 - xfs /dev/sdb rw
39 38 0:50 / /data rw - fuse.sshfs far: rw
40 22 8:3 / /my\040disk rw - btrfs /dev/sdc rw
41 22 0:51 / /windows rw - 9p C: rw
"""


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/opt/models/copy", True),
        ("/home/someone/copy", False),
        ("/home/scratch/copy", True),  # a disk inside of what comes over the network
        ("/homes/copy", True),  # begins with the same letters only
        ("/data/copy", False),  # the later mount hides the earlier one
        ("/my disk/copy", True),
        ("/windows/copy", False),
    ],
)
def test_the_innermost_mount_decides(tmp_path, file, expected):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert local(Path(file), mounts) is expected


def test_a_link_is_where_it_leads_to(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - nfs x rw\n2 1 0:2 / {tmp_path}/disk rw - ext4 y rw\n")
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk/copy")
    assert local(tmp_path / "link", mounts)
    assert not local(tmp_path / "copy", mounts)


def test_where_the_system_does_not_tell_nothing_is_local(tmp_path):
    assert not local(tmp_path, tmp_path / "none")
