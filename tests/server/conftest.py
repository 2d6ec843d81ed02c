import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for toy_server, which is also a program


@pytest.fixture
def anyio_backend():
    return "asyncio"
