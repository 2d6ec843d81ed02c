"""One file from a server, in as many parts as it takes: the only place that talks to a network.

What has come stays on the disk beside a note of which file it is the beginning of, so that
the next attempt, also that of another process, asks for the rest only. The rest is joined to
it only if the server says that it is the rest of the very same file.
"""

import http.client
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

from totalseg_mcp.engine.connection import opener, refuse_unsafe, shown
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.sources import Patience
from totalseg_mcp.engine.watch import advance, allow_stop

CHUNK = 2**20
LEAST_BYTES = 2**14  # within the time of silence that is allowed; less is as good as nothing
MOST_BYTES = 8 * 2**30
PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})  # asking again may help
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class _InterruptedError(Exception):
    """This attempt has failed; another may go on where it ended, or start over."""


@dataclass(frozen=True, slots=True)
class Version:
    """What tells this file of a server from what it may have there later."""

    url: str
    size: int
    stamp: str  # a strong ETag, or the date of the last change


def download(url: str, part: Path, patience: Patience, body: bytes | None = None) -> None:
    """All of what is at `url` in the file `part`, which may have the beginning of it.

    With a `body` it is posted there, to that server only, and never in parts.

    Raises:
        NotReadyError: it cannot be had; what has come of it stays in `part`.
    """
    why = ""
    for pause_s in (0.0, *patience.pauses_s):
        _pause(pause_s)
        try:
            return _attempt(url, part, patience, body)
        except _InterruptedError as error:
            why = str(error)
    kept = "" if body else "; what has come is kept"
    raise NotReadyError(
        f"{shown(url)} cannot be fetched: {why}. Check the network and the proxy settings, and "
        f"try again{kept}."
    )


def forget(part: Path) -> None:
    """Remove what has come, so that the next attempt starts over."""
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, patience: Patience, body: bytes | None) -> None:
    known = _beginning(url, part) if body is None else None
    have = part.stat().st_size if known else 0
    if known and have == known.size:
        return
    with _asked(url, body, patience, {**_rest(known, have)}) as answer:
        if answer.status == 206:
            _refuse_other_rest(answer, known, have, part)
            size = known.size if known else None
        else:
            size, have = _size(answer), 0
            forget(part)
            _remember(Version(url, size or 0, _stamp(answer)), part, resumable=body is None)
        _room_for((size or 0) - have, part.parent)
        _receive(answer, part, have, size, patience.silence_s)


def _rest(known: Version | None, have: int) -> dict[str, str]:
    """The headers that ask for the rest, or for all where the file is another one now."""
    return {"Range": f"bytes={have}-", "If-Range": known.stamp} if known else {}


def _asked(
    url: str, body: bytes | None, patience: Patience, headers: dict[str, str]
) -> http.client.HTTPResponse:
    """The server's answer, which is one with a file in it."""
    refuse_unsafe(url)
    kind = {"Content-Type": "application/json"} if body else {}
    always = {"User-Agent": "totalseg-mcp", "Accept-Encoding": "identity"}
    request = Request(url, data=body, headers={**always, **kind, **headers})
    try:
        answer: http.client.HTTPResponse = opener(url, redirects=body is None).open(
            request, timeout=patience.silence_s
        )
    except HTTPError as error:
        error.close()
        if error.code in PASSING:
            raise _InterruptedError(f"HTTP status {error.code}") from None
        raise NotReadyError(f"{shown(url)} cannot be fetched: HTTP status {error.code}.") from None
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(str(error)) from error
    except ValueError as error:
        raise NotReadyError(f"{shown(url)} leads to no address ({error}).") from error
    if answer.status not in (200, 206):
        answer.close()
        raise NotReadyError(f"{shown(url)} cannot be fetched: HTTP status {answer.status}.")
    return answer


def _refuse_other_rest(
    answer: http.client.HTTPResponse, known: Version | None, have: int, part: Path
) -> None:
    """Start over if the answer is not the rest, to the end, of the file that `part` begins."""
    said = RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    place = tuple(int(number) for number in said.groups()) if said else ()
    stamp = _stamp(answer)
    if (
        known is None
        or place != (have, known.size - 1, known.size)
        or (stamp and stamp != known.stamp)
    ):
        forget(part)
        raise _InterruptedError("the server sent another part than the one asked for")


def _receive(
    answer: http.client.HTTPResponse, part: Path, have: int, size: int | None, silence_s: float
) -> None:
    total = f" of {size / 2**20:.1f}" if size else ""
    with part.open("ab") as file:
        for chunk in _chunks(answer, silence_s):
            have += len(chunk)
            if have > (size or MOST_BYTES):
                raise NotReadyError("The server sends more than a model has; it is not used.")
            file.write(chunk)
            advance(have / size if size else 0.0, f"{have / 2**20:.1f}{total} MiB")
    if size and have < size:
        raise _InterruptedError(f"it came only in part, {have:,} of {size:,} bytes")


def _chunks(answer: http.client.HTTPResponse, silence_s: float) -> Iterator[bytes]:
    """What comes, as it comes, as long as it comes faster than drops."""
    came, end = 0, time.monotonic() + silence_s
    while True:
        try:
            chunk = answer.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _InterruptedError(f"the connection broke ({error})") from error
        if not chunk:
            return
        yield chunk
        came += len(chunk)
        if time.monotonic() > end:
            if came < LEAST_BYTES:
                raise _InterruptedError(f"only {came} bytes came in {silence_s:g} s")
            came, end = 0, time.monotonic() + silence_s


def _size(answer: http.client.HTTPResponse) -> int | None:
    """The whole size; None where the server marks the end in another way."""
    size = answer.length
    if size is None and not answer.chunked:
        raise NotReadyError("The server does not say how long the file is, so it is not fetched.")
    if size is not None and not 0 < size <= MOST_BYTES:
        raise NotReadyError(f"The server has a file of {size:,} bytes there, which is no model.")
    return size


def _stamp(answer: http.client.HTTPResponse) -> str:
    """What names this version of the file; empty where nothing does so surely."""
    tag = str(answer.headers.get("ETag", ""))
    date = str(answer.headers.get("Last-Modified", ""))
    return tag if tag.startswith('"') else date


def _beginning(url: str, part: Path) -> Version | None:
    """Of which file `part` is the beginning; None where that is not sure."""
    try:
        known = Version(**json.loads(_notes(part).read_text(encoding="utf-8")))
        usable = known.url == url and 0 < part.stat().st_size <= known.size
    except (OSError, ValueError, TypeError):
        return None
    return known if usable else None


def _remember(version: Version, part: Path, *, resumable: bool) -> None:
    part.touch()
    if resumable and version.stamp and version.size:
        _notes(part).write_text(json.dumps(asdict(version)), encoding="utf-8")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _pause(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        allow_stop()
        time.sleep(min(left, 0.1))


def _room_for(size: int, folder: Path) -> None:
    """Refuse what would fill the disk: the archive, and twice its size for what is in it."""
    free = shutil.disk_usage(folder).free
    if free < 3 * size:
        raise NotReadyError(
            f"The model needs {3 * size:,} bytes on the disk of {folder}, which has {free:,} free."
        )
