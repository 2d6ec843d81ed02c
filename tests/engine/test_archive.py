"""Archives that nobody should unpack, and that this does not."""

import io
import random
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from weights_server import FILES, INSIDE, zipped

from totalseg_mcp.engine.archive import below, entries, unpack
from totalseg_mcp.engine.errors import NotReadyError

PLACE = PurePosixPath(INSIDE)
DEFLATED = zipfile.ZIP_DEFLATED


def unpacked(source: Path, folder: Path) -> dict[str, bytes]:
    with entries(source) as found:
        unpack(below(found, PLACE), folder)
    return {
        f"{INSIDE}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refusal(archive: bytes, tmp_path: Path) -> str:
    """Its words; nothing has been written beside the folder."""
    source = tmp_path / "box" / "archive.zip"
    source.parent.mkdir()
    source.write_bytes(archive)
    before = {*tmp_path.rglob("*")}
    with pytest.raises(NotReadyError) as error:
        unpacked(source, tmp_path / "box" / "folder")
    assert not Path("/tmp/totalseg-mcp-outside").exists()
    strange = {p for p in {*tmp_path.rglob("*")} - before if "folder" not in p.parts}
    assert not strange
    return str(error.value)


def with_entry(name: str, mode: int = 0, method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO(zipped(FILES))
    with zipfile.ZipFile(buffer, "a", method) as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.compress_type = method
        archive.writestr(entry, b"x")
    return buffer.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, DEFLATED])
def test_what_was_packed_is_unpacked(tmp_path, method):
    (tmp_path / "a.zip").write_bytes(zipped(FILES, method=method))
    assert unpacked(tmp_path / "a.zip", tmp_path / "out") == FILES


def test_a_folder_is_as_good_as_an_archive(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for number, source in enumerate((tmp_path, tmp_path / INSIDE, (tmp_path / INSIDE).parent)):
        assert unpacked(source, tmp_path.parent / f"{tmp_path.name}-{number}") == FILES


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        f"{INSIDE}/../../../outside",
        "/tmp/totalseg-mcp-outside",
        "//tmp/totalseg-mcp-outside",
        "C:/outside",
        "C:outside",
        "..\\outside",
        f"{INSIDE}/..\\..\\outside",
        f"{INSIDE}/plans.json:stream",
        ".",
    ],
)
def test_an_entry_that_could_write_elsewhere_is_refused(tmp_path, name):
    assert "could write elsewhere" in refusal(with_entry(name), tmp_path)


@pytest.mark.parametrize("kind", [0o120777, 0o010666, 0o020666, 0o060666, 0o140777])
def test_links_pipes_and_devices_are_refused(tmp_path, kind):
    assert "could write elsewhere" in refusal(with_entry(f"{INSIDE}/x", kind), tmp_path)


def test_a_link_in_a_folder_is_refused(tmp_path):
    (tmp_path / "box" / INSIDE).mkdir(parents=True)
    (tmp_path / "box" / INSIDE / "plans.json").symlink_to("/etc/passwd")
    with pytest.raises(NotReadyError, match="is a link"):
        unpacked(tmp_path / "box", tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "name",
    [f"{INSIDE}/plans.json", f"{INSIDE}/PLANS.json", f"{INSIDE}/./plans.json", f"{INSIDE}/fold_0"],
)
def test_two_entries_for_one_place_are_refused(tmp_path, name):
    assert "two entries for one place" in refusal(with_entry(name), tmp_path)


def test_a_small_archive_of_much_nothing_is_refused(tmp_path):
    bomb = {**FILES, f"{INSIDE}/more": bytes(500 * 2**20)}
    told = refusal(zipped(bomb, method=DEFLATED), tmp_path)
    assert "far more than a model" in told


def test_a_promise_to_fill_the_disk_is_refused_before_anything_is_unpacked(tmp_path):
    archive = bytearray(zipped(FILES))
    at = -1
    while (at := archive.find(b"PK\x01\x02", at + 1)) >= 0:  # each entry promises 4 GiB
        archive[at + 24 : at + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    assert "far more than a model" in refusal(bytes(archive), tmp_path)
    assert not (tmp_path / "box" / "folder").exists()


def test_a_thousand_files_are_refused(tmp_path):
    many = {f"{INSIDE}/{number}": b"" for number in range(1001)}
    assert "far more than a model" in refusal(zipped(many), tmp_path)


def test_more_than_was_promised_is_never_written(tmp_path):
    archive = zipped(FILES | {f"{INSIDE}/dataset.json": b"{" + b" " * 999 + b"}"}, method=DEFLATED)
    lying = bytearray(archive)
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = lying.find(mark)
        lying[at + offset : at + offset + 4] = (5).to_bytes(4, "little")
    assert "damaged" in refusal(bytes(lying), tmp_path)
    written = tmp_path / "box" / "folder" / "dataset.json"
    assert written.stat().st_size <= 5


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"", "damaged"),
        (b"<html>not a zip</html>", "damaged"),
        (zipped(FILES)[:-30], "damaged"),
        (zipped(FILES).replace(b"{}", b"[]", 1), "Bad CRC"),
    ],
)
def test_damage_is_told(tmp_path, archive, words):
    assert words in refusal(archive, tmp_path)


def test_an_encrypted_archive_is_refused(tmp_path):
    archive = bytearray(zipped(FILES))
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := archive.find(mark, at + 1)) >= 0:
            archive[at + offset] |= 1
    assert "damaged" in refusal(bytes(archive), tmp_path)


def test_no_change_of_bytes_gives_anything_but_the_model_or_a_refusal(tmp_path):
    """What bytes do not matter (times, say) may change; what comes out may not."""
    packed = zipped({**FILES, f"{INSIDE}/fold_0/checkpoint_final.pth": b"0123456789"})
    chance, same = random.Random(7), 0
    for number in range(300):
        archive = bytearray(packed)
        for _ in range(chance.randint(1, 4)):
            archive[chance.randrange(len(archive))] = chance.randrange(256)
        source, out = tmp_path / f"{number}.zip", tmp_path / f"{number}"
        source.write_bytes(archive)
        try:
            got = unpacked(source, out)
        except NotReadyError:
            continue
        same += 1
        assert {b"{}", b"0123456789"} >= set(got.values()), number
    assert 0 < same < 300


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(NotReadyError, match="There is no"):
        unpacked(tmp_path / "nothing.zip", tmp_path / "out")
