"""What is compared in two dimensions: with ts2d 1.2.0, and with our own three."""

from pathlib import Path

from benchmarks.agreement_2d import same_layers
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
}
# Ours on both sides.
FLAT_OR_NOT = {
    "three": Contest(
        "A warm call in two dimensions (five networks), and in three (`total --fast`: one)",
        "warm, true size",
        "warm, 3-D",
        unlike,
        rounds=1,
    )
}
