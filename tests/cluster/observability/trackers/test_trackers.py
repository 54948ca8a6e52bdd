"""Trackers on their own: curves that neither double nor jump back, and failures that end nothing."""

import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cluster.config.tracking import TrackingSettings
from cluster.observability.callbacks import FinishedCycle, Watch, Work
from cluster.observability.cycle_time import CycleTime
from cluster.observability.trackers.base import Tracked, Trackers, metric_values
from cluster.observability.trackers.mirrored_folder import MirroredFolder
from cluster.observability.trackers.registry import check_tracking, make_trackers
from cluster.observability.trackers.tensorboard import TensorBoard
from cluster.runtime.signals import PutOff, Terminated
from imitation.common.settings import Settings, UserError
from imitation.metrics.summary import Metrics

ROOT = Path(__file__).resolve().parents[4]


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """(step, value) of a curve as TensorBoard shows it."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, round(event.value, 4)) for event in events.Scalars(tag)]


def board_in(folder: str, **config: object) -> TensorBoard:
    return TensorBoard(Settings(), Tracked(folder, "run", "exp", config))


def finished(cycle: int, **figures: float) -> FinishedCycle:
    return FinishedCycle(cycle, f"cycle-{cycle:03d}", {}, figures, 0.5)


def trained(board: TensorBoard, steps: range, loss: float) -> None:
    for step in steps:
        board.point("cycle-000/main", step, {"train/loss": loss})


def test_a_training_that_continues_replaces_what_came_after_its_checkpoint(tmp_path):
    board = board_in(str(tmp_path))
    trained(board, range(5, 41, 5), 2.0)
    board.sync()
    del board  # killed: nothing is closed
    again = board_in(str(tmp_path))
    trained(again, range(25, 51, 5), 1.0)
    again.close()
    found = scalars(tmp_path / "tensorboard" / "cycle-000" / "main", "train/loss")
    assert found == [(step, 2.0 if step < 25 else 1.0) for step in range(5, 51, 5)]


def test_a_training_that_goes_back_in_the_same_driver(tmp_path):
    board = board_in(str(tmp_path))
    trained(board, range(5, 31, 5), 2.0)  # its worker dies at step 33, the last checkpoint is of step 20
    trained(board, range(25, 41, 5), 1.0)
    board.close()
    found = scalars(tmp_path / "tensorboard" / "cycle-000" / "main", "train/loss")
    assert found == [(step, 2.0 if step < 25 else 1.0) for step in range(5, 41, 5)]


def test_cycles_are_passed_over_again_and_stand_once(tmp_path):
    for drivers in (2, 3):
        board = board_in(str(tmp_path))
        for cycle in range(drivers):
            board.cycle(cycle, {"val/map50": 0.1 * cycle})
        board.close()
    assert scalars(tmp_path / "tensorboard" / "cycles", "val/map50") == [(0, 0.0), (1, 0.1), (2, 0.2)]


def test_the_configuration_stands_there_as_text(tmp_path):
    board = board_in(str(tmp_path), **{"train.steps": 150})
    board.close()
    events = EventAccumulator(str(tmp_path / "tensorboard" / "cycles"))
    events.Reload()
    (text,) = events.Tensors("configuration/text_summary")
    assert b"train.steps: 150" in text.tensor_proto.string_val[0]


def test_on_an_object_store_files_are_copied_as_they_change(tmp_path, monkeypatch):
    import fsspec

    fsspec.filesystem("memory").rm("/", recursive=True) if fsspec.filesystem("memory").ls("/") else None
    board = board_in("memory://bucket/run")
    trained(board, range(5, 11, 5), 2.0)
    board.sync()
    trained(board, range(15, 21, 5), 2.0)
    board.close()
    memory = fsspec.filesystem("memory")
    files = memory.find("/bucket/run/tensorboard")
    assert [Path(file).parent.name for file in files] == ["main", "cycles"]
    memory.get("/bucket/run/tensorboard", str(tmp_path / "got"), recursive=True)
    assert [step for step, _ in scalars(tmp_path / "got" / "cycle-000" / "main", "train/loss")] == [
        5,
        10,
        15,
        20,
    ]
    assert not os.path.exists(board._folder.path)


def test_a_mirror_copies_only_what_changed(monkeypatch):
    folder = MirroredFolder("memory://mirror/x")
    written: list[str] = []
    monkeypatch.setattr(
        "cluster.observability.trackers.mirrored_folder.storage.write_bytes_atomic",
        lambda uri, data: written.append(uri),
    )
    (folder.path / "a").write_text("1")
    folder.push()
    folder.push()
    (folder.path / "sub").mkdir()
    (folder.path / "sub" / "b").write_text("2")
    folder.push()
    assert written == ["memory://mirror/x/a", "memory://mirror/x/sub/b"]
    folder.close()


class Flaky:
    """A tracker whose server is down for some calls."""

    name = "flaky"

    def __init__(self) -> None:
        self.down = False
        self.points: list[int] = []
        self.cycles: list[int] = []
        self.calls = 0

    def _up(self) -> None:
        self.calls += 1
        if self.down:
            raise ConnectionError("https://me:secret@host refused\n the connection")

    def point(self, curve, step, values):
        self._up()
        self.points.append(step)

    def cycle(self, cycle, values):
        self._up()
        self.cycles.append(cycle)

    def sync(self):
        self._up()

    def finish(self, files):
        self._up()

    def close(self, broken=None):
        self._up()
        self.broken = broken


def step_of(trackers: Trackers, step: int) -> None:
    event = {"step": step, "loss": 1.0, "images_per_second": 2.0}
    trackers.progress(Work("train", "training", 60, 0, "main"), step, event)


def test_a_tracker_that_is_down_is_said_once_and_gets_its_cycles_later():
    flaky, said = Flaky(), []
    trackers = Trackers([flaky], said.append)
    step_of(trackers, 1)
    flaky.down = True
    for step in range(2, 50):
        step_of(trackers, step)
    assert flaky.calls == 2, "each call to a server that is down may take its time"
    trackers.cycle_ends(finished(0, x=1.0))
    trackers.committed("evaluate", {})
    trackers.cycle_ends(finished(1, x=2.0))
    assert said == [
        "warning: flaky cannot be reached, the run goes on without it: https://host refused the connection"
    ]
    flaky.down = False
    trackers.committed("evaluate", {})
    step_of(trackers, 60)
    trackers.completed({})
    trackers.run_ends()
    assert flaky.cycles == [0, 1]
    assert flaky.points == [1, 60]
    assert len(said) == 1


def test_one_tracker_that_fails_leaves_the_others_alone(tmp_path):
    flaky = Flaky()
    flaky.down = True
    board = board_in(str(tmp_path))
    trackers = Trackers([flaky, board], lambda text: None)
    trackers.cycle_ends(finished(0, **{"val/map50": 0.5}))
    trackers.run_ends()
    assert scalars(tmp_path / "tensorboard" / "cycles", "val/map50") == [(0, 0.5)]


def test_a_package_that_is_missing_is_named_before_anything_starts(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_tracking(TrackingSettings())
    with pytest.raises(UserError, match=r"tracking\.mlflow is set.*'imitation-training\[mlflow\]'"):
        check_tracking(TrackingSettings(mlflow="http://host:5000"))
    with pytest.raises(UserError, match=r"imitation-training\[wandb\]"):
        check_tracking(TrackingSettings(wandb="project"))


def test_a_server_that_is_not_there_does_not_stop_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said: list[str] = []
    settings = TrackingSettings(mlflow="http://127.0.0.1:9", tensorboard=False)
    trackers = make_trackers(settings, str(tmp_path), "run", {}, said.append)
    trackers.cycle_ends(finished(0, **{"val/map50": 0.5}))
    trackers.run_ends()
    assert len(said) == 1
    assert said[0].startswith("warning: MLflow cannot be reached, the run goes on without it:")


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (None, None),
        (ValueError("a defect"), "failed"),
        (UserError("full"), "failed"),
        (KeyboardInterrupt(), "stopped"),
        (Terminated(), "stopped"),
        (PutOff(), "stopped"),
    ],
)
def test_trackers_hear_how_a_driver_ended(tmp_path, monkeypatch, error, broken):
    import cluster.run.main_job
    from cluster.config.parse import load_defaults
    from cluster.observability.console import Reporter
    from cluster.observability.memory import PeakMemory
    from cluster.workspace.run_folder import Workspace

    flaky = Flaky()
    monkeypatch.setattr(cluster.run.main_job, "make_trackers", lambda *args: Trackers([flaky], print))

    def ends() -> None:
        with cluster.run.main_job._watching(
            load_defaults(), Workspace(str(tmp_path)), Reporter(), PeakMemory(), False
        ):
            if error is not None:
                raise error

    if error is None:
        ends()
    else:
        with pytest.raises(type(error)):
            ends()
    assert flaky.broken == broken


def test_a_watch_tells_trackers_of_test_only_where_it_is_not_hidden():
    told = {split: metrics(split) for split in ("val", "test")}
    heard: list[dict[str, float]] = []

    class Listener(Flaky):
        def cycle(self, cycle, values):
            heard.append(dict(values))

        def finish(self, files):
            heard.append(dict(files))

    for hide in (False, True):
        watch = Watch(None, [Trackers([Listener()], print, hide_test=hide)])
        took = CycleTime(30.0, 20.0, 0.0, 4.0, 1.0, waits={"training": 3.0, "evaluation": 1.0})
        watch.cycle(FinishedCycle(0, "cycle-000", told, {"data/synthetic_frames": 3}, 0.5, took))
        watch.finish({"report.html": "uri"})
    assert heard[0]["test/map50"] == heard[0]["val/map50"] == 0.5
    assert heard[1] == {"report.html": "uri"}
    assert not [name for name in heard[2] if "test" in name]
    assert heard[2]["val/AP50/car"] == 0.5
    assert heard[3] == {}, "the report tells of test"
    assert heard[0]["seconds/orchestration"] == 5.0
    assert all(isinstance(value, int | float) for value in heard[0].values())


def metrics(split: str) -> Metrics:
    return Metrics(
        split=split, iou=0.5, frames=10, errors=0, objects=20, detections=15, map50=0.5, map=None,
        ap50={"car": 0.5, "bus": None}, ap={"car": 0.3, "bus": None}, threshold=0.4, f1=0.6, precision=0.7,
        recall=0.5, zero_one_loss=0.3, failures={"missed": 4},
    )  # fmt: skip


def test_metrics_that_do_not_exist_are_left_out():
    values = metric_values("val", metrics("val"))
    assert "val/map" not in values
    assert "val/AP50/bus" not in values
    assert values["val/failures/missed"] == 4.0


def test_tracking_may_change_when_a_run_continues():
    from cluster.workspace.run_folder import FREE_KEYS

    assert "tracking" in FREE_KEYS
