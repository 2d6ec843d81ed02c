"""Bringing models here: from the servers that publish them, or from a file of the user's."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from totalseg_mcp.engine.archive import Entry, below, entries
from totalseg_mcp.engine.connection import shown
from totalseg_mcp.engine.download import download, forget
from totalseg_mcp.engine.errors import BadRequestError, MissingWeightsError, NotReadyError
from totalseg_mcp.engine.install import Site, install, site
from totalseg_mcp.engine.licence import VARIABLE, WHERE, LicenceNumber
from totalseg_mcp.engine.models2d import GROUPS
from totalseg_mcp.engine.parcel import PARCELS, Parcel, address, fault
from totalseg_mcp.engine.pins import refuse_other_archive, sha256
from totalseg_mcp.engine.roots import Roots
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import MODELS, TASKS
from totalseg_mcp.engine.watch import stage, track

VERSION = "2.18.0"  # of TotalSegmentator; the licence server asks for it
ARCHIVE = "archive.zip"


def fetch(
    parcel: Parcel, root: Path, sources: Sources, number: LicenceNumber | None = None
) -> Path:
    """The folder of `parcel` below `root`, fetched unless it is already there, complete.

    Until all of it is there and checked, `root` has nothing of it but a hidden folder. What
    an interrupted download has brought stays there, and the next one goes on from it.

    Raises:
        MissingWeightsError: no connection is allowed, or it needs a licence number.
        NotReadyError: it did not come whole, or is not what it should be.
    """
    place = root / parcel.inside
    if not fault(parcel, root):
        return place
    if sources.offline:
        raise MissingWeightsError(
            f"Model {parcel.called} ({parcel.folder}) is not in {root}, and connections are "
            "forbidden here (--offline). Bring it with: totalseg-mcp weights import PATH"
        )
    with _writing(root), site(parcel, root, sources) as at:
        if fault(parcel, root):  # no other process has been at it meanwhile
            _fetch(at, sources, number)
            shutil.rmtree(at.folder, ignore_errors=True)
    return place


def bring(source: Path, roots: Roots, sources: Sources) -> dict[Parcel, Path]:
    """What models are in an archive or a folder of the user's, and their folders below `roots`.

    One that is already there, complete, stays as it is.

    Raises:
        NotReadyError: a model is not whole, or not what is pinned.
        BadRequestError: there is no model that a task knows.
    """
    with entries(source) as found:
        here = [parcel for parcel in PARCELS if below(found, parcel.inside)]
        if not here:
            raise BadRequestError(
                f"{source} has no model of TotalSegmentator or ts2d: a folder such as "
                f"{MODELS[298].inside} or {next(iter(GROUPS))}/r001, or a zip archive of it."
            )
        return {
            parcel: _bring(parcel, found, roots.of(parcel), sources)
            for parcel in track(here, "model")
        }


def _bring(parcel: Parcel, found: list[Entry], root: Path, sources: Sources) -> Path:
    with _writing(root), site(parcel, root, sources) as at:
        return install(found, at, None, None) if fault(parcel, root) else at.place


def _fetch(at: Site, sources: Sources, number: LicenceNumber | None) -> None:
    archive = at.folder / ARCHIVE
    with stage(f"fetch model {at.parcel.called}", 0.0, 0.9):
        url = _download(at.parcel, archive, sources, number)
        digest = sha256(archive)
    try:
        refuse_other_archive(at.lock, at.parcel, digest)
        with entries(archive) as found:
            install(found, at, shown(url), digest)
    except NotReadyError as error:
        forget(archive)
        raise NotReadyError(f"{error} It came from {shown(url)}; fetch it again.") from error


def _download(parcel: Parcel, archive: Path, sources: Sources, number: LicenceNumber | None) -> str:
    """Write the parcel's archive; where it came from."""
    if url := address(parcel, sources):
        download(url, archive, sources.patience)
        return url
    if number is None:
        raise MissingWeightsError(
            f"Model {parcel.called} ({parcel.folder}) needs a licence number. {WHERE}. Set it as "
            f"{VARIABLE}."
        )
    order = {"license_number": number.reveal(), "task": ordered_as(parcel), "version": VERSION}
    try:
        download(sources.licence_url, archive, sources.patience, json.dumps(order).encode())
    except NotReadyError as error:
        raise NotReadyError(
            f"{error} If the licence server refused the number, it may be mistyped or have run "
            f"out. {WHERE}."
        ) from None
    return sources.licence_url


def ordered_as(model: Parcel) -> str:
    """The name under which TotalSegmentator orders a licensed model: its last task.

    >>> ordered_as(MODELS[857])
    'thigh_shoulder_muscles_mr'
    """
    runs = {name: [MODELS[n] for n in task.models["default"]] for name, task in TASKS.items()}
    return [name for name, models in runs.items() if model in models][-1]


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
