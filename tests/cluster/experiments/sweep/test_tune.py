"""Tune's part of a sweep, on toy runs: who is ended early, who fails, what a second driver still does."""

import json
import os
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.cli.main import main
from cluster.config.parse import load_defaults
from cluster.experiments.sweep.plan import make_plan
from cluster.experiments.sweep.search_space import trial_id
from cluster.observability.console import Reporter
from imitation.common.settings import UserError
from tests.cluster.toy_sweep import KEY, SECRET, cannot, dies_once, work

ROOT = Path(__file__).resolve().parents[4]


def asha(**changes):
    options = {"loop.cycles": 9, "sweep.grace": 2, "sweep.reduction_factor": 2, **changes}
    config = load_defaults([f"{key}={value}" for key, value in options.items()])
    from cluster.experiments.sweep.tune import METRIC, scheduler

    found = scheduler(config.sweep, config.loop.cycles)
    if found is not None:
        found.set_search_properties(METRIC, "max")
    return found


def told(asha, name: str, scores: list[float], last: int | None = None) -> int | None:
    """The cycle after which asha ends a trial with these val scores; None if it does not."""
    trial = SimpleNamespace(trial_id=name)
    asha.on_trial_add(None, trial)
    for cycle in range(len(scores)):
        best = max(scores[: cycle + 1])
        result = {"cycle": cycle, "best_val": best, "last": cycle == last}
        if asha.on_trial_result(None, trial, result) == asha.STOP:
            return cycle
    return None


def test_no_trial_is_ended_before_its_grace_is_over_however_bad_it_is():
    judge = asha()
    assert told(judge, "good", [0.5, 0.6, 0.7, 0.7, 0.7]) is None
    assert told(judge, "bad", [0.1, 0.1, 0.1, 0.1]) == 2
    patient = asha(**{"sweep.grace": 3})
    assert told(patient, "good", [0.5, 0.6, 0.7, 0.8]) is None
    assert told(patient, "bad", [0.1, 0.1, 0.1, 0.1]) == 3


def test_a_trial_whose_first_cycle_lies_below_its_baseline_is_judged_by_its_best():
    judge = asha()
    assert told(judge, "others", [0.5, 0.52, 0.52]) is None
    assert told(judge, "dips", [0.5, 0.1, 0.55]) is None, "cycle 1 below the baseline costs nothing"


def test_a_trial_that_has_done_its_last_cycle_is_left_to_finish():
    judge = asha()
    assert told(judge, "good", [0.5, 0.6, 0.7]) is None
    assert told(judge, "bad", [0.1, 0.1, 0.1], last=2) is None
    assert told(asha(), "to the end", [0.1] * 10) is None, "its maximum of cycles ends no trial early"


def test_where_no_trial_outlives_its_grace_nothing_is_scheduled():
    assert asha(**{"loop.cycles": 2}) is None
    assert asha(**{"sweep.scheduler": "none"}) is None


def test_dimensions_as_tune_has_them():
    from ray.tune.search.sample import Categorical, Float, Integer

    from cluster.experiments.sweep.search_space import Choice, Range
    from cluster.experiments.sweep.tune import domain

    assert domain(Choice("k", (1, None), grid=False)).categories == [1, None]
    assert isinstance(domain(Choice("k", (1,), grid=False)), Categorical)
    whole = domain(Range("k", 2, 5, whole=True))
    assert isinstance(whole, Integer)
    assert (whole.lower, whole.upper) == (2, 6), "Tune leaves the upper end out, we do not"
    log = domain(Range("k", 0.1, 1.0, log=True))
    assert isinstance(log, Float)
    assert (log.lower, log.upper) == (0.1, 1.0)


def test_a_trials_messenger_asks_for_no_cpu_wherever_it_goes():
    from cluster.experiments.sweep.tune import place

    assert place(1).head_cpus == place(8).head_cpus == 0
    assert list(place(1).required_resources) == ["node:__internal_head__"]
    assert list(place(8).required_resources) == ["memory"], "a head node need not hold them all"


# --- folders -------------------------------------------------------------------------------------


def test_another_sweep_in_the_same_folder_is_refused(tmp_path):
    space = f"sweep.space={{{KEY}: {{choice: [0.1, 0.2]}}}}"
    home = make_plan(load_defaults([space, f"run.storage={tmp_path}"])).home
    assert not home.open(load_defaults([space]))
    assert home.open(load_defaults([space, "ray.num_cpus=8", "sweep.max_concurrent=3"]))
    Path(home.uri, "run.json").unlink()  # as earlier versions left a sweep
    assert home.open(load_defaults([space]))
    for other, what in (
        ("sweep.samples=3", r"sweep\.samples was 8, now 3"),
        ("sweep.grace=3", r"sweep\.grace was 2, now 3"),
        (f"sweep.space.{KEY}={{choice: [0.1, 0.3]}}", r"sweep\.space\.policy\.rarity\.choice was"),
        ("train.steps=7", r"train\.steps was 150, now 7"),
    ):
        with pytest.raises(UserError, match=what):
            home.open(load_defaults([space, other]))


def test_local_paths_are_the_same_from_any_working_folder(tmp_path, monkeypatch):
    from cluster.experiments.sweep.trial import trial_config

    monkeypatch.chdir(tmp_path)
    config = load_defaults(
        ["data.kind=kitti", "data.root=kitti", f"sweep.space={{{KEY}: {{choice: [0.1]}}}}"]
    )
    own = trial_config(config, "/sweeps/s", {KEY: 0.1})
    assert own.data.root == str(tmp_path / "kitti")
    assert (own.run.storage, own.run.name) == ("/sweeps/s/trials", trial_id({KEY: 0.1}))
    assert own.policy.rarity == 0.1
    assert own.sweep.space == {}, "a trial is a plain run"


def test_optuna_is_asked_for_by_name_where_it_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    words = ["sweep", str(ROOT / "ray_config.yaml"), "sweep.search=optuna", "run.storage=/nowhere"]
    assert main([*words, f"sweep.space={{{KEY}: {{choice: [0.1]}}}}"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "pip install 'imitation-training[sweep]'" in line


# --- Tune itself, on toy runs --------------------------------------------------------------------


OPTIONS = [
    "loop.cycles=6",
    "stopping.patience=9",
    "aggregation.max_synthetic_ratio=1.0",
    "aggregation.synthetic_per_cycle=0.12",
    "sweep.reduction_factor=2",
    "sweep.max_concurrent=1",
]


def told_to_tune(folder: Path) -> str:
    """Everything that Tune has kept of trials, as text."""
    files = [file for file in (folder / "tune").rglob("*") if file.is_file()]
    assert any(file.name.startswith("events.out.tfevents") for file in files), "TensorBoard logs"
    return "\n".join(file.read_bytes().decode("latin-1") for file in files)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_good_trials_finish_bad_ones_end_early_and_a_failed_one_costs_the_others_nothing(
    ray_session, tmp_path, capsys
):
    from cluster.experiments.sweep.results import write_results
    from cluster.experiments.sweep.tune import tune_trials

    config = load_defaults([*OPTIONS, f"sweep.space={{{KEY}: {{grid: [0.8, 0.1, 0.5, 0.9]}}}}"])
    plan, folder = make_plan(config), tmp_path / "sweep"
    outcomes = tune_trials(plan, str(folder), Reporter(), work)
    said = capsys.readouterr()
    assert said.out == "", "Tune's own tables would stand among the results"
    assert [outcome.settings[KEY] for outcome in outcomes] == [0.8, 0.1, 0.5, 0.9]
    assert [outcome.failed for outcome in outcomes] == [None, None, "0.5 cannot be run", None]
    results = write_results(plan, str(folder), outcomes)
    assert [t.status for t in results.trials] == ["finished", "ended early", "failed", "finished"]
    assert [len(t.cycles) - 1 for t in results.trials] == [6, 2, 0, 6], "0.1 ended after its grace of two"
    second, bad, failed, good = results.trials
    assert results.best == good.id
    assert (good.best_cycle, good.best_val) == (6, pytest.approx(0.4 + 0.9 * 6 / 10))
    assert (bad.best_cycle, bad.best_val) == (0, 0.5), "its baseline was its best"
    assert good.cycles[-1].synthetic_ratio == 0.72
    assert "0.5 cannot be run" in (folder / "results.csv").read_text()
    # nothing that a person or Tune sees of a sweep has a number of test
    assert f"{SECRET}" in (folder / "trials" / good.id / "cycle-001" / "stage-evaluate.json").read_text()
    shown = [folder / name for name in ("results.json", "results.csv", "best.yaml", "report.html")]
    for text in (told_to_tune(folder), *(file.read_text() for file in shown), said.err):
        assert "0.1234567" not in text
    trained = sorted(folder.rglob("trained-*"))
    assert len(trained) == 7 + 3 + 1 + 7
    # a second driver: the failed trial is tried again, nothing else is even started
    again = tune_trials(plan, str(folder), Reporter(), work)
    assert [outcome.failed for outcome in again] == [None, None, "0.5 cannot be run", None]
    assert sorted(folder.rglob("trained-*")) == trained, "its baseline was committed"
    said = capsys.readouterr()
    assert f"[{failed.id}] starts" in said.err
    assert not any(f"[{t.id}] starts" in said.err for t in (good, bad, second))
    assert write_results(plan, str(folder), again) == results


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_optuna_picks_settings_from_the_space(ray_session, tmp_path):
    pytest.importorskip("optuna")
    from cluster.experiments.sweep.results import write_results
    from cluster.experiments.sweep.tune import tune_trials

    space = f"{{{KEY}: {{uniform: [0.6, 0.9]}}, policy.name: {{choice: [imitation, random]}}}}"
    options = [*OPTIONS, "loop.cycles=1", "sweep.search=optuna", "sweep.samples=3", f"sweep.space={space}"]
    plan = make_plan(load_defaults(options))
    outcomes = tune_trials(plan, str(tmp_path), Reporter(), work)
    assert len(outcomes) == 3
    for outcome in outcomes:
        assert outcome.failed is None
        assert 0.6 <= outcome.settings[KEY] <= 0.9
        assert outcome.settings["policy.name"] in ("imitation", "random")
    assert len({outcome.settings[KEY] for outcome in outcomes}) == 3
    assert all(t.status == "finished" for t in write_results(plan, str(tmp_path), outcomes).trials)
    # killed before Tune had a trial on record: what is there is no state to go on from
    for file in (tmp_path / "tune").glob("experiment_state*"):
        os.unlink(file)
    assert len(tune_trials(plan, str(tmp_path), Reporter(), work)) == 3


def test_reasons_are_sentences_whatever_ray_has_wrapped_them_in():
    from ray.exceptions import RayTaskError

    from cluster.experiments.drivers import reason

    assert reason(UserError("the data is no good")) == "the data is no good"
    text = (
        "Traceback (most recent call last):\n  File ...\nimitation.common.errors.DataError: x.txt:3: no box"
    )
    assert reason(RayTaskError("trial", text, ValueError("x"))) == "x.txt:3: no box"
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = UserError("inner")
    assert reason(wrapped) == "inner"
    assert reason(KeyError()) == "KeyError"
    assert json.dumps(reason(wrapped))


@dataclass(frozen=True)
class ObjectStore:
    """An S3 endpoint on loopback with an empty bucket."""

    port: int
    keys_of: dict[str, str]

    def uri(self, path: str) -> str:
        return f"s3://bucket/{path}?endpoint_override=127.0.0.1:{self.port}&scheme=http"

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=self.keys_of["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.keys_of["AWS_SECRET_ACCESS_KEY"],
        )

    def keys(self) -> set[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket="bucket")
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
        more = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        return env | self.keys_of | more


@pytest.fixture
def object_store() -> Iterator[ObjectStore]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        names = {
            "AWS_ACCESS_KEY_ID": "K" + secrets.token_hex(9),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        }
        store = ObjectStore(server.get_host_and_port()[1], names)
        store.client().create_bucket(Bucket="bucket")
        yield store
    finally:
        server.stop()


def test_a_trials_driver_that_dies_is_replaced_and_no_cycle_is_told_twice(ray_session, tmp_path):
    from cluster.experiments.drivers import drive

    told = []
    drive(dies_once, ({}, str(tmp_path)), None, "x", told.append)
    assert [event["cycle"] for event in told] == [0, 1, 2, 3]
    assert len(list(tmp_path.glob("driver-*"))) == 2, "two processes, one after the other"


def test_what_a_trials_driver_raises_comes_out_as_it_was(ray_session, tmp_path):
    from cluster.experiments.drivers import drive

    with pytest.raises(UserError, match=r"^it cannot be run$"):
        drive(cannot, ({}, str(tmp_path)), None, "x", lambda event: None)


S3 = """
    import sys
    import ray
    from cluster.config.parse import load_defaults
    from cluster.observability.console import Reporter
    from cluster.runtime.ray_session import start_ray
    from cluster.experiments.folder import Folder
    from cluster.experiments.folder import Folder
    from cluster.experiments.sweep.plan import make_plan
    from cluster.experiments.sweep.results import write_results
    from cluster.experiments.sweep.tune import tune_trials
    from tests.cluster.toy_sweep import work

    config = load_defaults(sys.argv[2:])
    start_ray(config)
    folder = sys.argv[1]
    for _ in range(2):
        Folder(folder, "sweep", "sweep").open(config)
        plan = make_plan(config)
        results = write_results(plan, folder, tune_trials(plan, folder, Reporter(), work))
        print(*(trial.status for trial in results.trials), flush=True)
"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_sweep_on_an_object_store_leaves_nothing_elsewhere_and_goes_on_from_there(object_store):
    space = f"{{{KEY}: {{grid: [0.9, 0.1]}}}}"
    options = [*OPTIONS, "loop.cycles=1", "ray.num_cpus=4", f"sweep.space={space}"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(S3), object_store.uri("runs/s"), *options],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=object_store.environment(),
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["finished finished"] * 2
    assert done.stderr.count("starts: ") == 2, "the second driver starts nothing"
    keys = object_store.keys()
    assert {"runs/s/results.json", "runs/s/best.yaml", "runs/s/report.html", "runs/s/sweep.yaml"} <= keys
    assert len([key for key in keys if "/trained-" in key]) == 2 * 2
    assert [key for key in keys if key.startswith("runs/s/tune/") and "events.out.tfevents" in key]
