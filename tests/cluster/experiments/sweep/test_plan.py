"""What a sweep is going to do: trials, baselines, trainings, and how many at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.cli.main import main
from cluster.config.parse import load_defaults
from cluster.experiments.capacity import room
from cluster.experiments.cost import baseline_cost, run_cost, sizes_of
from cluster.experiments.sweep.plan import make_plan
from imitation.common.settings import UserError

ROOT = Path(__file__).resolve().parents[4]


def plan(space: str, *options: str):
    return make_plan(load_defaults([f"sweep.space={space}", *options]))


def test_trials_share_a_baseline_unless_what_varies_makes_another():
    assert plan("{policy.name: {grid: [imitation, random]}}").baseline_count == 1
    both = "{policy.name: {grid: [imitation, random]}, train.steps: {grid: [10, 20, 30]}}"
    assert (plan(both).count, plan(both).baseline_count) == (6, 3)
    drawn = "{policy.name: {grid: [imitation, random]}, train.learning_rate: {loguniform: [1e-4, 1e-2]}}"
    assert (plan(drawn, "sweep.samples=3").count, plan(drawn, "sweep.samples=3").baseline_count) == (6, 3)
    picked = "{train.learning_rate: {loguniform: [1e-4, 1e-2]}}"
    assert plan(picked, "sweep.search=optuna", "sweep.samples=7").baseline_count == 7
    assert plan("{policy.rarity: {uniform: [0, 1]}}", "sweep.search=optuna").baseline_count == 1


def test_costs_are_those_of_the_loop():
    config = load_defaults(["train.steps=100", "mining.folds=3", "mining.fold_steps=0.5", "loop.cycles=4"])
    sizes = sizes_of(config)
    base = baseline_cost(config, sizes)
    assert (base.trainings, base.steps) == (5, 2 * 100 + 3 * 50)
    # the cap of 0.5 is reached after two cycles of 0.25; the second is not mined
    own = run_cost(config, sizes)
    assert (own.trainings, own.steps, own.synthetic) == (2 + 3, 2 * 100 + 3 * 50, config.world.train // 2)
    cheap = ["mining.later_fold_steps=0.2", "aggregation.synthetic_per_cycle=0.1", "loop.cycles=4"]
    later = run_cost(load_defaults(["train.steps=100", "mining.folds_every=2", *cheap]), sizes)
    assert (later.trainings, later.steps) == (4 + 2, 4 * 100 + 2 * 20), "cycle 2 alone trains folds"
    assert baseline_cost(load_defaults(["loop.cycles=0", "loop.twin=false"]), sizes).trainings == 1
    assert run_cost(load_defaults(["loop.cycles=0"]), sizes).steps == 0
    # a policy that looks at no failures trains no folds
    assert run_cost(load_defaults(["train.steps=100", "policy.name=random"]), sizes).trainings == 2


def test_the_plan_says_what_it_costs_and_when_asha_acts():
    told = "\n".join(plan("{policy.name: {grid: [imitation, random]}}", "loop.cycles=2").lines())
    assert "2 trials, drawn at random, or of a grid: policy.name" in told
    assert "1 baseline, then up to 2 cycles a trial." in told
    row = next(line.split() for line in told.splitlines() if line.strip().startswith("trials"))
    # of two cycles imitation's first is mined by two folds; each adds 80 frames to 160
    assert (row[2], row[4]) == ("6", "160")
    assert "Hours are of runs one after the other" in told
    assert "asha ends no trial early: loop.cycles is 2" in told
    long = "\n".join(plan("{policy.name: {choice: [imitation]}}", "loop.cycles=9").lines())
    assert "asha judges trials after cycle 2 and lets about one in 3 go on" in long


def test_a_draw_that_the_configuration_refuses_is_told_before_anything_starts():
    with pytest.raises(UserError, match="scale_min"):
        plan(
            "{train.augment.scale_min: {uniform: [0.5, 2.0]}, train.augment.scale_max: {uniform: [1.0, 2.0]}}"
        )


@pytest.mark.parametrize(
    ("options", "most", "resources", "expected"),
    [
        # one CPU for the detector, one for its reader: a second trial's detector would take the reader's
        ([], "auto", {"CPU": 2}, 1),
        (["train.threads=1"], "auto", {"CPU": 4}, 2),
        (["train.threads=1"], 16, {"CPU": 4}, 3),
        (["train.threads=1"], 2, {"CPU": 64}, 2),
        (["evaluate.actors=4", "train.threads=1"], 9, {"CPU": 9}, 2),
        (["evaluate.actors=8"], 9, {"CPU": 4}, 1),  # no more than a lone run
        # a trainer keeps half a GPU, its detector takes the other half
        ([], "auto", {"CPU": 64, "GPU": 4}, 4),
        (["evaluate.gpus_per_actor=1"], "auto", {"CPU": 64, "GPU": 4}, 2),
        (["train.num_workers=2"], "auto", {"CPU": 64, "GPU": 4}, 2),
        (
            ["train.use_gpu=false", "evaluate.gpus_per_actor=0", "train.threads=1"],
            "auto",
            {"CPU": 4, "GPU": 4},
            2,
        ),
        (["simulate.gpus_per_actor=0.25"], "auto", {"CPU": 64, "GPU": 2}, 2),
    ],
)  # fmt: skip
def test_no_more_trials_at_a_time_than_could_all_evaluate(options, most, resources, expected, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert room(load_defaults(options), most, resources) == expected


def test_a_dry_run_starts_nothing(tmp_path):
    words = [
        sys.executable,
        "-m",
        "cluster",
        "sweep",
        "ray_config.yaml",
        "--dry-run",
        f"run.storage={tmp_path}",
    ]
    code = (
        "import sys; from cluster.cli.main import main; main(sys.argv[1:]); assert 'ray' not in sys.modules"
    )
    words[1:3] = ["-c", code]
    words.append("sweep.space={aggregation.max_synthetic_ratio: {choice: [0.25, 0.5]}}")
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 trials" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["sweep.space={}", "sweep.space={run.seed: {choice: [1, 2]}}"])
def test_a_bad_space_is_refused_before_anything_starts(tmp_path, capsys, option):
    assert main(["sweep", str(ROOT / "ray_config.yaml"), f"run.storage={tmp_path}", option]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("imitate: sweep.space")
    assert list(tmp_path.iterdir()) == []
