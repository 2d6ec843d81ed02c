"""Making networks ready before a job needs them."""

from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.watch import stage


def warm(model: Model, session: Session) -> None:
    """Load `model` where jobs run that do not name a device, and run one tile through it.

    Raises:
        MissingWeightsError: its weights are not in the store; none are fetched.
        NotReadyError: they cannot be loaded, or there is no such device.
    """
    from totalseg_mcp.engine.device import choose_device

    device, _ = choose_device(session.device)
    with session.job(), stage(f"warm up model {model.dataset}", 0.0, 1.0):
        session.network(model, device).rehearse()
