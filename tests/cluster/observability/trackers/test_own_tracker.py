"""A tracker of one's own: named like any part, with settings of its own; nothing of the project changes."""

import json
from pathlib import Path

import pytest

from cluster.checks import tracker as tracker_check
from cluster.config.parse import load, load_defaults
from cluster.observability.callbacks import FinishedCycle
from cluster.observability.trackers.base import Tracked, Tracker
from cluster.observability.trackers.mlflow import MlflowSettings
from cluster.observability.trackers.registry import asked_trackers, check_tracking, end_killed, make_trackers
from imitation.common.settings import Settings, UserError
from tests.cluster.light_run import run

HERE = "tests.cluster.observability.trackers.test_own_tracker"


class LinesSettings(Settings):
    file: str
    prefix: str = ""


class Lines(Tracker):
    """Writes down what it is told."""

    name = "lines"
    settings_class = LinesSettings

    def __init__(self, settings: LinesSettings, run: Tracked) -> None:
        self.settings = settings
        self.write("run", run.name, run.experiment, len(run.config) > 50)

    @classmethod
    def end_killed(cls, settings: LinesSettings, folder: str) -> None:
        cls.write_to(settings, "killed", folder)

    @staticmethod
    def write_to(settings: LinesSettings, *told: object) -> None:
        with open(settings.file, "a") as file:
            file.write(json.dumps([settings.prefix, *told]) + "\n")

    def write(self, *told: object) -> None:
        self.write_to(self.settings, *told)

    def cycle(self, cycle, values):
        self.write("cycle", cycle, sorted(values)[:1])

    def finish(self, files):
        self.write("finish", sorted(files))

    def close(self, broken=None):
        self.write("close", broken)


class Bare:
    """Neither a subclass nor of any settings."""

    name = "bare"
    told: list[object] = []  # noqa: RUF012

    def __init__(self, settings, run):
        self.told.append(settings)

    def point(self, curve, step, values): ...
    def cycle(self, cycle, values): ...
    def sync(self): ...
    def finish(self, files): ...
    def close(self, broken=None): ...


class Hasty(Tracker):
    name = "hasty"

    def __init__(self, run):
        pass


def tracking(**trackers: object):
    plain = {f"{HERE}:{name}": value for name, value in trackers.items()}
    return load_defaults([f"tracking.trackers={json.dumps(plain)}"]).tracking


def lines(path: Path) -> list[list[object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_hears_of_a_whole_run(tmp_path):
    told = tmp_path / "told"
    run(str(tmp_path), "one", f"tracking.trackers={{{HERE}:Lines: {{file: {told}}}}}")
    found = lines(told)
    assert found[0] == ["", "run", "one", "imitation-training", True]
    assert [line[2] for line in found if line[1] == "cycle"] == [0, 1]
    assert found[-2:] == [["", "finish", ["report.html", "summary.json"]], ["", "close", None]]


def test_a_value_alone_is_its_first_setting_and_nothing_turns_it_off(tmp_path):
    file = str(tmp_path / "a")
    settings = tracking(Lines=file, Bare={"any": [1]})
    found = {asked.tracker.name: asked.settings for asked in asked_trackers(settings)}
    assert found["lines"] == LinesSettings(file=file)
    assert found["bare"] == {"any": [1]}
    assert "TensorBoard" in found
    assert [asked.tracker.name for asked in asked_trackers(tracking(Lines=None, Bare=False))] == [
        "TensorBoard"
    ]


def test_the_keys_of_before_are_short_for_an_entry(tmp_path):
    short = load_defaults(["tracking.mlflow=/data/mlruns", "tracking.wandb=us/cars"]).tracking
    whole = load_defaults(
        ["tracking.trackers={mlflow: {uri: /data/mlruns}, wandb: {project: us/cars}}"]
    ).tracking
    assert [a[1:] for a in asked_trackers(short)] == [a[1:] for a in asked_trackers(whole)]
    assert next(a.settings for a in asked_trackers(short) if a.tracker.name == "MLflow") == MlflowSettings(
        uri="/data/mlruns"
    )
    (tmp_path / "old.yaml").write_text("tracking: {tensorboard: false, mlflow: null, experiment: mine}\n")
    assert list(asked_trackers(load(tmp_path / "old.yaml").tracking)) == []


def test_a_driver_that_was_killed_is_told(tmp_path):
    told = tmp_path / "told"
    end_killed(tracking(Lines={"file": str(told)}, Bare={}), "/the/run", pytest.fail)
    assert lines(told) == [["", "killed", "/the/run"]]


def test_a_secret_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LINES_AT", str(tmp_path / "told"))
    trackers = make_trackers(tracking(Lines={"file": "${env:LINES_AT}"}), str(tmp_path), "r", {}, pytest.fail)
    trackers.cycle_ends(FinishedCycle(0, "cycle-000", {}, {"data/frames": 1.0}, 0.5))
    assert len(lines(tmp_path / "told")) == 2


@pytest.mark.parametrize(
    ("trackers", "told"),
    [
        ("{mlfow: x}", "there is no tracker 'mlfow'; did you mean 'mlflow'"),
        (f"{{{HERE}:Lins: {{}}}}", "did you mean 'Lines'"),
        (f"{{{HERE}:Lines: {{}}}}", f"tracking.trackers.{HERE}:Lines: file: this field is required"),
        (f"{{{HERE}:Lines: {{file: a, prefx: b}}}}", "'prefix'"),
        (f"{{{HERE}:Bare: 3}}", "is 3: write its settings, such as {key: value}"),
        (f"{{{HERE}:LinesSettings: {{}}}}", "is no tracker: it lacks name, point, cycle"),
        (f"{{{HERE}:Hasty: {{}}}}", "is called with (settings, run), but"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(trackers, told):
    settings = load_defaults([f"tracking.trackers={trackers}"]).tracking
    with pytest.raises(UserError) as error:
        check_tracking(settings)
    assert told in str(error.value)


def test_two_of_one_name_are_refused():
    class_path = f"{HERE}:Twin"
    settings = load_defaults([f"tracking.trackers={{{HERE}:Bare: {{}}, {class_path}: {{}}}}"]).tracking
    with pytest.raises(UserError, match="are both called 'bare'"):
        check_tracking(settings)


class Twin(Bare):
    pass


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(Bare, "package", "no_such_package", raising=False)
    with pytest.raises(UserError, match="the package 'no_such_package' is not installed; install it, or set"):
        check_tracking(tracking(Bare={}))


def test_check_names_each():
    config = load_defaults([f"tracking.trackers={{{HERE}:Lines: {{file: a}}}}"])
    found = list(tracker_check.findings(config))
    assert [(f.status, f.text) for f in found] == [
        ("ok", "TensorBoard, and its settings are right"),
        ("ok", "lines, and its settings are right"),
    ]
