"""The models of TotalSegmentator 2D, read from `tables/ts2d.toml`.

All facts are those of ts2d 1.2.0. Structures are named as in TotalSegmentator; ts2d itself
writes them in lower case with hyphens.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, TypeAdapter

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.tasks import TABLES, Entry, labels, unknown

DEFAULT = "ts2d-v2"


@dataclass(frozen=True, slots=True)
class Group:
    """One network of a model: the folder `<key>_<group>` that it is published as."""

    model: str
    name: str
    folder: str
    record: int  # on Zenodo
    names: tuple[str, ...]  # its structures; the order of its outputs is in its dataset.json


class Model2D(Entry):
    """Networks that together segment one kind of picture."""

    key: str
    record: int
    image: Literal["CT", "X-ray"]
    lists: Mapping[str, str] = Field(alias="groups")
    name: str = ""

    @property
    def groups(self) -> tuple[Group, ...]:
        """Its networks, in the order in which ts2d merges them."""
        return tuple(
            Group(self.name, group, f"{self.key}_{group}", self.record, labels(names))
            for group, names in sorted(self.lists.items())
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All its structures."""
        return tuple(name for group in self.groups for name in group.names)


def _models() -> dict[str, Model2D]:
    table = tomllib.loads((TABLES / "ts2d.toml").read_text(encoding="utf-8"))
    named = {name: {**entry, "name": name} for name, entry in table.items()}
    return TypeAdapter(dict[str, Model2D]).validate_python(named)


MODELS_2D: Mapping[str, Model2D] = _models()
GROUPS: Mapping[str, Group] = {
    group.folder: group for model in MODELS_2D.values() for group in model.groups
}


def model_named(name: str) -> Model2D:
    """The model called `name`, by our name or by ts2d's.

    Raises:
        BadRequestError: with the names that there are.
    """
    for known, model in MODELS_2D.items():
        if name in (known, model.key):
            return model
    raise BadRequestError(unknown("2-D model", name, tuple(MODELS_2D)))


def spelt_by_ts2d(name: str) -> str:
    """A structure's name as ts2d writes it.

    >>> spelt_by_ts2d("vertebrae_C1")
    'vertebrae-c1'
    """
    return name.lower().replace("_", "-")


def spelt_as_in(known: tuple[str, ...], name: str) -> str:
    """`name` as `known` spells it, whether it came from TotalSegmentator or from ts2d.

    >>> spelt_as_in(("vertebrae_C1", "liver"), "vertebrae-c1")
    'vertebrae_C1'
    >>> spelt_as_in(("liver",), "my-own")
    'my-own'
    """
    plain = spelt_by_ts2d(name)
    return next((one for one in known if spelt_by_ts2d(one) == plain), name)
