from pathlib import Path

import numpy as np
import pytest
from model_folder import PATCH, make_model_folder
from nibabel.affines import from_matvec

from totalseg_mcp.engine import forecast
from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.forecast import RELEASED, Forecast
from totalseg_mcp.engine.job import Job
from totalseg_mcp.engine.need import GIB, Memory, Sizes, refuse_beyond, stages
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.volume import Grid
from totalseg_mcp.engine.weights import Store

LARGE = Grid((512, 512, 1000), np.diag([0.8, 0.8, 1.0, 1.0]))
HUGE = Grid((512, 512, 800), np.diag([1.5, 1.5, 1.5, 1.0]))
ON_MODEL = 273 * 273 * 667  # at 1.5 mm


def released(model: object) -> Sizes:
    return RELEASED


def most(options: Options, grid: Grid = LARGE, **how: bool) -> int:
    return max(stages(plan(options), grid, released, **how).values())


def test_a_large_scan_fits_into_eight_gibibytes_beside_its_half_gibibyte_of_voxels():
    assert most(Options()) + LARGE.shape[0] * 512 * 1000 * 2 < 7 * GIB


def test_sums_are_needed_for_the_planes_of_a_tile_and_images_for_all_voxels():
    found = stages(plan(Options()), LARGE, released)
    assert found["resample"] == 12 * ON_MODEL  # float64 samples and their int32 copy
    belt = 26 * 128 * 273 * 273 * 2  # 25 classes and the weights, half precision
    image = (4 + 4) * ON_MODEL  # int32, and in single precision for the network
    outputs = 25 * 128**3 * 4
    assert found["infer"] > belt + image + outputs
    assert found["infer"] < 27 * ON_MODEL * 2 + belt + image + outputs  # not those of the image


@pytest.mark.parametrize(
    "thrifty",
    [Options(resolution="fast"), Options(resolution="fastest"), Options(split=True)],
    ids=["fast", "fastest", "force_split"],
)
def test_thriftier_options_need_less(thrifty):
    assert most(thrifty, HUGE) < most(Options(), HUGE)


def test_a_gpu_takes_tiles_and_sums_off_main_memory():
    assert most(Options(), on_host=False) < most(Options()) - 26 * 128 * 273 * 273 * 2


def test_axes_are_counted_in_the_models_order():
    upside_down = from_matvec(np.array([[0, 0, 0.8], [0, 0.8, 0], [1, 0, 0]]))
    turned = Grid((1000, 512, 512), upside_down)
    assert most(Options(), turned) == most(Options())


def test_a_refusal_names_what_would_fit_with_its_need():
    memory = Memory(needed=9 * GIB, available=4 * GIB)
    with pytest.raises(BadRequestError) as refused:
        refuse_beyond(memory, {"force_split": 5 * GIB, "fast": 2 * GIB}, LARGE)
    assert "(512 x 512 x 1000 voxels) needs about 9.0 GiB" in str(refused.value)
    assert "4.0 GiB are available. These fit: fast needs 2.0 GiB." in str(refused.value)


def test_where_nothing_fits_other_ways_out_are_named():
    with pytest.raises(BadRequestError, match="crop the image, give roi_subset, or free memory"):
        refuse_beyond(Memory(needed=2, available=1), {"fast": 2}, LARGE)


def request(**options: object) -> Job:
    asked = Options(**options)
    return Job(Request(Path("scan"), Path("out"), asked), plan(asked), None, ())


def test_a_job_is_refused_before_it_begins_where_memory_is_short(tmp_path, monkeypatch):
    monkeypatch.setattr(forecast, "resident", lambda: GIB)
    monkeypatch.setattr(forecast, "free_memory", lambda: 4 * GIB)
    there = Forecast(HUGE, Store((tmp_path,)), host=True, noted=True)
    with pytest.raises(BadRequestError, match=r"5\.0 GiB are available\. .*fastest needs"):
        there.check(request())
    there.check(request(resolution="fastest"))
    told = there.memory()
    assert told.available == 5 * GIB
    assert GIB < told.needed <= told.available


def test_the_need_is_that_of_the_models_own_plans(tmp_path, monkeypatch):
    monkeypatch.setattr(forecast, "resident", lambda: GIB)
    monkeypatch.setattr(forecast, "free_memory", lambda: 8 * GIB)
    small = Grid((50, 50, 50), np.diag([6.0, 6.0, 6.0, 1.0]))
    there = Forecast(small, Store((tmp_path,)), host=True, noted=False)
    job = request(resolution="fastest")
    there.check(job)
    unknown = there.memory().needed
    make_model_folder(tmp_path, 298)
    known = Forecast(small, Store((tmp_path,)), host=True, noted=False)
    known.check(job)
    assert np.prod(PATCH) < 128**3 / 100
    assert known.memory().needed - GIB < (unknown - GIB) / 5
    assert known.memory().peak is None
