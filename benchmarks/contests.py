"""What is compared: one entry a row of the results."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.agreement import (
    like_labels,
    same_array,
    same_labels,
    same_masks,
    same_statistics,
)


@dataclass(frozen=True)
class Contest:
    """A job of ours and one of the reference's that come to the same.

    `rounds` is one where the reference takes minutes. Where `whole` is true the time is that of
    the process, from its start to its end, else that of the work inside it.
    """

    what: str
    ours: str
    reference: str
    agree: Callable[[Path, Path], None]
    rounds: int = 3
    whole: bool = False


CONTESTS = {
    "statistics": Contest(
        "Volume and mean of 117 structures",
        "statistics",
        "statistics",
        same_statistics,
        rounds=1,
    ),
    "statistics-all": Contest(
        "The same, cut-off structures and extra metrics included",
        "statistics of all",
        "statistics of all",
        same_statistics,
        rounds=1,
    ),
    "masks": Contest(
        "Saving 117 masks; the reference with 6 processes, its default",
        "masks",
        "masks, 6 processes",
        same_masks,
    ),
    "masks-one-process": Contest(
        "Saving 117 masks; the reference with 1 process",
        "masks",
        "masks, 1 process",
        same_masks,
        rounds=1,
    ),
    "in-1": Contest("Scan to 3 mm, 1 thread", "resample in, 1 thread", "resample in", same_array),
    "in-2": Contest("Scan to 3 mm, 2 threads", "resample in, 2 threads", "resample in", same_array),
    "out-1": Contest(
        "Labels back from 3 mm, 1 thread", "resample out, 1 thread", "resample out", same_array
    ),
    "out-2": Contest(
        "Labels back from 3 mm, 2 threads", "resample out, 2 threads", "resample out", same_array
    ),
    "window-openvino": Contest(
        "True-size network over two tiles on the CPU, by OpenVINO (99.9 % of labels or more agree)",
        "window, openvino",
        "window",
        like_labels,
        rounds=1,
    ),
    "window-torch": Contest(
        "The same, by torch",
        "window, torch",
        "window",
        same_labels,
        rounds=1,
    ),
    "cold": Contest(
        "A whole call in a process of its own", "command", "command", same_masks, whole=True
    ),
    "warm": Contest("The second call in one process", "second call", "second call", same_masks),
}
