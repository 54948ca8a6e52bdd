"""One baseline for many runs: which settings it depends on, where it lies, and who computes it."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from cluster.config.parse import apply_override, keys, load_defaults, parse
from cluster.config.schema import Config
from cluster.observability.console import Reporter
from cluster.run.baseline import (
    ACTS_LATER,
    ACTS_LATER_ON_REAL_DATA,
    NO_RESULT,
    baseline_config,
    baseline_key,
    check_base,
    ensure_baseline,
    may_differ,
)
from cluster.workspace.run_folder import Workspace, covers
from imitation.common.settings import UserError
from imitation.evaluation.detection_files import evaluation_uri

ROOT = Path(__file__).resolve().parents[3]
# What the data and cycle 0 are made of. A new setting goes here or into one of cluster.run.baseline's lists.
MADE_OF = (
    "run.seed",
    *(f"data.{name}" for name in Config().data.model_fields_set | set(type(Config().data).model_fields)
      if name != "parallel_from"),
    "world",
    "detector",
    "train.steps", "train.batch_size", "train.optimizer", "train.learning_rate", "train.backbone_rate",
    "train.weight_decay", "train.warmup", "train.clip_norm", "train.ema_decay", "train.freeze_batch_norm",
    "train.augment", "train.precision", "train.threads", "train.num_workers", "train.use_gpu",
    "evaluate.cpus_per_actor", "evaluate.gpus_per_actor", "evaluate.batch_size", "evaluate.precision",
    "evaluate.threads",
    "evaluate.operating_threshold", "evaluate.threshold_objects",
    "mining.folds", "mining.fold_steps", "mining.modes",
    "loop.twin",
    "loop.sim_only",
    "simulate.simulator",
    "renderer.bodies",
)  # fmt: skip


def listed(key: str, prefixes) -> bool:
    return any(covers(prefix, key) for prefix in prefixes)


def test_every_setting_is_classified_once():
    lists = {
        "acts later": ACTS_LATER,
        "acts later on real data": ACTS_LATER_ON_REAL_DATA,
        "no result": NO_RESULT,
        "made of": MADE_OF,
    }
    for key in keys():
        found = [name for name, prefixes in lists.items() if listed(key, prefixes)]
        assert len(found) == 1, (
            f"{key} is in {found or 'none'} of the lists of cluster/run/baseline.py and here"
        )
    for name, prefixes in lists.items():
        for prefix in prefixes:
            assert any(covers(prefix, key) for key in keys()), f"{name}: there is no setting {prefix!r}"


OWN_VALUES: dict[str, list[Any]] = {
    "data.mapping": [{"Van": "car"}],
    "data.convention": ["visible"],
    "detector.weights": [None],
    "simulate.options": [{"host": "elsewhere"}],
    "simulate.each": [],  # needs several simulators
    "loop.metric": ["map"],
    "sweep.space": [{"train.steps": {"choice": [1]}}],
    "train.freeze_batch_norm": [True],
    "train.use_gpu": [True],
    "detector.width": [],  # goes together with detector.height
    "detector.height": [],
    "data.splits.fold": [],  # needs folds, and these other data than the world
    "data.splits.folds": [3],
    "data.splits.lists": [{"train": "thin.txt"}],
    "compare.use_folds": [],  # needs folds
    "data.kind": [],  # each has a root, or none
    "data.root": ["/elsewhere"],
    "aggregation.budgets": [[4, 2]],
    "compare.budgets": [[0.5, 1.0]],
    "ray.metrics_port": [9001],
    "tracking.trackers": [{"mlflow": "/data/mlruns"}],
}


def others(value: Any, annotation: Any) -> list[Any]:
    """Values of a setting that differ from this one."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, value * 2]
    if isinstance(value, float):
        return [value * 0.9, value + 0.01, value * 2]
    if isinstance(value, list):
        return [value[1:], value[:-1], [v * 1.01 for v in value if isinstance(v, float)]]
    if isinstance(value, dict):
        return [
            dict(value, **{name: other}) for name in value for other in others(value[name], None)
        ]  # fmt: skip
    literals = [arg for arg in get_args(annotation) if isinstance(arg, str)]
    return [arg for arg in literals if arg != value] + ["other", "a.b:c", 3, 0.5, 64, ["car"]]


def changed(base: dict[str, Any], key: str) -> Config | None:
    """The configuration with another value of one setting; None where none of those tried is possible."""
    value: Any = base
    model: Any = Config
    for part in key.split("."):
        value = value[part]
        info = model.model_fields[part]
        model = info.annotation
    for other in OWN_VALUES.get(key, others(value, info.annotation)):
        data = json.loads(json.dumps(base))
        apply_override(data, f"{key}={json.dumps(other)}")
        try:
            config = parse(data)
        except UserError:
            continue
        if config.plain() != base:
            return config
    return None


@pytest.mark.parametrize("options", [[], ["data.kind=kitti", "data.root=/data/kitti"]])
def test_the_key_changes_with_what_counts_and_with_nothing_else(options):
    base = load_defaults(options)
    plain, of_base, free = base.plain(), baseline_key(base), may_differ(base)
    assert parse(plain).plain() == plain
    untried = []
    for key in keys():
        config = changed(plain, key)
        if config is None:
            untried.append(key)
        else:
            assert (baseline_key(config) == of_base) == listed(key, free), key
    world = ["data.root", "data.splits.folds"] if not options else []
    rest = ["data.splits.fold", "detector.width", "detector.height", "train.warm_steps", "loop.sim_only"]
    rest += ["simulate.each", "compare.use_folds"]
    assert untried == ["data.kind", *world[:1], "data.options", *world[1:], *rest]
    assert baseline_key(load_defaults(["data.kind=coco", "data.root=/data/kitti"])) != of_base


def test_renderer_settings_count_where_they_draw_the_data():
    finer = ["renderer.supersampling=1"]
    kitti = ["data.kind=kitti", "data.root=/data/kitti"]
    assert baseline_key(load_defaults(finer)) != baseline_key(load_defaults())
    assert baseline_key(load_defaults([*kitti, *finer])) == baseline_key(load_defaults(kitti))


def test_what_trains_on_no_real_data_shares_no_baseline():
    with pytest.raises(UserError, match=r"loop\.sim_only trains on no real data"):
        baseline_key(load_defaults(["loop.sim_only=true", "policy.name=none", "loop.cycles=0"]))


def test_without_cycles_the_baseline_is_another_for_it_is_not_mined():
    none, one, five = (load_defaults([f"loop.cycles={count}"]) for count in (0, 1, 5))
    assert baseline_key(one) == baseline_key(five) != baseline_key(none)
    assert baseline_config(five).loop.cycles == 1
    capped = load_defaults(["aggregation.max_synthetic_ratio=0"])
    assert baseline_config(capped).aggregation.max_synthetic_ratio == 1.0, "it is mined for the others"


# --- where it lies -------------------------------------------------------------------------------


def finished(base: Workspace, config: Config) -> None:
    """A baseline's folder as `ensure_baseline` leaves it, without its pixels."""
    base.open(baseline_config(config).plain())
    base.stage("data/prepare", lambda: {"frames": 3})
    base.stage("cycle-000/train-main", lambda: {"steps": 7})
    Path(base.path("cycle-000", "evaluation")).mkdir()
    Path(base.path("cycle-000", "evaluation", "detections.parquet")).write_bytes(b"rows")
    Path(base.path("baseline.json")).write_text("{}")


@pytest.fixture
def trial(tmp_path) -> Workspace:
    config = load_defaults()
    base = Workspace(str(tmp_path / "sweep" / "baselines" / "abc"))
    finished(base, config)
    trial = Workspace(str(tmp_path / "sweep" / "trials" / "1"), base.uri)
    assert not trial.open(config.plain())
    return trial


def test_a_trials_data_and_baseline_are_its_bases_and_the_rest_its_own(trial):
    assert trial.path("data", "train") == trial.base + "/data/train"
    assert trial.path("cycle-000/detector/main") == trial.base + "/cycle-000/detector/main"
    assert trial.path("cycle-001", "synthetic") == trial.uri + "/cycle-001/synthetic"
    assert trial.path("config.yaml") == trial.uri + "/config.yaml"
    assert trial.path() == trial.uri
    assert trial.relative(trial.path("data", "val")) == "data/val"
    assert trial.relative(trial.path("best")) == "best"


def test_a_trial_finds_the_bases_stages_and_writes_none_there(trial):
    found = trial.stage("cycle-000/train-main", lambda: pytest.fail("trained again"))
    assert (found["steps"], found["reused"]) == (7, True)
    with pytest.raises(UserError, match=r"its stage 'cycle-000/train-twin' is not finished"):
        trial.stage("cycle-000/train-twin", lambda: {})
    assert not trial.stage("cycle-001/train-main", lambda: {"steps": 8})["reused"]
    assert sorted(p.name for p in Path(trial.uri).iterdir()) == [
        "base.json", "config.yaml", "cycle-001", "run.json",
    ]  # fmt: skip


def test_a_trial_remembers_its_base_and_a_moved_sweep_stays_whole(trial, tmp_path):
    assert Workspace(trial.uri).path("data") == trial.path("data")
    os.rename(tmp_path / "sweep", tmp_path / "moved")
    moved = Workspace(str(tmp_path / "moved" / "trials" / "1"))
    assert moved.path("data") == str(tmp_path / "moved" / "baselines" / "abc" / "data")
    assert moved.stage("data/prepare", dict)["frames"] == 3
    place = str(tmp_path / "moved" / "trials" / "1" / "cycle-000")
    assert evaluation_uri(place).startswith(str(tmp_path / "moved" / "baselines" / "abc" / "cycle-000"))


def test_a_bases_place_on_an_object_store_counts_from_the_trials():
    from imitation.common.storage.run_folder import _beside, _relative

    store = "s3://bucket/{}?region=eu&endpoint_override=127.0.0.1:5000"
    trial, base = store.format("runs/sweep/trials/1"), store.format("runs/sweep/baselines/abc")
    assert _relative(base, trial) == "../../baselines/abc"
    assert _beside(trial, "../../baselines/abc") == base
    assert _relative("s3://other/x", trial) == "s3://other/x"
    assert _beside(trial, _relative("/local/base", trial)) == "/local/base"
    assert _beside("/runs/a", _relative("/runs/b", "/runs/a")) == "/runs/b"


def test_another_base_for_an_old_trial_is_refused(trial, tmp_path):
    with pytest.raises(UserError, match="a run on another baseline"):
        Workspace(trial.uri, str(tmp_path / "elsewhere")).open(load_defaults().plain())
    alone = Workspace(str(tmp_path / "alone"))
    alone.open(load_defaults().plain())
    with pytest.raises(UserError, match="its own"):
        Workspace(alone.uri, trial.base).open(load_defaults().plain())


def test_other_settings_on_an_old_trial_are_refused_and_its_base_is_left_alone(trial):
    os.unlink(trial.path("data", "stage-prepare.json"))  # as if the base had not got so far
    with pytest.raises(UserError, match=r"policy\.name was 'imitation', now 'random'"):
        trial.open(load_defaults(["policy.name=random"]).plain())
    assert Path(trial.path("data")).is_dir()


def test_a_base_of_other_settings_cannot_serve(trial):
    check_base(load_defaults(["policy.name=random", "loop.cycles=7"]), trial.base)
    check_base(load_defaults(["loop.cycles=0"]), trial.base)  # mined for nothing, but the same detector
    with pytest.raises(UserError, match=r"train\.steps was 150, now 9"):
        check_base(load_defaults(["train.steps=9"]), trial.base)
    os.unlink(trial.path("data", "stage-prepare.json"))
    os.unlink(Path(trial.base) / "baseline.json")
    with pytest.raises(UserError, match="no finished baseline"):
        check_base(load_defaults(), trial.base)


def test_an_unmined_base_cannot_serve_a_run_with_cycles(tmp_path):
    base = Workspace(str(tmp_path))
    finished(base, load_defaults(["loop.cycles=0"]))
    with pytest.raises(UserError, match="not mined"):
        check_base(load_defaults(), base.uri)


# --- who computes it -----------------------------------------------------------------------------

PROCESS = """
    import sys, time, os
    from pathlib import Path
    import cluster.run.baseline as baseline
    from cluster.config.parse import load_defaults
    from cluster.observability.console import Reporter

    baseline.POLL_S = 0.05
    folder, name, slow = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])

    def compute(config, base, reporter):
        def work(stage):
            with open(folder / "computed", "a") as log:
                log.write(f"{name} {stage}\\n")
            time.sleep(slow if stage == "cycle-000/train-main" else 0)
            return {}
        for stage in ("data/prepare", "cycle-000/train-main", "cycle-000/evaluate"):
            base.stage(stage, lambda stage=stage: work(stage))

    config = load_defaults([f"policy.variations={sys.argv[4]}"])
    print(baseline.ensure_baseline(config, str(folder), Reporter(), compute), flush=True)
"""


def ask(folder: Path, name: str, slow: float, variations: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROCESS), str(folder), name, str(slow), str(variations)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_of_many_processes_one_computes_and_all_get_it(tmp_path):
    asking = [ask(tmp_path, f"p{i}", 0.5, i + 1) for i in range(3)]
    said = [process.communicate(timeout=100) for process in asking]
    assert [process.returncode for process in asking] == [0, 0, 0], said
    places = {out.strip() for out, _ in said}
    assert len(places) == 1, "they differ in what acts later alone"
    lines = (tmp_path / "computed").read_text().splitlines()
    assert len(lines) == 3, lines
    assert len({line.split()[0] for line in lines}) == 1


def test_another_takes_over_from_one_that_was_killed_and_repeats_nothing(tmp_path):
    first = ask(tmp_path, "first", 600)
    while not (tmp_path / "computed").exists() or "train-main" not in (tmp_path / "computed").read_text():
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    second = ask(tmp_path, "second", 0)
    try:
        assert "waiting: " in second.stderr.readline()
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    out, err = second.communicate(timeout=100)
    assert second.returncode == 0, err
    assert (Path(out.strip()) / "baseline.json").exists()
    assert (tmp_path / "computed").read_text().splitlines() == [
        "first data/prepare",
        "first cycle-000/train-main",
        "second cycle-000/train-main",
        "second cycle-000/evaluate",
    ]


def test_what_goes_wrong_in_a_baseline_is_told_to_who_asked(tmp_path):
    def compute(config, base, reporter):
        raise UserError("the data is no good")

    with pytest.raises(UserError, match="no good"):
        ensure_baseline(load_defaults(), str(tmp_path), Reporter(), compute)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        ensure_baseline(load_defaults(), str(tmp_path / "file"), Reporter(), compute)


def test_a_metric_of_ones_own_is_part_of_the_baseline_which_measures_it():
    keys_of = {
        name: baseline_key(load_defaults([f"loop.metric={name}"])) for name in ("map50", "map", "a:b", "a:c")
    }
    assert keys_of["map50"] == keys_of["map"]
    assert len(set(keys_of.values())) == 3


def test_of_several_simulators_the_weights_act_later_and_who_they_are_does_not():
    real = ["data.kind=kitti", "data.root=/data/kitti"]

    def key(simulators: str, *more: str) -> str:
        return baseline_key(load_defaults([*real, f"simulate.simulator={simulators}", *more]))

    half = key("[opengl, {name: a.b:c}]")
    assert half == key("[{name: opengl, weight: 0.9}, {name: a.b:c, weight: 0.1}]")
    assert half == key("[opengl, {name: a.b:c}]", "simulate.each={a.b:c: {actors: 3, scene_timeout_s: 900}}")
    assert half != key("[opengl, {name: a.b:d}]")
    assert half != key("[opengl, {name: a.b:c, options: {host: other}}]")
    assert half != key("opengl")


def test_options_that_change_what_can_be_staged_count_and_others_do_not(tmp_path, monkeypatch):
    (tmp_path / "stages_what_it_is_told.py").write_text(
        "class Told:\n"
        "    @staticmethod\n"
        "    def catalog(options):\n"
        "        return options.get('stages', ['car'])\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    real = ["data.kind=kitti", "data.root=/data/kitti", "simulate.simulator=stages_what_it_is_told:Told"]

    def key(options: str) -> str:
        return baseline_key(load_defaults([*real, f"simulate.options={options}"]))

    assert key("{}") == key("{samples: 4}")
    assert key("{}") != key("{stages: [tram]}")
    pipe = ["data.kind=kitti", "data.root=/data/kitti", "simulate.simulator=command"]
    one, other = (
        load_defaults([*pipe, f"simulate.options={{command: [no-such-program-{n}]}}"]) for n in "ab"
    )
    assert baseline_key(one) != baseline_key(other), "which program it is says what it stages"
    assert baseline_config(one).simulate.options == one.simulate.options
