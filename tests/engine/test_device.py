import pytest
import torch

from totalseg_mcp.engine.device import choose_device
from totalseg_mcp.engine.errors import NotReadyError


def test_the_cpu_is_used_when_asked_for_without_remark():
    assert choose_device("cpu") == (torch.device("cpu"), None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_the_default_runs_elsewhere_and_says_so_but_a_named_gpu_is_refused():
    device, why = choose_device("gpu")
    assert device.type != "cuda"
    assert why is not None
    with pytest.raises(NotReadyError, match="no CUDA GPU number 3"):
        choose_device("gpu:3")
