"""Where a cycle's time goes, against times that a test sets."""

import pytest

from cluster.observability.cycle_time import CycleClock, CycleTime, work_seconds
from cluster.workspace.run_folder import Workspace


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


STAGES = {
    "simulate": {"seconds": 30.0, "work_seconds": 29.0, "busy_seconds": 12.0},
    "train-main": {"seconds": 100.0, "work_seconds": 90.0},
    "train-fold-0": {"seconds": 60.0, "work_seconds": 55.0},
    "evaluate": {"seconds": 40.0, "busy_seconds": 25.0},
    "analyse": {"seconds": 5.0},
    "request": {"seconds": 1.0},
}


def run_cycle(clock: CycleClock, time: Clock, reused: tuple[str, ...] = ()) -> CycleTime:
    for name, result in STAGES.items():
        if name not in reused:
            time.now += result["seconds"] + 1.0  # a second between stages is orchestration as well
        clock.committed(name, result | {"reused": name in reused})
    return clock.cycle("cycle-001")


EXPECTED = CycleTime(wall=242.0, training=145.0, rendering=12.0, evaluation=25.0, analysis=6.0)


def test_what_is_no_stages_own_work_is_orchestration(tmp_path):
    time = Clock()
    clock = CycleClock(Workspace(str(tmp_path)), time)
    time.now += 1000.0  # reading the data comes before the first cycle
    clock.cycles_begin()
    took = run_cycle(clock, time)
    assert took == EXPECTED
    assert took.orchestration == pytest.approx(54.0)
    assert took.text() == (
        "242 s = training 145 + rendering 12 + evaluation 25 + analysis 6 + orchestration 54 (22 %): "
        "rendering 18, training 15, evaluation 15, between 6"
    )
    assert took.orchestration_by_part == {
        "training": 15.0, "rendering": 18.0, "evaluation": 15.0, "analysis": 0.0, "between": 6.0
    }  # fmt: skip


def test_a_cycle_that_an_earlier_driver_began(tmp_path):
    """Its committed stages count with the time they took then; the pauses between them are not known."""
    time = Clock()
    clock = CycleClock(Workspace(str(tmp_path)), time)
    took = run_cycle(clock, time, reused=("simulate", "train-main"))
    assert took == CycleTime(wall=240.0, training=145.0, rendering=12.0, evaluation=25.0, analysis=6.0)


def test_a_finished_cycle_keeps_its_time(tmp_path):
    workspace = Workspace(str(tmp_path))
    time = Clock()
    first = run_cycle(CycleClock(workspace, time), time)
    again = run_cycle(CycleClock(workspace, Clock()), Clock(), reused=tuple(STAGES))
    assert again == first
    assert again.text() == first.text()


def test_a_cycle_of_a_base_is_what_this_run_needs_of_it_and_leaves_nothing_there(tmp_path):
    base = tmp_path / "base"
    for needed in (("train-main", "evaluate"), ("train-main", "train-fold-0", "evaluate")):
        workspace = Workspace(str(tmp_path / f"run-{len(needed)}"), str(base))
        expected = CycleTime(1.0 + 10.0 * len(needed), 8.0 * (len(needed) - 1), 0.0, 8.0, 0.0)
        for pause in (1.0, 2.0):  # the second driver finds what the first has committed
            time = Clock()
            clock = CycleClock(workspace, time)
            for name in needed:
                clock.committed(
                    name, {"seconds": 10.0, "work_seconds": 8.0, "busy_seconds": 8.0, "reused": True}
                )
            time.now += pause
            assert clock.cycle("cycle-000") == expected
    assert not base.exists()


def test_the_second_cycle_starts_where_the_first_ends(tmp_path):
    time = Clock()
    clock = CycleClock(Workspace(str(tmp_path)), time)
    run_cycle(clock, time)
    time.now += 7.0
    clock.committed("train-main", {"seconds": 5.0, "work_seconds": 4.0, "reused": False})
    assert clock.cycle("cycle-002") == CycleTime(7.0, 4.0, 0.0, 0.0, 0.0)


def test_a_training_that_was_continued_does_not_count_steps_of_before():
    assert work_seconds("train-main", {"seconds": 20.0, "work_seconds": 90.0}) == 20.0


def test_a_stage_of_an_older_run_without_its_work_counts_none():
    assert work_seconds("evaluate", {"seconds": 40.0}) == 0.0
