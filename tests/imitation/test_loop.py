"""The loop on toy stages: the order of things, stopping, and what it may never do."""

from dataclasses import dataclass, field

import pytest

from imitation.aggregation import AggregationSettings, Dataset, Part
from imitation.loop import imitate
from imitation.requests import Request
from imitation.stopping import check as stopping_check


@dataclass
class Toy:
    """A world in which every synthetic frame adds a hundredth to the score."""

    scores: list[float] | None = None
    calls: list[tuple] = field(default_factory=list)
    give: int = 1000

    def train(self, dataset, cycle):
        self.calls.append(("train", cycle, dataset.synthetic_frames))
        return f"detector-{cycle}"

    def evaluate(self, detector, dataset, cycle):
        self.calls.append(("evaluate", detector))
        score = self.scores[cycle] if self.scores else 0.5 + 0.01 * dataset.synthetic_frames
        return ToyEvaluation(score, [f"failure-{cycle}"])

    def request(self, evaluation, cycle, budget):
        self.calls.append(("request", cycle, budget, tuple(evaluation.failures)))
        return [Request(f"c{cycle}", "p", tuple(evaluation.failures), (0,), (), max(budget, 1), 0, "toy")]

    def simulate(self, requests, cycle):
        frames = min(self.give, sum(r.variations for r in requests))
        self.calls.append(("simulate", cycle, frames))
        return Part(f"synthetic-{cycle}", frames, cycle)


@dataclass
class ToyEvaluation:
    score: float
    failures: list[str]


def run(toy, cycles=2, real=40, **aggregation):
    dataset = Dataset(Part("real", real), AggregationSettings(**aggregation))

    def check(scores, dataset):
        return stopping_check(
            scores,
            dataset.added_ratio,
            dataset.settings.max_synthetic_ratio,
            cycles,
            room=dataset.left_under_cap(),
        )

    return imitate(toy, dataset, check)


def test_cycles_run_in_the_methods_order():
    toy = Toy()
    history = run(toy, cycles=1)
    assert toy.calls == [
        ("train", 0, 0),
        ("evaluate", "detector-0"),
        ("request", 1, 10, ("failure-0",)),
        ("simulate", 1, 10),
        ("train", 1, 10),
        ("evaluate", "detector-1"),
    ]
    assert history.reason.startswith("cycles")
    assert [entry.dataset.synthetic_frames for entry in history.cycles] == [0, 10]


def test_every_cycle_trains_on_all_synthetic_frames_so_far():
    toy = Toy()
    history = run(toy, cycles=5)
    assert [call[2] for call in toy.calls if call[0] == "train"] == [0, 10, 20]
    assert history.reason.startswith("cap")
    assert history.cycles[-1].dataset.added_ratio == pytest.approx(0.5)


def test_stops_when_converged_but_not_before_two_cycles():
    toy = Toy(scores=[0.5, 0.3, 0.4, 0.9])
    history = run(toy, cycles=9, max_synthetic_ratio=10.0)
    assert len(history.cycles) == 3
    assert history.reason.startswith("converged")
    assert history.best.cycle == 0


def test_best_is_the_highest_val_score_and_the_earliest_of_equals():
    history = run(Toy(scores=[0.2, 0.6, 0.6]), cycles=2)
    assert history.best.cycle == 1


def test_no_new_frames_ends_the_loop():
    history = run(Toy(give=0), cycles=3)
    assert len(history.cycles) == 1
    assert "no new synthetic frame" in history.reason


def test_the_same_stages_give_the_same_history():
    assert run(Toy(), cycles=3) == run(Toy(), cycles=3)


def test_a_policy_that_adds_nothing_by_design_trains_on():
    class Longer(Toy):
        def simulate(self, requests, cycle):
            assert requests == []

        def request(self, evaluation, cycle, budget):
            return []

    toy = Longer(scores=[0.5, 0.6, 0.7])
    history = run(toy, cycles=2)
    assert [entry.dataset.added_frames for entry in history.cycles] == [0, 0, 0]
    assert history.reason.startswith("cycles")
    assert history.best.cycle == 2


@pytest.mark.parametrize(
    ("asks", "aggregation", "why"),
    [
        ([], {}, "the policy asked for none"),
        ([Request("r", "p", (), (), (), 3, 0, "toy")], {}, "none of the 3 asked for"),
        ([], {"budgets": [0]}, "its budget is 0"),
    ],
)
def test_why_there_is_no_new_frame_is_told(asks, aggregation, why):
    class Stuck(Toy):
        def request(self, evaluation, cycle, budget):
            return asks

    assert why in run(Stuck(give=0), cycles=3, **aggregation).reason
