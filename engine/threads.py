"""How many threads work at the same time."""

import os

MOST = 8  # more wait for memory, not for a processor


def threads(asked: int | None) -> int:
    """At most `asked`, and never more than there are processors for; None leaves it to us."""
    return min(processors(), MOST if asked is None else asked)


def processors() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
