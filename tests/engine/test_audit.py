import pytest
from model_folder import make_model_folder
from weights_server import ARCHIVE, INSIDE, MODEL

from totalseg_mcp.engine.audit import audit
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.fetch import bring
from totalseg_mcp.engine.pins import LOCK_FILE, RECEIPT
from totalseg_mcp.engine.sources import Sources


@pytest.fixture
def root(tmp_path):
    (tmp_path / "model.zip").write_bytes(ARCHIVE)
    bring(tmp_path / "model.zip", tmp_path / "root", Sources())
    return tmp_path / "root"


def verdict(root, sources=Sources()) -> tuple[str, str]:  # noqa: B008 (frozen)
    (finding,) = audit(root, sources)
    assert finding.model == MODEL
    return finding.verdict, finding.detail


def test_what_has_not_changed_is_intact_by_the_record_that_was_compared(root):
    assert verdict(root) == ("intact", f"by {LOCK_FILE}")
    (root / LOCK_FILE).unlink()
    assert verdict(root) == ("intact", "by its receipt")


@pytest.mark.parametrize("record", [LOCK_FILE, "its receipt"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plans.json", b"[]"),
        ("fold_0/checkpoint_final.pth", b"other"),
        ("fold_1/checkpoint_final.pth", b"one more"),
    ],
)
def test_what_has_changed_or_come_on_top_is_named(root, record, name, content):
    if record != LOCK_FILE:
        (root / LOCK_FILE).unlink()
    (root / INSIDE / name).parent.mkdir(exist_ok=True)
    (root / INSIDE / name).write_bytes(content)
    assert verdict(root) == ("changed", f"by {record}: {name}")


def test_one_bit_is_enough(root):
    file = root / INSIDE / "fold_0" / "checkpoint_final.pth"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert verdict(root)[0] == "changed"


def test_a_lock_file_is_believed_over_a_receipt(root):
    (root / INSIDE / RECEIPT).write_text('{"files": {"plans.json": "00"}}')
    assert verdict(root) == ("intact", f"by {LOCK_FILE}")


def test_what_lacks_a_file_is_incomplete(root):
    (root / INSIDE / "plans.json").unlink()
    assert verdict(root)[0] == "incomplete"


@pytest.mark.parametrize("receipt", [None, "{}", "no json"])
def test_what_came_without_a_record_is_never_called_intact(tmp_path, receipt):
    folder = make_model_folder(tmp_path, MODEL.dataset)
    if receipt is not None:
        (folder / RECEIPT).write_text(receipt)
    assert verdict(tmp_path)[0] == "unknown"


def test_where_nothing_is_nothing_is_found(tmp_path):
    assert audit(tmp_path / "nowhere", Sources()) == []


def test_a_broken_lock_file_is_no_answer(root):
    (root / LOCK_FILE).write_text("{")
    with pytest.raises(NotReadyError, match="is not a lock file"):
        audit(root, Sources())
