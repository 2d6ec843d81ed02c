"""What each structure is in SNOMED CT."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SCHEME = "SCT"  # DICOM's designator of SNOMED CT


@dataclass(frozen=True, slots=True)
class Code:
    """A concept of SNOMED CT."""

    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Terms:
    """The category and the type of a structure, which side it is on, and where it lies."""

    category: Code
    type: Code
    modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None


TISSUE = Code("85756007", "Tissue")
SIDES = {"left": Code("7771000", "Left"), "right": Code("24028007", "Right")}


def terms(name: str) -> Terms:
    """The row of `tables/snomed.csv`; without one tissue, as TotalSegmentator says, and its side.

    >>> terms("kidney_left").type, terms("kidney_left").modifier
    (Code(value='64033007', meaning='Kidney'), Code(value='7771000', meaning='Left'))
    >>> terms("no_such_muscle_right").type.meaning, terms("no_such_muscle_right").modifier.meaning
    ('Tissue', 'Right')
    """
    return _table().get(name) or Terms(TISSUE, TISSUE, SIDES.get(name.rsplit("_", 1)[-1]))


@cache
def _table() -> dict[str, Terms]:
    text = (files("totalseg_mcp.engine.tables") / "snomed.csv").read_text(encoding="utf-8")
    return {row["name"]: _terms(row) for row in csv.DictReader(text.splitlines())}


def _terms(row: dict[str, str]) -> Terms:
    def code(column: str) -> Code:
        return Code(row[f"{column}_code"], row[f"{column}_meaning"])

    def perhaps(column: str) -> Code | None:
        return code(column) if row[f"{column}_code"] else None

    return Terms(
        code("category"),
        code("type"),
        perhaps("type_modifier"),
        perhaps("region"),
        perhaps("region_modifier"),
    )
