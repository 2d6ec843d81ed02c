"""What is compared in two dimensions: with ts2d 1.2.0, and ours with itself."""

from pathlib import Path

from benchmarks.agreement_2d import nearly_same_layers, same_layers
from benchmarks.contests import Contest


def unlike(ours: Path, reference: Path) -> None:
    """Two and three dimensions do not come to the same: nothing is compared."""


CONTESTS_2D = {
    "cold-small": Contest(
        "A whole call in a process of its own, tiny networks",
        "command, small",
        "command, small",
        same_layers,
        rounds=2,
        whole=True,
    ),
    "warm-small-scan": Contest(
        "A call of what runs already, tiny networks and a small scan",
        "warm, small, small scan",
        "warm, small, small scan",
        same_layers,
        rounds=2,
    ),
    "warm-small": Contest(
        "A call of what runs already, tiny networks",
        "warm, small",
        "warm, small",
        same_layers,
        rounds=2,
    ),
    "cold": Contest(
        "A whole call in a process of its own, networks of the real size",
        "command, true size",
        "command, true size",
        same_layers,
        rounds=2,
        whole=True,
    ),
    "warm": Contest(
        "A call of what runs already, networks of the real size",
        "warm, true size",
        "warm, true size",
        same_layers,
        rounds=2,
    ),
    # By Winograd's way; the cold call comes last, when its functions have been compiled.
    "warm-small-winograd": Contest(
        "A call of what runs already, tiny networks, by Winograd's way",
        "warm, small, Winograd",
        "warm, small",
        nearly_same_layers,
        rounds=2,
    ),
    "warm-winograd": Contest(
        "A call of what runs already, networks of the real size, by Winograd's way",
        "warm, true size, Winograd",
        "warm, true size",
        nearly_same_layers,
        rounds=2,
    ),
    "cold-winograd": Contest(
        "A whole call in a process of its own, networks of the real size, by Winograd's way",
        "command, true size, Winograd",
        "command, true size",
        nearly_same_layers,
        rounds=2,
        whole=True,
    ),
}
# Ours on both sides.
OURS = {
    "openvino": Contest(
        "The same with OpenVINO, and with torch",
        "warm, true size, OpenVINO",
        "warm, true size",
        nearly_same_layers,
        rounds=1,
    ),
    "three": Contest(
        "A small scan in two dimensions (five networks), and in three (`total`, fast: one network)",
        "warm, true size, small scan",
        "warm, 3-D",
        unlike,
        rounds=1,
    ),
}
