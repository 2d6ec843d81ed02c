"""What a NIfTI file holds behind its header: all voxels at once, or slab by slab."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from isal.igzip import IGzipFile
from isal.igzip_lib import IsalError
from nibabel.arrayproxy import ArrayProxy
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

from totalseg_mcp.engine.errors import BadImageError
from totalseg_mcp.engine.files import checks
from totalseg_mcp.engine.volume import Shape

GZIP = b"\x1f\x8b"
DEFLATE_RATIO = 1032  # what one compressed byte can unfold to at most
TAIL = 2**20  # bytes read after the voxels, so that gzip gets to its checksum
SLAB = 2**20  # bytes of the file, which stay in the cache of a processor while they are looked at
PACKING = cast(type[Exception], IsalError)  # an instance, say its stubs


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The content of `path`, unzipped if it is zipped, whatever it is called."""
    try:
        with path.open("rb") as file:
            zipped = file.read(len(GZIP)) == GZIP
            file.seek(0)
            yield cast(BinaryIO, IGzipFile(fileobj=file)) if zipped else file  # type: ignore[no-untyped-call]
    except (OSError, EOFError, PACKING) as error:
        raise BadImageError(
            f"{path} cannot be read ({error}). If it is damaged or cut short, copy or export it "
            "again."
        ) from error


def voxels(path: Path, header: Nifti1Header) -> NDArray[Any]:
    """What `path` holds, in native byte order.

    Raises:
        BadImageError: it is damaged, or does not fit into memory.
    """
    with opened(path) as stream:
        proxy = _promised(path, stream, header)
        _fits(proxy, proxy.shape)
        data = _read(proxy)
        stream.read(TAIL)
    return data


def slabs(path: Path, header: Nifti1Header, shape: Shape) -> Iterator[NDArray[Any]]:
    """The same of an image of `shape` in parts [i, j, some k], which follow one another.

    Raises:
        BadImageError: as `voxels`, or with the part that is damaged.
    """
    i, j, planes = shape
    with opened(path) as stream:
        whole = _promised(path, stream, header)
        plane = i * j * whole.dtype.itemsize
        most = min(max(SLAB // plane, 1), planes)
        _fits(whole, (i, j, most))
        for first in range(0, planes, most):
            part, begin = (i, j, min(most, planes - first)), whole.offset + first * plane
            spec = (part, whole.dtype, begin, whole.slope, whole.inter)
            yield _read(ArrayProxy(stream, spec, mmap=False))
        stream.read(TAIL)


def _promised(path: Path, stream: BinaryIO, header: Nifti1Header) -> ArrayProxy:
    """The voxels that `header` says are in `stream`, the content of `path`."""
    proxy = ArrayProxy(stream, header, mmap=False)
    count = int(np.prod(proxy.shape, dtype=np.float64)) * proxy.dtype.itemsize
    most = path.stat().st_size * (DEFLATE_RATIO if isinstance(stream, IGzipFile) else 1)
    if count > most:  # before so much memory is asked for
        raise BadImageError(
            f"{path} is cut short: its header promises {count:,} bytes of voxels, and it can "
            f"hold at most {most:,}. Copy or export it again."
        )
    return proxy


def _fits(proxy: ArrayProxy, shape: tuple[int, ...]) -> None:
    """Refuse to read so much of `proxy` where it does not fit into memory."""
    itemsize = proxy.dtype.itemsize if _whole(proxy) else np.dtype(np.float64).itemsize
    checks.fits(int(np.prod(shape, dtype=np.float64)) * itemsize)


def _read(proxy: ArrayProxy) -> NDArray[Any]:
    if _whole(proxy):
        data = np.asarray(proxy.get_unscaled())
        return data.astype(data.dtype.newbyteorder("="), copy=False)
    return np.asarray(proxy, dtype=np.float64)


def _whole(proxy: ArrayProxy) -> bool:
    """Whether the values are the whole numbers that the file has."""
    return proxy.dtype.kind in "iu" and (proxy.slope, proxy.inter) == (1, 0)
