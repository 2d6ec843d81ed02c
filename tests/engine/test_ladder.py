import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folder import make_model_folder

from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.ladder import Ladder
from totalseg_mcp.engine.network import Network
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.sliding import Belt
from totalseg_mcp.engine.tasks import MODELS, Model
from totalseg_mcp.engine.volume import Grid, Volume
from totalseg_mcp.engine.weights import Store

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
FASTEST = MODELS[298]
SHORT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
CACHE = "cuda:0 had too little free memory: its cache was freed."
OTHERS = "cuda:0 had too little free memory: other networks were put out."
HOST = "cuda:0 had too little free memory: outputs were added up in main memory, which is slower."
TO_CPU = "cuda:0 had too little free memory: the CPU took over, which is slower."
Fail = Callable[[], None]


class Machine(Session):
    """Its GPU is the CPU, and has too little memory the first `shortages` times it is used."""

    shortages = 0
    error: Exception = SHORT

    def network(self, model: Model, device: torch.device) -> Network:
        network = super().network(model, CPU)
        if device == CPU:
            return network
        return replace(network, folds=tuple(Short(self, fold) for fold in network.folds))

    def put_out(self, device: torch.device) -> int:
        return super().put_out(CPU)


class Short:
    """A fold that fails at its third tile, as long as the machine's memory is short."""

    def __init__(self, machine: Machine, fold: torch.nn.Module) -> None:
        self.machine, self.fold, self.tiles = machine, fold, 0

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        self.tiles += 1
        if self.tiles == 3 and self.machine.shortages:
            self.machine.shortages -= 1
            error = self.machine.error  # a new one, as it comes to hold the frames it went through
            raise type(error)(*error.args)
        return self.fold(tile)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    make_model_folder(tmp_path, 298)
    return Machine(Store((tmp_path,)))


def image() -> Volume:
    data = np.random.default_rng(0).integers(-900, 900, (30, 20, 40)).astype(np.int32)
    return Volume(data, Grid(data.shape, np.diag([6.0, 6.0, 6.0, 1.0])))


@pytest.mark.parametrize(
    ("shortages", "steps", "device"),
    [
        (0, [], "cuda:0"),
        (1, [CACHE], "cuda:0"),
        (2, [CACHE, OTHERS], "cuda:0"),
        (3, [CACHE, OTHERS, HOST], "cuda:0"),
        (4, [CACHE, OTHERS, HOST, TO_CPU], "cpu"),
    ],
)
def test_every_step_down_is_told_and_gives_the_same_labels(machine, shortages, steps, device):
    machine.shortages = shortages
    ladder = Ladder(machine, GPU, cpu_allowed=True)
    labels = ladder.network(FASTEST)(image(), 0.5, False)
    assert (ladder.steps, ladder.devices) == (steps, device)
    np.testing.assert_array_equal(labels, machine.network(FASTEST, CPU)(image(), 0.5))


def test_a_device_that_was_named_is_not_left_for_the_cpu_and_the_next_call_works(machine):
    machine.shortages = 99
    ladder = Ladder(machine, GPU, cpu_allowed=False)
    with pytest.raises(NotReadyError, match=r"cuda:0 has too little .*20.00 GiB.*device='cpu'"):
        ladder.network(FASTEST)(image(), 0.5, False)
    assert ladder.steps == [CACHE, OTHERS, HOST]
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) is Belt]
    machine.shortages = 0
    again = Ladder(machine, GPU, cpu_allowed=False)
    again.network(FASTEST)(image(), 0.5, False)
    assert (again.steps, again.devices) == ([], "cuda:0")
    assert machine.stats().kept_bytes == {"cpu": machine.network(FASTEST, CPU).nbytes}


def test_what_was_given_up_for_one_model_stays_given_up_for_the_next(machine):
    machine.shortages = 4
    ladder = Ladder(machine, GPU, cpu_allowed=True)
    network = ladder.network(FASTEST)
    network(image(), 0.5, False)
    machine.shortages = 1
    network(image(), 0.5, False)
    assert (len(ladder.steps), machine.shortages) == (4, 1)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.05 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_shortage_is_told_in_several_ways(machine, error):
    machine.shortages, machine.error = 1, error
    ladder = Ladder(machine, GPU, cpu_allowed=False)
    ladder.network(FASTEST)(image(), 0.5, False)
    assert ladder.steps == [CACHE]


def test_any_other_error_is_not_taken_for_a_shortage(machine):
    machine.shortages, machine.error = 1, RuntimeError("shape mismatch")
    ladder = Ladder(machine, GPU, cpu_allowed=True)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        ladder.network(FASTEST)(image(), 0.5, False)
    assert ladder.steps == []
