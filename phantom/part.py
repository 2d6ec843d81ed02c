"""What an anatomy is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

from totalseg_mcp.phantom.shapes import Shape
from totalseg_mcp.phantom.tissue import Tissue

KEEP = "keep"  # the name of parts that change how things look, not what they are
SIDES = (("right", 1), ("left", -1))  # +x is the patient's right


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A solid made of one tissue. `name` is a structure, None for what has no label, or KEEP.

    Where parts overlap, the later one wins.
    """

    name: str | None
    shape: Shape
    tissue: Tissue


Parts = Iterator[Part]
