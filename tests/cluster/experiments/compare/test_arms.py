"""Arms: run configurations at equal compute."""

import json
from pathlib import Path

import pytest

from cluster.config.parse import load_defaults
from cluster.config.schema import Config
from cluster.experiments.compare.arms import ARMS, arm_config, check_arms, find_arm, spent
from cluster.run.summary import arm_label
from cluster.workspace.run_folder import Workspace, flatten
from imitation.common.settings import UserError

SCRATCH = load_defaults(["loop.cycles=3"])
WARM = load_defaults(["loop.cycles=3", "train.warm_start=true"])


def changed(before: Config, after: Config) -> dict[str, object]:
    one, other = flatten(before.plain()), flatten(after.plain())
    return {key: other[key] for key in other if one.get(key) != other[key]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("real", {"policy.name": "none", "loop.cycles": 0}),
        ("sim", {"policy.name": "none", "loop.cycles": 0, "loop.sim_only": True}),
        ("imitation", {"stopping.min_cycles": 3}),
        ("random", {"stopping.min_cycles": 3, "policy.name": "random"}),
        ("oversample", {"stopping.min_cycles": 3, "policy.name": "oversample"}),
        ("untargeted", {"stopping.min_cycles": 3, "policy.name": "untargeted"}),
        ("adaptive", {"stopping.min_cycles": 3, "policy.name": "adaptive"}),
    ],
)
def test_from_scratch_an_arm_is_the_configuration_and_what_makes_it(
    name: str, expected: dict[str, object]
) -> None:
    assert changed(SCRATCH, arm_config(SCRATCH, ARMS[name])) == expected


@pytest.mark.parametrize("name", ["longer", "sim", "imitation", "random", "oversample", "adaptive"])
def test_with_a_warm_start_every_arm_goes_through_the_same_cycles(name: str) -> None:
    config = arm_config(WARM, ARMS[name])
    assert config.loop.cycles == 3
    assert config.stopping.min_cycles == 3, "none stops early"
    assert config.train == WARM.train


def test_what_another_arm_spent_is_the_budget_and_its_cycles_the_cycles() -> None:
    for name in ("random", "oversample", "adaptive", "imitation"):
        config = arm_config(WARM, ARMS[name], [7, 5])
        assert (config.aggregation.budgets, config.loop.cycles) == ([7, 5], 2)
    longer = arm_config(WARM, ARMS["longer"], [7, 5])
    assert (longer.aggregation.budgets, longer.loop.cycles) == (None, 2)
    assert arm_config(WARM, ARMS["real"], [7, 5]).loop.cycles == 0


def test_longer_is_refused_from_scratch() -> None:
    with pytest.raises(UserError, match="it would equal 'real'"):
        arm_config(SCRATCH, ARMS["longer"])
    with pytest.raises(UserError, match=r"needs train\.warm_start=true"):
        check_arms(SCRATCH, ["real", "longer"])


def test_arms_are_checked_and_put_in_an_order_that_budgets_can_follow() -> None:
    names = ["real", "oversample", "random", "imitation", "tests.some:policy"]
    order = [arm.name for arm in check_arms(SCRATCH, names)]
    assert sorted(order) == sorted(names)
    assert order.index("imitation") < min(map(order.index, ("oversample", "random", "tests.some:policy")))
    for wrong, said in (
        (["real", "real"], "'real' stands twice"),
        (["imitaton"], "the nearest is 'imitation'"),
        (["xyz"], "known are real, longer"),
    ):
        with pytest.raises(UserError, match=said):
            check_arms(SCRATCH, wrong)
    with pytest.raises(UserError, match="needs imitation cycles"):
        check_arms(load_defaults(["loop.cycles=0"]), ["random"])


def test_a_policy_of_ones_own_is_an_arm() -> None:
    arm = find_arm("mine.policies:greedy")
    assert (arm.trained_on, arm.budget_of) == ("real + greedy", "imitation")
    assert arm_config(SCRATCH, arm).policy.name == "mine.policies:greedy"


def test_a_detector_has_one_name_in_runs_and_comparisons() -> None:
    kitti = load_defaults(["data.kind=kitti", "data.root=x", "train.warm_start=true"])
    labels = {name: arm_label(arm_config(kitti, arm), 1) for name, arm in ARMS.items() if name != "real"}
    assert labels == {
        name: f"{name}, cycle 1"
        for name in ("longer", "oversample", "sim", "random", "untargeted", "imitation", "adaptive")
    }
    assert arm_label(arm_config(kitti, ARMS["sim"]), 0) == "sim"
    assert arm_label(arm_config(SCRATCH, ARMS["real"]), 0) == "baseline"
    own = load_defaults(["policy.name=mine.policies:greedy"])
    assert arm_label(own, 2) == "mine.policies:greedy, cycle 2"


def test_what_a_run_spent_is_read_from_its_folder(tmp_path: Path) -> None:
    for cycle, (stage, frames, done) in enumerate(
        [("simulate", 6, True), ("repeat", 4, True), ("simulate", 9, False)], start=1
    ):
        folder = tmp_path / f"cycle-00{cycle}"
        folder.mkdir()
        (folder / f"stage-{stage}.json").write_text(json.dumps({"frames": frames}))
        if done:
            (folder / "stage-evaluate.json").write_text("{}")
    assert spent(Workspace(str(tmp_path))) == [6, 4], "the third cycle is not finished"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["loop.sim_only=true"], "set policy.name=none"),
        (["policy.name=none"], "would train the same detector"),
        (
            ["train.synthetic_weight=0.5", "detector.name=fcos_resnet50_fpn"],
            "gives one loss",
        ),
        (["train.schedule=pretrain", "train.synthetic_share=0.5"], "no batch is shared"),
        (["policy.strength={first: 0.2, cycles: 1}"], "in no time"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(options: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_defaults(options)
