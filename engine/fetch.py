"""Bringing models here: from the servers that publish them, or from a file of the user's."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from totalseg_mcp.engine.archive import Entry, below, entries
from totalseg_mcp.engine.connection import shown
from totalseg_mcp.engine.download import download, forget
from totalseg_mcp.engine.errors import BadRequestError, MissingWeightsError, NotReadyError
from totalseg_mcp.engine.install import Site, install, site
from totalseg_mcp.engine.licence import VARIABLE, WHERE, LicenceNumber
from totalseg_mcp.engine.pins import refuse_other_archive, sha256
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import MODELS, TASKS, Model
from totalseg_mcp.engine.watch import stage, track
from totalseg_mcp.engine.weights import Store

VERSION = "2.18.0"  # of TotalSegmentator; the licence server asks for it
ARCHIVE = "archive.zip"


def fetch(model: Model, root: Path, sources: Sources, number: LicenceNumber | None = None) -> Path:
    """The folder of `model` below `root`, fetched unless it is already there, complete.

    Until all of it is there and checked, `root` has nothing of it but a hidden folder. What
    an interrupted download has brought stays there, and the next one goes on from it.

    Raises:
        MissingWeightsError: no connection is allowed, or it needs a licence number.
        NotReadyError: it did not come whole, or is not what it should be.
    """
    store = Store((root,))
    if store.has(model):
        return store.find(model)
    if sources.offline:
        raise MissingWeightsError(
            f"Model {model.dataset} ({model.folder}) is not in {root}, and connections are "
            "forbidden here (--offline). Bring it with: totalseg-mcp weights import PATH"
        )
    with _writing(root), site(model, root, sources) as at:
        if store.has(model):  # another process has been at it
            return store.find(model)
        folder = _brought(at, sources, number)
        shutil.rmtree(at.folder, ignore_errors=True)
        return folder


def bring(source: Path, root: Path, sources: Sources) -> dict[Model, Path]:
    """The models in an archive or a folder of the user's, and their folders below `root`.

    A model that is already there, complete, stays as it is.

    Raises:
        NotReadyError: a model is not whole, or not what is pinned.
        BadRequestError: there is no model that a task knows.
    """
    with _writing(root), entries(source) as found:
        here = [m for m in MODELS.values() if below(found, PurePosixPath(m.folder, m.subfolder))]
        if not here:
            raise BadRequestError(
                f"{source} has no model of TotalSegmentator: a folder such as "
                f"{MODELS[298].folder}/{MODELS[298].subfolder}, or a zip archive of it."
            )
        return {model: _bring(model, found, root, sources) for model in track(here, "model")}


def _bring(model: Model, found: list[Entry], root: Path, sources: Sources) -> Path:
    store = Store((root,))
    with site(model, root, sources) as at:
        return store.find(model) if store.has(model) else install(found, at, None, None)


def _brought(at: Site, sources: Sources, number: LicenceNumber | None) -> Path:
    archive = at.folder / ARCHIVE
    with stage(f"fetch model {at.model.dataset}", 0.0, 0.9):
        url = _download(at.model, archive, sources, number)
        digest = sha256(archive)
    try:
        refuse_other_archive(at.lock, at.model, digest)
        with entries(archive) as found:
            return install(found, at, shown(url), digest)
    except NotReadyError as error:
        forget(archive)
        raise NotReadyError(f"{error} It came from {shown(url)}; fetch it again.") from error


def _download(model: Model, archive: Path, sources: Sources, number: LicenceNumber | None) -> str:
    """Write the model's archive; where it came from."""
    if model.release is not None:
        url = f"{sources.base_url.rstrip('/')}/{model.release}/{model.folder}.zip"
        download(url, archive, sources.patience)
        return url
    if number is None:
        raise MissingWeightsError(
            f"Model {model.dataset} ({model.folder}) needs a licence number. {WHERE}. Set it as "
            f"{VARIABLE}."
        )
    order = {"license_number": number.reveal(), "task": ordered_as(model), "version": VERSION}
    try:
        download(sources.licence_url, archive, sources.patience, json.dumps(order).encode())
    except NotReadyError as error:
        raise NotReadyError(
            f"{error} If the licence server refused the number, it may be mistyped or have run "
            f"out. {WHERE}."
        ) from None
    return sources.licence_url


def ordered_as(model: Model) -> str:
    """The name under which TotalSegmentator orders a licensed model: its last task.

    >>> ordered_as(MODELS[857])
    'thigh_shoulder_muscles_mr'
    """
    return [name for name, task in TASKS.items() if model.dataset in task.models["default"]][-1]


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Say it where the folder of the models is what fails."""
    try:
        yield
    except OSError as error:
        raise NotReadyError(
            f"The models cannot be written to {root} ({error}). Give another "
            "folder, or make room and allow writing there."
        ) from error
