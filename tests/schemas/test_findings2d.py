from dataclasses import replace

import pytest
from pydantic import ValidationError

from totalseg_mcp.engine.measure.layers import ABSENT
from totalseg_mcp.engine.regions import BodyRegion
from totalseg_mcp.engine.suggestions import Suggestion
from totalseg_mcp.schemas.findings2d import regions_in_view, structures_in_2d, suggested_calls

LIVER = replace(
    ABSENT,
    present=True,
    complete=False,
    touches=("inferior",),
    pixels=40,
    area_mm2=90.04,
    lower_bound=True,
    intensity={"mean": -12.36, "max": 300.0},
    confidence=0.91234,
    pieces=1,
    top_mm=800.26,
    bottom_mm=-3.33,
    left_mm=0.0,
    right_mm=10.0,
)


def test_numbers_of_a_structure_are_rounded_to_what_they_are_worth():
    said = structures_in_2d({"liver": LIVER})["liver"].model_dump(mode="json")
    assert said == {
        "present": True,
        "complete": False,
        "touches": ["inferior"],
        "pixels": 40,
        "area_mm2": 90.0,
        "lower_bound": True,
        "intensity": {"mean": -12.4, "max": 300.0},
        "confidence": 0.912,
        "pieces": 1,
        "top_mm": 800.3,
        "bottom_mm": -3.3,
        "left_mm": 0.0,
        "right_mm": 10.0,
    }


def test_what_is_absent_says_so_and_nothing_else():
    assert structures_in_2d({"liver": ABSENT})["liver"].model_dump() == {"present": False}


def test_regions_keep_their_order_and_what_is_unknown_is_null():
    known = BodyRegion("head", True, 100.04, -20.06, 0.66666)
    head, neck = regions_in_view([known, BodyRegion("neck", None)])
    assert (head.name, head.top_mm, head.bottom_mm, head.in_view) == ("head", 100.0, -20.1, 0.667)
    assert (neck.name, neck.present, neck.top_mm, neck.in_view) == ("neck", None, None, None)


def test_a_region_that_the_schema_does_not_know_is_a_mistake():
    with pytest.raises(ValidationError):
        regions_in_view([BodyRegion("tail", True)])


def test_a_suggestion_says_its_licence():
    call = Suggestion("tissue_types", (), False, "L3 is in view.")
    assert suggested_calls([call])[0].model_dump(mode="json") == {
        "task": "tissue_types",
        "roi_subset": [],
        "fast": False,
        "reason": "L3 is in view.",
        "licence": "commercial",
    }
