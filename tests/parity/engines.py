"""The table of engines beside torch in docs/parity.md: `PYTHONPATH=tests python -m parity.engines`.

The same network computes the same image by both; the labels are compared. It takes some minutes.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from parity.models_2d import members
from parity.report import DOCUMENT
from parity.stand_ins_2d import architecture, made_network
from parity.true_size import image, make_true_size

from totalseg_mcp.engine.engines import Cpu
from totalseg_mcp.engine.loading import Ways, load
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.volume import Volume
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.engine.weights2d import Store2D
from totalseg_mcp.phantom import phantom, scan, view
from totalseg_mcp.weights.evaluate2d import Engine2D
from totalseg_mcp.weights.projections import pictured

MARKS = re.compile(r"(<!-- engines -->\n).*?(<!-- end of engines -->)", re.S)
HEADING = (
    "| engine | network | image | voxels | labels | differing | agreement |\n"
    "|---|---|---|---|---|---|---|"
)
CPU = torch.device("cpu")
CPUS: tuple[Cpu, Cpu] = ("torch", "openvino")
FLAT_CPUS: tuple[Cpu, Cpu] = ("torch", "winograd")
DEMO_SEED = 20  # the body of `make demo`
TRUE_SHAPE = (128, 128, 192)  # two tiles
FLAT_KEY = "ts2d-v2-ep4000b2"
FLAT_FEATURES = (32, 64, 128, 256, 512, 512, 512)  # as nnU-Net plans them for such tiles
FLAT_PATCH, FLAT_STRIDE = (256, 256), (64, 64)

Labels = NDArray[np.integer]


def main() -> None:
    """Compare, and write."""
    table = "\n".join([HEADING, *rows()])
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(MARKS.sub(lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text), encoding="utf-8")


def rows() -> Iterator[str]:
    """A row for each network."""
    thorax = "phantom, thorax and abdomen"
    yield row("OpenVINO", "demonstration, 6 mm", thorax, *demonstration())
    with tempfile.TemporaryDirectory() as name:
        what = "random, 32 to 320 features, 118 outputs"
        yield row("OpenVINO", what, "another phantom at 3 mm, two tiles", *true_size(Path(name)))
    five = "the five of the demonstration, two dimensions"
    yield row("Winograd's way", five, f"{thorax}, seen from the front", *flat_demonstration())
    what = "random, two dimensions, 32 to 512 features"
    yield row("Winograd's way", what, f"{thorax}, seen from the front, one tile", *flat_true_size())


def demonstration() -> tuple[Labels, Labels]:
    """The labels of the demonstration network, by torch and by OpenVINO."""
    model = MODELS[298]
    volume = thorax_and_abdomen(6.0)
    folder = Store.demo().find(model)
    one, other = (load(folder, model, CPU, Ways(cpu=cpu))(volume, 0.5) for cpu in CPUS)
    return one, other


def true_size(root: Path) -> tuple[Labels, Labels]:
    """Those of a network of the size of the real ones."""
    folder, data = make_true_size(root), torch.from_numpy(image(TRUE_SHAPE))
    outputs = (load(folder, MODELS[297], CPU, Ways(cpu=cpu)).logits(data, 0.5) for cpu in CPUS)
    one, other = (each.argmax(0).numpy() for each in outputs)
    return one, other


def flat_demonstration() -> tuple[Labels, Labels]:
    """The layers of the demonstration networks, by torch and by Winograd's way; see `numbered`."""
    volume = thorax_and_abdomen(3.0)
    one, other = (numbered(Engine2D(Store2D.demo(), cpu)(volume).data) for cpu in FLAT_CPUS)
    return one, other


def flat_true_size() -> tuple[Labels, Labels]:
    """Those of a network of the size of the real ones, where its outputs are above zero."""
    from totalseg_mcp.engine.planar.fold import planar  # imports numba, which is optional

    model = next(iter(members(FLAT_KEY)))
    torch.manual_seed(model.number)
    module = made_network(model, architecture(FLAT_FEATURES, 2)).eval()
    volume = thorax_and_abdomen(1.5)
    seen = torch.from_numpy(pictured(volume))[None, :, : FLAT_PATCH[0], : FLAT_PATCH[1]]
    tile = ((seen - seen.mean()) / seen.std()).contiguous()
    with torch.inference_mode():
        one = numbered((module(tile)[0] > 0).numpy())
        fold = planar(module, len(model.channels), FLAT_STRIDE)
        return one, numbered((fold(tile)[0] > 0).numpy())


def thorax_and_abdomen(spacing_mm: float) -> Volume:
    """A scan of the demonstration's body."""
    body = phantom(DEMO_SEED)
    volume, _ = scan(body, view(body, "thorax_abdomen", (spacing_mm,) * 3))
    return volume


def numbered(layers: NDArray[np.bool_]) -> Labels:
    """Layers [structure, row, column] with their numbers in them, from 1."""
    return layers * np.arange(1, len(layers) + 1)[:, None, None]


def row(engine: str, network: str, image: str, one: Labels, other: Labels) -> str:
    """What is compared, and how much of it differs."""
    differing, labels = int((one != other).sum()), len(np.unique(one))
    share = f"{100 * (1 - differing / one.size):.6g} %"
    cells = (engine, network, image, f"{one.size:,}", labels, f"{differing:,}", share)
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
