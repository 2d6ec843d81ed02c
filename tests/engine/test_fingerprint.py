import os
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest

from totalseg_mcp.engine import fingerprint as module
from totalseg_mcp.engine.fingerprint import digest_of, fingerprint
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import Plan, Refinement, Region, plan
from totalseg_mcp.engine.tasks import MODELS, Near
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.weights import Store

FASTEST = plan(Options("total", "fastest"))
OTHER = {
    "task": "total_v3",
    "resolution": "fast",
    "models": (MODELS[297],),
    "merged": FASTEST.merged[::-1],
    "wanted": ("liver",),
    "names": FASTEST.names[::-1],
    "tile_step": 0.6,
    "spacing_mm": (5.0, 6.0, 6.0),
    "measured_on": "model",
    "resampling_order": 3,
    "restore": "logits",
    "lowres": True,
    "region": Region(None, ("liver",), 20.0),
    "refinement": Refinement(FASTEST, 2.0),
    "steps": ("one_more",),
    "small_blobs_mm3": 200.0,
    "split": True,
}
INDIFFERENT = {"derived": ("skin",), "threads": 7}


@pytest.fixture
def key(models):
    return partial(fingerprint, store=Store((models,)), made_from=("scan", "torch on cpu"))


def test_every_part_of_a_plan_is_known_to_decide_labels_or_not_to():
    assert {field.name for field in fields(Plan)} == OTHER.keys() | INDIFFERENT.keys()


@pytest.mark.parametrize(("name", "value"), OTHER.items())
def test_what_decides_labels_changes_the_key(key, name, value):
    assert key(replace(FASTEST, **{name: value})) != key(FASTEST)


@pytest.mark.parametrize(("name", "value"), INDIFFERENT.items())
def test_what_does_not_decide_them_does_not(key, name, value):
    assert key(replace(FASTEST, **{name: value})) == key(FASTEST)


def test_a_plan_within_a_plan_counts_but_not_its_threads(key):
    def near(rough: Plan, margin_mm: float = 20.0, keep_mm: float = 5.0) -> str:
        region = Region(rough, ("liver",), margin_mm, Near(to=("liver",), margin_mm=keep_mm))
        return key(replace(FASTEST, region=region))

    assert near(FASTEST) == near(replace(FASTEST, threads=3))
    others = (near(replace(FASTEST, tile_step=0.6)), near(FASTEST, 3.0), near(FASTEST, 20.0, 6.0))
    assert len({near(FASTEST), *others}) == 4


def test_what_the_labels_are_made_from_changes_the_key(models):
    store = Store((models,))
    kinds = (
        ("a", "torch on cpu"),
        ("b", "torch on cpu"),
        ("a", "torch on cuda"),
        ("a", "openvino"),
    )
    assert len({fingerprint(FASTEST, store, kind) for kind in kinds}) == len(kinds)


def test_other_weights_in_the_same_place_change_the_key(key, models):
    checkpoint = next((models / MODELS[298].folder).rglob("*.pth"))
    before, known = key(FASTEST), checkpoint.stat()
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content)
    os.utime(checkpoint, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert key(FASTEST) != before, "also where size and date were made to agree"


def test_another_version_of_what_computes_changes_the_key(key, monkeypatch):
    before = key(FASTEST)
    monkeypatch.setattr(module, "programs", lambda: ("torch 99",))
    assert key(FASTEST) != before


GRID = Grid((4, 3, 2), np.diag([1.0, 2.0, 3.0, 1.0]))
DATA = np.arange(24, dtype=np.int16).reshape(GRID.shape)


@pytest.mark.parametrize(
    "other",
    [
        Volume(DATA + 1, GRID),
        Volume(DATA.astype(np.int32), GRID),
        Volume(DATA.reshape(3, 4, 2), replace(GRID, shape=(3, 4, 2))),
        Volume(DATA.copy(), replace(GRID, affine=np.diag([1.0, 2.0, 3.0000001, 1.0]))),
        Volume(DATA.copy(), replace(GRID, stated_mm=(1.0, 2.0, 3.0))),
    ],
    ids=["values", "type", "shape", "place", "stated spacing"],
)
def test_another_image_has_another_digest(other):
    assert digest_of(other) != digest_of(Volume(DATA.copy(), GRID))


@pytest.mark.parametrize("stored", [np.asfortranarray(DATA), np.repeat(DATA, 2, axis=1)[:, ::2]])
def test_the_order_in_memory_does_not_matter(stored):
    assert digest_of(Volume(stored, GRID)) == digest_of(Volume(DATA.copy(), GRID))
