"""Files of tensors that are used where they lie."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from totalseg_mcp.engine.tensorfile import KINDS, DamagedError, opened, write

FACTS = {"stamp": "then", "aliases": "{}"}
TENSORS = {
    "bias": torch.arange(5.0),  # 20 bytes: what follows it would lie at no multiple of 64
    "half": torch.arange(32.0).half(),
    "weight": torch.arange(96.0).reshape(4, 6, 4),
    "turned": torch.arange(64.0).reshape(8, 8).t(),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "yes": torch.tensor([True, False, True]),
}


@pytest.fixture
def file(tmp_path):
    write(tmp_path / "tensors", TENSORS, FACTS)
    return tmp_path / "tensors"


@pytest.mark.parametrize("dtype", KINDS)
def test_every_kind_comes_back_bit_by_bit(dtype, tmp_path):
    chance = torch.Generator().manual_seed(0)
    drawn = torch.randint(0, 2, (31, 16), generator=chance).to(dtype)
    write(tmp_path / "tensors", {"one": drawn}, FACTS)
    tensor = opened(tmp_path / "tensors").tensors["one"]
    assert tensor.dtype == dtype
    assert torch.equal(tensor, drawn)


def test_all_shapes_come_back_with_what_was_said_of_them(file):
    tensors, facts, _ = opened(file)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert facts.items() >= FACTS.items()


def test_the_library_of_the_format_reads_the_file(file):
    tensors = load_file(file)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    with safe_open(file, framework="pt") as known:
        assert known.metadata().items() >= FACTS.items()


def test_every_tensor_begins_where_torch_would_have_it_begin(file):
    tensors = opened(file).tensors
    assert {tensor.data_ptr() % 64 for tensor in tensors.values()} == {0}


def test_what_is_written_to_a_tensor_does_not_reach_the_file(file):
    before = file.read_bytes()
    opened(file).tensors["weight"].fill_(1.0)
    assert file.read_bytes() == before


def test_a_file_that_is_there_is_not_written_over(file):
    with pytest.raises(FileExistsError):
        write(file, TENSORS, FACTS)


@pytest.mark.parametrize("at", [0, 9, 40, 200, -1])
def test_a_bit_that_is_another_is_seen_wherever_it_is(file, at):
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedError, match="checksum"):
        opened(file)


def test_a_file_of_the_format_that_others_wrote_is_not_taken(tmp_path):
    save_file({"weight": torch.ones(16)}, tmp_path / "tensors", FACTS)
    with pytest.raises(DamagedError, match="checksum"):
        opened(tmp_path / "tensors")


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 300])
def test_what_is_no_such_file_is_refused(tmp_path, content):
    (tmp_path / "tensors").write_bytes(content)
    with pytest.raises(DamagedError):
        opened(tmp_path / "tensors")
