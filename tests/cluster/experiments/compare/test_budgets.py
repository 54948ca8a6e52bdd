"""A curve of budgets: its runs, whose frames they train on, and what it shows where the answer is known."""

import io
import re

import pytest

from cluster.experiments.compare.execute import Clock, execute
from cluster.experiments.compare.plan import frames_of_budget
from cluster.observability.console import Reporter
from imitation.common.errors import UserError
from imitation.report.comparison.budget_curves import reached_table
from imitation.report.comparison.html import render_comparison
from imitation.report.comparison.markdown import as_markdown
from imitation.report.comparison.record import Comparison, reached_sentence, shown_reached
from imitation.report.comparison.text import as_text
from tests.cluster.experiments.compare.toy import RESAMPLES, Quality, Toy, collected, finished, plan_of

ARMS = "compare.arms=[real,random,imitation,oversample]"
CURVE = ["loop.cycles=1", "compare.budgets=[0.25,0.5,2]"]


def test_every_arm_that_adds_frames_has_a_run_for_each_budget(tmp_path):
    plan = plan_of(tmp_path, *CURVE, "compare.arms=[real,sim,random,imitation,oversample]")
    names = [trial.name for trial in plan.trials]
    assert len(names) == 5 + 3 * 2
    assert {name for name in names if "-budget" in name} == {
        f"{arm}-seed0-budget{b}" for arm in ("random", "imitation", "oversample") for b in ("0.25", "0.5")
    }
    after = {trial.name: trial.after for trial in plan.trials}
    assert after["random-seed0"] == "imitation-seed0"
    assert after["random-seed0-budget0.5"] == "random-seed0"
    assert after["imitation-seed0-budget0.25"] == "imitation-seed0"
    assert "11 runs: " in next(plan.lines())
    assert "budgets 0.25, 0.5, 2 per real frame" in " ".join(plan.lines())
    assert [config.run.name for config in plan.of_each_arm()] == names[:5]


def test_smaller_budgets_take_the_frames_of_the_greatest(tmp_path):
    plan = plan_of(tmp_path, *CURVE)  # 20 real frames
    configs = {trial.name: plan.trial_config(trial, None) for trial in plan.trials}
    told = {
        name: (c.aggregation.budgets, c.aggregation.frames_of, c.aggregation.max_synthetic_ratio)
        for name, c in configs.items()
        if name != "real-seed0"
    }
    assert told["imitation-seed0"] == ([40], None, 2)
    assert told["imitation-seed0-budget0.5"] == ([10], "imitation-seed0", 2)
    assert told["random-seed0-budget0.25"] == ([5], "random-seed0", 2)
    assert told["oversample-seed0-budget0.25"] == ([5], None, 2), "repeats real frames, and takes none"
    assert plan.estimate().total.synthetic == 40 + 40, "those of smaller budgets are rendered already"
    assert frames_of_budget(0.01, 20) == 1


def test_they_run_after_it_with_no_more_than_it_had(tmp_path):
    plan, toy = plan_of(tmp_path, *CURVE), Toy(3, spent=(7,))
    states = execute(plan, toy, Reporter(io.StringIO()), Clock(plan.folder))
    assert {state.status for state in states.values()} == {"finished"}
    budgets = {job.name: job.plain["aggregation"]["budgets"] for job in toy.jobs if job.uri}
    assert budgets["random-seed0"] == [7], "as many as imitation came to"
    assert budgets["random-seed0-budget0.5"] == [7]
    assert budgets["random-seed0-budget0.25"] == [5]
    names = toy.names
    for arm in ("random", "imitation", "oversample"):
        assert names.index(f"{arm}-seed0") < names.index(f"{arm}-seed0-budget0.25")
    assert {job.base for job in toy.jobs if job.uri} == {f"{plan.folder}/baselines/baseline seed0"}


def test_where_the_greatest_failed_nothing_is_taken_from_it(tmp_path):
    plan = plan_of(tmp_path, *CURVE)
    toy = Toy(behave=lambda job: UserError("broke") if job.name == "random-seed0" else None)
    states = execute(plan, toy, Reporter(io.StringIO()), Clock(plan.folder))
    assert states["random-seed0-budget0.5"].status == "not started"
    assert states["random-seed0-budget0.5"].reason == "it must take the frames of random, which is failed"
    assert states["imitation-seed0-budget0.5"].status == "finished"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["compare.budgets=[0.5,1]"], "compare.budgets needs loop.cycles=1, but it is 2"),
        (["loop.cycles=1", "compare.budgets=[1,0.5]"], "name each once, the smallest first"),
        (["loop.cycles=1", "compare.budgets=[]"], "name each once, the smallest first"),
        (["loop.cycles=1", "compare.budgets=[0,1]"], "compare.budgets"),
        (["loop.cycles=1", "compare.budgets=[1]", "aggregation.budgets=[9]"], "are both set"),
    ],
)
def test_what_makes_no_curve_is_refused(tmp_path, options, said):
    with pytest.raises(UserError, match=re.escape(said)):
        plan_of(tmp_path, *options)


RATES = {"imitation": (0.62, 0.75, 0.9), "random": (0.55, 0.6, 0.75), "oversample": (0.5, 0.5, 0.52)}
KNOWN: Quality = {"real": ([0.5], [0.5])} | {
    f"{arm}{end}": ([0.5, hit], [0.5, hit])
    for arm, rates in RATES.items()
    for end, hit in zip((" 0.25", " 0.5", ""), rates)
}
"""By its hits `imitation` with 10 frames is where `random` is with 40."""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Comparison:
    plan = plan_of(tmp_path_factory.mktemp("runs"), *CURVE, "compare.seeds=4", ARMS, RESAMPLES)
    return collected(plan, finished(plan, KNOWN))


def test_each_point_is_a_row(told):
    rows = {row.key: row for row in told.rows}
    assert told.budgets == [0.25, 0.5, 2]
    assert [key for key in rows if key.startswith("random")] == [
        "random, budget 0.25", "random, budget 0.5", "random, cycle 1", "random, chosen",
    ]  # fmt: skip
    assert rows["random, budget 0.25"].synthetic_frames == 5
    assert (rows["random, budget 0.5"].budget, rows["random, cycle 1"].budget) == (0.5, None)
    means = [
        rows[f"imitation, {n}"].test["mAP50"].value.mean for n in ("budget 0.25", "budget 0.5", "cycle 1")
    ]
    assert means == sorted(means)
    assert rows["random, budget 0.25"].test["mAP50"].gain.seeds == 4


def test_a_better_curve_needs_fewer_frames(told):
    found = {(r.arm, r.other, r.budget): r for r in told.reached}
    assert len(found) == 3 * 2 * 3
    needed = found["imitation", "random", 2.0]
    assert needed.other_frames == 40
    assert 5 < needed.frames < 25
    assert needed.low <= 10 <= needed.high
    assert needed.high < 40, "half the frames or less"
    never = found["random", "imitation", 2.0]
    assert (never.frames, never.high) == (None, None)
    assert never.reason is None
    assert found["oversample", "imitation", 0.5].frames is None


def test_the_text_the_page_and_the_record_tell_it(told):
    shown = shown_reached(told)
    assert [(r.arm, r.other) for r in shown] == [("imitation", "random"), ("imitation", "oversample")]
    text = " ".join(" ".join(as_text(told)).split())
    page = render_comparison(told)
    for reached in shown:
        sentence = reached_sentence(reached)
        assert "imitation needs" in sentence
        assert sentence in text
        assert sentence in as_markdown([told])
    assert "mAP50 over the number of added frames" in page
    assert "Frames to reach the same" in page
    table = reached_table(told)
    assert [row[0] for row in table.rows] == ["imitation", "random", "oversample"]
    assert "over 40" in table.rows[1][table.columns.index(next(c for c in table.columns if "imitation" in c))]
    assert Comparison.from_dict(told.to_dict()) == told
    assert "cycle by cycle" in page, "the curve over cycles is there beside it"
