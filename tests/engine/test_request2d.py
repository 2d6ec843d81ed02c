"""What a 2-D call will run."""

import re
from pathlib import Path

import pytest

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.models2d import MODELS_2D
from totalseg_mcp.engine.request2d import Plan2D, Request2D, plan_2d
from totalseg_mcp.engine.tasks import labels


def chosen(**given: object) -> Plan2D:
    return plan_2d(Request2D(Path("/in"), Path("/out"), **given))  # type: ignore[arg-type]


def test_everything_runs_where_nothing_is_chosen():
    plan = chosen()
    groups = ["cardiac", "muscles", "organs", "ribs", "vertebrae"]
    assert [group.name for group in plan.groups] == groups
    assert set(plan.wanted) == set(labels("total"))
    assert len(plan.wanted) == 117


@pytest.mark.parametrize(
    ("model", "count"), [("ts2d-v2", 117), ("ts2d-v1", 104), ("ts2d-v1-bones-soft", 104)]
)
def test_a_model_has_as_many_structures_as_its_authors_say(model, count):
    assert len(set(MODELS_2D[model].names)) == count


@pytest.mark.parametrize("name", ["kidney_left", "kidney-left", "KIDNEY-LEFT"])
def test_a_subset_needs_no_more_networks_than_have_it(name):
    plan = chosen(structures=(name, "vertebrae_l1"))
    assert [group.name for group in plan.groups] == ["organs", "vertebrae"]
    assert plan.wanted == ("kidney_left", "vertebrae_L1")


def test_groups_limit_the_structures():
    assert [group.folder for group in chosen(groups=("ribs",)).groups] == ["ts2d-v2-ep4000b2_ribs"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"model": "ts2d"}, "ts2d-v2"),
        ({"groups": ("rib",)}, "Did you mean ribs"),
        ({"structures": ("lever",)}, "Did you mean liver"),
        ({"groups": ("ribs",), "structures": ("liver",)}, "(ribs) called 'liver'"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(given, text):
    with pytest.raises(BadRequestError, match=re.escape(text)):
        chosen(**given)
