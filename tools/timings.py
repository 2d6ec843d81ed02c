"""How long a job took, in its result."""

from collections.abc import Mapping

from totalseg_mcp.schemas.findings import Timings


def timings(
    seconds: Mapping[str, float], weight_reads: int, loads: int, saved_s: float | None = None
) -> Timings:
    """`seconds` by stage, with the total, to the millisecond; `saved_s` by an earlier call."""
    stages = {name: round(s, 3) for name, s in seconds.items() if name != "total"}
    return Timings(
        total_s=round(seconds["total"], 3),
        stages_s=stages,
        weight_reads=weight_reads,
        loads=loads,
        saved_s=round(saved_s or 0.0, 3),
    )
