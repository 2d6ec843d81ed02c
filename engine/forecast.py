"""Whether a job may begin: what it will need, beside what there is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from totalseg_mcp.engine.descriptions import described
from totalseg_mcp.engine.errors import BadRequestError, MissingWeightsError
from totalseg_mcp.engine.heap import give_back
from totalseg_mcp.engine.job import Job
from totalseg_mcp.engine.memory import free_memory
from totalseg_mcp.engine.need import SLACK, Memory, Sizes, gib, refuse_beyond, stages
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.peak import most_resident, resident
from totalseg_mcp.engine.plan import Plan, plan
from totalseg_mcp.engine.tasks import Model
from totalseg_mcp.engine.volume import Grid
from totalseg_mcp.engine.watch import note
from totalseg_mcp.engine.weights import Store

UNTOLD = 2**29  # of a process with torch and a network, where the system does not tell
# A released model of TotalSegmentator at 1.5 mm, for one that is not here.
RELEASED = Sizes(patch=(128, 128, 128), features=32, spacing_mm=(1.5, 1.5, 1.5))


@dataclass(slots=True, eq=False)
class Forecast:
    """What the jobs on a scan on `grid` will need, and what was available for them.

    `host` says that the networks run on the CPU, and `noted` that the system notes the peak of
    these jobs alone. The figures are those of the job that needs most.
    """

    grid: Grid
    store: Store
    host: bool
    noted: bool
    told: Memory | None = None

    def check(self, job: Job) -> None:
        """Before the work of `job`; what is kept without being used is given back if need be.

        Raises:
            BadRequestError: it does not fit.
        """
        masks = job.request.saving_threads
        memory = self._foretold(job.plan, masks)
        if memory.needed > memory.available and give_back():
            memory = self._foretold(job.plan, masks)
        note(f"memory: {gib(memory.needed)} needed, {gib(memory.available)} available")
        if memory.needed > memory.available:
            others = {name: self._foretold(p, masks).needed for name, p in thriftier(job)}
            refuse_beyond(memory, others, self.grid)
        if self.told is None or memory.needed > self.told.needed:
            self.told = memory

    def memory(self) -> Memory:
        """What was foretold, and what came of it; asked when the work is done."""
        now = resident() or UNTOLD
        told = self.told or Memory(now, now + free_memory())  # earlier labels were reused
        return replace(told, peak=most_resident() if self.noted else None)

    def _foretold(self, of: Plan, masks: int) -> Memory:
        now = resident() or UNTOLD
        return Memory(now + self._most(of, masks), now + free_memory())

    def _most(self, of: Plan, masks: int) -> int:
        return SLACK + max(stages(of, self.grid, self._sizes, self.host, masks).values())

    def _sizes(self, model: Model) -> Sizes:
        """As the model's plans say; a released model's where it is not here."""
        try:
            folder = self.store.find(model)
        except MissingWeightsError:
            return RELEASED
        _, configuration, _ = described(folder, model.configuration)
        z, y, x = configuration.spacing
        features = configuration.network_arch_init_kwargs.get("features_per_stage", [])
        return Sizes(
            patch=tuple(configuration.patch_size),
            features=features[0] if features else RELEASED.features,
            spacing_mm=(x, y, z),
        )


def thriftier(job: Job) -> Iterator[tuple[str, Plan]]:
    """Ways to do `job` with less memory, by the options that choose them."""
    asked: Options = job.request.options
    ways = {
        "force_split": replace(asked, split=True),
        "fast": replace(asked, resolution="fast"),
        "fastest": replace(asked, resolution="fastest"),
    }
    for name, options in ways.items():
        try:
            other = plan(options)
        except BadRequestError:  # the task has no such model
            continue
        if options != asked:
            yield name, other
