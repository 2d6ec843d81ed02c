"""2-D networks stay and are read as the others."""

import json
import shutil

import pytest
import torch
from parity.models_2d import models_2d
from parity.stand_ins_2d import make_stand_in_2d

from totalseg_mcp.engine.archive import WORKPLACE
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.models2d import MODELS_2D
from totalseg_mcp.engine.network2d import Mirrored
from totalseg_mcp.engine.pins import Pin, digests, write_receipt
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.engine.weights2d import Store2D

CPU = torch.device("cpu")
GROUPS = {group.folder: group for model in MODELS_2D.values() for group in model.groups}
IN_TWO_FOLDS, MIRRORED = "ts2d-v1-ep4000b2_cardiac", "ts2d-v1-ep4000b2_organs"


@pytest.fixture(params=[IN_TWO_FOLDS, MIRRORED])
def model(request, tmp_path):
    """A stand-in on disk, of which the second is trained with mirror images."""
    chosen = models_2d()[request.param]
    make_stand_in_2d(tmp_path / "root", chosen)
    return chosen


@pytest.fixture
def session(tmp_path):
    return lambda: Session(
        Store(), store_2d=Store2D((tmp_path / "root",)), cache=tmp_path / "cache"
    )


def test_a_2d_network_stays_and_counts_by_its_bytes(model, session):
    kept = session()
    with kept.job():
        network = kept.network_2d(GROUPS[model.key], CPU)
    assert kept.network_2d(GROUPS[model.key], CPU) is network
    stats = kept.stats()
    assert (stats.loads, stats.weight_reads) == (1, len(model.folds))
    one = network._plain()[0]
    numbers = {parameter.data_ptr(): parameter.numel() for parameter in one.parameters()}
    assert stats.kept_bytes == {"cpu": 4 * sum(numbers.values()) * len(model.folds)}


def test_a_2d_network_is_the_same_from_its_copy(model, session, tmp_path):
    first = session().network_2d(GROUPS[model.key], CPU)
    copies = list((tmp_path / "root" / WORKPLACE / "cache").rglob("*.safetensors"))
    assert len(copies) == len(model.folds)
    second = session().network_2d(GROUPS[model.key], CPU)
    mirrored = [fold.axes if isinstance(fold, Mirrored) else () for fold in second.network.folds]
    assert mirrored == [model.mirrored or ()] * len(model.folds)
    for one, other in zip(first._plain(), second._plain(), strict=True):
        states = one.state_dict(), other.state_dict()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_2d_network_that_is_not_what_its_receipt_says_is_refused(model, session, tmp_path):
    folder = tmp_path / "root" / GROUPS[model.key].inside
    write_receipt(folder, Pin(files=digests(folder)))
    assert session().network_2d(GROUPS[model.key], CPU)
    shutil.rmtree(tmp_path / "root" / WORKPLACE)
    write_receipt(folder, Pin(files=dict.fromkeys(digests(folder), "0" * 64)))
    with pytest.raises(NotReadyError, match="have changed since they came"):
        session().network_2d(GROUPS[model.key], CPU)


def test_a_2d_model_that_does_not_say_is_an_error_and_loads_nothing(model, session, tmp_path):
    (tmp_path / "root" / model.key / "r001" / "model.json").write_text(json.dumps({}))
    kept = session()
    with pytest.raises(NotReadyError, match=r"model\.json"):
        kept.network_2d(GROUPS[model.key], CPU)
    assert kept.stats().loads == 0
