"""What a run writes down of what it is at."""

import json
from pathlib import Path

import pytest

from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.observability.progress_file import (
    EVERY_S,
    MOST_POINTS,
    ProgressFile,
    read_curves,
    read_progress,
)
from imitation.training.settings import TrainSettings


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(tmp_path, clock) -> Watch:
    watch = Watch(Reporter(), [ProgressFile(str(tmp_path), clock)])
    watch.open()
    return watch


def event(step: int, loss: float = 1.0) -> dict[str, float]:
    return {"step": step, "loss": loss, "images_per_second": 8.0}


def test_a_training_is_followed_and_its_curve_is_kept(tmp_path, watch, clock):
    settings = TrainSettings(steps=100, report_every=10)
    with watch.training("cycle 1: training", 1, "main", settings) as progress:
        (work,) = read_progress(str(tmp_path))["work"]
        assert (work["stage"], work["cycle"], work["detector"], work["total"]) == ("train", 1, "main", 100)
        progress(event(10, 3.0))
        (work,) = read_progress(str(tmp_path))["work"]
        assert work["done"] == 0, "not yet due"
        clock.now += EVERY_S
        progress(event(20, 2.5))
        (work,) = read_progress(str(tmp_path))["work"]
        assert (work["done"], work["figures"]) == (20, {"loss": 2.5, "images_per_second": 8.0})
        assert work["curve"] == [[10, 3.0], [20, 2.5]]
    assert read_progress(str(tmp_path))["work"] == []
    assert read_curves(str(tmp_path)) == {"cycle-001/main": [[10, 3.0], [20, 2.5]]}
    watch.close()
    assert not (tmp_path / "progress.json").exists()


def test_a_long_curve_is_thinned_from_end_to_end(tmp_path, watch):
    with watch.training("t", 0, "main", TrainSettings(steps=5000, report_every=10)) as progress:
        for step in range(10, 5010, 10):
            progress(event(step, 1 / step))
    curve = read_curves(str(tmp_path))["cycle-000/main"]
    assert MOST_POINTS / 3 < len(curve) <= MOST_POINTS
    assert (curve[0][0], curve[-1][0]) == (10, 5000)
    assert [step for step, _ in curve] == sorted({step for step, _ in curve})


def test_a_killed_training_that_goes_on_has_one_curve(tmp_path, clock):
    settings = TrainSettings(steps=100, report_every=10)
    for first, last in ((10, 60), (40, 100)):  # killed at 60; its last training state was at 30
        watch = Watch(Reporter(), [ProgressFile(str(tmp_path), clock)])
        watch.open()
        with watch.training("t", 0, "main", settings) as progress:
            for step in range(first, last + 1, 10):
                progress(event(step, float(first)))
    curve = read_curves(str(tmp_path))["cycle-000/main"]
    assert curve == [[s, 10.0] for s in (10, 20, 30)] + [[s, 40.0] for s in range(40, 101, 10)]


def test_storage_that_is_away_costs_the_run_nothing(tmp_path, clock):
    place = tmp_path / "file"
    place.write_text("not a folder")
    watch = Watch(Reporter(), [ProgressFile(str(place / "run"), clock)])
    watch.open()
    with watch.evaluating("evaluating", 4, 0) as progress:
        progress(2)
    watch.close("failed")


def test_a_curve_of_nonsense_is_begun_anew(tmp_path, clock):
    Path(tmp_path, "curves.json").write_text(json.dumps({"cycle-000/main": [["x"]]}))
    watch = Watch(Reporter(), [ProgressFile(str(tmp_path), clock)])
    watch.open()
    with watch.training("t", 0, "main", TrainSettings(steps=10, report_every=10)) as progress:
        progress(event(10))
    assert read_curves(str(tmp_path)) == {"cycle-000/main": [[10, 1.0]]}
