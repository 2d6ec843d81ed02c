"""Loads what the operator expects to be asked for, while nobody has asked yet."""

import logging
from collections.abc import Sequence
from functools import partial

import anyio

from totalseg_mcp.engine.errors import EngineError
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import plan
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.warming import warm
from totalseg_mcp.engine.watch import Progress
from totalseg_mcp.server.watching import Lane, run_watched

QUIET_S = 2.0  # hosts ask for the tools at once; importing torch would hold up the answer

_log = logging.getLogger(__name__)


async def warm_up(
    chosen: Sequence[Options], session: Session, lane: Lane, quiet_s: float = QUIET_S
) -> None:
    """Make the networks of these tasks ready, from `quiet_s` after the start on.

    Each network takes a turn of its own in the lane, so that a call that comes meanwhile waits
    for one at most. What cannot be loaded is told to the log; the others are loaded.
    """
    models = dict.fromkeys(model for options in chosen for model in plan(options).needs)
    if not models:
        return
    await anyio.sleep(quiet_s)
    ready = [model.dataset for model in models if await _warmed(model, session, lane)]
    _log.info("warmed up models %s of %s", ready, [model.dataset for model in models])


async def _warmed(model: Model, session: Session, lane: Lane) -> bool:
    """Whether `model` is ready; if not, the log says why."""
    try:
        await run_watched(partial(warm, model, session), _keep_quiet, lane)
    except EngineError as error:
        _log.warning("model %d is not warmed up: %s", model.dataset, error)
    except Exception:  # noqa: BLE001 (a bug must not end the server; the log has its trace)
        _log.exception("model %d is not warmed up: this is a bug", model.dataset)
    else:
        return True
    return False


async def _keep_quiet(progress: Progress) -> None:
    """Nobody is waiting."""
