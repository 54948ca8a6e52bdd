"""What a tracker is, and all of a run's together. A tracker that fails never ends a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cluster.observability.callbacks import Broken, Callback, FinishedCycle, Work
from imitation.common import storage
from imitation.common.names import cycle_folder
from imitation.common.settings import Settings

if TYPE_CHECKING:
    from imitation.metrics.summary import Metrics

Values = Mapping[str, float]
CURVE_OWN = ("loss", "learning_rate", "images_per_second")  # of a training event; other figures are losses
MEMORY = "tracking.json"  # in the run's folder: which run of a tracker continues this one


@dataclass(frozen=True)
class Tracked:
    """The run that is tracked: its folder and name, the experiment that it belongs to, and its flat
    configuration, key -> value."""

    folder: str
    name: str
    experiment: str
    config: Mapping[str, Any]


class Tracker(Protocol):
    """Takes a run's figures. Every method may raise whatever its library does: see `Trackers`.

    A run that was killed and continues reports some figures again: what a tracker has it keeps, or
    replaces, so that no curve doubles or jumps back.
    """

    name: ClassVar[str]
    """As people know it."""
    settings_class: ClassVar[type[Settings] | None] = None
    """What can be set. None: any keys, which it gets as a dict."""
    package: ClassVar[str | None] = None
    """The module that it needs installed, if that is not always there."""
    extra: ClassVar[str | None] = None
    """The extra of this project that brings the package."""

    def __init__(self, settings: Any, run: Tracked) -> None:
        """`settings`: of its `settings_class`, else a dict."""

    @classmethod
    def end_killed(cls, settings: Any, folder: str) -> None:
        """The driver of the run in `folder` was killed, and the run ends early: a service that would call it
        running for ever is told."""

    def point(self, curve: str, step: int, values: Values) -> None:
        """A training's figures at a step; `curve` names the training, such as "cycle-001/main"."""

    def cycle(self, cycle: int, values: Values) -> None:
        """A finished cycle's figures."""

    def sync(self) -> None:
        """A stage was committed: what was told so far should be safe."""

    def finish(self, files: Mapping[str, str]) -> None:
        """The run is complete; `files` (name -> URI) are its results."""

    def close(self, broken: Broken | None = None) -> None:
        """The driver ends; `broken` says how, where the run is not complete."""


class Trackers(Callback):
    """All of a run's trackers. One that fails is said to, once, and left alone until the next stage."""

    def __init__(
        self, trackers: Sequence[Tracker], warn: Callable[[str], None], hide_test: bool = False
    ) -> None:
        """`hide_test`: they do not hear of the test split, nor get the run's results, which tell of it."""
        self._trackers = trackers
        self._warn, self._hide_test = warn, hide_test
        self._warned: set[str] = set()
        self._resting: set[str] = set()
        self._cycles: dict[str, list[tuple[int, Values]]] = {}  # those that a tracker does not have yet

    def progress(self, work: Work, done: float, event: Mapping[str, Any]) -> None:
        if work.cycle is not None and event:
            curve, step, values = (
                f"{cycle_folder(work.cycle)}/{work.detector}",
                int(done),
                curve_values(event),
            )
            self._each(lambda tracker: tracker.point(curve, step, values))

    def committed(self, stage: str, result: Mapping[str, Any]) -> None:
        if not result.get("reused"):
            self._again(lambda tracker: tracker.sync())

    def cycle_ends(self, cycle: FinishedCycle) -> None:
        values: dict[str, float] = {}
        for split, metrics in cycle.metrics.items():
            if not (self._hide_test and split == "test"):
                values |= metric_values(split, metrics)
        values |= cycle.figures
        if cycle.took is not None:
            values |= {f"seconds/{part}": seconds for part, seconds in cycle.took.seconds().items()}
        for tracker in self._trackers:
            self._cycles.setdefault(tracker.name, []).append((cycle.cycle, values))
        self._each(self._deliver)

    def completed(self, files: Mapping[str, str]) -> None:
        self._again(lambda tracker: tracker.finish({} if self._hide_test else files))

    def run_ends(self, broken: Broken | None = None) -> None:
        self._resting.clear()
        self._each(lambda tracker: tracker.close(broken))

    def _again(self, call: Callable[[Tracker], None]) -> None:
        """Also to those that failed before, after the cycles that they have missed."""
        self._resting.clear()
        self._each(self._deliver)
        self._each(call)

    def _deliver(self, tracker: Tracker) -> None:
        waiting = self._cycles.get(tracker.name, [])
        while waiting:
            tracker.cycle(*waiting[0])
            waiting.pop(0)

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for tracker in self._trackers:
            if tracker.name in self._resting:
                continue
            try:
                call(tracker)
            except Exception as error:
                self._resting.add(tracker.name)
                if tracker.name not in self._warned:
                    self._warned.add(tracker.name)
                    self._warn(failed(tracker.name, error))


def metric_values(split: str, metrics: Metrics) -> dict[str, float]:
    """A split's metrics as curves over cycles; what is undefined (AP without objects) is left out."""
    values: dict[str, float | None] = {
        name: getattr(metrics, name)
        for name in ("map50", "map", "zero_one_loss", "f1", "precision", "recall", "threshold")
    }
    values |= {f"AP50/{category}": ap for category, ap in metrics.ap50.items()}
    values |= {f"failures/{kind}": float(count) for kind, count in metrics.failures.items()}
    return {f"{split}/{name}": float(value) for name, value in values.items() if value is not None}


def curve_values(event: Mapping[str, Any]) -> dict[str, float]:
    """An event's figures under the names of curves: "train/loss", "train/losses/coverage", ..."""
    names = {name: f"train/{name}" if name in CURVE_OWN else f"train/losses/{name}" for name in event}
    return {names[name]: float(value) for name, value in event.items() if name not in ("step", "steps")}


def failed(name: str, error: Exception) -> str:
    """The one line that a tracker's failure is worth."""
    reason = storage.without_secrets(" ".join(str(error).split()))[:300] or type(error).__name__
    return f"warning: {name} cannot be reached, the run goes on without it: {reason}"


def remembered(folder: str, name: str) -> dict[str, Any] | None:
    """What `remember` kept for a tracker of the run in `folder`."""
    uri = storage.join(folder, MEMORY)
    known = storage.read_json(uri).get(name) if storage.exists(uri) else None
    return known if isinstance(known, dict) else None


def remember(folder: str, name: str, value: dict[str, Any]) -> None:
    """Keeps plain data for a tracker with the run, for the next driver of it."""
    uri = storage.join(folder, MEMORY)
    known = storage.read_json(uri) if storage.exists(uri) else {}
    storage.write_json(uri, known | {name: value})
