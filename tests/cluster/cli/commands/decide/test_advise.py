"""`imitate advise` of a whole run on toys, and the trainings that it makes for a learning curve."""

import json
from pathlib import Path
from unittest import mock

import pytest

import cluster.advice.curves
import cluster.stages.evaluate
from cluster.cli.main import main
from imitation.report.run.record import read_summary
from tests.cluster import light_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("advise")
    light_run.run(str(folder), "one", "loop.cycles=2", "world.train=30", "stopping.patience=5")
    return folder / "one"


def test_of_a_run_it_prints_what_the_report_says(run: Path, capsys) -> None:
    assert main(["advise", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    summary = read_summary(str(run / "summary.json"))
    assert summary.advice is not None
    assert told == summary.advice.to_dict()
    assert told["source"] == "folds"
    assert told["sizes"] == [15, 30]
    assert sum(row["failures"] for row in told["rows"]) == told["total"]["failures"] > 0
    assert "Render it, photograph it, or look at its labels?" in (run / "report.html").read_text()
    assert main(["advise", str(run), "--frames", "10", "--gpu-hour", "3", "--label-cost", "0.1"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    assert "10 more real frames beside the 30" in text
    assert "The folds' detectors were trained for 60% of the steps" in text


def test_curves_are_trained_once_and_then_told_from(run: Path, capsys) -> None:
    trained = []

    class Launcher(light_run.Launcher):
        def run(self, config, progress) -> None:
            trained.append(config["spec"])
            super().run(config, progress)

    class Services(light_run.Services):
        def launcher(self) -> Launcher:
            return Launcher()

    with (
        mock.patch.object(cluster.advice.curves, "Services", Services),
        mock.patch.object(cluster.stages.evaluate, "evaluate", light_run.judge),
    ):
        assert main(["advise", str(run), "--curves", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert len(trained) == 6  # a quarter, half and all, for each of two folds
        assert main(["advise", str(run), "--curves", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == told
        assert len(trained) == 6, "what is finished is kept"
    assert told["source"] == "curves"
    assert told["sizes"] == [4, 8, 15]
    assert len({spec.train.steps for spec in trained}) == 1
    first, second = (spec.exclude for spec in trained[::2][:2])
    assert second < first, "a fold's smaller parts lie in its larger ones"
    assert main(["advise", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told


def test_what_is_no_run_or_mined_nothing_is_said(tmp_path: Path, capsys) -> None:
    assert main(["advise", str(tmp_path)]) == 1
    assert "is no run's folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["advise", str(tmp_path), "--label-cost", "-1"])
