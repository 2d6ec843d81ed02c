import numpy as np
import pytest

from totalseg_mcp.engine.image.winners import LOT, winners

HALF = np.float16


def drawn(kind: str, classes: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Outputs of a kind that is hard to rank, always the same."""
    random = np.random.default_rng(classes)
    size = (classes, *shape)
    if kind == "every finite number":
        bits = random.integers(0, 2**16, size).astype(np.uint16)
        outputs = bits.view(HALF)
        outputs[~np.isfinite(outputs)] = 0
        return outputs
    if kind == "ties":
        return random.integers(-2, 1, size).astype(HALF)
    return random.choice(np.array([0.0, -0.0, -6e-8], HALF), size)  # the least below zero


@pytest.mark.parametrize("kind", ["every finite number", "ties", "zeros of both signs"])
@pytest.mark.parametrize("classes", [1, 2, 3, 64, 65, 118, 256, 300])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 3, LOT), (1, LOT // 64 + 1, 65)])
def test_winners_are_numpys_argmax(kind, classes, shape):
    outputs = drawn(kind, classes, shape)
    found = winners(outputs)
    assert np.array_equal(found, outputs.argmax(0))
    assert found.dtype == np.min_scalar_type(classes - 1)


def test_winners_of_a_part_of_an_image_are_its_own():
    outputs = drawn("ties", 5, (6, 8, 10))[:, 1:4, 2:7, 3:9]
    assert np.array_equal(winners(outputs), outputs.argmax(0))
