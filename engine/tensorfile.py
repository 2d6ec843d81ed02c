"""A file of named tensors that can be used where they lie, mapped into memory.

It is a safetensors file, which any reader of these takes. Beside that, tensors begin at multiples
of 64 bytes, as torch's own memory does, and the checksum of the file is at a place that is known.
"""

import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from isal import isal_zlib

Tensors = dict[str, torch.Tensor]
ALIGNED = 64  # bytes; torch aligns to them on a CPU, and the order of sums may depend on it
KINDS = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}
DTYPES = {kind: dtype for dtype, kind in KINDS.items()}
# A file begins with the length of its header, and the header with the file's checksum.
LENGTH, DIGITS = 8, 8
HEAD = b'{"__metadata__": {"checksum": "'
CHECKSUM = slice(LENGTH + len(HEAD), LENGTH + len(HEAD) + DIGITS)
Content = bytes | memoryview


class DamagedError(ValueError):
    """A file is not as it was written."""


class Opened(NamedTuple):
    """What is in a file: tensors, what was said of them, and the pages that they lie in.

    What is written to the tensors does not reach the file.
    """

    tensors: Tensors
    facts: dict[str, str]
    pages: mmap.mmap


def write(file: Path, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, str]) -> None:
    """Write a new file of `tensors`, whose kinds are in `KINDS`, and of what is to say of them."""
    order = sorted(tensors, key=lambda name: (odd(tensors[name]), -tensors[name].itemsize))
    header: dict[str, Any] = {"__metadata__": {"checksum": "0" * DIGITS, **facts}}
    end = 0
    for name in order:
        tensor, start = tensors[name], end
        end += tensor.nbytes
        kind, shape = KINDS[tensor.dtype], list(tensor.shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-(LENGTH + len(text)) % ALIGNED)
    start_of_file = len(text).to_bytes(LENGTH, "little") + text
    before, after = start_of_file[: CHECKSUM.start], start_of_file[CHECKSUM.stop :]
    rest: list[Content] = [after, *(bits(tensors[name]) for name in order)]
    with file.open("xb") as target:
        target.writelines([before, checksum([before, *rest]), *rest])
        target.flush()
        os.fsync(target.fileno())  # what is mapped may be read from the disk at any time


def opened(file: Path) -> Opened:
    """What `write` wrote to `file`: every bit of it was compared.

    Raises:
        OSError: it cannot be read.
        DamagedError: it is another file, or damaged.
    """
    with file.open("rb") as source:
        try:
            pages = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError as error:
            raise DamagedError("it is empty") from error
    by_large_pages(pages)
    with memoryview(pages) as whole:
        found = checksum([whole[: CHECKSUM.start], whole[CHECKSUM.stop :]])
    if pages[LENGTH : CHECKSUM.start] != HEAD or pages[CHECKSUM] != found:
        raise DamagedError("its checksum is another")
    data = LENGTH + int.from_bytes(pages[:LENGTH], "little")
    header = json.loads(pages[LENGTH:data])
    facts = header.pop("__metadata__")
    whole_data = torch.frombuffer(pages, dtype=torch.uint8)[data:]
    return Opened(dict(_tensors(whole_data, header)), facts, pages)


def by_large_pages(pages: mmap.mmap) -> None:
    """Have the system read the file 2 MiB at a time, where it can (Linux, some file systems).

    What it has that way is mapped again in 0.4 ms for 128 MiB, and page by page in 15 ms.
    """
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a system without large pages
            pages.madvise(mmap.MADV_HUGEPAGE)


def _tensors(data: torch.Tensor, header: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Those that `header` describes in the bytes `data`; a copy of what may not be aligned."""
    for name, place in header.items():
        there = data[slice(*place["data_offsets"])]
        tensor = there.view(DTYPES[place["dtype"]]).reshape(place["shape"])
        yield name, tensor.clone() if odd(tensor) else tensor


def odd(tensor: torch.Tensor) -> bool:
    """Whether what follows it would not be aligned. Such tensors come last; they are small."""
    return tensor.nbytes % ALIGNED != 0


def bits(tensor: torch.Tensor) -> memoryview:
    """Its bytes, in C's order."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def checksum(content: Iterable[Content]) -> bytes:
    """A CRC-32, in digits: against damage, not against forgery."""
    crc = 0
    for part in content:
        crc = isal_zlib.crc32(part, crc)
    return f"{crc:0{DIGITS}x}".encode()
