"""What goes into the simulator pool and what comes out: waiting tasks, outcomes, counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from itertools import islice
from typing import Any, Literal

from imitation.common.settings import UserError
from imitation.data.records import Frame
from sim_actors.simulators.worker import SceneJob, decode_frame


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished scene. `payload` holds its frame, lineage included, as `encode_frame` makes it;
    `seconds` and `cpu_seconds` are those of the successful attempt, `attempts` counts all. Where there are
    several simulators, `simulator` is the label of the one that rendered it, and `refused_by` are those of
    the ones that were drawn before it and cannot stage it."""

    scene_id: str
    payload: bytes = field(repr=False)
    attempts: int
    seconds: float
    cpu_seconds: float
    simulator: str = ""
    refused_by: tuple[str, ...] = ()

    @property
    def frame(self) -> Frame:
        return decode_frame(self.payload)


Fault = Literal["raised", "crashed", "hung", "unsupported", "lost", "rejected"]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A scene that the simulator cannot render, or whose frame was rejected: how its last attempt ended, and
    the cause in words. "lost": whatever node it was on went away, which need not have been its doing. Where
    there are several simulators, `simulator` is the label of the one that failed at it ("": none stages it),
    and `refused_by` as in `Rendered`."""

    scene_id: str
    kind: Fault
    reason: str
    attempts: int
    simulator: str = ""
    refused_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; what only several simulators have is left out where there is one."""
        more = ("simulator", "refused_by")
        return {key: value for key, value in asdict(self).items() if value or key not in more}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SetAside:
        """The inverse of `to_json`."""
        return cls(**{**data, "refused_by": tuple(data.get("refused_by", ()))})


Outcome = Rendered | SetAside


@dataclass
class PoolCounts:
    """What happened during one `SimulatorPool.render`. `retries` are attempts after a failed one;
    `unsupported` are scenes that a simulator refused; `lost` counts scenes that were at a worker whose whole
    node went away (nobody's fault); `recycled` are workers replaced for age or memory; `cpu_seconds` and wall
    `seconds` those of finished scenes."""

    rendered: int = 0
    set_aside: int = 0
    retries: int = 0
    crashes: int = 0
    hangs: int = 0
    errors: int = 0
    unsupported: int = 0
    lost: int = 0
    recycled: int = 0
    actors_started: int = 0
    cpu_seconds: float = 0.0
    seconds: float = 0.0

    def plus(self, other: PoolCounts) -> PoolCounts:
        """Both together."""
        return PoolCounts(*(a + b for a, b in zip(astuple(self), astuple(other))))

    def failed(self, kind: Fault) -> None:
        if kind == "crashed":
            self.crashes += 1
        elif kind == "hung":
            self.hangs += 1
        else:
            self.errors += 1


@dataclass(eq=False, slots=True)
class Task:
    job: SceneJob
    faults: int = 0
    lost: int = 0  # with a node that went away
    alone: bool = False  # no other scene in its worker, so that a crash is certainly its own

    @property
    def scene_id(self) -> str:
        return self.job.scene.scene_id


class Backlog:
    """Jobs that no worker has: suspects, to be tried again alone, and the fresh ones, pulled one by one
    from the caller, whose iterator may give more after it had none."""

    def __init__(self, jobs: Iterable[SceneJob]) -> None:
        self._jobs = iter(jobs)
        self._fresh: deque[Task] = deque()
        self._suspects: deque[Task] = deque()
        self._seen: set[str] = set()

    @property
    def suspects(self) -> int:
        """How many wait to be tried alone."""
        return len(self._suspects)

    def fresh(self, limit: int) -> int:
        """How many others wait, counted up to `limit`; pulls no more than that."""
        for job in islice(self._jobs, max(0, limit - len(self._fresh))):
            scene_id = job.scene.scene_id
            if scene_id in self._seen:
                raise UserError(f"scene {scene_id!r} is asked for twice; a scene id is unique in its stage")
            self._seen.add(scene_id)
            self._fresh.append(Task(job))
        return min(limit, len(self._fresh))

    def waiting(self) -> bool:
        """Whether any task waits."""
        return bool(self._suspects) or self.fresh(1) > 0

    def take(self) -> Task | None:
        """The next fresh task."""
        return self._fresh.popleft() if self.fresh(1) else None

    def take_suspect(self) -> Task | None:
        """The next task for a worker that is idle."""
        return self._suspects.popleft() if self._suspects else None

    def suspect(self, task: Task) -> None:
        """To be tried again alone."""
        task.alone = True
        self._suspects.append(task)

    def back(self, task: Task) -> None:
        """To be tried again first of all, as it was."""
        (self._suspects if task.alone else self._fresh).appendleft(task)
