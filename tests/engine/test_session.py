import torch
from model_folder import make_model_folder

from totalseg_mcp.engine import session as module
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.weights import Store

CPU = torch.device("cpu")


def test_a_network_is_read_once_and_then_stays(tmp_path):
    make_model_folder(tmp_path, 298)
    session = Session(Store((tmp_path,)))
    first = session.network(MODELS[298], CPU)
    assert session.network(MODELS[298], CPU) is first
    assert session.weight_reads == 1


def test_the_network_that_was_not_used_for_longest_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 2)
    for dataset in (297, 298, 853):
        make_model_folder(tmp_path, dataset)
    session = Session(Store((tmp_path,)))
    for dataset in (297, 298, 297, 853, 297):
        session.network(MODELS[dataset], CPU)
    assert session.weight_reads == 3
    session.network(MODELS[298], CPU)
    assert session.weight_reads == 4
