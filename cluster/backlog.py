"""What goes into the simulator pool and what comes out: waiting tasks, outcomes, counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from itertools import islice
from typing import Literal

from imitation.records import Frame
from imitation.settings import UserError
from sim_actors.actor import SceneJob, decode_frame


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished scene. `payload` holds its frame, lineage included, as `encode_frame` makes it;
    `seconds` and `cpu_seconds` are those of the successful attempt, `attempts` counts all."""

    scene_id: str
    payload: bytes = field(repr=False)
    attempts: int
    seconds: float
    cpu_seconds: float

    @property
    def frame(self) -> Frame:
        return decode_frame(self.payload)


Failure = Literal["raised", "crashed", "hung", "unsupported", "rejected"]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A scene that the simulator cannot render, or whose frame was rejected: how its last attempt ended, and
    the cause in words."""

    scene_id: str
    kind: Failure
    reason: str
    attempts: int


@dataclass
class PoolCounts:
    """What happened during one `SimulatorPool.render`. `retries` are attempts after a failed one;
    `lost` are scenes whose whole node went away (nobody's fault); `recycled` are actors replaced
    for age or memory; `cpu_seconds` those of finished scenes."""

    rendered: int = 0
    set_aside: int = 0
    retries: int = 0
    crashes: int = 0
    hangs: int = 0
    errors: int = 0
    lost: int = 0
    recycled: int = 0
    actors_started: int = 0
    cpu_seconds: float = 0.0

    def plus(self, other: PoolCounts) -> PoolCounts:
        """Both together."""
        return PoolCounts(*(a + b for a, b in zip(astuple(self), astuple(other))))

    def failed(self, kind: Failure) -> None:
        if kind == "crashed":
            self.crashes += 1
        elif kind == "hung":
            self.hangs += 1
        else:
            self.errors += 1


@dataclass(eq=False)
class Task:
    job: SceneJob
    failures: int = 0
    alone: bool = False  # no other scene in its actor, so that a crash is certainly its own


class Backlog:
    """Jobs that no actor has yet: those to try again, then the caller's, pulled one by one."""

    def __init__(self, jobs: Iterable[SceneJob]) -> None:
        self._jobs = iter(jobs)
        self._fresh: deque[Task] = deque()
        self._again: deque[Task] = deque()
        self._seen: set[str] = set()

    def waiting(self, limit: int) -> int:
        """How many tasks wait, counted up to `limit`; pulls at most that many."""
        missing = limit - len(self._fresh) - len(self._again)
        for job in islice(self._jobs, max(0, missing)):
            scene_id = job.scene.scene_id
            if scene_id in self._seen:
                raise UserError(f"scene {scene_id!r} is asked for twice; a scene id is unique in its stage")
            self._seen.add(scene_id)
            self._fresh.append(Task(job))
        return min(limit, len(self._fresh) + len(self._again))

    def take(self, idle: bool) -> Task | None:
        """The next task for an actor that is `idle` or has a scene already. While a task waits to be
        tried alone, busy actors get nothing, so that one of them soon is idle."""
        if self._again:
            return self._again.popleft() if idle else None
        return self._fresh.popleft() if self.waiting(1) else None

    def again(self, task: Task) -> None:
        task.alone = True
        self._again.append(task)
