import json
import os
import subprocess
import sys
from collections.abc import Mapping
from math import prod
from pathlib import Path

import measured_job
import pytest
from model_folder import make_model_folder

from totalseg_mcp.engine.peak import forget

CLASSES = 118  # of `total`, background included
HALF = 2  # bytes


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, int]:
    """Bytes of a process: before a job, foretold and available for it, and at most in it."""
    if not forget():
        pytest.skip("this system does not note the most memory of a process anew")
    models, folder = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("scans")
    make_model_folder(models, 297)
    program = [sys.executable, measured_job.__file__, str(models), str(folder)]
    paths = os.pathsep.join([str(Path(measured_job.__file__).parent), *sys.path])
    environ = {**os.environ, "PYTHONPATH": paths}
    ran = subprocess.run(program, stdout=subprocess.PIPE, env=environ, check=True, timeout=300)
    told: Mapping[str, int] = json.loads(ran.stdout)
    return told


def test_the_outputs_of_all_classes_are_never_there_for_the_whole_image(memory):
    whole = CLASSES * HALF * prod(measured_job.SHAPES["large"])
    assert memory["peak"] - memory["before"] < whole / 2


def test_what_was_foretold_is_what_the_process_had_within_a_quarter(memory):
    assert memory["peak"] / 1.25 < memory["needed"] < memory["peak"] * 1.25
    assert memory["needed"] <= memory["available"]
