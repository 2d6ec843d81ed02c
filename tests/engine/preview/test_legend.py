"""The legend. Its lines are written down by hand from the lists of names."""

import numpy as np
import pytest

from totalseg_mcp.engine.colours import colour
from totalseg_mcp.engine.preview.families import families, largest
from totalseg_mcp.engine.preview.legend import ROW, legend
from totalseg_mcp.engine.tasks import labels as names_of


def lines(names: list[str]) -> list[str]:
    return [family.text for family in families(range(1, len(names) + 1), names)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["kidney_right", "kidney_left"], ["kidney R, L"]),
        (["kidney_left"], ["kidney L"]),
        (["lung_upper_lobe_left", "lung_upper_lobe_right"], ["lung upper lobe R, L"]),
        (["left_maxillary_sinus", "right_maxillary_sinus"], ["maxillary sinus R, L"]),
        (["vertebrae_L2", "vertebrae_L1", "vertebrae_T12"], ["vertebrae L1-L2", "vertebrae T12"]),
        (["rib_left_1", "rib_left_2", "rib_left_4", "rib_right_1"], ["rib L 1-2, 4", "rib R 1"]),
        (["liver_segment_1", "liver_segment_2", "liver_segment_3"], ["liver segment 1-3"]),
        (["upper_left_canine_fdi23", "upper_right_canine_fdi13"], ["upper canine R, L"]),
        (["vertebrae", "vertebrae_C1"], ["vertebrae", "vertebrae C1"]),
    ],
)
def test_what_belongs_together_is_one_line(names, expected):
    assert lines(names) == expected


@pytest.mark.parametrize(
    # 117 = 27 single + 18 pairs + 2 and 3 lobes of the lungs + 26 vertebrae in C, T, L, S
    # + 24 ribs: 27 + 18 + 3 + 4 + 2 lines.
    ("task", "structures", "count"),
    [("total", 117, 54)],
)
def test_all_structures_of_total_fit_into_54_lines(task, structures, count):
    names = names_of(task)
    found = families(range(1, len(names) + 1), names)
    assert sorted(label for family in found for label in family.labels) == [
        *range(1, structures + 1)
    ]
    assert len(found) == count


def test_the_swatches_run_from_right_to_left_and_from_low_to_high():
    names = ["rib_left_2", "rib_left_1", "kidney_left", "kidney_right"]
    assert [family.labels for family in families([1, 2, 3, 4], names)] == [(2, 1), (4, 3)]


def test_the_largest_stay_in_their_order_and_the_others_are_counted():
    names = ["adrenal_gland_left", "adrenal_gland_right", "liver", "aorta", "brain"]
    sizes = {1: 2, 2: 2, 3: 1500, 4: 100, 5: 1300}
    kept, others = largest(families([1, 2, 3, 4, 5], names), sizes, 2)
    assert [family.text for family in kept] == ["liver", "brain"]
    assert others == 3, "two adrenal glands and the aorta"


def test_a_pair_shows_both_its_colours_beside_its_name():
    names = ("kidney_right", "kidney_left")
    shown = np.asarray(legend({1: 10, 2: 10}, names).drawn(1, 1))
    halves = [np.flatnonzero((shown[ROW // 2] == colour(name)).all(axis=-1)) for name in names]
    assert [len(half) for half in halves] == [14, 14]
    assert halves[0][-1] + 1 == halves[1][0]
    assert (shown[:, halves[1][-1] + 2 :] > 200).any(), "letters"


def test_an_empty_legend_says_so():
    shown = np.asarray(legend({}, ()).drawn(1, 1))
    assert (shown > 150).any()
    assert (np.ptp(shown, axis=-1) == 0).all()
