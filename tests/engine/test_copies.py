import json
import os
from pathlib import Path

import pytest
import torch
from model_folder import make_model_folder
from safetensors import safe_open
from safetensors.torch import save_file
from weights_server import GROUP, INSIDE_2D, SAMPLES

from totalseg_mcp.engine.audit import audit
from totalseg_mcp.engine.checkpoint import read_weights
from totalseg_mcp.engine.copies import Copies, digest_as_it_came
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.loading import load
from totalseg_mcp.engine.pins import Pin, digests, sha256, write_receipt
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.watch import noted
from totalseg_mcp.engine.weights import CHECKPOINT, Store

CPU = torch.device("cpu")
FASTEST = MODELS[298]


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return make_model_folder(tmp_path / "root", 298) / "fold_0" / CHECKPOINT


@pytest.fixture
def copies(tmp_path) -> Copies:
    return Copies((tmp_path / "root",), tmp_path / "cache")


@pytest.fixture
def no_pickles(monkeypatch):
    """From the call of this on, reading a checkpoint itself fails the test."""

    def forbid() -> None:
        def opened(*_: object, **__: object) -> None:
            raise AssertionError("a checkpoint was read")

        monkeypatch.setattr(torch, "load", opened)

    return forbid


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether names, kinds, shapes and bits agree."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].numpy().tobytes() == other[name].numpy().tobytes()
        for name in one
    )


def store(checkpoint: Path, **tensors: torch.Tensor) -> None:
    """Write a checkpoint with these weights."""
    torch.save({"network_weights": tensors}, checkpoint)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_copy_has_the_very_bits_and_needs_no_pickle(checkpoint, copies, no_pickles):
    straight = read_weights(checkpoint)
    first = copies.read(checkpoint)
    no_pickles()
    assert same(straight, first)
    assert same(straight, copies.read(checkpoint))


def test_every_kind_of_tensor_is_copied(checkpoint, copies, no_pickles):
    grid = torch.arange(24.0).reshape(2, 3, 4)
    tensors = {
        "half": torch.tensor([1.0, float("nan"), -0.0, 65504.0]).half(),
        "double": torch.tensor([1e-320, float("-inf")], dtype=torch.float64),
        "count": torch.tensor(7),
        "turned": grid.transpose(0, 2),
        "part": grid[1],
        "empty": torch.zeros(0, 3),
        "whole": grid,
    }
    store(checkpoint, **tensors)
    copies.read(checkpoint)
    no_pickles()
    assert same(tensors, copies.read(checkpoint))


def test_what_shares_its_memory_is_stored_once(checkpoint, copies):
    encoder = torch.ones(1000)
    store(checkpoint, encoder=encoder, **{"decoder.encoder": encoder})
    copies.read(checkpoint)
    place = copies.places(checkpoint)[0]
    assert 4000 < place.stat().st_size < 8000
    assert list(copies.read(checkpoint)) == ["encoder", "decoder.encoder"]


def test_a_copy_names_the_checkpoint_that_it_is_of(checkpoint, copies):
    copies.read(checkpoint)
    with safe_open(copies.places(checkpoint)[0], framework="pt") as copy:
        assert copy.metadata()["checkpoint_sha256"] == sha256(checkpoint)


def test_a_replaced_checkpoint_is_never_served_stale(checkpoint, copies, tmp_path):
    store(checkpoint, layer=torch.tensor([1.0]))
    copies.read(checkpoint)
    before = checkpoint.stat()
    for value, replace in ((2.0, False), (3.0, True)):  # written over, and moved into its place
        file = tmp_path / checkpoint.name if replace else checkpoint
        store(file, layer=torch.tensor([value]))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(file, checkpoint)
        after = checkpoint.stat()
        assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        assert copies.read(checkpoint)["layer"].item() == value
        assert copies.read(checkpoint)["layer"].item() == value


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def exchange(file: Path) -> None:
    """Other tensors under the facts of this copy."""
    with safe_open(file, framework="pt") as copy:
        facts = copy.metadata()
        other = {name: copy.get_tensor(name) + 1 for name in copy.keys()}  # noqa: SIM118
    save_file(other, file, facts)


def misname(file: Path) -> None:
    """Another tensor under a second name."""
    with safe_open(file, framework="pt") as copy:
        facts = copy.metadata()
        tensors = {name: copy.get_tensor(name) for name in copy.keys()}  # noqa: SIM118
    aliases = dict.fromkeys(json.loads(facts["aliases"]), next(iter(tensors)))
    save_file(tensors, file, {**facts, "aliases": json.dumps(aliases)})


DAMAGE = {
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_bytes(b"<html>no space left</html>"),
    "cut": cut,
    "a bit": flip,
    "other tensors": exchange,
    "other names": misname,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_copy_is_made_anew_from_the_checkpoint(checkpoint, copies, damage, no_pickles):
    straight = read_weights(checkpoint)
    copies.read(checkpoint)
    place = copies.places(checkpoint)[0]
    DAMAGE[damage](place)
    with noted() as notes:
        assert same(straight, copies.read(checkpoint))
    assert str(place) in notes[0]
    no_pickles()
    assert same(straight, copies.read(checkpoint))


def test_a_folder_in_the_copys_place_is_no_obstacle(checkpoint, copies):
    copies.places(checkpoint)[0].mkdir(parents=True)
    assert same(read_weights(checkpoint), copies.read(checkpoint))


def test_where_nothing_can_be_written_beside_the_models_copies_lie_elsewhere(
    checkpoint, copies, tmp_path, no_pickles
):
    (tmp_path / "root" / ".totalseg-mcp").write_text("not a folder")
    straight = copies.read(checkpoint)
    assert len(files(tmp_path / "cache")) == 1
    no_pickles()
    assert same(straight, copies.read(checkpoint))


def test_where_nothing_can_be_written_at_all_the_checkpoint_is_read(checkpoint, copies, tmp_path):
    (tmp_path / "root" / ".totalseg-mcp").write_text("not a folder")
    (tmp_path / "cache").write_text("nor this")
    with noted() as notes:
        for _ in range(2):
            assert same(read_weights(checkpoint), copies.read(checkpoint))
    assert len(notes) == 4
    assert all("no copy of" in note for note in notes)


def test_nothing_but_the_copy_is_left_in_its_folder(checkpoint, copies):
    copies.read(checkpoint)
    place = copies.places(checkpoint)[0]
    assert files(place.parent) == [place]
    assert place.stat().st_mode == checkpoint.stat().st_mode


def test_copies_do_not_change_what_verify_says(checkpoint, copies, tmp_path):
    folder = checkpoint.parents[1]
    before = digests(folder)
    write_receipt(folder, Pin(files=before))
    copies.read(checkpoint)
    assert digests(folder) == before
    (finding,) = audit(tmp_path / "root", Sources())
    assert finding.verdict == "intact"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"fold_0/checkpoint_final.pth": "0" * 64}, "0000000000000000… came"),
        ({"x": "0"}, "no such"),
    ],
)
def test_a_checkpoint_that_is_not_what_its_receipt_says_is_refused(
    checkpoint, copies, told, reason, tmp_path
):
    write_receipt(checkpoint.parents[1], Pin(files=told))
    with pytest.raises(NotReadyError, match=f"{sha256(checkpoint)[:16]}.*{reason}.*not used"):
        copies.read(checkpoint)
    assert not files(tmp_path / "root" / ".totalseg-mcp")


def test_a_2d_network_is_held_to_the_receipt_above_its_revision(tmp_path):
    SAMPLES["2-D"].put(tmp_path)
    file = tmp_path / INSIDE_2D / "fold_0" / CHECKPOINT
    write_receipt(tmp_path / GROUP.folder, Pin(files=SAMPLES["2-D"].digests))
    assert digest_as_it_came(file) == sha256(file)
    file.write_bytes(b"other")
    with pytest.raises(NotReadyError, match="have changed since they came"):
        digest_as_it_came(file)


def test_a_checkpoint_that_cannot_be_read_is_told(checkpoint, copies, monkeypatch):
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(NotReadyError, match=r"cannot be read \(Permission denied"):
        copies.read(checkpoint)


def test_a_receipt_is_asked_when_the_copy_is_made_and_not_again(checkpoint, copies):
    write_receipt(checkpoint.parents[1], Pin(files=digests(checkpoint.parents[1])))
    copies.read(checkpoint)
    write_receipt(checkpoint.parents[1], Pin(files={"x": "0"}))
    assert copies.read(checkpoint)


@pytest.mark.parametrize("content", [[1, 2], {"layer": 5}, {"layer": torch.eye(2).to_sparse()}])
def test_weights_that_are_no_tensors_are_refused_and_not_copied(checkpoint, content, tmp_path):
    torch.save({"network_weights": content}, checkpoint)
    session = Session(Store((tmp_path / "root",)), cache=tmp_path / "cache")
    with pytest.raises(NotReadyError, match="do not fit"):
        session.network(FASTEST, CPU)
    assert not files(tmp_path / "root" / ".totalseg-mcp")


def test_a_session_reads_copies_as_weights_of_the_same_network(checkpoint, tmp_path, no_pickles):
    straight = load(checkpoint.parents[1], FASTEST, CPU).folds[0].state_dict()
    roots = Store((tmp_path / "root",))
    Session(roots, cache=tmp_path / "cache").network(FASTEST, CPU)
    no_pickles()
    session = Session(roots, cache=tmp_path / "cache")
    assert same(straight, session.network(FASTEST, CPU).folds[0].state_dict())
    assert session.stats().weight_reads == 1


def test_without_a_cache_nothing_is_written(checkpoint, tmp_path):
    before = set(files(tmp_path))
    Session(Store((tmp_path / "root",))).network(FASTEST, CPU)
    assert set(files(tmp_path)) == before


def test_the_demonstration_models_are_not_copied(tmp_path):
    demo = Store.demo()
    before = set(files(demo.roots[0]))
    Session(demo, cache=tmp_path / "cache").network(FASTEST, CPU)
    assert set(files(demo.roots[0])) == before
    assert not (tmp_path / "cache").exists()
