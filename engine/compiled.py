"""A network compiled for this CPU by OpenVINO, and how a tile is given to it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from totalseg_mcp.engine.engines import openvino
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.likeness import UncompiledError
from totalseg_mcp.engine.slabs import parts
from totalseg_mcp.engine.sliding import Way, each
from totalseg_mcp.engine.threads import processors
from totalseg_mcp.engine.tracing import Head, Traced, said
from totalseg_mcp.engine.watch import allow_stop

POLL_MS = 100


@dataclass(slots=True, eq=False)
class Compiled:
    """A fold: from a tile [1, channel, *patch] to its outputs [1, class, *patch], in float32.

    What a call gives is overwritten by the next one. A job that is stopped waits for the layer
    that is being computed. The memory of the layers is kept from tile to tile, until `rest`.
    """

    model: Any  # openvino.CompiledModel
    head: Head | None
    _request: Any = field(default=None, init=False)  # openvino.InferRequest

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        """The outputs for `tile`, which is in memory in C's order."""
        outputs = self.body(tile)
        return outputs if self.head is None else self.head(outputs[0])[None]

    def body(self, tile: torch.Tensor) -> torch.Tensor:
        """What comes before the head: features, or where there is none, the outputs.

        Raises:
            NotReadyError: OpenVINO failed, for want of memory for example.
        """
        if self._request is None:
            self._request = self.model.create_infer_request()
        self._request.set_input_tensor(openvino().Tensor(tile.numpy(), shared_memory=True))
        self._request.start_async()
        try:
            allow_stop()
            while not self._done():
                allow_stop()
        except BaseException:
            self._give_up()
            raise
        return torch.from_numpy(self._request.get_output_tensor().data)

    def _done(self) -> bool:
        try:
            return bool(self._request.wait_for(POLL_MS))
        except RuntimeError as error:
            raise NotReadyError(
                f"OpenVINO failed ({said(error)}). Use fast, fastest or "
                "roi_subset if memory is short, or start the server with --cpu torch."
            ) from error

    def _give_up(self) -> None:
        """Cancel; when this returns, nobody reads the tile any more."""
        self._request.cancel()
        with suppress(RuntimeError):  # it says that it was cancelled
            self._request.wait()
        self._request = None

    def rest(self) -> None:
        """Give back the memory of the layers."""
        self._request = None
        self.model.release_memory()


def compiled(traced: Traced, patch: list[int]) -> Compiled:
    """`traced` for tiles of the size `patch`, with as many threads as torch uses.

    Single precision, as torch computes on a CPU: left to itself, OpenVINO takes bfloat16 where
    the processor has it.

    Raises:
        UncompiledError: OpenVINO cannot.
    """
    channels = traced.model.input().partial_shape[1].get_length()
    traced.model.reshape([1, channels, *patch])
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(min(torch.get_num_threads(), processors())),
        "ENABLE_CPU_PINNING": "NO",  # others work on these cores too
    }
    try:
        model = openvino().Core().compile_model(traced.model, "CPU", settings)
    except RuntimeError as error:
        raise UncompiledError(said(error)) from error
    return Compiled(model, traced.head)


def slab_by_slab(fold: Compiled, tile: torch.Tensor) -> Iterator[torch.Tensor]:
    """The outputs of `fold` for `tile`, some planes after others where it has a head.

    The head is applied to a slab of a tile at a time, whose outputs stay in the processor's cache:
    those of a whole tile are a gigabyte, and going through it thrice takes seconds.
    """
    features = fold.body(tile)[0]
    if fold.head is None:
        yield features
        return
    yield from map(fold.head, parts(features))


BY_SLABS = Way(each(slab_by_slab), Compiled.rest)
