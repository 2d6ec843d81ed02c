"""The machine, as far as timings depend on it, and how busy it is."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from totalseg_mcp.engine.threads import processors

# Instruction sets that numpy, torch, isal and their like choose their code by.
TELLING = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "neon")
TOOL = "nvidia-smi"
PATIENCE_S = 120.0
PAUSE_S = 10.0


def description() -> str:
    """Cores and instruction sets; nothing that tells which machine it is."""
    return f"{processors()} cores; {' '.join(flags()) or 'instruction sets unknown'}"


def flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Those of `TELLING` that the first processor has; none where that cannot be told."""
    if not cpuinfo.exists():
        return []
    lines = cpuinfo.read_text().splitlines()
    known = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return [flag for flag in TELLING if flag in known.split()]


def gpus() -> list[str]:
    """The NVIDIA GPUs and their memory, as the driver's tool names them; none where it is not."""
    if shutil.which(TOOL) is None:
        return []
    asked = [TOOL, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()


def load() -> float:
    """Processes that ran or waited to run, on average over the last minute."""
    return os.getloadavg()[0]


def wait_for_quiet(most: float) -> None:
    """Wait until the load is `most` or less, for at most two minutes."""
    deadline = time.monotonic() + PATIENCE_S
    while load() > most and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
