"""Which scene caused a worker's death, and when a scene is given up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from cluster.config.simulate import SimulateSettings
from cluster.simulation.work_queue import Backlog, Fault, Outcome, PoolCounts, Rendered, SetAside, Task
from imitation.common.settings import UserError
from sim_actors.simulators.worker import Answer, SceneJob

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 12  # faults in a row before the pool's first finished scene: the simulator itself fails
LOST_LIMIT = 5  # a scene whose nodes went away more often than this is given up


class Verdicts:
    """The scenes of one stage, and the counts of what happened to them; `begin` starts the next stage.

    A scene is set aside only on certain evidence. What cannot be told apart (scenes side by side in a
    process that died) is tried again, each alone in its worker.
    """

    hand_on: Callable[[SceneJob, tuple[str, ...]], bool] = staticmethod(lambda job, reasons: False)
    """Whether somebody else takes a scene that the simulator refuses, with its reasons."""

    def __init__(self, simulator: str, settings: SimulateSettings) -> None:
        self.simulator = simulator
        self.settings = settings
        self.backlog = Backlog([])
        self.counts = PoolCounts()
        self.before = PoolCounts()  # of all stages that are over
        self._ever_finished = False
        self._failures_in_a_row = 0

    def begin(self, jobs: Iterable[SceneJob]) -> None:
        self.backlog = Backlog(jobs)
        # in this order: who adds the two up meanwhile (a thread that watches) never sees a stage twice
        ended, self.counts = self.counts, PoolCounts()
        self.before = self.before.plus(ended)

    def answered(self, task: Task, answer: Answer) -> list[Outcome]:
        """A scene's outcome, by a worker's answer. Raises UserError if it says that all others fail too."""
        if answer.unsupported:
            self.counts.unsupported += 1
            if self.hand_on(task.job, answer.unsupported):
                return []
            return [self._set_aside(task, "unsupported", "; ".join(answer.unsupported))]
        if answer.hopeless:
            raise UserError(answer.error or "")
        if answer.remark:
            log.warning("%s", answer.remark)
        if answer.payload is None:
            return self.failed(task, "raised", answer.error or "", certain=True)
        self._ever_finished = True
        self.counts.rendered += 1
        self.counts.cpu_seconds += answer.cpu_seconds
        self.counts.seconds += answer.seconds
        attempts = task.faults + 1
        # The job's own id: the answer's is a copy, and ids are kept for as long as the stage lasts.
        return [Rendered(task.scene_id, answer.payload, attempts, answer.seconds, answer.cpu_seconds)]

    def failed(self, task: Task, kind: Fault, reason: str, certain: bool) -> list[Outcome]:
        """A scene has failed: tried again, or set aside. Raises UserError if nothing ever works."""
        task.faults += 1
        self._count(kind, repr(task.scene_id), reason)
        if certain and task.faults >= self.settings.max_attempts:
            return [self._set_aside(task, kind, reason)]
        self.counts.retries += 1
        self.backlog.suspect(task)
        return []

    def one_of(self, tasks: Sequence[Task], kind: Fault, reason: str) -> None:
        """One of these scenes failed, unknown which. Raises UserError if nothing ever works."""
        self._count(kind, "one of " + ", ".join(repr(task.scene_id) for task in tasks), reason)
        self.beside(tasks)

    def beside(self, tasks: Iterable[Task]) -> None:
        """Scenes at a worker that another scene has crashed: tried again."""
        for task in tasks:
            self.backlog.suspect(task)

    def lost(self, tasks: Sequence[Task]) -> list[Outcome]:
        """The node of these scenes went away. They are tried again first, but only a limited number of
        times: a scene that crashes its machine would crash all of them."""
        self.counts.lost += len(tasks)
        outcomes: list[Outcome] = []
        for task in reversed(tasks):
            task.lost += 1
            if task.lost > LOST_LIMIT:
                reason = f"its node went away each time that it was to be rendered, {task.lost} times"
                outcomes.append(self._set_aside(task, "lost", reason))
            else:
                self.backlog.back(task)
        return outcomes

    def _count(self, kind: Fault, scenes: str, reason: str) -> None:
        self.counts.failed(kind)
        self._failures_in_a_row += 1
        if not self._ever_finished and self._failures_in_a_row >= GIVE_UP_AFTER:
            raise UserError(
                f"simulator {self.simulator!r} failed {self._failures_in_a_row} times and finished no "
                f"scene at all; the last, {scenes}, {kind}: {reason}"
            )
        log.warning("scene %s %s: %s", scenes, kind, reason)

    def _set_aside(self, task: Task, kind: Fault, reason: str) -> SetAside:
        self.counts.set_aside += 1
        return SetAside(task.scene_id, kind, reason, max(1, task.faults + task.lost))
