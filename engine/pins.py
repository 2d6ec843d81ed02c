"""The digests that models are held to: written down when a model first comes, compared ever after.

They are in a lock file, by the model's folder name: JSON, sorted, fit to be committed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.parcel import Parcel

RECEIPT = "totalseg-mcp-source.json"
LOCK_FILE = "weights.lock"


class Pin(BaseModel):
    """Digests (SHA-256, hexadecimal) of a model's archive and of its files, by their names.

    `sha256` is null for a model that came in no archive of the publisher's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = None
    sha256: str | None = None
    files: Mapping[str, str] = {}


PINS = TypeAdapter(dict[str, Pin])


def pinned(lock: Path) -> dict[str, Pin]:
    """What the lock file has; nothing where there is none.

    Raises:
        NotReadyError: it is not a lock file.
    """
    try:
        return PINS.validate_json(lock.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError:
        raise NotReadyError(
            f"{lock} is not a lock file of weights. Restore it, or remove it to trust the next "
            "downloads anew."
        ) from None


def pin(lock: Path, parcel: Parcel, new: Pin) -> None:
    """Write down what `parcel` is from now on held to."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock.with_name(f".{lock.name}.guard")):
        pins = pinned(lock)
        if parcel.folder in pins and new.sha256 is None:
            return  # its files are the same, and it knows the archive too
        pins[parcel.folder] = new
        content = PINS.dump_python(dict(sorted(pins.items())), mode="json")
        draft = lock.with_name(f".{lock.name}.new")
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(draft, lock)


def refuse_other_archive(lock: Path, parcel: Parcel, sha256: str) -> None:
    """Raises NotReadyError: the lock file has another digest for this model's archive."""
    known = pinned(lock).get(parcel.folder)
    if known and known.sha256 not in (None, sha256):
        raise NotReadyError(_differs(f"The archive of model {parcel.called} has", sha256, lock))


def refuse_other_files(lock: Path, parcel: Parcel, files: Mapping[str, str]) -> None:
    """Raises NotReadyError: the lock file has other digests for this model's files."""
    known = pinned(lock).get(parcel.folder)
    for name in differing(known.files, files) if known and known.files else ():
        has = f"{name} of model {parcel.called} has"
        raise NotReadyError(_differs(has, files.get(name, "nothing"), lock))


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The files that are not the same in both, or not in both."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below `folder`, but for the receipt."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECEIPT)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def sha256(file: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_receipt(folder: Path, new: Pin) -> None:
    """Put the digests beside the model, for where its lock file is not at hand."""
    (folder / RECEIPT).write_text(new.model_dump_json(indent=2) + "\n", encoding="utf-8")


def receipt(folder: Path) -> Pin | None:
    """What came with the model; None where it has no receipt that can be read."""
    try:
        return Pin.model_validate_json((folder / RECEIPT).read_bytes())
    except (OSError, ValidationError):
        return None


def _differs(what: str, has: str, lock: Path) -> str:
    return (
        f"{what} another SHA-256 ({has[:16]}…) than {lock} has pinned. It is not used. If the "
        "publisher has replaced it and you trust that, remove its entry there and fetch again."
    )
