import pytest

from totalseg_mcp.engine import threads as module
from totalseg_mcp.engine.threads import processors, threads


@pytest.mark.parametrize(
    ("there", "asked", "given"),
    [(16, None, 8), (2, None, 2), (16, 3, 3), (2, 100, 2), (16, 12, 12), (1, None, 1)],
)
def test_no_more_than_asked_for_and_than_there_are_processors(monkeypatch, there, asked, given):
    monkeypatch.setattr(module, "processors", lambda: there)
    assert threads(asked) == given


def test_there_is_a_processor():
    assert processors() >= 1
