"""Label maps of earlier calls for the scan at hand."""

from dataclasses import dataclass, replace

from totalseg_mcp.engine.fingerprint import deciding, digest_of, fingerprint
from totalseg_mcp.engine.image.merge import keep
from totalseg_mcp.engine.landmarks import Landmarks
from totalseg_mcp.engine.options import Options
from totalseg_mcp.engine.plan import Plan, plan
from totalseg_mcp.engine.remembered import DamagedError, Remembered, packed, unpacked
from totalseg_mcp.engine.results import Results
from totalseg_mcp.engine.segment import Segmented
from totalseg_mcp.engine.volume import Volume
from totalseg_mcp.engine.watch import note
from totalseg_mcp.engine.weights import Store


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """Labels of an earlier call, its plan, the seconds that they took, and what to know of them."""

    segmented: Segmented
    plan: Plan
    seconds: float
    caution: str | None = None


@dataclass(frozen=True, slots=True)
class Recollection:
    """What a store of results has of one scan.

    `image` is the scan's digest, `engine` what computes the networks: results of another
    kind of device, or of another library, are not the same.
    """

    results: Results
    weights: Store
    image: str
    engine: str

    def recall(self, options: Options, given: Landmarks | None) -> Recalled | None:
        """The labels that `options` ask for, or for a subset those of the whole task.

        Where a run of the subset might come to other labels, the caution says so.
        """
        chosen = plan(options)
        if found := self.known(chosen, given):
            return Recalled(found.segmented, chosen, found.seconds)
        return self._of_whole(chosen, options, given) if options.roi_subset else None

    def _of_whole(self, chosen: Plan, options: Options, given: Landmarks | None) -> Recalled | None:
        """The subset `chosen` of the whole task, if that was run; its models may not be here."""
        whole = plan(replace(options, roi_subset=(), robust=False))
        if not all(self.weights.has(model) for model in whole.needs):
            return None
        found = self.known(whole, given)
        if found is None:
            return None
        caution = None if same(chosen, whole) else _caution(whole.task)
        return Recalled(only(found.segmented, chosen.wanted), whole, found.seconds, caution)

    def known(self, chosen: Plan, given: Landmarks | None = None) -> Remembered | None:
        """The very labels of `chosen`; None if they are not there, or damaged and now removed."""
        key = self._key(chosen, given)
        content = self.results.read(key)
        if content is None:
            return None
        try:
            return unpacked(content)
        except DamagedError as error:
            note(f"an earlier result was damaged ({error}), and is made again")
            self.results.remove(key)
            return None

    def remember(
        self, chosen: Plan, given: Landmarks | None, segmented: Segmented, seconds: float
    ) -> None:
        """Keep the labels for calls to come."""
        self.results.write(self._key(chosen, given), packed(Remembered(segmented, seconds)))

    def _key(self, chosen: Plan, given: Landmarks | None) -> str:
        seen: tuple[Volume | None, ...] = (given.look, given.keep) if given else ()
        masks = (digest_of(mask) if mask else "" for mask in seen)
        return fingerprint(chosen, self.weights, (self.image, self.engine, *masks))


def same(subset: Plan, whole: Plan) -> bool:
    """Whether the labels of `subset` are those of `whole`, as far as they are wanted.

    So they are if the same models look at the same part of the scan, and no structure has a
    say in where another one ends after the unwanted ones are dropped.
    """
    apart = whole.restore != "labels" and whole.refinement is None
    return apart and deciding(replace(subset, wanted=whole.wanted)) == deciding(whole)


def only(segmented: Segmented, wanted: tuple[str, ...]) -> Segmented:
    """`segmented` with only the structures `wanted`."""
    return replace(
        segmented,
        labels=keep(segmented.labels, wanted),
        model_labels=keep(segmented.model_labels, wanted),
    )


def _caution(task: str) -> str:
    return (
        f"The labels are those of an earlier run of all of {task!r}, cut down to roi_subset: they "
        "can differ from a run of the subset alone, mostly at the borders of structures. "
        "cache=false runs that."
    )
