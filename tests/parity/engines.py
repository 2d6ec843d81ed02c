"""The table of OpenVINO and torch in docs/parity.md: `PYTHONPATH=tests python -m parity.engines`.

The same network computes the same image by both; the labels are compared. It takes some minutes.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from parity.report import DOCUMENT
from parity.true_size import image, make_true_size

from totalseg_mcp.engine.engines import Cpu
from totalseg_mcp.engine.loading import Ways, load
from totalseg_mcp.engine.tasks import MODELS
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.phantom import phantom, scan, view

MARKS = re.compile(r"(<!-- engines -->\n).*?(<!-- end of engines -->)", re.S)
HEADING = "| network | image | voxels | labels | differing | agreement |\n|---|---|---|---|---|---|"
CPU = torch.device("cpu")
CPUS: tuple[Cpu, Cpu] = ("torch", "openvino")
DEMO_SEED = 20  # the body of `make demo`
TRUE_SHAPE = (128, 128, 192)  # two tiles

Labels = NDArray[np.integer]


def main() -> None:
    """Compare, and write."""
    table = "\n".join([HEADING, *rows()])
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(MARKS.sub(lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text), encoding="utf-8")


def rows() -> Iterator[str]:
    """A row for each network."""
    yield row("demonstration, 6 mm", "phantom, thorax and abdomen", *demonstration())
    with tempfile.TemporaryDirectory() as name:
        what = "random, 32 to 320 features, 118 outputs"
        yield row(what, "another phantom at 3 mm, two tiles", *true_size(Path(name)))


def demonstration() -> tuple[Labels, Labels]:
    """The labels of the demonstration network, by torch and by OpenVINO."""
    model, body = MODELS[298], phantom(DEMO_SEED)
    volume, _ = scan(body, view(body, "thorax_abdomen", (6.0, 6.0, 6.0)))
    folder = Store.demo().find(model)
    one, other = (load(folder, model, CPU, Ways(cpu=cpu))(volume, 0.5) for cpu in CPUS)
    return one, other


def true_size(root: Path) -> tuple[Labels, Labels]:
    """Those of a network of the size of the real ones."""
    folder, data = make_true_size(root), torch.from_numpy(image(TRUE_SHAPE))
    outputs = (load(folder, MODELS[297], CPU, Ways(cpu=cpu)).logits(data, 0.5) for cpu in CPUS)
    one, other = (each.argmax(0).numpy() for each in outputs)
    return one, other


def row(network: str, image: str, one: Labels, other: Labels) -> str:
    """What is compared, and how much of it differs."""
    differing, labels = int((one != other).sum()), len(np.unique(one))
    share = f"{100 * (1 - differing / one.size):.6g} %"
    return f"| {network} | {image} | {one.size:,} | {labels} | {differing:,} | {share} |"


if __name__ == "__main__":
    main()
