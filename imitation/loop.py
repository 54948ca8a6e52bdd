"""Imitation training, on one screen (Kishore et al. 2021, after DAgger, Ross et al. 2011).

The loop depends on neither Ray nor images: its stages are an argument. `cluster` passes the real ones, tests
pass toys, and another domain can pass its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from imitation.aggregation import Dataset, Part
from imitation.requests import Request

Detector = TypeVar("Detector")
Failures_co = TypeVar("Failures_co", covariant=True)


class Evaluation(Protocol[Failures_co]):
    """What a cycle's evaluation must tell the loop: its score on the `val` split, in [0, 1], and the
    failures found on the `mine` split."""

    @property
    def score(self) -> float: ...

    @property
    def failures(self) -> Failures_co: ...


E = TypeVar("E", bound=Evaluation)


class Stages(Protocol[Detector, E]):
    """The work of a cycle. A stage that was committed before returns what it returned then."""

    def train(self, dataset: Dataset, cycle: int) -> Detector:
        """A detector trained on everything in the dataset."""
        ...

    def evaluate(self, detector: Detector, dataset: Dataset, cycle: int) -> E:
        """`val`: the metrics that decide; `mine`: failures; `test`: reported, never decides."""
        ...

    def request(self, evaluation: E, cycle: int, budget: int) -> list[Request]:
        """The policy: what to stage for synthetic cycle `cycle`, at most `budget` frames in all."""
        ...

    def simulate(self, requests: list[Request], cycle: int) -> Part | None:
        """The requests as labelled frames; None for a cycle that trains on with the same data, because
        its policy never asks for any."""
        ...


@dataclass(frozen=True)
class Cycle(Generic[E]):
    """One finished cycle: 0 is the baseline."""

    cycle: int
    dataset: Dataset
    evaluation: E


@dataclass(frozen=True)
class History(Generic[E]):
    """All finished cycles and why the loop stopped."""

    cycles: tuple[Cycle[E], ...]
    reason: str

    @property
    def best(self) -> Cycle[E]:
        """The cycle with the highest `val` score; the earliest of equals."""
        return max(self.cycles, key=lambda entry: (entry.evaluation.score, -entry.cycle))


Check = Callable[[Sequence[float], Dataset], str | None]


def imitate(
    stages: Stages[Detector, E],
    dataset: Dataset,
    check: Check,
    on_cycle: Callable[[Cycle[E]], None] = lambda entry: None,
) -> History[E]:
    """Runs imitation cycles until `check` (given the `val` scores so far, the baseline first, and
    the dataset) names a reason to stop, or a cycle brings no new frame.

    `on_cycle` is called after every evaluation.
    """
    history: list[Cycle[E]] = []
    for cycle in itertools.count():
        detector = stages.train(dataset, cycle)
        evaluation = stages.evaluate(detector, dataset, cycle)
        history.append(Cycle(cycle, dataset, evaluation))
        on_cycle(history[-1])
        if reason := check([entry.evaluation.score for entry in history], dataset):
            break
        budget = dataset.room_for_synthetic()
        requests = stages.request(evaluation, cycle + 1, budget)
        part = stages.simulate(requests, cycle + 1)
        if part is None:
            continue
        if part.frames == 0:
            reason = f"cycle {cycle + 1} brought no new synthetic frame: {_why_none(requests, budget)}"
            break
        dataset = dataset.aggregate(part)
    assert reason is not None
    return History(tuple(history), reason)


def _why_none(requests: Sequence[Request], budget: int) -> str:
    if not budget:
        return "its budget is 0"
    if not requests:
        return "the policy asked for none; no failure is within reach, or worth it"
    asked = sum(request.variations for request in requests)
    return f"none of the {asked} asked for could be rendered and accepted"
