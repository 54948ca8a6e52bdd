"""Which simulator of a mixture gets which of a stage's jobs, and who takes over what one refuses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from cluster.simulation.work_queue import Outcome, Rendered
from sim_actors.simulators.mixture import Mixture, all_refuse
from sim_actors.simulators.worker import SceneJob

AHEAD = 256  # jobs that may wait for one simulator while another asks for its next


class Deal:
    """The jobs of one stage, pulled one by one, each for the simulator that is drawn for it.

    A slow simulator's jobs pile up while a quick one asks for its own: up to `AHEAD`, then the quick one
    gets none until some are done.
    """

    def __init__(self, mixture: Mixture, jobs: Iterable[SceneJob]) -> None:
        self._mixture = mixture
        self._jobs = iter(jobs)
        self.more = True  # whether there may be jobs that nobody has pulled yet
        self._dealt: dict[str, deque[SceneJob]] = {label: deque() for label in mixture.specs}
        self._refused: dict[str, dict[str, tuple[str, ...]]] = {}

    def of(self, label: str) -> Iterator[SceneJob]:
        """The jobs of one simulator. It ends while there are none, and may go on afterwards."""
        return _Hand(self, label)

    def next(self, label: str) -> SceneJob | None:
        """Its next job, None while there is none."""
        own = self._dealt[label]
        while not own and all(len(dealt) < AHEAD for dealt in self._dealt.values()):
            if (job := next(self._jobs, None)) is None:
                self.more = False
                return None
            self._dealt[self._mixture.order(job.scene)[0]].append(job)
        return own.popleft() if own else None

    def waiting(self, label: str) -> int:
        """How many jobs wait for it, as far as is known."""
        return len(self._dealt[label])

    def hand_on(self, label: str, job: SceneJob, reasons: tuple[str, ...]) -> bool:
        """Gives a job that a simulator refuses to the next; False where all have refused it."""
        scene = job.scene
        refused = self._refused.setdefault(scene.scene_id, {})
        refused[label] = reasons
        left = next((other for other in self._mixture.order(scene) if other not in refused), None)
        if left is None:
            return False
        self._dealt[left].append(replace(job, twice=False))
        return True

    def told(self, label: str, outcome: Outcome) -> Outcome:
        """A simulator's outcome, with who it is of and who had refused the scene."""
        refused = self._refused.pop(outcome.scene_id, {})
        if not isinstance(outcome, Rendered) and outcome.kind == "unsupported":
            return replace(outcome, reason=all_refuse(refused), refused_by=tuple(refused))
        return replace(outcome, simulator=label, refused_by=tuple(refused))


class _Hand(Iterator[SceneJob]):
    def __init__(self, deal: Deal, label: str) -> None:
        self._deal, self._label = deal, label

    def __next__(self) -> SceneJob:
        job = self._deal.next(self._label)
        if job is None:
            raise StopIteration
        return job
