import json

from totalseg_mcp.engine.files.key import write_key
from totalseg_mcp.engine.files.provenance import Provenance


def test_the_key_tells_number_colour_and_codes_of_what_was_wanted(tmp_path):
    names = ("spleen", "kidney_right", "kidney_left")
    made = Provenance("total", "fast", demonstration=True)
    write_key(names, ("kidney_left", "spleen"), made, tmp_path / "key.json")
    key = json.loads((tmp_path / "key.json").read_text())
    assert (key["task"], key["resolution"], key["demonstration"]) == ("total", "fast", True)
    assert key["coding_scheme"] == "SCT"
    assert list(key["structures"]) == ["spleen", "kidney_left"]
    assert key["structures"]["kidney_left"] == {
        "number": 3,
        "colour": [46, 138, 184],
        "category": {"value": "123037004", "meaning": "Anatomical Structure"},
        "type": {"value": "64033007", "meaning": "Kidney"},
        "modifier": {"value": "7771000", "meaning": "Left"},
        "region": None,
        "region_modifier": None,
    }
