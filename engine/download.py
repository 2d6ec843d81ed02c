"""Fetching openly published models: the only place that talks to a network.

TotalSegmentator publishes no checksums. What came is checked for length and by the
archive's own CRCs, and its SHA-256 is written down beside the model.
"""

import hashlib
import http.client
import ipaddress
import json
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from totalseg_mcp.engine.errors import MissingWeightsError, NotReadyError
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.watch import stage, track
from totalseg_mcp.engine.weights import Store, advice

RELEASES = "https://github.com/wasserth/TotalSegmentator/releases/download"
RECEIPT = "totalseg-mcp-source.json"
SILENCE_S = 60.0  # without a byte
CHUNK = 2**20
MOST_FILES = 1000
MOST_BYTES = 8 * 2**30  # unpacked; a fold of the largest published models takes 0.3 GB


def fetch(model: Model, root: Path, url: str | None = None, sha256: str | None = None) -> Path:
    """The folder of `model` below `root`, fetched unless it is already there, complete.

    It comes from where TotalSegmentator publishes it, or from `url`. Until all of it is
    there and checked, `root` has nothing of it but a hidden temporary folder.

    Raises:
        MissingWeightsError: the model is not openly published.
        NotReadyError: it did not come whole, or the archive is not what it should be.
    """
    store = Store((root,))
    if store.has(model):
        return store.find(model)
    if url is None:
        if model.release is None:
            raise MissingWeightsError(f"Model {model.dataset} cannot be fetched. {advice(model)}")
        url = f"{RELEASES}/{model.release}/{model.folder}.zip"
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".totalseg-mcp-", dir=root) as temporary:
        archive, unpacked = Path(temporary) / "archive.zip", Path(temporary) / "unpacked"
        with stage(f"fetch model {model.dataset} (MiB)", 0.0, 0.9):
            digest = _download(url, archive)
        if sha256 is not None and digest != sha256.lower():
            raise NotReadyError(
                f"{url} has the SHA-256 {digest}, not {sha256}. It is not what was asked for."
            )
        with stage(f"unpack model {model.dataset}", 0.9, 1.0):
            _unpack(archive, unpacked, model.folder)
        _install(unpacked, root, model, {"url": url, "sha256": digest})
    return store.find(model)


class _Redirects(HTTPRedirectHandler):
    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Request | None:
        try:
            _refuse_unsafe(newurl)
        except NotReadyError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refuse_unsafe(url: str) -> None:
    """Only HTTPS, but for a server on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname or "")):
        return
    raise NotReadyError(f"{url} is not fetched: models come by HTTPS only.")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _download(url: str, file: Path) -> str:
    """Write what is at `url`, all of it, and return its SHA-256."""
    _refuse_unsafe(url)
    request = Request(url, headers={"User-Agent": "totalseg-mcp"})
    digest = hashlib.sha256()
    try:
        with build_opener(_Redirects).open(request, timeout=SILENCE_S) as answer:
            size = int(answer.headers.get("Content-Length") or 0)  # GitHub always says it
            _room_for(size, file.parent)
            with file.open("wb") as target:
                for _ in track(range(-(-size // CHUNK)), "MiB"):
                    chunk = answer.read(CHUNK)
                    digest.update(chunk)
                    target.write(chunk)
    except HTTPError as error:
        error.close()
        raise NotReadyError(f"{url} cannot be fetched: HTTP status {error.code}.") from error
    except (OSError, http.client.HTTPException) as error:
        raise NotReadyError(
            f"{url} cannot be fetched ({error}). Check the network and the proxy settings, and "
            "try again."
        ) from error
    if file.stat().st_size != size or not size:
        raise NotReadyError(
            f"{url} came only in part: {file.stat().st_size:,} of {size:,} bytes. Try again."
        )
    return digest.hexdigest()


def _room_for(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < 3 * size:  # the archive and what is in it
        raise NotReadyError(
            f"The model needs {3 * size:,} bytes on the disk of {folder.parent}, which has "
            f"{free:,} free."
        )


def _unpack(archive: Path, folder: Path, top: str) -> None:
    """Unpack what is below `top` in `archive`; nothing else of it is touched."""
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            _refuse_strange(entries)
            wanted = [e for e in entries if PurePosixPath(e.filename).parts[0] == top]
            for entry in track(wanted, "file"):
                target = folder / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(entry) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, CHUNK)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise NotReadyError(f"The archive is damaged ({error}). Fetch it again.") from error


def _refuse_strange(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that reaches out of its folder, links, or grows without end."""
    for entry in entries:
        path = PurePosixPath(entry.filename)
        leads_out = path.is_absolute() or ".." in path.parts or "\\" in entry.filename
        if leads_out or ":" in entry.filename or stat.S_ISLNK(entry.external_attr >> 16):
            raise NotReadyError(
                f"The archive has the entry {entry.filename!r}, which could write elsewhere. "
                "It was not unpacked."
            )
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_FILES or size > MOST_BYTES:
        raise NotReadyError(
            f"The archive would unpack to {len(entries)} files of {size:,} bytes together, far "
            "more than a model. It was not unpacked."
        )


def _install(unpacked: Path, root: Path, model: Model, receipt: dict[str, str]) -> None:
    """Move the model into place; an incomplete one in its place goes."""
    try:
        folder = Store((unpacked,)).find(model)
    except MissingWeightsError as error:
        raise NotReadyError(
            f"The archive at {receipt['url']} does not have model {model.dataset} whole."
        ) from error
    (folder / RECEIPT).write_text(json.dumps(receipt, indent=2) + "\n", encoding="utf-8")
    place = root / model.folder / model.subfolder
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(unpacked / "replaced")
    folder.rename(place)
