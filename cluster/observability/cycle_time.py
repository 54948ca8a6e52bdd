"""Where a cycle's time goes: the stages' own work, and the rest, which is orchestration.

Own work is
- training: time in optimizer steps, waiting for batches and writing checkpoints included;
- rendering: what the simulators took for the scenes they finished, divided by how many ran side by side;
- evaluation: what detector workers took for their batches (decoding included), divided by their number,
  and the metrics and mined failures computed from their rows;
- analysis: choosing requests, and what is said of a cycle beyond its metrics.
The rest: processes that start and import, Ray's scheduling, a worker that idles while another works,
scenes that failed, and reading and committing files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.observability.callbacks import Callback, FinishedCycle
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.names import trained_by

FILE = "time.json"
PARTS = ("training", "rendering", "evaluation", "analysis")


@dataclass(frozen=True)
class CycleTime:
    """Seconds of one cycle, from the end of the one before to its own; `wall` is all of it. `waits`: of the
    rest, what each part's stages took beyond their own work; what is left of it lies between stages."""

    wall: float
    training: float
    rendering: float
    evaluation: float
    analysis: float
    waits: Mapping[str, float] = field(default_factory=dict, compare=False)

    @property
    def orchestration(self) -> float:
        """What is left of the wall time."""
        return max(0.0, self.wall - sum(getattr(self, part) for part in PARTS))

    @property
    def orchestration_by_part(self) -> dict[str, float]:
        """Where that lies: in the stages of each part, and "between" them. Empty where it is not known."""
        if not self.waits:
            return {}
        between = max(0.0, self.orchestration - sum(self.waits.values()))
        return {name: round(value, 3) for name, value in {**self.waits, "between": between}.items()}

    def seconds(self) -> dict[str, float]:
        """All of it, each part, and the rest, rounded to ms."""
        return {name: round(getattr(self, name), 3) for name in ("wall", *PARTS, "orchestration")}

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.seconds(), "orchestration_by_part": self.orchestration_by_part}

    def text(self) -> str:
        """One line for people."""
        parts = {part: getattr(self, part) for part in PARTS}
        work = " + ".join(f"{part} {seconds:.0f}" for part, seconds in parts.items() if seconds >= 0.5)
        share = self.orchestration / self.wall if self.wall else 0.0
        line = f"{self.wall:.0f} s = {work} + orchestration {self.orchestration:.0f} ({100 * share:.0f} %)"
        largest = sorted(self.orchestration_by_part.items(), key=lambda item: -item[1])
        where = ", ".join(f"{part} {seconds:.0f}" for part, seconds in largest if seconds >= 0.5)
        return f"{line}: {where}" if where else line


def part_of(stage: str) -> str:
    """The kind of work of a stage, by its name in the run's folder ("train-main")."""
    if trained_by(stage) is not None:
        return "training"
    return {"simulate": "rendering", "candidates": "rendering", "evaluate": "evaluation"}.get(
        stage, "analysis"
    )


def work_seconds(stage: str, result: Mapping[str, Any]) -> float:
    """Own work in a committed stage, s; never more than its wall time (a training that was continued knows
    of the steps before as well)."""
    known = result.get("busy_seconds")
    if known is None and part_of(stage) == "training":
        known = result.get("work_seconds")
    if known is None and part_of(stage) == "analysis":
        known = result["seconds"]
    return min(float(known or 0.0), float(result["seconds"]))


def time_uri(workspace: Workspace, folder: str) -> str:
    """Where the time of the cycle in `folder` is kept: in the cycle, or, if that is of the base (which others
    read too, and which may have trained more than this run needs), in the run's own folder."""
    if workspace.borrows(folder):
        return storage.join(workspace.uri, f"time-{folder}.json")  # no name that begins like a cycle
    return workspace.path(folder, FILE)


class CycleClock(Callback):
    """Adds up a run's cycles, and says of each where its time went. A stage that an earlier driver committed
    counts with the time it took then; what a killed driver did not commit counts nowhere."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.monotonic) -> None:
        self._workspace, self._clock = workspace, clock
        self._since = clock()
        self._earlier = 0.0
        self._work = dict.fromkeys(PARTS, 0.0)
        self._waits = dict.fromkeys(PARTS, 0.0)

    def cycles_begin(self) -> None:
        self._since = self._clock()

    def committed(self, stage: str, result: Mapping[str, Any]) -> None:
        part, work = part_of(stage), work_seconds(stage, result)
        self._work[part] += work
        self._waits[part] += float(result["seconds"]) - work
        if result.get("reused"):
            self._earlier += float(result["seconds"])

    def cycle_ends(self, cycle: FinishedCycle) -> None:
        cycle.took = self.cycle(cycle.folder)

    def cycle(self, folder: str) -> CycleTime:
        """The cycle in `folder` of the workspace ends: its time, as committed when it first ended."""
        now = self._clock()
        time_taken = CycleTime(wall=self._earlier + now - self._since, **self._work, waits=self._waits)
        self._since, self._earlier = now, 0.0
        self._work, self._waits = dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0.0)
        uri = time_uri(self._workspace, folder)
        if storage.exists(uri):
            known = storage.read_json(uri)
            waits = {k: v for k, v in known.get("orchestration_by_part", {}).items() if k != "between"}
            return CycleTime(**{name: known[name] for name in ("wall", *PARTS)}, waits=waits)
        storage.write_json(uri, time_taken.to_dict())
        return time_taken
