import gc
import os
import weakref
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from model_folder import make_model_folder

from totalseg_mcp.engine.memory import Budget
from totalseg_mcp.engine.session import Session, Stats
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.warming import warm
from totalseg_mcp.engine.weights import CHECKPOINT, Store

CPU = torch.device("cpu")
# The parameters of a made model with 117 structures, by layer: weights, biases and the two of each
# channel's norm. Convolutions 1-4 and 4-8 (3x3x3), the way up 8-4 (2x2x2), 8-4, and 4-118 (1x1x1).
PARAMETERS = (27 * 4 + 3 * 4) + (27 * 4 * 8 + 3 * 8) + (8 * 8 * 4 + 4) + (27 * 8 * 4 + 3 * 4)
NETWORK = 4 * (PARAMETERS + 4 * 118 + 118)  # bytes; 10,936


@pytest.fixture
def root(tmp_path):
    for dataset in (297, 298, 853):
        make_model_folder(tmp_path, dataset)
    return tmp_path


def test_a_network_is_read_once_and_then_stays(root):
    session = Session(Store((root,)))
    first = session.network(MODELS[298], CPU)
    assert session.network(MODELS[298], CPU) is first
    assert session.weight_reads == 1


def test_a_network_is_as_large_as_its_parameters(root):
    session = Session(Store((root,)))
    session.network(MODELS[298], CPU)
    assert session.stats().kept_bytes == {"cpu": NETWORK}


def test_mixed_calls_are_counted(root):
    session = Session(Store((root,)), budget=Budget(host=2 * NETWORK))
    assert session.stats() == Stats(0, 0, 0, 0, {})
    for datasets in ((297, 298), (298, 297), (298, 853), (853, 298), (297,)):
        with session.job():
            for dataset in datasets:
                session.network(MODELS[dataset], CPU)
    stats = session.stats()
    # 297 gives way to 853 in the third job, and 853, which is smaller, to 297 in the last.
    assert (stats.jobs, stats.weight_reads, stats.loads, stats.evictions) == (5, 4, 4, 2)
    assert stats.kept_bytes == {"cpu": 2 * NETWORK}


def test_every_fold_that_is_read_counts(tmp_path):
    several = next(model for model in MODELS.values() if model.folds == "all")
    make_model_folder(tmp_path, several.dataset)
    session = Session(Store((tmp_path,)))
    session.network(several, CPU)
    assert (session.stats().weight_reads, session.stats().loads) == (2, 1)


@pytest.mark.parametrize("budget", [0, NETWORK - 1])
def test_a_network_beyond_the_budget_runs_and_goes_with_its_job(root, budget):
    session = Session(Store((root,)), budget=Budget(host=budget))
    with session.job():
        network = session.network(MODELS[298], CPU)
        assert session.network(MODELS[298], CPU) is network
        assert network.logits(torch.zeros(1, 16, 24, 20), 0.5).shape == (118, 16, 24, 20)
    assert session.stats().kept_bytes == {"cpu": 0}


def test_a_failed_job_settles_too(root):
    session = Session(Store((root,)), budget=Budget(host=0))

    def fail() -> None:
        with session.job():
            session.network(MODELS[298], CPU)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert session.stats().kept_bytes == {"cpu": 0}


def test_a_network_that_is_put_out_leaves_the_memory(root):
    session = Session(Store((root,)), budget=Budget(host=NETWORK))
    gone = weakref.ref(session.network(MODELS[298], CPU).folds[0])
    session.network(MODELS[297], CPU)
    gc.collect()
    assert gone() is None


def test_weights_that_were_replaced_are_read_again(root):
    session = Session(Store((root,)))
    before = session.network(MODELS[298], CPU)
    (file,) = root.glob(f"{MODELS[298].folder}/*/fold_0/{CHECKPOINT}")
    other = make_model_folder(root / "other", 298, seed=1) / "fold_0" / CHECKPOINT
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    os.replace(other, file)
    after = session.network(MODELS[298], CPU)
    assert not torch.equal(next(before.folds[0].parameters()), next(after.folds[0].parameters()))


@dataclass
class Flat:
    """A network of another kind."""

    nbytes: int


def test_networks_of_other_kinds_share_the_room(root):
    session = Session(Store((root,)), budget=Budget(host=NETWORK + 100))
    flat = session.kept("flat", CPU, lambda: Flat(100))
    session.network(MODELS[298], CPU)
    assert session.kept("flat", CPU, lambda: Flat(1)) is flat
    session.kept("flatter", CPU, lambda: Flat(1))
    assert session.stats().kept_bytes == {"cpu": 101}


def test_each_device_has_room_of_its_own(monkeypatch):
    eight = SimpleNamespace(total_memory=8 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: eight)
    session = Session(budget=Budget(host=100))
    for device in (CPU, torch.device("cuda", 0), torch.device("cuda", 1)):
        for name in ("a", "b"):
            session.kept(name, device, lambda: Flat(1 << 30))
    assert session.stats().kept_bytes == {"cpu": 1 << 30, "cuda:0": 2 << 30, "cuda:1": 2 << 30}
    with session.job():
        session.kept("c", torch.device("cuda", 0), lambda: Flat(1 << 30))
    assert session.stats().kept_bytes == {"cpu": 0, "cuda:0": 2 << 30, "cuda:1": 2 << 30}


def test_a_warm_network_is_loaded_when_the_job_comes(root):
    session = Session(Store((root,)), device="cpu")
    warm(MODELS[298], session)
    before = session.stats()
    session.network(MODELS[298], CPU)
    assert session.stats() == before
    assert (before.jobs, before.loads) == (1, 1)
