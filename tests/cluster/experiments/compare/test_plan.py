"""What a comparison is going to do, what it refuses before it starts, and what it says that it costs."""

import json
from pathlib import Path

import pytest
import yaml

from cluster.config.parse import load_defaults
from cluster.experiments.compare.arms import ARMS, Arm
from cluster.experiments.compare.plan import Cell, make_plan
from cluster.experiments.cost import Cost, measured, rates
from cluster.run.baseline import baseline_key
from imitation.common.settings import UserError
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from tests.cluster.experiments.compare.toy import plan_of


def test_every_arm_runs_in_every_cell_and_the_leader_before_those_that_match_it(tmp_path):
    plan = plan_of(tmp_path, "compare.seeds=[3,8]", "compare.arms=[random,real,sim,imitation]")
    names = [trial.name for trial in plan.trials]
    assert sorted(names) == sorted(
        f"{a}-seed{s}" for a in ("random", "real", "sim", "imitation") for s in (3, 8)
    )
    after = {trial.name: trial.after for trial in plan.trials}
    assert after["random-seed8"] == "imitation-seed8"
    assert after["real-seed3"] is after["sim-seed3"] is after["imitation-seed3"] is None
    assert names.index("imitation-seed3") < names.index("random-seed3")
    assert plan.seeds == (3, 8)


def test_a_warm_start_gives_every_arm_the_leaders_cycles(tmp_path):
    plan = plan_of(tmp_path, "train.warm_start=true", "compare.arms=[real,longer,sim,imitation]")
    after = {trial.arm.name: trial.after for trial in plan.trials}
    assert after == {"real": None, "imitation": None, "longer": "imitation-seed0", "sim": "imitation-seed0"}
    longer = next(trial for trial in plan.trials if trial.arm.name == "longer")
    assert plan.trial_config(longer, [5]).loop.cycles == 1
    names = [trial.arm.name for trial in plan.trials]
    assert names.index("imitation") < names.index("longer"), "what became of the leader is known by then"


def test_what_is_asked_of_all_arms_does_not_make_the_baseline_one_of_sim(tmp_path):
    options = ("policy.name=none", "loop.sim_only=true", "train.warm_start=true")
    plan = plan_of(tmp_path, *options, "compare.arms=[real,sim,imitation]")
    assert not plan.cell_config(plan.cells[0]).loop.sim_only
    assert {t.arm.name: plan.trial_config(t, None).loop.sim_only for t in plan.trials} == {
        "real": False, "sim": True, "imitation": False,
    }  # fmt: skip
    baseline_key(plan.cell_config(plan.cells[0]))


def test_one_baseline_serves_all_arms_of_a_seed(tmp_path):
    plan = plan_of(tmp_path, "compare.seeds=2")
    keys = {
        cell: {
            baseline_key(plan.trial_config(trial, [3, 2] if trial.after else None))
            for trial in plan.trials
            if trial.cell == cell and trial.arm.name != "real"
        }
        for cell in plan.cells
    }
    for cell, found in keys.items():
        assert found == {baseline_key(plan.cell_config(cell))}
    assert len(set.union(*keys.values())) == 2


def test_a_new_arm_is_one_entry(tmp_path, monkeypatch):
    """It is planned, counted, run after the arm that it matches and named in the plan's words."""
    arm = Arm("blindly", "real + blind sim", "random", budget_of="imitation")
    monkeypatch.setitem(ARMS, "blindly", arm)
    plan = plan_of(tmp_path, "compare.arms=[real,blindly,imitation]")
    assert [trial.name for trial in plan.trials] == [
        "real-seed0", "imitation-seed0", "blindly-seed0",
    ]  # fmt: skip
    assert plan.trials[-1].after == "imitation-seed0"
    assert plan.trial_config(plan.trials[-1], [3, 2]).aggregation.budgets == [3, 2]
    assert plan.estimate().parts["blindly"].synthetic == 10
    assert "3 runs: baseline, imitation, blindly" in next(plan.lines())


def test_seeds_are_counted_from_the_runs(tmp_path):
    assert plan_of(tmp_path, "run.seed=7", "compare.seeds=3").seeds == (7, 8, 9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["compare.arms=[real,imitatoin]"], "no arm 'imitatoin'; the nearest is 'imitation'"),
        (["compare.arms=[imitation,random]"], "lack 'real'"),
        (["compare.arms=[real]"], "'real' alone"),
        (["compare.arms=[real,imitation,imitation]"], "'imitation' stands twice"),
        (
            ["compare.arms=[real,random]", "compare.primary.arm=random"],
            "gets the frames that 'imitation' spends",
        ),
        (["compare.arms=[real,adaptive]", "compare.primary.arm=adaptive"], "add 'imitation' to compare.arms"),
        (["compare.arms=[real,longer,imitation]"], "'longer' needs train.warm_start=true"),
        (["compare.seeds=[1,2,1]"], "seed 1 stands twice"),
        (["compare.seeds=0"], "compare.seeds"),
        (["run.seed=2147483647", "compare.seeds=2"], "go beyond 2147483647"),
        (["compare.folds=3"], "the embedded world renders as many frames"),
        (["data.splits.folds=3"], "data.splits.folds is for data that is scarce"),
        (["compare.use_folds=[0]"], "compare.use_folds needs compare.folds"),
        (["compare.folds=3", "compare.use_folds=[3]"], "there is no fold 3"),
        (["compare.folds=3", "compare.use_folds=[1,1]"], "name each fold once"),
        (["compare.arms=[real,sim]"], "compare.primary.arm is 'imitation', which is not among"),
        (["compare.primary.against=[[imitation]]"], "the arm in question"),
        (["compare.primary.against=[[longer]]"], "names none of the arms that run"),
        (["compare.primary.against=[[randm],[real]]"], "no arm 'randm'; the nearest is 'random'"),
        (["compare.primary.arm=real"], "compare.primary.arm is 'real', the baseline"),
        (["compare.primary.measure=lorry"], "must be map50, map, or a category: car, truck"),
        (
            ["compare.primary.measure=car", "data.mapping={car: auto}"],
            "must be map50, map, or a category: auto, truck",
        ),
        (["aggregation.budgets=[9,9]"], "over the cap of 10 for 20 real ones"),
        (["compare.arms=[real,imitation,'no_such_module:policy']"], "cannot be imported"),
        (["mining.folds=21"], "mining.folds is 21, but there are 20 frames to train on"),
        (["loop.cycles=0"], "needs imitation cycles, but loop.cycles is 0"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(tmp_path, options, said):
    with pytest.raises(UserError) as told:
        plan_of(tmp_path, *options)
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())


def frames(root: Path, count: int) -> Path:
    import numpy as np

    image = encode_png(np.zeros((40, 80, 3), dtype=np.uint8))
    write_frames(
        (Frame(f"{i:03d}", 80, 40, (Object("car", Box(5, 5, 30, 30)),), image=image) for i in range(count)),
        str(root / "all.parquet"),
    )
    return root / "all.parquet"


def test_folds_of_a_dataset(tmp_path):
    data = [f"data.root={frames(tmp_path / 'data', 15)}", "data.kind=parquet", "data.categories=[car]"]
    plan = plan_of(tmp_path / "runs", *data, "compare.folds=3", "compare.use_folds=[2,0]")
    assert plan.cells == (Cell(0, 0), Cell(0, 2))
    for size in plan.sizes.values():
        assert size.test == 5
        assert size.train + size.val == 10
        assert size.train > size.val
    config = plan.trial_config(plan.trials[-1], None)
    assert (config.data.splits.folds, config.data.splits.fold, config.run.name) == (
        3,
        2,
        plan.trials[-1].name,
    )
    tested = [config.data.open().splits()["test"] for config in map(plan.cell_config, plan.cells)]
    assert not set(tested[0]) & set(tested[1])
    for options, said in [
        (["compare.folds=16"], "cannot make 16 folds"),
        (["compare.folds=3", "data.categories=null"], "compare.folds needs data.categories"),
        (["compare.folds=3", "data.splits.folds=3"], "both set"),
        (["compare.folds=3", "compare.primary.measure=mAP50"], "must be map50, map, or a category: car"),
        (["data.categories=null", "compare.primary.measure=0-1 loss"], "map50, map, or a category: car; or"),
        (["data.categories=null", "compare.primary.measure=cra"], "map50, map, or a category: car; or"),
    ]:
        with pytest.raises(UserError, match=said):
            plan_of(tmp_path / "runs", *data, *options)
    assert not (tmp_path / "runs").exists()


# -- cost


def test_costs_are_counted_by_hand(tmp_path):
    """20 frames to train on, cap 10, 5 a cycle, two cycles; folds of 6 steps beside 10 of a whole "
    "training."""
    plan = plan_of(
        tmp_path, "compare.arms=[real,sim,random,imitation,oversample]", "compare.synthetic_test=7"
    )
    costs = plan.estimate().parts
    batch = plan.config.train.batch_size
    told = {name: (c.trainings, c.steps, c.rendered, c.judged) for name, c in costs.items()}
    assert told == {
        # main, twin, two folds; 34 frames of the world; all on val, main and twin on test, train once
        "baselines": (4, 2 * 10 + 2 * 6, 34, 4 * 6 + 2 * 8 + 20),
        "real": (0, 0, 0, 0),
        "sim": (1, 10, 20 + 34, 6 + 8),
        "random": (2, 20, 10, 2 * (6 + 8)),
        "imitation": (4, 20 + 12, 10, (3 * 6 + 8 + 20) + (6 + 8)),
        "oversample": (4, 20 + 12, 0, (3 * 6 + 8 + 20) + (6 + 8)),
        "synthetic test": (0, 0, 7, 7 * (1 + 1 + 2 + 2 + 2)),
    }
    assert all(cost.images == cost.steps * batch for cost in costs.values())
    total = plan.estimate().total
    assert total.synthetic == 20 + 10 + 10
    arms = "compare.arms=[real,sim,random,imitation,oversample]"
    twice = plan_of(tmp_path, "compare.seeds=2", arms, "compare.synthetic_test=0").estimate()
    assert twice.total.steps == 2 * total.steps


def test_hours_are_of_measured_stages_where_there_are_any(tmp_path):
    plan = plan_of(tmp_path)
    text = "\n".join(plan.lines())
    assert "rates assumed, not measured" in text
    run = tmp_path / "earlier"
    (run / "cycle-000").mkdir(parents=True)
    (run / "config.yaml").write_text(yaml.safe_dump(plan.config.plain()))
    stages = {
        "train-main": {"images_seen": 80, "seconds": 40.0},
        "evaluate": {"rows": 30, "seconds": 3.0},
        "simulate": {"frames": 10, "seconds": 2.0},
    }
    for name, told in stages.items():
        (run / "cycle-000" / f"stage-{name}.json").write_text(json.dumps(told))
    assert measured(plan.config, plan.folder) == {"train": [2.0], "evaluate": [10.0], "render": [5.0]}
    found = rates(plan.config, plan.folder)
    cost = Cost(images=7200, judged=36_000, rendered=18_000)
    assert found.hours(cost) == pytest.approx(1 + 1 + 1)
    assert "measured" in found.source
    assert "assumed" not in found.source
    other = load_defaults([f"run.storage={tmp_path}", "detector.backbone=resnet50"])
    assert not measured(other, plan.folder)


def test_the_plan_in_words_names_what_a_budget_may_cut(tmp_path):
    text = "\n".join(plan_of(tmp_path, "compare.max_frames=3", "compare.max_hours=0.001").lines())
    assert "compare.max_frames is 3, and all of it may take 20" in text
    many = plan_of(tmp_path, "world.train=40000", "compare.max_frames=1234567", "compare.seeds=60")
    assert "compare.max_frames is 1,234,567, and all of it may take 2,400,000:" in "\n".join(many.lines())
    assert "compare.max_hours is 0.001" in text
    assert "20 frames to train on, 6 val, 8 test" in text


def test_a_dataset_that_is_not_there_is_told(tmp_path):
    config = load_defaults([f"run.storage={tmp_path}", "data.kind=kitti", "data.root=/nowhere/at/all"])
    with pytest.raises(UserError, match="/nowhere/at/all: there is nothing there"):
        make_plan(config)


def test_cells_of_a_plan_are_ordered():
    assert sorted([Cell(1, 0), Cell(0, 1), Cell(0, 0)]) == [Cell(0, 0), Cell(0, 1), Cell(1, 0)]
