"""Label maps of earlier calls: what reuses them, and that it cannot be told from a new run."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_series import series
from dicom_series import written as write_series
from model_folder import make_model_folder

from totalseg_mcp.engine.errors import BadImageError, NotReadyError
from totalseg_mcp.engine.licence import LicenceNumber
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.recollection import Recollection, same
from totalseg_mcp.engine.request import Request
from totalseg_mcp.engine.results import Results
from totalseg_mcp.engine.run import Outcome, run
from totalseg_mcp.engine.segment import Segmented
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.volume import Labels
from totalseg_mcp.engine.watch import Progress, Watch, watching
from totalseg_mcp.engine.weights import Store

SUBSET = ("liver", "spleen", "aorta")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


@pytest.fixture
def request_(scan_file: Path, tmp_path: Path) -> Request:
    options = Options("total", "fastest")
    return Request(scan_file, tmp_path / "first", options, device="cpu", multilabel=True)


@pytest.fixture
def fresh(models):
    """A session as after a start: nothing is loaded; with or without a store of results."""

    def session(results: Results | None = None, root: Path = models) -> Session:
        return Session(Store((root,)), device="cpu", results=results)

    return session


def files_of(outcome: Outcome) -> dict[str, object]:
    """What was written; voxels and affine of images, which are gzipped with a date."""
    return {file.name: content(file) for file in outcome.files}


def content(file: Path) -> object:
    if file.suffix != ".gz":
        return file.read_bytes()
    image = nib.load(file)
    return np.asanyarray(image.dataobj).tobytes(), image.affine.tobytes(), image.header.binaryblock


EVERYTHING = {"statistics": True, "include_incomplete": True, "preview": True}


@pytest.mark.parametrize(
    "options",
    [
        Options("total", "fastest"),
        Options("total", "fast"),
        Options("total", "fast", save_lowres=True),
        Options("total", "fast", SUBSET),
        Options("total", "fastest", split=True),
        Options("total", "fastest", restore="labels", small_blobs_mm3=300.0),
        Options("total", "fastest", v1_order=True),
    ],
    ids=str,
)
def test_other_outputs_of_the_same_labels_are_those_of_a_new_run(request_, fresh, results, options):
    first = run(replace(request_, options=options), fresh(results))
    wanted = replace(request_, options=options, multilabel=False, **EVERYTHING)
    later = fresh(results)
    reused = run(replace(wanted, folder=request_.folder.with_name("reused")), later)
    anew = run(replace(wanted, folder=request_.folder.with_name("anew")), fresh())
    assert first.reused_s is None
    assert anew.reused_s is None
    assert reused.reused_s is not None
    assert 0 < reused.reused_s <= first.seconds["segment"]
    assert later.weight_reads == 0
    assert files_of(reused) == files_of(anew)
    assert reused.findings.measurements == anew.findings.measurements
    assert reused.warnings == anew.warnings


def test_a_region_that_was_not_there_is_not_looked_for_again(request_, fresh, results):
    missing = replace(request_.options, roi_subset=("prostate",))
    outcomes = [run(replace(request_, options=missing), fresh(results)) for _ in range(2)]
    assert [outcome.reused_s is None for outcome in outcomes] == [True, False]
    assert outcomes[0].warnings == outcomes[1].warnings
    assert "Nothing was segmented" in outcomes[1].warnings[0]


def changed_scan(request: Request) -> Request:
    image = nib.load(request.input_path)
    data = image.get_fdata()
    data[3, 4, 5] += 2
    other = request.input_path.with_name("other.nii.gz")
    nib.Nifti1Image(data, image.affine).to_filename(other)
    return replace(request, input_path=other)


@pytest.mark.parametrize(
    "other",
    [
        changed_scan,
        lambda request: replace(request, options=replace(request.options, resampling_order=3)),
        lambda request: replace(request, cache=False),
    ],
    ids=["another scan", "another option", "cache=false"],
)
def test_what_is_not_the_same_is_made_anew(request_, fresh, results, other):
    run(request_, fresh(results))
    assert run(other(request_), fresh(results)).reused_s is None


def test_other_weights_make_other_labels(request_, fresh, results, tmp_path):
    make_model_folder(tmp_path / "others", 298, seed=8)
    first = run(request_, fresh(results))
    other = run(request_, fresh(results, tmp_path / "others"))
    assert other.reused_s is None
    assert not np.array_equal(first.findings.labels.data, other.findings.labels.data)


def test_a_copy_of_the_scan_under_another_name_has_the_same_labels(request_, fresh, results):
    run(request_, fresh(results))
    copy = request_.input_path.with_name("copy.nii")
    copy.write_bytes(gzip.decompress(request_.input_path.read_bytes()))
    assert run(replace(request_, input_path=copy), fresh(results)).reused_s is not None


@pytest.mark.parametrize("cache", [False, True])
def test_nothing_is_kept_of_a_call_without_the_cache(request_, fresh, results, cache):
    run(replace(request_, cache=cache), fresh(results))
    assert results.usage().entries == int(cache)


def test_a_subset_of_a_full_run_is_reused_and_the_result_says_what_that_means(
    request_, fresh, results
):
    """The full run's labels, the others dropped: numbers in the label map stay the same."""
    full = run(request_, fresh(results))
    some = full.found[::4]
    asked = replace(request_, options=replace(request_.options, roi_subset=some))
    subset = run(asked, fresh(results))
    assert subset.reused_s is not None
    assert "cache=false" in subset.warnings[0]
    assert "an earlier run of all of 'total'" in subset.warnings[0]
    numbers = [full.findings.labels.names.index(name) + 1 for name in some]
    whole = full.findings.labels.data
    np.testing.assert_array_equal(
        subset.findings.labels.data, np.where(np.isin(whole, numbers), whole, 0)
    )
    alone = run(replace(asked, cache=False), fresh(results))
    assert alone.reused_s is None
    assert not any("earlier run" in warning for warning in alone.warnings)


def test_the_models_named_are_those_that_made_the_labels(request_, fresh, results):
    """The rough model and the 6 mm model are the same one."""
    run(request_, fresh(results))
    asked = replace(request_, options=replace(request_.options, roi_subset=("liver",)))
    reused, alone = (run(replace(asked, cache=c), fresh(results)) for c in (True, False))
    assert [model.dataset for model in reused.models] == [298]
    assert [model.dataset for model in alone.models] == [298, 298]


def test_a_subset_needs_no_models_but_its_own(request_, fresh, results, tmp_path):
    """At 1.5 mm the liver is of one of five models."""
    for dataset in (291, 298):
        make_model_folder(tmp_path / "one", dataset, seed=3)
    asked = replace(request_, options=Options("total", roi_subset=("liver",)))
    assert run(asked, fresh(results, tmp_path / "one")).reused_s is None


def test_a_run_of_the_subset_itself_comes_before_the_full_one(request_, fresh, results):
    asked = replace(request_, options=replace(request_.options, roi_subset=SUBSET))
    alone = run(asked, fresh(results))
    run(request_, fresh(results))
    again = run(asked, fresh(results))
    assert again.reused_s is not None
    assert again.warnings == alone.warnings
    np.testing.assert_array_equal(again.findings.labels.data, alone.findings.labels.data)


def test_a_full_run_of_another_resolution_does_not_serve_a_subset(request_, fresh, results):
    run(request_, fresh(results))
    assert (
        run(replace(request_, options=Options("total", "fast", SUBSET)), fresh(results)).reused_s
        is None
    )


@pytest.fixture
def mask(request_: Request) -> Path:
    """A part of the scan, as a mask of the caller's."""
    scan = nib.load(request_.input_path)
    data = np.zeros(scan.shape, np.uint8)
    data[12:30, 10:28, 8:20] = 1
    file = request_.input_path.with_name("mask.nii.gz")
    nib.Nifti1Image(data, scan.affine).to_filename(file)
    return file


def test_where_a_subset_is_all_that_is_dropped_nothing_is_to_be_said(
    request_, fresh, results, mask
):
    """In a region that the caller gives, the same model sees the same voxels either way."""
    whole = replace(request_.options, given_region=True)
    full = run(replace(request_, options=whole, crop_path=mask), fresh(results))
    some = full.found[::2]
    asked = replace(request_, options=replace(whole, roi_subset=some), crop_path=mask)
    reused, alone = (run(asked, fresh(store)) for store in (results, None))
    assert reused.reused_s is not None
    assert reused.warnings == alone.warnings
    np.testing.assert_array_equal(reused.findings.labels.data, alone.findings.labels.data)
    assert alone.found == some


def test_another_mask_to_look_near_is_another_call(request_, fresh, results, mask):
    asked = replace(request_, options=replace(request_.options, given_region=True), crop_path=mask)
    run(asked, fresh(results))
    image = nib.load(mask)
    nib.Nifti1Image(np.roll(image.get_fdata(), 3, 0).astype(np.uint8), image.affine).to_filename(
        mask
    )
    assert run(asked, fresh(results)).reused_s is None


@pytest.mark.parametrize(
    ("options", "equal"),
    [
        (Options("total", "fast", ("liver",)), False),
        (Options("total", "default", ("liver",), given_region=True), False),
        (Options("total", "fast", ("liver",), given_region=True), True),
        (Options("total", "fast", ("liver",), given_region=True, restore="logits"), True),
        (Options("total", "fast", ("liver",), given_region=True, restore="labels"), False),
        (Options("head_muscles", "default", ("masseter_left",)), True),
        (Options("vertebrae_pp_refined", "default", ("vertebrae_L1",)), False),
    ],
    ids=str,
)
def test_a_subset_is_the_same_only_where_models_and_region_are_and_none_has_a_say(options, equal):
    whole = plan(replace(options, roi_subset=(), robust=False))
    assert same(plan(options), whole) is equal


def test_labels_of_another_engine_or_kind_of_device_are_not_taken(results, models, tilted):
    chosen = plan(Options("total", "fastest"))
    labels = Labels(np.zeros(tilted.shape, np.uint8), tilted, chosen.names)
    by_torch = Recollection(results, Store((models,)), "image", "torch on cpu")
    by_torch.remember(chosen, None, Segmented(labels, labels), 1.0)
    assert by_torch.known(chosen)
    for engine in ("torch on cuda", "openvino on cpu"):
        assert replace(by_torch, engine=engine).known(chosen) is None


def test_the_licence_is_asked_for_also_where_labels_could_be_reused(
    request_, fresh, results, tmp_path
):
    make_model_folder(tmp_path / "licensed", 481)
    corner = tmp_path / "corner.nii"
    nib.load(request_.input_path).slicer[10:20, 10:20, 10:16].to_filename(corner)
    number = LicenceNumber("aca_98765432101234")
    licensed = replace(request_, input_path=corner, options=Options("tissue_types"), licence=number)
    run(licensed, fresh(results, tmp_path / "licensed"))
    with pytest.raises(NotReadyError, match="needs a licence number"):
        run(replace(licensed, licence=None), fresh(results, tmp_path / "licensed"))
    assert run(licensed, fresh(results, tmp_path / "licensed")).reused_s is not None


def test_the_modality_is_judged_also_where_labels_could_be_reused(request_, fresh, results):
    data = np.zeros((24, 24, 16), np.int16)
    data[4:20, 4:20] = np.linspace(250, 800, 16**3).reshape(16, 16, 16)
    mr = request_.input_path.with_name("mr.nii.gz")
    nib.Nifti1Image(data, np.diag([4.0, 4.0, 4.0, 1.0])).to_filename(mr)
    forced = replace(request_, input_path=mr, force=True)
    run(forced, fresh(results))
    with pytest.raises(BadImageError, match="looks like MR"):
        run(replace(forced, force=False), fresh(results))
    again = run(forced, fresh(results))
    assert again.reused_s is not None
    assert any("force=true" in warning for warning in again.warnings)


def test_a_damaged_result_is_made_again_and_replaced(request_, fresh, results):
    first = run(request_, fresh(results))
    (file,) = results.folder.glob("*.labels")
    file.write_bytes(file.read_bytes()[:-30])
    again = run(request_, fresh(results))
    assert again.reused_s is None
    assert any("damaged" in line for line in again.notes)
    third = run(request_, fresh(results))
    assert third.reused_s is not None
    np.testing.assert_array_equal(third.findings.labels.data, first.findings.labels.data)


def test_nothing_of_the_patient_is_in_the_store(request_, fresh, results, tmp_path):
    folder = write_series(tmp_path / "Doe_Jane", series(PixelSpacing=[12.0, 12.0]))
    run(replace(request_, input_path=folder), fresh(results))
    (file,) = results.folder.glob("*.labels")
    head = json.loads(gzip.decompress(file.read_bytes()).split(b"\n", 1)[0])
    place = {"shape", "affine", "stated_mm", "dtype", "order"}
    assert head.keys() == {"labels", "model_labels", "names", "box", "region_found", "seconds"}
    assert head["labels"].keys() == head["model_labels"].keys() == place
    for text in ("Doe", "4711", "secret", str(tmp_path), "1.2.3"):
        assert text not in json.dumps(head) + file.name


def test_what_a_call_has_segmented_is_kept_although_it_is_cancelled_later(request_, fresh, results):
    class StopError(Exception):
        pass

    last: list[Progress] = []

    def check() -> None:
        if last and last[-1].message.startswith("write"):
            raise StopError

    with watching(Watch(last.append, check)), pytest.raises(StopError):
        run(request_, fresh(results))
    assert not request_.folder.exists()
    assert run(request_, fresh(results)).reused_s is not None
