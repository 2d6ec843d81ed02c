import os

import pytest

from totalseg_mcp.engine import memory
from totalseg_mcp.engine.memory import (
    Budget,
    cgroup_limit,
    free_memory,
    host_memory,
    installed,
)

GIB = 1 << 30
UNLIMITED = "9223372036854771712"  # what version 1 says where there is no limit


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/jobs/mine", {"jobs/mine/memory.max": "4096", "jobs/memory.max": "max"}, 4096),
        ("0::/jobs/mine", {"jobs/mine/memory.max": "max", "jobs/memory.max": "2048"}, 2048),
        ("0::/jobs/mine", {"jobs/mine/memory.max": "8", "jobs/memory.max": "9"}, 8),
        ("0::/", {"memory.max": "1234"}, 1234),
        ("0::/", {"memory.max": "max"}, None),
        ("0::/../..", {"memory.max": "77"}, 77),
        ("0::/elsewhere", {}, None),
        ("4:memory:/docker/x", {"memory/docker/x/memory.limit_in_bytes": "512"}, 512),
        ("4:memory:/docker/x", {"memory/memory.limit_in_bytes": "256"}, 256),
        ("4:cpu,memory:/a", {"memory/a/memory.limit_in_bytes": UNLIMITED}, int(UNLIMITED)),
        ("3:cpu:/a", {"memory/a/memory.limit_in_bytes": "5"}, None),
        ("0::/\n4:memory:/a", {"memory/a/memory.limit_in_bytes": "6", "memory.max": "7"}, 6),
    ],
)
def test_the_least_limit_of_the_control_groups_counts(tmp_path, membership, files, limit):
    (tmp_path / "cgroup").write_text(membership + "\n")
    for name, text in files.items():
        file = tmp_path / "sys" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert cgroup_limit(tmp_path / "cgroup", tmp_path / "sys") == limit


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert cgroup_limit(tmp_path / "none", tmp_path) is None


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the system does not say its memory")
def test_a_container_has_no_more_than_its_limit(monkeypatch):
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit, memory_ in ((None, pages), (GIB // 4, min(GIB // 4, pages)), (pages * 2, pages)):
        monkeypatch.setattr(memory, "cgroup_limit", lambda limit=limit: limit)
        assert host_memory() == memory_


def test_without_a_word_networks_get_a_share(monkeypatch):
    monkeypatch.setattr(memory, "host_memory", lambda: 16 * GIB)
    assert Budget().in_host() == 2 * GIB
    assert Budget().in_gpu(24 * GIB) == 6 * GIB


def test_what_was_said_counts_even_if_it_is_nothing():
    assert Budget(host=0, gpu=0).in_host() == 0
    assert Budget(host=0, gpu=0).in_gpu(24 * GIB) == 0
    assert Budget(host=5, gpu=7).in_host() == 5
    assert Budget(host=5, gpu=7).in_gpu(24 * GIB) == 7


@pytest.mark.parametrize(
    ("membership", "files", "free"),
    [
        ("0::/", {}, 9_000 * 1024),
        ("0::/a", {"a/memory.max": "5000000", "a/memory.current": "1000000"}, 4_000_000),
        (
            "0::/a",
            {
                "a/memory.max": "5000000",
                "a/memory.current": "4000000",
                "a/memory.stat": "anon 1000000\ninactive_file 3000000\nfile 7",
            },
            4_000_000,
        ),
        (
            "4:memory:/a",
            {
                "memory/a/memory.limit_in_bytes": "5000000",
                "memory/a/memory.usage_in_bytes": "4500000",
                "memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 500000",
            },
            1_000_000,
        ),
        ("0::/a", {"a/memory.max": "5", "a/memory.current": "6"}, 0),
    ],
    ids=["the machine's", "version 2", "files in memory", "version 1", "beyond the limit"],
)
def test_free_memory_is_what_machine_and_control_groups_leave(tmp_path, membership, files, free):
    (tmp_path / "cgroup").write_text(membership + "\n")
    (tmp_path / "meminfo").write_text("MemTotal: 20000 kB\nMemAvailable:    9000 kB\n")
    for name, text in files.items():
        file = tmp_path / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    places = (tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "mounted")
    assert free_memory(*places) == free


def test_free_memory_is_all_where_nobody_tells(tmp_path):
    missing = tmp_path / "missing"
    assert free_memory(missing, missing, missing) == installed()
