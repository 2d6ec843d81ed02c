from dataclasses import replace

import pytest

from totalseg_mcp.engine.measure.layers import ABSENT
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.regions import BodyRegion
from totalseg_mcp.engine.suggestions import MOST, MOST_NAMED, TABLE, suggestions
from totalseg_mcp.engine.tasks import TASKS
from totalseg_mcp.schemas.findings2d import suggested_calls
from totalseg_mcp.schemas.totalsegmentator import Arguments

WHOLE = replace(ABSENT, present=True, complete=True, pixels=500)
CUT = replace(WHOLE, complete=False, touches=("inferior",))
REGIONS = ("head", "neck", "thorax", "abdomen", "pelvis", "legs")


def regions(length_mm=300.0, **shares):
    """These regions are in view, from 0 mm upwards; the others are not."""
    return tuple(
        BodyRegion(name, True, length_mm, 0.0, shares[name])
        if name in shares
        else BodyRegion(name, False)
        for name in REGIONS
    )


WHOLE_BODY = (
    regions(1500.0, **dict.fromkeys(REGIONS, 1.0)),
    dict.fromkeys(TASKS["total"].names, WHOLE),
)
CASES = {
    "whole body": WHOLE_BODY,
    "liver alone": (regions(abdomen=0.6), {"liver": WHOLE, "spleen": ABSENT}),
    "head": (
        regions(head=1.0, neck=0.6),
        {"brain": WHOLE, "skull": CUT, "vertebrae_C1": WHOLE, "thyroid_gland": WHOLE},
    ),
    "chest": (
        regions(thorax=0.9),
        {name: WHOLE for name in TASKS["total"].names if name.startswith(("lung_", "rib_"))},
    ),
    "names of an older model": (regions(thorax=0.9), {"heart_ventricle_left": WHOLE}),
}


def tasks(found, *, modality="CT", **shares):
    return [one.task for one in suggestions(regions(**shares), found, modality)]


@pytest.mark.parametrize("case", CASES)
def test_every_call_can_be_made(case):
    made = suggestions(*CASES[case], "CT")
    assert made
    for one in made:
        plan(Options(one.task, "fast" if one.fast else "default", one.roi_subset))
    for one in suggested_calls(made):
        call = one.model_dump(include={"task", "roi_subset", "fast"})
        Arguments(input_path="/scan.nii.gz", output_dir="/out", **call)


@pytest.mark.parametrize("rule", TABLE.task, ids=lambda rule: rule.task)
def test_every_rule_is_of_a_ct_task_and_of_structures_and_regions_that_there_are(rule):
    assert TASKS[rule.task].modality == "CT"
    plan(Options(rule.task))
    assert rule.present or rule.whole or rule.region
    assert rule.region in {*REGIONS, None}
    plain = {name for name in (*rule.present, *rule.whole) if "*" not in name}
    assert plain <= set(TASKS["total"].names)


def test_there_are_few_and_all_structures_come_first():
    made = suggestions(*WHOLE_BODY, "CT")
    assert len(made) == MOST
    assert (made[0].task, made[0].roi_subset, made[0].fast) == ("total", (), True)
    assert made[1].task == "total"
    assert {"liver", "heart", "urinary_bladder", "lung_middle_lobe_right"} < set(made[1].roi_subset)
    assert not made[1].fast
    assert len({(one.task, one.roi_subset) for one in made}) == MOST


def test_few_structures_are_named_in_the_order_of_the_task():
    found = {"urinary_bladder": CUT, "liver": WHOLE, "spleen": ABSENT}
    total = suggestions(regions(abdomen=1.0), found, "CT")[0]
    assert (total.task, total.roi_subset, total.fast) == (
        "total",
        ("liver", "urinary_bladder"),
        False,
    )


@pytest.mark.parametrize(("number", "named"), [(MOST_NAMED, MOST_NAMED), (MOST_NAMED + 1, 0)])
def test_a_long_list_of_structures_gives_way_to_all(number, named):
    found = dict.fromkeys(TASKS["total"].names[:number], CUT)
    assert len(suggestions(regions(abdomen=1.0), found, "CT")[0].roi_subset) == named


@pytest.mark.parametrize(("length_mm", "fast"), [(590.0, False), (610.0, True)])
def test_much_of_a_body_is_segmented_fast(length_mm, fast):
    assert suggestions(regions(length_mm, thorax=1.0), {"liver": CUT}, "CT")[0].fast is fast


@pytest.mark.parametrize(
    ("task", "found", "shares", "fits"),
    [
        ("liver_segments", {"liver": WHOLE}, {}, True),
        ("liver_segments", {"liver": CUT}, {}, False),
        ("liver_segments", {"liver": ABSENT}, {}, False),
        ("heartchambers_highres", {"heart": WHOLE}, {}, True),
        ("heartchambers_highres", {"heart": CUT}, {}, False),
        ("lung_nodules", {"lung_upper_lobe_left": CUT}, {"thorax": 0.9}, True),
        ("lung_nodules", {"lung_upper_lobe_left": CUT}, {"thorax": 0.1}, False),
        ("lung_nodules", {"lung_upper_lobe_left": CUT}, {"thorax": None}, True),
        ("lung_nodules", {"heart": CUT}, {"thorax": 0.9}, False),
        ("craniofacial_structures", {"skull": CUT}, {"head": 0.7}, True),
        ("craniofacial_structures", {"skull": CUT}, {"neck": 0.7}, False),
        ("vertebrae_body", {"vertebrae_T4": CUT}, {}, True),
        ("vertebrae_body", {"vertebrae_T4": ABSENT, "liver": CUT}, {}, False),
    ],
)
def test_a_task_is_suggested_where_its_part_of_the_body_is_in_view(task, found, shares, fits):
    assert (task in tasks(found, **shares)) is fits


def test_what_needs_a_licence_number_says_so():
    made = suggestions(regions(), {"heart": WHOLE}, "CT")
    licences = {one.task: one.licence for one in made}
    assert licences["heartchambers_highres"] == "commercial"
    assert licences["total"] == "open"


@pytest.mark.parametrize("modality", ["X-ray", "MR"])
def test_there_are_only_suggestions_for_ct(modality):
    assert suggestions(*WHOLE_BODY, modality) == ()


def test_where_nothing_was_found_nothing_is_suggested():
    assert suggestions(regions(), {"liver": ABSENT}, "CT") == ()
