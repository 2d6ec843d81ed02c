"""The weights of one job: what it may use, what it lacks, and getting that."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from totalseg_mcp.engine.errors import MissingWeightsError, NotReadyError
from totalseg_mcp.engine.licence import VARIABLE, WHERE, LicenceNumber
from totalseg_mcp.engine.models2d import Group
from totalseg_mcp.engine.parcel import Parcel
from totalseg_mcp.engine.plan import Plan
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.sources import Sources
from totalseg_mcp.engine.tasks import Task, task_named
from totalseg_mcp.engine.watch import stage, track
from totalseg_mcp.engine.weights import Store
from totalseg_mcp.engine.weights2d import Store2D


@dataclass(frozen=True, slots=True)
class Order:
    """Models to fetch before the work; `number` where a task of the job is licensed."""

    models: tuple[Parcel, ...]
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
    store = session.store
    lacking = tuple(m for m in dict.fromkeys(chosen.needs) if not store.has(m))
    if lacking:
        _refuse_unless_fetchable(store, partial(store.find, lacking[0]), session.sources)
    return Order(lacking, number)


def ordered_2d(groups: Iterable[Group], session: Session) -> Order:
    """What of these 2-D networks is lacking and may be fetched; nothing is fetched yet.

    Raises:
        MissingWeightsError: weights are missing and calls may not fetch them.
    """
    store = session.store_2d
    lacking = tuple(group for group in dict.fromkeys(groups) if not store.has(group))
    if lacking:
        _refuse_unless_fetchable(store, partial(store.find, lacking[0]), session.sources)
    return Order(lacking, None)


def deliver(order: Order, session: Session, start: float = 0.04) -> None:
    """Fetch what was ordered into the first folder of its store.

    `start` is how much of the job has been done by then; this is a hundredth of it.

    Raises:
        NotReadyError: it cannot be fetched; what has come is kept for the next time.
    """
    if not order.models:
        return
    from totalseg_mcp.engine.fetch import fetch

    with stage("fetch weights", start, start + 0.01):
        for parcel in track(order.models, "model"):
            store = session.store_2d if isinstance(parcel, Group) else session.store
            fetch(parcel, store.roots[0], session.sources, order.number)


def terms(chosen: Plan) -> str | None:
    """A warning where the licence of the weights limits the use of the results."""
    limited = [task.name for task in _tasks(chosen) if task.licence == "non-commercial"]
    if not limited:
        return None
    return (
        f"The weights of {', '.join(limited)} are licensed CC BY-NC 4.0: not for commercial use, "
        "and no commercial licence is sold."
    )


def _refuse_unless_fetchable(
    store: Store | Store2D, look: Callable[[], Path], sources: Sources
) -> None:
    """Raises what `look` does, which is that something is missing, where it may not be fetched."""
    if store.demonstration or not store.roots or not sources.automatic:
        look()
    if sources.offline:
        try:
            look()
        except MissingWeightsError as error:
            raise MissingWeightsError(f"The server is offline. {error}") from None


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
