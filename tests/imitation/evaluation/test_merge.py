"""Merged evaluations say what one evaluation of all their frames would."""

import json
from pathlib import Path

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.evaluation.detection_files import read_detections, write_detections
from imitation.evaluation.merge import merge
from imitation.metrics.statistics.paired_comparison import compare
from imitation.metrics.summary import summarize
from tests.imitation.metrics.driving import CATEGORIES, evaluated


def part(place: Path, first: int, count: int, threshold: float | None = 0.4, **more: object) -> str:
    rows = evaluated(count, 1, first=first, **more)  # type: ignore[arg-type]
    write_detections(rows, str(place / "detections.parquet"), CATEGORIES)
    if threshold is not None:
        (place / "metrics.json").write_text(json.dumps({"threshold": threshold}))
    return str(place)


def test_a_merged_evaluation_is_that_of_all_frames(tmp_path: Path) -> None:
    whole = part(tmp_path / "whole", 0, 60)
    parts = [part(tmp_path / str(start), start, 20) for start in (40, 0, 20)]
    out = tmp_path / "merged"
    assert merge(parts, str(out)) == 60
    assert json.loads((out / "metrics.json").read_text()) == {"threshold": 0.4}
    found, expected = (
        summarize(read_detections(uri), CATEGORIES, "test", 0.4)
        for uri in (str(out / "detections.parquet"), whole + "/detections.parquet")
    )
    assert found == expected
    compared = compare(whole, str(out), "test", np.random.default_rng(0), resamples=20)
    assert compared.frames.both == 60
    assert all(row.difference.estimate in (0, None) for row in compared.rows)


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    a, b = part(tmp_path / "a", 0, 5), part(tmp_path / "b", 4, 5)
    out = str(tmp_path / "out")
    with pytest.raises(
        UserError, match=r"frame '.*' of split 'test' was already judged by the detector 'main'"
    ):
        merge([a, b], out)
    assert not (tmp_path / "out/detections.parquet").exists()
    with pytest.raises(UserError, match="holds an evaluation already"):
        merge([a], b)
    other = tmp_path / "c" / "detections.parquet"
    write_detections(evaluated(3, 1, first=50), str(other), ("car", "person", "van"))
    with pytest.raises(UserError, match="different categories"):
        merge([a, str(tmp_path / "c")], out)
    with pytest.raises(UserError, match="no evaluation there"):
        merge([a, str(tmp_path)], out)


def test_thresholds_that_differ_are_not_told(tmp_path: Path) -> None:
    parts = [
        part(tmp_path / "a", 0, 3),
        part(tmp_path / "b", 3, 3, threshold=0.5),
        part(tmp_path / "c", 6, 3, None),
    ]
    for number, pair in enumerate((parts[:2], parts[1:])):
        assert merge(pair, str(tmp_path / f"out{number}")) == 6
        assert not (tmp_path / f"out{number}/metrics.json").exists()
