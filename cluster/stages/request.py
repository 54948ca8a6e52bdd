"""What a policy asks for: from failures to checked requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from cluster.stages.context import RunContext
from cluster.stages.cycle import Evaluation
from cluster.stages.diagnose import suspected_failures
from cluster.stages.prepare import LABELS_ONLY
from imitation.common.reservoir import reservoir
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.datasets.parquet.files import read_frames
from imitation.policies import Learning, Mined, Policy, StrengthSettings, sees_frames, what_it_adds
from imitation.policies.feedback import Feedback, tallies_from_rows
from imitation.requests import Likeness, Request, annealed, check_requests


def ask(
    policy: Policy,
    mined: Mined,
    *,
    cycle: int,
    budget: int,
    parents: Collection[str],
    strength: StrengthSettings,
    rng: np.random.Generator,
) -> tuple[list[Request], int]:
    """The policy's requests, and how many frames they ask for. Raises UserError for requests that no cycle
    can have: over the budget, or of frames that are not among `parents`."""
    requests = policy.request(mined, cycle=cycle, budget=budget, rng=rng)
    asked = check_requests(requests, budget, parents, policy.name)
    return annealed(requests, strength.at(cycle)), asked


class Seen(TypedDict, total=False):
    """What `Mined` says of frames, with and without failures."""

    frames: dict[str, dict[int, str]]
    likenesses: dict[str, dict[int, Likeness]]


def objects_to_find(frames: Iterable[Frame], categories: CategoryMap) -> Seen:
    """What `Mined` says of frames: each one's objects that a detector is to find."""
    found: Seen = {"frames": {}, "likenesses": {}}
    for frame in frames:
        targets = categories.apply(frame)
        objects = {int(i): frame.objects[i] for i in targets.indices[~targets.ignore]}
        found["frames"][frame.frame_id] = {i: obj.category for i, obj in objects.items()}
        found["likenesses"][frame.frame_id] = {
            i: Likeness.seen(
                obj.category,
                obj.box,
                frame.width,
                distance_m=None if obj.cuboid is None else obj.cuboid.z,
                occlusion=obj.occlusion,
                occlusion_level=obj.occlusion_level,
                truncation=obj.truncation,
            )
            for i, obj in objects.items()
        }
    return found


@dataclass(frozen=True)
class Asking:
    """Asks for one run, about `max_failures` failures of a cycle at most."""

    run: RunContext
    policy: Policy
    max_failures: int
    strength: StrengthSettings

    def request(self, evaluation: Evaluation, cycle: int, budget: int) -> list[Request]:
        """What the policy asks for; committed, so that a run that continues asks for the same."""
        if what_it_adds(self.policy) == "nothing":
            return []
        run = self.run

        def work() -> dict[str, Any]:
            rng = run.rng("request", cycle)
            suspected = suspected_failures(run, cycle - 1)
            answerable = (f for f in evaluation.failures if f.failure_id not in suspected)
            failures = reservoir(answerable, self.max_failures, rng)
            mined = Mined(failures, run.data.category_counts, run.reach, *self._learnt(cycle), **self._seen())
            requests, asked = ask(
                self.policy,
                mined,
                cycle=cycle,
                budget=budget,
                parents=run.mined,
                strength=self.strength,
                rng=rng,
            )
            rows = [request.to_row() for request in requests]
            plan = {"budget": budget, "frames": asked, "requests": rows}
            if isinstance(self.policy, Learning):
                plan["arms"] = [known.to_row() for known in self.policy.learned(mined, cycle=cycle)]
            return plan

        result = run.commit(cycle, "request", work)
        for known in result.get("arms", ()):
            if known["given_up"]:
                run.watch.reporter.say(
                    f"cycle {cycle}: {known['mode']} is given up: of {known['fed']:g} failures answered "
                    f"{known['fixed']:g} were fixed, worth it with a probability of {known['hope']:.2f}"
                )
        return [Request.from_row(row) for row in result["requests"]]

    def _seen(self) -> Seen:
        """The mined frames, for a policy that asks to see them."""
        if not sees_frames(self.policy):
            return {}
        frames = read_frames(self.run.data.parts["train"].uri, LABELS_ONLY, keep=self.run.mined)
        return objects_to_find(frames, self.run.data.categories)

    def _learnt(self, cycle: int) -> tuple[list[Feedback], dict[str, Any]]:
        """Counts of the failures answered before synthetic cycle `cycle`, and what retraining alone fixes."""
        rows = [row for k in range(1, cycle) for row in self.run.committed(k, "analyse")["feedback"]]
        return [Feedback.from_row(row) for row in rows], tallies_from_rows(
            self.run.committed(0, "analyse")["chance"]
        )
