"""A cycle of which no scene gave a frame fails the run, and loses nothing. Rendering, training and judging
are toys (`light_run`); the pool's last word on each scene is what is given here."""

from contextlib import contextmanager
from typing import ClassVar

import pytest

import cluster.cli.main
import cluster.run.loop
import cluster.run.main_job
import cluster.stages.evaluate
from cluster.simulation.work_queue import SetAside
from imitation.common import storage
from tests.cluster import light_run

HUNG = "no answer within 5 s (simulate.scene_timeout_s), the worker was killed"


class LosingPool(light_run.Pool):
    """Sets every scene of an imitation cycle aside, or rejects it, as long as `how` says so."""

    how: str | None = None

    def render(self, jobs):
        for job in jobs:
            if job.cycle and self.how is not None:
                yield SetAside(job.scene.scene_id, self.how, HUNG, 2)
            else:
                yield from super().render([job])


class LosingServices(light_run.Services):
    embedded: ClassVar[list[bool]] = []

    @contextmanager
    def pool(self, embedded=False):
        self.embedded.append(embedded)
        yield LosingPool(self.config.simulate)


@pytest.fixture
def imitate(tmp_path, monkeypatch):
    """`imitate run` on the toys; gives its exit status."""
    monkeypatch.setattr(cluster.run.loop, "Services", LosingServices)
    monkeypatch.setattr(cluster.run.main_job, "check_renderer", lambda config: None)
    monkeypatch.setattr(cluster.stages.evaluate, "evaluate", light_run.judge)
    monkeypatch.setattr(LosingPool, "how", "hung")
    monkeypatch.setattr(LosingServices, "embedded", [])
    config = tmp_path / "config.yaml"
    config.write_text("run: {name: lost}\n")
    words = [
        "run",
        str(config),
        *light_run.OPTIONS,
        "data.categories=[car,truck]",
        "simulate.simulator=tests.cluster.light_run:Painter",
        f"run.storage={tmp_path / 'runs'}",
    ]
    return lambda: cluster.cli.main.main(words)


@pytest.mark.slow
def test_a_run_whose_scenes_are_all_lost_fails_and_goes_on_from_there(imitate, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "runs" / "lost"
    assert imitate() == 1
    out, err = capsys.readouterr()
    assert "cycle 1: of the 7 scenes that were begun not one gave a frame (7 hung)" in err
    assert HUNG in err
    assert "The run is not complete" in err
    assert str(folder / "report.html") in err
    assert "note: The embedded renderer drew the embedded world; tests.cluster.light_run:Painter" in err
    assert out == ""  # no table as if all were well
    assert HUNG in storage.read_json(str(folder / "summary.json"))["stop_reason"]
    assert (folder / "best" / "detector.json").exists()
    assert (folder / "cycle-001" / "stage-request.json").exists()
    assert not (folder / "cycle-001" / "stage-simulate.json").exists()

    monkeypatch.setattr(LosingPool, "how", None)
    assert imitate() == 0
    out, err = capsys.readouterr()
    assert "continuing run" in err
    assert "cycle 1" in out
    told = storage.read_json(str(folder / "cycle-001" / "stage-simulate.json"))
    assert told["frames"] == 7
    # what is staged and not learnt is said of synthetic frames as it is of real ones
    assert "pedestrian" in told["unmapped"]
    assert "cycle 1: labels of synthetic frames that are background to the detector" in err
    # the stand-in world was drawn by the embedded renderer, once; the cycles by the configured one
    assert LosingServices.embedded == [True, False, False]
