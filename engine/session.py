"""What stays between calls."""

from dataclasses import dataclass, field

from totalseg_mcp.engine.reach import Reach
from totalseg_mcp.engine.weights import Store


@dataclass(slots=True)
class Session:
    """The weights that may be used and the folders that may be touched."""

    store: Store = field(default_factory=Store)
    reach: Reach = field(default_factory=Reach)
