from types import SimpleNamespace

import numpy as np
import pytest

from totalseg_mcp.engine.measure.mesh import KNOWN, let_threads_go_on

radiomics = pytest.importorskip("radiomics", reason="pyradiomics is not installed")


@pytest.fixture
def library():
    """What is changed of pyradiomics, apart from it."""
    return SimpleNamespace(
        __version__=KNOWN[-1],
        cShape=radiomics.cShape,
        shape=SimpleNamespace(cShape=radiomics.cShape),
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_unlocked_function_gives_what_pyradiomics_own_call_gives(library, order):
    let_threads_go_on(library)
    assert library.shape.cShape is not radiomics.cShape
    z, y, x = np.indices((14, 12, 17))
    mask = ((z - 6) / 4) ** 2 + ((y - 6) / 3) ** 2 + ((x - 8) / 6) ** 2 <= 1
    mask[6, 6, 8] = False
    given = np.array(mask, order=order), np.array([2.5, 0.8, 0.7])
    assert library.shape.cShape.calculate_coefficients(*given) == (
        radiomics.cShape.calculate_coefficients(*given)
    )


def test_a_version_that_is_not_known_is_left_as_it_is(library):
    library.__version__ = "v4.0.0"
    let_threads_go_on(library)
    assert library.shape.cShape is radiomics.cShape


@pytest.mark.parametrize(("shape", "edges"), [((3, 4), 3), ((3, 4, 5), 2)])
def test_what_is_no_volume_is_refused(library, shape, edges):
    let_threads_go_on(library)
    with pytest.raises(ValueError, match="mask in 3-D"):
        library.shape.cShape.calculate_coefficients(np.ones(shape, bool), np.ones(edges))
