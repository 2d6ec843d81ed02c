"""Which 3-D tasks fit what a picture shows of a scan."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from totalseg_mcp.engine.imaging import Modality
from totalseg_mcp.engine.measure.layers import Extent
from totalseg_mcp.engine.regions import BodyRegion
from totalseg_mcp.engine.tasks import TABLES, TASKS, Entry

MOST = 8  # suggestions
MOST_NAMED = 24  # structures in one; a longer list spares no model, and is long to read
LARGE_MM = 600.0  # more of the body than that is faster at 3 mm first


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A call of the 3-D tool, and why; without `roi_subset` it is for all structures."""

    task: str
    roi_subset: tuple[str, ...]
    fast: bool
    reason: str

    @property
    def licence(self) -> Literal["open", "commercial", "non-commercial"]:
        """That of the task's weights; "commercial" needs a licence number."""
        return TASKS[self.task].licence


class Rule(Entry):
    """When a task is worth while; see `tables/suggestions.toml`."""

    task: str
    reason: str
    present: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    region: str | None = None
    in_view: float = 0.0


class Table(Entry):
    """`tables/suggestions.toml`."""

    organs: tuple[str, ...]
    task: tuple[Rule, ...]


TABLE = Table.model_validate(
    tomllib.loads((TABLES / "suggestions.toml").read_text(encoding="utf-8"))
)


def suggestions(
    regions: Sequence[BodyRegion],
    found: Mapping[str, Extent],
    modality: Modality | Literal["X-ray"],
) -> tuple[Suggestion, ...]:
    """At most 8 calls for a scan of this modality, the most useful first.

    An X-ray gets none, since there is no volume; nor does a scan where nothing was found.
    """
    present = [name for name, extent in found.items() if extent.present]
    if not present:
        return ()
    shares = {
        one.name: 1.0 if one.in_view is None else one.in_view for one in regions if one.present
    }
    further = [
        Suggestion(rule.task, (), False, rule.reason)
        for rule in TABLE.task
        if _holds(rule, found, shares)
    ]
    fitting = [*_total(regions, found), *further]
    return tuple(one for one in fitting if TASKS[one.task].modality == modality)[:MOST]


def _total(regions: Sequence[BodyRegion], found: Mapping[str, Extent]) -> tuple[Suggestion, ...]:
    """What was found, in 3-D: by name, or if that is too much all, and the whole organs."""
    names = [n for n in TASKS["total"].names if n in found and found[n].present]
    fast = _length_mm(regions) > LARGE_MM
    at = "fast, since much of the body is in view" if fast else "at full resolution"
    if 0 < len(names) <= MOST_NAMED:
        why = f"The structures found here, in 3-D, {at}."
        return (Suggestion("total", tuple(names), fast, why),)
    everything = Suggestion("total", (), fast, f"Everything found here and more, in 3-D, {at}.")
    organs = tuple(n for n in _called(TABLE.organs, names) if found[n].complete)
    if not organs:
        return (everything,)
    why = "Only the organs that look whole, at full resolution: their volumes can be measured."
    return everything, Suggestion("total", organs, False, why)


def _length_mm(regions: Sequence[BodyRegion]) -> float:
    """How much of the body is in view, along it."""
    ends = [end for one in regions for end in (one.top_mm, one.bottom_mm) if end is not None]
    return max(ends) - min(ends) if ends else 0.0


def _holds(rule: Rule, found: Mapping[str, Extent], shares: Mapping[str, float]) -> bool:
    """Whether all that a rule asks for is so; what it does not ask for is."""
    there = [name for name, extent in found.items() if extent.present]
    whole = list(_called(rule.whole, there))
    return (
        (not rule.present or any(_called(rule.present, there)))
        and (not rule.whole or (bool(whole) and all(found[name].complete for name in whole)))
        and (rule.region is None or shares.get(rule.region, -1.0) >= rule.in_view)
    )


def _called(patterns: Iterable[str], names: Iterable[str]) -> Iterable[str]:
    """Those of the names that are called so, in their order."""
    patterns = tuple(patterns)
    return (name for name in names if any(fnmatchcase(name, one) for one in patterns))
