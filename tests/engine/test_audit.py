import pytest
from model_folder import make_model_folder
from weights_server import MODEL, SAMPLES

from totalseg_mcp.engine.audit import audit
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.fetch import bring
from totalseg_mcp.engine.pins import LOCK_FILE, RECEIPT
from totalseg_mcp.engine.roots import Roots
from totalseg_mcp.engine.sources import Sources


@pytest.fixture(params=SAMPLES)
def sample(request):
    return SAMPLES[request.param]


@pytest.fixture
def root(tmp_path, sample):
    (tmp_path / "model.zip").write_bytes(sample.archive)
    bring(tmp_path / "model.zip", Roots.at(tmp_path / "root"), Sources())
    return tmp_path / "root"


def verdict(root, parcel, sources=Sources()) -> tuple[str, str]:  # noqa: B008 (frozen)
    (finding,) = audit(root, sources)
    assert finding.parcel == parcel
    return finding.verdict, finding.detail


def test_what_has_not_changed_is_intact_by_the_record_that_was_compared(root, sample):
    assert verdict(root, sample.parcel) == ("intact", f"by {LOCK_FILE}")
    (root / LOCK_FILE).unlink()
    assert verdict(root, sample.parcel) == ("intact", "by its receipt")


@pytest.mark.parametrize("record", [LOCK_FILE, "its receipt"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plans.json", b"[]"),
        ("fold_0/checkpoint_final.pth", b"other"),
        ("fold_1/checkpoint_final.pth", b"one more"),
    ],
)
def test_what_has_changed_or_come_on_top_is_named(root, sample, record, name, content):
    if record != LOCK_FILE:
        (root / LOCK_FILE).unlink()
    file = root / sample.home / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    shown = file.relative_to(root / sample.parcel.inside)
    assert verdict(root, sample.parcel) == ("changed", f"by {record}: {shown}")


def test_one_bit_is_enough(root, sample):
    file = root / sample.home / "fold_0" / "checkpoint_final.pth"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert verdict(root, sample.parcel)[0] == "changed"


def test_a_lock_file_is_believed_over_a_receipt(root, sample):
    (root / sample.parcel.inside / RECEIPT).write_text('{"files": {"plans.json": "00"}}')
    assert verdict(root, sample.parcel) == ("intact", f"by {LOCK_FILE}")


def test_what_lacks_a_file_is_incomplete(root, sample):
    (root / sample.home / "plans.json").unlink()
    what, why = verdict(root, sample.parcel)
    assert what == "incomplete"
    assert "plans.json is missing or empty" in why


@pytest.mark.parametrize("receipt", [None, "{}", "no json"])
def test_what_came_without_a_record_is_never_called_intact(tmp_path, receipt):
    folder = make_model_folder(tmp_path, MODEL.dataset)
    if receipt is not None:
        (folder / RECEIPT).write_text(receipt)
    assert verdict(tmp_path, MODEL)[0] == "unknown"


def test_where_nothing_is_nothing_is_found(tmp_path):
    assert audit(tmp_path / "nowhere", Sources()) == []


def test_a_broken_lock_file_is_no_answer(root):
    (root / LOCK_FILE).write_text("{")
    with pytest.raises(NotReadyError, match="is not a lock file"):
        audit(root, Sources())
