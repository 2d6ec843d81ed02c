"""Copies of checkpoints that hold tensors and nothing else, so that pickles are read once.

A copy is a safetensors file. It is used for the very file that it was made from, as long as that
file has not been touched; what is lost or damaged is made anew from the checkpoint. Copies may be
mapped (`mapped`): they are moved into place whole, and never written to afterwards.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import torch

from totalseg_mcp.engine import tensorfile
from totalseg_mcp.engine.archive import WORKPLACE
from totalseg_mcp.engine.checkpoint import read_weights
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.mapped import Mapped
from totalseg_mcp.engine.mounts import local
from totalseg_mcp.engine.pins import receipt, sha256
from totalseg_mcp.engine.stamp import stamp
from totalseg_mcp.engine.tensorfile import KINDS, DamagedError, Tensors
from totalseg_mcp.engine.watch import note


@dataclass(frozen=True, slots=True)
class Copies:
    """Where copies lie: in the hidden folder of the model's root, else in `elsewhere`.

    Tensors may stay in a file that `lasts` while it is mapped.
    """

    roots: tuple[Path, ...]
    elsewhere: Path
    lasts: Callable[[Path], bool] = local

    def read(self, checkpoint: Path) -> Tensors:
        """The tensors of `checkpoint`, bit by bit; from its copy where there is one.

        They are `Mapped` if they are from a copy that lasts.

        Raises:
            NotReadyError: the checkpoint cannot be read safely, or is not what its receipt says.
        """
        known = stamp(checkpoint)
        for file in self.places(checkpoint):
            if file.exists() and (tensors := self._copied(file, known)) is not None:
                return tensors
        digest = digest_as_it_came(checkpoint)
        tensors = read_weights(checkpoint)
        if not storable(tensors):
            return tensors
        written = self._written(checkpoint, tensors, {"checkpoint_sha256": digest, "stamp": known})
        return (self._copied(written, known) if written else None) or tensors

    def places(self, checkpoint: Path) -> list[Path]:
        """Where its copy may be, the best place first."""
        name = hashlib.sha256(os.fsencode(checkpoint.absolute())).hexdigest()
        beside = [
            root / WORKPLACE / "cache" / checkpoint.relative_to(root).with_suffix(".safetensors")
            for root in self.roots
            if checkpoint.is_relative_to(root)
        ]
        return [*beside, self.elsewhere / f"{name[:32]}.safetensors"]

    def _written(self, checkpoint: Path, tensors: Tensors, facts: Mapping[str, str]) -> Path | None:
        """A copy in the first place that takes it; the job goes on without one."""
        for file in self.places(checkpoint):
            try:
                write(file, tensors, facts, checkpoint)
            except OSError as error:
                note(f"no copy of {checkpoint} in {file.parent}: {error}")
            else:
                return file
        return None

    def _copied(self, file: Path, known: str) -> Tensors | None:
        """The tensors in `file`; None if it is damaged, or not of a checkpoint with that stamp."""
        try:
            tensors, facts, pages = tensorfile.opened(file)
        except (OSError, DamagedError) as error:
            note(f"the copy {file} cannot be read ({error}); the checkpoint is read again")
            return None
        if facts["stamp"] != known:
            return None
        tensors |= {name: tensors[same] for name, same in json.loads(facts["aliases"]).items()}
        return Mapped(tensors, pages) if self.lasts(file) else tensors


def write(file: Path, tensors: Tensors, facts: Mapping[str, str], checkpoint: Path) -> None:
    """Write a copy, all of it at once; not if the checkpoint has changed since its stamp.

    Tensors that share their memory, as the two names of an encoder do, are stored once.
    """
    first: dict[tuple[int, torch.Size, tuple[int, ...], torch.dtype], str] = {}
    same = {
        name: first.setdefault((t.data_ptr(), t.shape, t.stride(), t.dtype), name)
        for name, t in tensors.items()
    }
    stored = {name: tensors[name] for name in first.values()}
    aliases = json.dumps({name: other for name, other in same.items() if name != other})
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        tensorfile.write(draft, stored, {**facts, "aliases": aliases})
        draft.chmod(stat.S_IMODE(checkpoint.stat().st_mode))  # for all who may read the checkpoint
        if stamp(checkpoint) == facts["stamp"]:
            os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def storable(tensors: object) -> bool:
    """Whether these are named tensors at all; if not, the network will refuse them."""
    return isinstance(tensors, dict) and all(
        isinstance(t, torch.Tensor) and t.layout is torch.strided and t.dtype in KINDS
        for t in tensors.values()
    )


def digest_as_it_came(checkpoint: Path) -> str:
    """The SHA-256 of `checkpoint`, which is that in the model's receipt, if it has one.

    Raises:
        NotReadyError: the receipt has another, or the file cannot be read.
    """
    above = checkpoint.parents[
        1:5
    ]  # a 3-D model has its receipt in the first, a 2-D one in the last
    folder = next((place for place in above if receipt(place)), above[0])
    name = checkpoint.relative_to(folder).as_posix()
    try:
        digest = sha256(checkpoint)
    except OSError as error:
        raise NotReadyError(
            f"The checkpoint {checkpoint} cannot be read ({error.strerror}). Let the server's user "
            "read it, or fetch the weights again."
        ) from error
    known = receipt(folder)
    if known and known.files and known.files.get(name) != digest:
        came = f"{known.files[name][:16]}… came" if name in known.files else "no such file came"
        raise NotReadyError(
            f"The weights in {checkpoint} have changed since they came: their SHA-256 is "
            f"{digest[:16]}…, and {came}. They are not used. Move {folder} away and fetch the "
            "published ones again."
        )
    return digest
