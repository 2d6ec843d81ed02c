"""The weights of one job: what it may use, what it lacks, and getting that."""

from collections.abc import Iterator
from dataclasses import dataclass

from totalseg_mcp.engine.errors import MissingWeightsError, NotReadyError
from totalseg_mcp.engine.licence import VARIABLE, WHERE, LicenceNumber
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.tasks import Model, Task, task_named
from totalseg_mcp.engine.watch import stage, track


@dataclass(frozen=True, slots=True)
class Order:
    """Models to fetch before the work; `number` where a task of the job is licensed."""

    models: tuple[Model, ...]
    number: LicenceNumber | None


def ordered(chosen: Plan, session: Session, given: LicenceNumber | None) -> Order:
    """What `chosen` lacks and may fetch; nothing is fetched yet.

    Raises:
        NotReadyError: a task needs a licence number and there is none.
        MissingWeightsError: weights are missing and calls may not fetch them.
    """
    number = None
    for task in _tasks(chosen):
        if task.licence == "commercial":
            number = given or session.sources.licence()
            _refuse_without(number, task)
    lacking = tuple(m for m in dict.fromkeys(chosen.needs) if not session.store.has(m))
    sources, store = session.sources, session.store
    if lacking and (store.demonstration or not store.roots or not sources.automatic):
        store.find(lacking[0])  # is not there, and says how to get it
    if lacking and sources.offline:
        try:
            store.find(lacking[0])
        except MissingWeightsError as error:
            raise MissingWeightsError(f"The server is offline. {error}") from None
    return Order(lacking, number)


def deliver(order: Order, session: Session) -> None:
    """Fetch what was ordered into the first folder of the store.

    Raises:
        NotReadyError: it cannot be fetched; what has come is kept for the next time.
    """
    if not order.models:
        return
    from totalseg_mcp.engine.fetch import fetch

    with stage("fetch weights", 0.04, 0.05):
        for model in track(order.models, "model"):
            fetch(model, session.store.roots[0], session.sources, order.number)


def terms(chosen: Plan) -> str | None:
    """A warning where the licence of the weights limits the use of the results."""
    limited = [task.name for task in _tasks(chosen) if task.licence == "non-commercial"]
    if not limited:
        return None
    return (
        f"The weights of {', '.join(limited)} are licensed CC BY-NC 4.0: not for commercial use, "
        "and no commercial licence is sold."
    )


def _tasks(chosen: Plan) -> Iterator[Task]:
    """The task, and those that serve it."""
    yield task_named(chosen.task)
    for other in (chosen.region, chosen.refinement):
        if other and other.plan:
            yield from _tasks(other.plan)


def _refuse_without(number: LicenceNumber | None, task: Task) -> None:
    if number is None:
        raise NotReadyError(
            f"The task {task.name!r} needs a licence number of TotalSegmentator. {WHERE}. Pass it "
            f"as license_number, or have the operator set {VARIABLE}."
        )
