"""Carrying a plan out: order, budgets, failures, and what the next call finds done. No training is done."""

import io
import json
import time
from pathlib import Path

import pytest

from cluster.experiments.compare.execute import Clock, InProcess, State, execute, read_state
from cluster.experiments.compare.plan import Plan
from cluster.experiments.compare.results.caveats import versions
from cluster.observability.console import Reporter
from imitation.common import storage
from imitation.common.settings import UserError
from tests.cluster.experiments.compare.toy import OUT_OF_TIME, Ticks, Toy, plan_of


def carried_out(plan: Plan, toy: Toy, clock: Clock | None = None) -> tuple[dict[str, State], str]:
    out = io.StringIO()
    states = execute(plan, toy, Reporter(out), clock or Clock(plan.folder))
    return states, out.getvalue()


def opened(plan: Plan) -> bool:
    return plan.home.open(plan.config)


def statuses(states: dict[str, State]) -> dict[str, str]:
    return {name: state.status for name, state in states.items()}


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_one_baseline_a_seed_then_the_leader_then_those_that_match_it(tmp_path, at_once):
    plan, toy = plan_of(tmp_path, "compare.seeds=2"), Toy(at_once, spent=(5, 3))
    states, _ = carried_out(plan, toy)
    assert set(statuses(states).values()) == {"finished"}
    assert toy.most == min(at_once, 4)  # never so many can run at the same time
    assert sum(job.uri is None for job in toy.jobs) == 2
    assert len(toy.names) == len(set(toy.names)) == 2 + 8
    for seed in (0, 1):
        base = toy.names.index(f"baseline seed{seed}")
        leader = toy.names.index(f"imitation-seed{seed}")
        assert base < leader < toy.names.index(f"random-seed{seed}")
        for arm in ("random", "oversample"):
            job = toy.job(f"{arm}-seed{seed}")
            assert job.plain["aggregation"]["budgets"] == [5, 3]
            assert job.plain["loop"]["cycles"] == 2
        assert {toy.job(f"{arm}-seed{seed}").base for arm in ("real", "random", "imitation")} == {
            f"{plan.folder}/baselines/baseline seed{seed}"
        }


def test_what_is_finished_is_not_touched_again(tmp_path):
    plan = plan_of(tmp_path)
    carried_out(plan, Toy())
    again = Toy()
    states, said = carried_out(plan, again)
    assert again.jobs == []
    assert set(statuses(states).values()) == {"finished"}
    assert "4 of 4 runs are finished already" in said


def test_a_killed_driver_leaves_the_rest_to_the_next_call(tmp_path):
    plan = plan_of(tmp_path)

    def killed(job):
        if job.name == "random-seed0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carried_out(plan, Toy(behave=killed))
    before = {trial.name: read_state(plan, trial).status for trial in plan.trials}
    assert before == {
        "real-seed0": "finished", "imitation-seed0": "finished", "random-seed0": "unfinished",
        "oversample-seed0": "not started",
    }  # fmt: skip
    again = Toy()
    states, _ = carried_out(plan, again)
    assert sorted(again.names) == ["baseline seed0", "oversample-seed0", "random-seed0"]
    assert again.job("random-seed0").plain["aggregation"]["budgets"] == [5, 4]
    assert set(statuses(states).values()) == {"finished"}


def test_an_arm_that_fails_is_marked_and_the_others_go_on(tmp_path):
    plan = plan_of(tmp_path, "compare.seeds=2")
    failing = Toy(behave=lambda job: UserError("disk full") if job.name == "oversample-seed0" else None)
    states, said = carried_out(plan, failing)
    assert statuses(states) == {
        trial.name: "failed" if trial.name == "oversample-seed0" else "finished" for trial in plan.trials
    }
    assert states["oversample-seed0"].reason == "disk full"
    assert "oversample-seed0: failed: disk full" in said
    again = Toy()
    states, _ = carried_out(plan, again)
    assert again.names == ["baseline seed0", "oversample-seed0"]
    assert set(statuses(states).values()) == {"finished"}


def test_where_the_leader_fails_those_that_match_it_are_not_started(tmp_path):
    plan = plan_of(tmp_path)
    states, _ = carried_out(
        plan, Toy(behave=lambda job: ValueError("line 1\nout of memory") if "imitation" in job.name else None)
    )
    assert statuses(states) == {
        "real-seed0": "finished", "imitation-seed0": "failed", "random-seed0": "not started",
        "oversample-seed0": "not started",
    }  # fmt: skip
    assert states["imitation-seed0"].reason == "ValueError: out of memory"
    assert states["random-seed0"].reason == "it must match imitation, which is failed"
    told = json.loads((tmp_path / "comparison" / "states" / "imitation-seed0.json").read_text())
    assert told["traceback"] == "Traceback"


def test_a_baseline_that_fails_takes_its_cell_with_it_but_not_sim(tmp_path):
    plan = plan_of(tmp_path, "compare.seeds=2", "compare.arms=[real,imitation,sim]")
    states, _ = carried_out(
        plan, Toy(behave=lambda job: UserError("no frames") if job.name == "baseline seed0" else None)
    )
    assert statuses(states) == {
        "real-seed0": "failed", "imitation-seed0": "failed", "sim-seed0": "finished",
        "real-seed1": "finished", "imitation-seed1": "finished", "sim-seed1": "finished",
    }  # fmt: skip
    assert states["real-seed0"].reason == "its baseline failed: no frames"


def test_a_budget_of_frames_stops_before_it_is_exceeded(tmp_path):
    """imitation may render 10 and renders 9; random may render 9 more; the second seed's imitation 10."""
    plan = plan_of(tmp_path, "compare.seeds=2", "compare.max_frames=25")
    states, _ = carried_out(plan, Toy())
    assert statuses(states) == {
        "real-seed0": "finished", "imitation-seed0": "finished", "random-seed0": "finished",
        "oversample-seed0": "finished", "real-seed1": "finished", "imitation-seed1": "not started",
        "random-seed1": "not started", "oversample-seed1": "not started",
    }  # fmt: skip
    reason = states["imitation-seed1"].reason
    assert reason is not None
    assert "its 10 frames" in reason
    assert "exceed compare.max_frames (25)" in reason
    more = plan_of(tmp_path, "compare.seeds=2", "compare.max_frames=40")
    states, _ = carried_out(more, Toy())
    assert set(statuses(states).values()) == {"finished"}


def test_a_budget_of_hours_stops_and_a_larger_one_goes_on(tmp_path):
    ticks = Ticks()

    def slow(job):
        ticks.now += 1000
        return OUT_OF_TIME if job.name == "random-seed0" else None

    plan = plan_of(tmp_path, "compare.max_hours=1.05")
    toy = Toy(behave=slow)
    states, said = carried_out(plan, toy, Clock(plan.folder, ticks))
    assert toy.names == ["baseline seed0", "real-seed0", "imitation-seed0", "random-seed0"]
    assert toy.job("random-seed0").seconds_left == pytest.approx(780)
    assert statuses(states) == {
        "real-seed0": "finished", "imitation-seed0": "finished", "random-seed0": "unfinished",
        "oversample-seed0": "not started",
    }  # fmt: skip
    assert "compare.max_hours (1.05) are used up" in said
    nothing = Toy()
    carried_out(plan, nothing, Clock(plan.folder, Ticks()))  # the time of all starts together
    assert nothing.jobs == []
    states, _ = carried_out(plan_of(tmp_path, "compare.max_hours=9"), Toy(), Clock(plan.folder, Ticks()))
    assert set(statuses(states).values()) == {"finished"}


def test_hours_count_up_to_a_kill(tmp_path):
    plan, ticks = plan_of(tmp_path), Ticks()
    told = Path(plan.folder, "clock.json")
    with Clock(plan.folder, ticks).kept(every_s=0.01):
        ticks.now += 3600
        while not told.exists() or json.loads(told.read_text())["seconds"] < 3600:
            time.sleep(0.01)
        assert Clock(plan.folder, Ticks()).seconds == 3600, "what another driver finds, were this one killed"


def test_an_arm_that_failed_before_it_began_has_used_no_frames(tmp_path):
    def broken(job):
        if job.uri is None and "seed0" in job.name:
            return UserError("broken data")
        return None

    plan = plan_of(tmp_path, "compare.seeds=2", "compare.max_frames=25")
    states, _ = carried_out(plan, Toy(behave=broken))
    assert states["imitation-seed0"].status == "failed"
    assert states["imitation-seed1"].status == states["random-seed1"].status == "finished"


def test_in_this_process_an_error_is_kept_and_ctrl_c_passes(tmp_path):
    def work(job, reporter):
        raise KeyboardInterrupt if job.name == "stop" else ValueError("why")

    plan = plan_of(tmp_path)
    runner = InProcess(Reporter(io.StringIO()), work)
    toy = Toy()
    carried_out(plan, toy)
    job = toy.jobs[0]
    runner.start(job)
    ended = runner.wait()
    assert isinstance(ended.error, ValueError)
    assert "raise" in (ended.traceback or "")
    from dataclasses import replace

    with pytest.raises(KeyboardInterrupt):
        runner.start(replace(job, name="stop"))


def test_a_folder_belongs_to_one_comparison_but_budgets_may_grow(tmp_path):
    assert not opened(plan_of(tmp_path))
    assert opened(plan_of(tmp_path, "compare.max_hours=4", "compare.max_frames=99", "ray.num_cpus=3"))
    for option, said in [
        ("train.steps=11", "train.steps was 10, now 11"),
        ("compare.seeds=2", "compare.seeds was 1, now 2"),
        ("compare.primary.measure=car", "compare.primary.measure was 'map50', now 'car'"),
    ]:
        with pytest.raises(UserError, match="another configuration") as told:
            opened(plan_of(tmp_path, option))
        assert said in str(told.value)


def test_other_versions_of_the_code_that_went_on_are_named(tmp_path, monkeypatch):
    plan = plan_of(tmp_path)

    def opened_by(commit: str | None) -> dict[str, object]:
        monkeypatch.setattr("cluster.experiments.folder.environment", lambda: {"commit": commit})
        opened(plan)
        return storage.read_json(storage.join(plan.folder, "run.json"))

    assert versions(opened_by("a1")) == versions(opened_by("a1")) == []
    opened_by("b2")
    opened_by("a1")
    assert versions(opened_by("b2")) == ["Begun at commit a1, continued at b2: rows may be of either."]
    assert "continued at b2, unknown:" in versions(opened_by(None))[0]


def test_a_baseline_that_finds_nothing_is_said_to_before_arms_start(tmp_path):
    def nothing(job):
        if job.uri is None:
            told = {"metrics": {"val": {"map50": 0.0}}}
            storage.write_json(
                storage.join(job.folder, "baselines", job.name, "cycle-000", "stage-evaluate.json"), told
            )

    plan = plan_of(tmp_path)
    _, said = carried_out(plan, Toy(behave=nothing))
    lines = said.splitlines()
    (warning,) = [i for i, line in enumerate(lines) if "finds nothing on val (mAP 0.0)" in line]
    assert warning < next(i for i, line in enumerate(lines) if line.startswith("run "))
