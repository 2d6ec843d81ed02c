"""Networks converted for OpenVINO that stay on disk, so that each is converted once.

They are in files of OpenVINO's own format and numpy's, of which nothing is ever executed, and hold
for every processor: only loading fits them to the one at hand.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from totalseg_mcp.engine.caches import cache_folder
from totalseg_mcp.engine.engines import OPENVINO, named, openvino
from totalseg_mcp.engine.pins import digests, sha256
from totalseg_mcp.engine.tracing import Head, Traced

FORMAT = 2  # of a conversion; another number makes all anew
NETWORK, HEAD, DIGESTS = "network.xml", "head.npz", "digests"
WORKPLACE = Path(".totalseg-mcp", "openvino")  # below the folder that the models are in


def conversion(root: Path, key: str, convert: Callable[[], Traced]) -> Traced:
    """What `convert` makes of a model below `root`, from disk where it has been made before.

    It is kept beside the models, or where that cannot be written, among the user's cached files.
    One that is damaged is made again. Where none can be kept, it is made each time.
    """
    for place in places(root):
        if (known := read(place / key)) is not None:
            return known
    made = convert()
    for place in places(root):
        with suppress(OSError):
            keep(made, place / key)
        if (kept := read(place / key)) is not None:
            return kept  # its weights are on disk, while those of `made` are in memory
    return made


def key_of(checkpoint: Path, *shape: object) -> str:
    """What a conversion is known by: the weights, the network that they are for, the program."""
    known = (FORMAT, named(OPENVINO.package), sha256(checkpoint), *shape)
    return hashlib.sha256(repr(known).encode()).hexdigest()[:32]


def places(root: Path) -> Iterator[Path]:
    """Where conversions of the models below `root` may be."""
    package = Path(str(files("totalseg_mcp.weights")))  # with the demonstration models
    if not root.resolve().is_relative_to(package.resolve()):
        yield root / WORKPLACE
    yield cache_folder(os.environ, WORKPLACE.name)


def read(place: Path) -> Traced | None:
    """The conversion in the folder `place`; None where there is none, or one that is damaged."""
    try:
        known = json.loads((place / DIGESTS).read_bytes())
        found = {name: digest for name, digest in digests(place).items() if name != DIGESTS}
        if known != found:
            return None
        head = None
        if HEAD in known:
            with np.load(place / HEAD) as stored:
                head = Head(torch.from_numpy(stored["weight"]), torch.from_numpy(stored["bias"]))
        return Traced(openvino().Core().read_model(place / NETWORK), head)
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile):
        return None


def keep(made: Traced, place: Path) -> None:
    """Write `made` into the folder `place`: all of it at once, in place of what is damaged.

    Raises:
        OSError: it cannot be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        openvino().save_model(made.model, draft / NETWORK, compress_to_fp16=False)
        if made.head is not None:
            np.savez(draft / HEAD, weight=made.head.weight.numpy(), bias=made.head.bias.numpy())
        (draft / DIGESTS).write_text(json.dumps(digests(draft)))
        if read(place) is None:
            shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)
    except RuntimeError as error:  # what OpenVINO raises where a disk is full
        raise OSError(str(error)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
