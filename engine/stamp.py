"""Whether a file is still the one that was read."""

from pathlib import Path


def stamp(file: Path) -> str:
    """What changes when `file` is written to or replaced, even by one of its size and date.

    Size, time of change and number of the file, as the system has them; its content is not
    read. The time of the last change of its status cannot be set back.
    """
    known = file.stat()
    return f"{known.st_size}-{known.st_mtime_ns}-{known.st_ctime_ns}-{known.st_ino}"
