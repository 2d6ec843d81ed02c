"""Models that the user has, in archives and folders of any shape."""

import shutil

import pytest
from weights_server import GROUP, MODEL, SAMPLES, answering, from_, in_use, shelf, zipped

from totalseg_mcp.engine.errors import BadRequestError, NotReadyError
from totalseg_mcp.engine.fetch import bring, fetch
from totalseg_mcp.engine.parcel import fault
from totalseg_mcp.engine.pins import LOCK_FILE, pinned
from totalseg_mcp.engine.roots import Roots
from totalseg_mcp.engine.sources import Sources

MIXED = {name: c for sample in SAMPLES.values() for name, c in sample.files.items()}


@pytest.fixture(params=SAMPLES)
def sample(request):
    """Each kind of weights in turn."""
    return SAMPLES[request.param]


@pytest.mark.parametrize("packed", [True, False])
def test_both_kinds_come_from_an_archive_or_a_folder_each_to_its_own_place(tmp_path, packed):
    files = {f"some/where/{name}": content for name, content in MIXED.items()}
    source = tmp_path / "mine.zip" if packed else tmp_path / "mine"
    if packed:
        source.write_bytes(zipped(files))
    else:
        for name, content in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
    roots = Roots(tmp_path / "root", tmp_path / "root_2d")
    brought = bring(source, roots, Sources(offline=True))
    places = {MODEL: roots.models, GROUP: roots.models_2d}
    assert brought == {parcel: root / parcel.inside for parcel, root in places.items()}
    for sample in SAMPLES.values():
        root = places[sample.parcel]
        assert sample.within(in_use(root)) == sample.files
        assert pinned(root / LOCK_FILE)[sample.parcel.folder].files == sample.digests


def test_one_network_comes_from_its_own_folder(tmp_path, sample):
    sample.put(tmp_path / "there")
    source = tmp_path / "there" / sample.parcel.inside
    bring(source, Roots.at(tmp_path / "root"), Sources())
    assert sample.within(in_use(tmp_path / "root")) == sample.files


def test_an_archive_unpacked_into_a_folder_of_its_name_is_understood(tmp_path):
    sample = SAMPLES["2-D"]
    sample.put(tmp_path / GROUP.folder)
    bring(tmp_path, Roots.at(tmp_path / "root"), Sources())
    assert sample.within(in_use(tmp_path / "root")) == sample.files


def test_what_is_unfinished_in_a_folder_of_models_is_not_brought(tmp_path, sample):
    sample.put(tmp_path / "there")
    sample.put(tmp_path / "there" / ".totalseg-mcp" / sample.parcel.folder / "unpacked")
    (tmp_path / "there" / ".totalseg-mcp" / sample.parcel.folder / "archive.zip").touch()
    bring(tmp_path / "there", Roots.at(tmp_path / "root"), Sources())
    assert sample.within(in_use(tmp_path / "root")) == sample.files
    shutil.rmtree(tmp_path / "there" / sample.parcel.folder)
    with pytest.raises(BadRequestError, match="has no model"):
        bring(tmp_path / "there", Roots.at(tmp_path / "other"), Sources())


def test_every_revision_is_brought(tmp_path):
    sample = SAMPLES["2-D"]
    newer = {name.replace("/r001/", "/r002/"): c for name, c in sample.files.items()}
    (tmp_path / "a.zip").write_bytes(zipped({**sample.files, **newer}))
    bring(tmp_path / "a.zip", Roots.at(tmp_path / "root"), Sources())
    assert {*sample.files, *newer} < in_use(tmp_path / "root").keys()


def test_what_is_brought_is_held_to_the_lock_file_too(tmp_path, sample):
    with answering(shelf(sample.archive)) as server:
        fetch(sample.parcel, tmp_path / "root", from_(server))
    lock = tmp_path / "root" / LOCK_FILE
    before = lock.read_bytes()
    for name, content in (("same", sample.files), ("other", sample.turned)):
        (tmp_path / f"{name}.zip").write_bytes(zipped(content))
    new = Roots.at(tmp_path / "new")
    told = rf"checkpoint_final\.pth of model {sample.parcel.called} has another"
    with pytest.raises(NotReadyError, match=told):
        bring(tmp_path / "other.zip", new, Sources(lock=lock))
    assert fault(sample.parcel, tmp_path / "new")
    bring(tmp_path / "same.zip", new, Sources(lock=lock))
    assert lock.read_bytes() == before, "the archive's digest is still known"


def test_a_model_that_is_there_is_not_replaced_by_what_is_brought(tmp_path, sample):
    roots = Roots.at(tmp_path / "root")
    for name, content in (("one", sample.files), ("other", sample.turned)):
        (tmp_path / f"{name}.zip").write_bytes(zipped(content))
        bring(tmp_path / f"{name}.zip", roots, Sources())
    assert sample.within(in_use(tmp_path / "root")) == sample.files


def test_what_has_no_model_is_refused_with_how_one_looks(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"Dataset298/plans.json": b"{}"}))
    with pytest.raises(BadRequestError) as error:
        bring(tmp_path / "a.zip", Roots.at(tmp_path / "root"), Sources())
    assert MODEL.folder in str(error.value)
    assert "ts2d-v2-ep4000b2_cardiac/r001" in str(error.value)


def test_a_folder_that_cannot_be_written_is_told(tmp_path, sample):
    (tmp_path / "file").touch()
    (tmp_path / "a.zip").write_bytes(sample.archive)
    with pytest.raises(NotReadyError, match="cannot be written"):
        bring(tmp_path / "a.zip", Roots.at(tmp_path / "file" / "root"), Sources())
