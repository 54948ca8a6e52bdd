"""What a cycle's detections say, with a threshold for each category and a metric of one's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.cli.main import main
from cluster.stages.context import RunContext
from cluster.stages.cycle import Detectors
from cluster.stages.diagnose import MINE, Judged
from cluster.stages.evaluate import judge
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.names import MAIN
from imitation.detectors.checkpoint import read_info, save_checkpoint
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_detections, write_detections
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.failures import find_failures, read_failures
from imitation.metrics.own import OwnMetric
from imitation.metrics.statistics.evaluation_side import open_source
from imitation.metrics.summary import Metrics, summarize
from tests.imitation.metrics.driving import evaluated

CATEGORIES = ("car", "van", "person")


def fewer_persons(rows: list[FrameDetections]) -> list[FrameDetections]:
    """The rows with one person to find in all: too few for a threshold of its own."""
    seen = 0
    for row in rows:
        for o in np.flatnonzero((row.objects.labels == 3) & ~row.objects.ignore):
            row.objects.ignore[o] = seen > 0
            seen += 1
    return rows


@pytest.fixture
def detectors(tmp_path: Path) -> Detectors:
    folders = [str(tmp_path / name) for name in ("main", "fold-0", "fold-1")]
    for folder in folders:
        save_checkpoint(folder, {}, DetectorSettings(width=64, height=64), CATEGORIES, {})
    return Detectors(folders[0], tuple(folders[1:]))


def test_thresholds_by_category_are_stored_and_used(
    tmp_path: Path, detectors: Detectors, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(str(tmp_path / "run"))
    uri = workspace.path("cycle-000", "evaluation", "detections.parquet")
    rows = [row for name in detectors.named() for row in fewer_persons(list(evaluated(
        20, 5, split="val", detector=name)))]  # fmt: skip
    rows += evaluated(12, 6, split="test", detector=MAIN, first=20)
    for k in (0, 1):
        rows += evaluated(10, 7, split=MINE, detector=f"fold-{k}", first=40 + 10 * k)
    write_detections(rows, uri, CATEGORIES)
    failures = str(tmp_path / "failures.parquet")
    metric = OwnMetric("mine:frames", lambda frames, categories: len(frames) / 100)
    told = judge(uri, failures, detectors, CATEGORIES, None, min_objects=5, metric=metric)

    val = Metrics.from_dict(told["metrics"]["val"])
    assert set(val.thresholds) == {"car", "van"}  # of persons too few are to be found
    chosen = summarize(rows[:20], CATEGORIES, "val", min_objects=5)
    assert val.thresholds == chosen.thresholds
    info = read_info(detectors.main)
    assert (info.operating_threshold, info.operating_thresholds) == (val.threshold, val.thresholds)
    assert told["metrics"]["test"]["thresholds"] == val.thresholds  # chosen on val, never on test
    assert [told["metrics"][split]["own"] for split in ("val", "test")] == [
        {"mine:frames": 0.2},
        {"mine:frames": 0.12},
    ]
    cutoff = (val.thresholds["car"], val.thresholds["van"], val.threshold)
    by_hand = [
        failure.failure_id
        for k in (0, 1)
        for failure in find_failures(
            read_detections(uri, split=MINE, detector=f"fold-{k}"), cutoff, CATEGORIES
        )
    ]
    assert [failure.failure_id for failure in read_failures(failures)] == by_hand
    storage.write_json(workspace.path("cycle-000", "stage-evaluate.json"), told)
    unused: Any = None
    judged = Judged.of(RunContext(0, workspace, unused, unused, unused, None), 0)
    assert tuple(judged.thresholds[MAIN]) == cutoff  # type: ignore[arg-type]
    assert tuple(judged.thresholds["fold-1"]) == cutoff  # type: ignore[arg-type]
    source = open_source(workspace.path("cycle-000"), "test")
    assert source.thresholds == {MAIN: cutoff}  # comparisons of runs too
    place = workspace.path("cycle-000")
    assert main(["compare", place, place, "--resamples", "100"]) == 0
    words = ", ".join(f"{name} {value:.3f}" for name, value in zip(CATEGORIES, cutoff, strict=True))
    said = " ".join(capsys.readouterr().out.split())  # lines are as wide as the terminal
    assert f"operating threshold {words} (greatest F1 by category, as stored)" in said


def test_one_threshold_for_all_is_the_default(tmp_path: Path, detectors: Detectors) -> None:
    uri = str(tmp_path / "detections.parquet")
    rows = [row for name in detectors.named() for row in evaluated(12, 5, split="val", detector=name)]
    write_detections([*rows, *evaluated(6, 6, split="test", first=12)], uri, CATEGORIES)
    told = judge(uri, str(tmp_path / "failures.parquet"), detectors, CATEGORIES, None)
    assert told["metrics"]["val"]["thresholds"] == {}
    assert told["metrics"]["val"]["own"] == {}
    assert all(isinstance(value, float) for value in told["fold_thresholds"].values())
    assert read_info(detectors.main).operating_thresholds == {}
