"""How much memory this process has, and the most that it had; Linux tells, other systems do not."""

from pathlib import Path

STATUS = Path("/proc/self/status")
FORGET = Path("/proc/self/clear_refs")
PEAK_ONLY = "5"  # what to write there (proc_pid_clear_refs(5))
KIB = 1024


def resident(status: Path = STATUS) -> int | None:
    """Bytes of main memory that this process has now; None where the system does not tell."""
    return _told("VmRSS:", status)


def most_resident(status: Path = STATUS) -> int | None:
    """The most bytes that it had since `forget`, or since its start; None as in `resident`."""
    return _told("VmHWM:", status)


def forget(file: Path = FORGET) -> bool:
    """Begin anew to note the most; whether the system does that."""
    try:
        file.write_text(PEAK_ONLY, encoding="ascii")
    except OSError:
        return False
    return True


def _told(name: str, status: Path) -> int | None:
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith(name)), None)
