"""What a second call does not do again, in a process that counts its process starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "process_starts.py"


@pytest.mark.skipif(sys.platform == "win32", reason="counts the starts of POSIX")
def test_a_second_call_reads_no_weights_and_starts_no_process(models, scan_file, tmp_path):
    command = [sys.executable, str(PROGRAM), str(models), str(scan_file), str(tmp_path / "out")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    first, second, on_purpose = json.loads(done.stdout)
    assert all(on_purpose.values()), "the starts are counted"
    assert (first["timings"]["weight_reads"], first["timings"]["loads"]) == (1, 1)
    assert (second["timings"]["weight_reads"], second["timings"]["loads"]) == (0, 0)
    assert second["starts"] == []
    stages = second["timings"]["stages_s"]
    assert {"read", "segment", "load weights", "infer", "measure", "write"} <= stages.keys()
    assert sum(stages[name] for name in ("read", "segment", "measure", "write")) <= (
        second["timings"]["total_s"] + 0.01  # each is rounded
    )
