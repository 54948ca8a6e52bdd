"""Failures as records, their identity, and the 0-1 loss."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from imitation.common.settings import DataError
from imitation.data.records import Box
from imitation.evaluation.detections import ANY_LABEL, Detections, FrameDetections, GroundTruth
from imitation.evaluation.failures import (
    FAILURES_SCHEMA,
    KINDS,
    Fates,
    failure_batches,
    find_failures,
    read_failures,
    write_failures,
    zero_one_loss,
)

CATEGORIES = ("car", "van")
THRESHOLD = 0.5


def a_frame(frame_id: str = "f", order: slice = slice(None)) -> FrameDetections:
    """One of each fate; the object rows are the Frame's objects 10, 11, ..."""
    boxes = [
        (0, 0, 10, 10),  # right
        (0, 0, 10, 9),  # duplicate
        (20, 0, 30, 20),  # localization
        (50, 0, 60, 10),  # classification
        (70, 0, 80, 30),  # both
        (0, 50, 10, 60),  # background
        (100, 0, 110, 10),  # ignored
        (130, 80, 140, 90),  # under the threshold
    ]
    scores = [0.9, 0.8, 0.7, 0.7, 0.6, 0.6, 0.6, 0.4]
    labels = [1, 1, 1, 2, 2, 1, 2, 1]
    return FrameDetections(
        frame_id,
        "mine",
        "det",
        200,
        100,
        detections=Detections(np.array(boxes)[order], np.array(scores)[order], np.array(labels)[order]),
        objects=GroundTruth(
            np.array(
                [(0, 0, 10, 10), (20, 0, 30, 8), (50, 0, 60, 10), (70, 0, 80, 10), (90, 0, 120, 90)],
                dtype=float,
            ),
            np.array([1, 1, 1, 1, ANY_LABEL]),
            ignore=np.array([False] * 4 + [True]),
            index=np.arange(10, 15),
            occlusion=np.array([0, 0, 0, 0.75, np.nan]),
            distance=np.array([5, 5, 5, 30.5, np.nan]),
            occlusion_level=np.array([0, 0, 0, 2, -1]),
        ),
        sequence="drive",
        conditions={"time_of_day": "night"},
    )


def test_each_wrong_thing_is_one_failure() -> None:
    failures = list(find_failures([a_frame()], THRESHOLD, CATEGORIES))
    assert Counter(f.kind for f in failures) == dict.fromkeys(KINDS, 1)
    missed, duplicate = failures[0], next(f for f in failures if f.kind == "duplicate")
    assert missed.failure_id == "f#missed-o13"
    assert (missed.category, missed.predicted, missed.object_index) == ("car", None, 13)
    assert missed.object_box == Box(70, 0, 80, 10)
    assert missed.detection_box is None
    assert missed.score is None
    assert (missed.height_px, missed.occlusion, missed.occlusion_level) == (10, 0.75, 2)
    assert (missed.distance_m, missed.truncation) == (30.5, None)
    assert (missed.split, missed.detector, missed.sequence) == ("mine", "det", "drive")
    assert missed.conditions == {"time_of_day": "night"}
    assert duplicate.object_index == 10
    assert duplicate.iou == pytest.approx(0.9)
    assert duplicate.score == pytest.approx(0.8)


def test_wrong_detections_name_both_categories() -> None:
    by_kind = {f.kind: f for f in find_failures([a_frame()], THRESHOLD, CATEGORIES)}
    names = {kind: (f.category, f.predicted) for kind, f in by_kind.items()}
    assert names == {
        "missed": ("car", None),
        "duplicate": ("car", "car"),
        "localization": ("car", "car"),
        "classification": ("car", "van"),
        "both": ("car", "van"),
        "background": (None, "car"),
    }
    nothing = by_kind["background"]
    assert (nothing.object_index, nothing.object_box, nothing.height_px) == (None, None, 10)


def test_failures_do_not_depend_on_the_order_of_detections() -> None:
    assert list(find_failures([a_frame()], THRESHOLD, CATEGORIES)) == list(
        find_failures([a_frame(order=slice(None, None, -1))], THRESHOLD, CATEGORIES)
    )


def test_ids_are_unique_and_do_not_move_with_the_threshold() -> None:
    low = list(find_failures([a_frame("f"), a_frame("g")], 0.1, CATEGORIES))
    high = list(find_failures([a_frame("f"), a_frame("g")], 0.65, CATEGORIES))
    ids = [f.failure_id for f in low]
    assert len(set(ids)) == len(ids) == 2 * 7
    wrong = {f.failure_id for f in high if f.kind != "missed"}
    assert wrong == {f.failure_id for f in low if f.score is not None and f.score >= np.float32(0.65)}


def test_a_file_of_failures_there_and_back(tmp_path: Path) -> None:
    failures = list(find_failures([a_frame(), a_frame("g")], THRESHOLD, CATEGORIES))
    uri = str(tmp_path / "failures.parquet")
    write_failures(iter(failures), uri)
    assert pq.read_schema(uri).equals(FAILURES_SCHEMA)
    assert list(read_failures(uri)) == failures
    write_failures([], uri)
    assert list(read_failures(uri)) == []
    Path(uri).write_bytes(b"no Parquet")
    with pytest.raises(DataError, match=r"failures\.parquet.*not a Parquet file of failures"):
        list(read_failures(uri))


def test_batches_are_filled_as_failures_come() -> None:
    failures = list(find_failures([a_frame()], THRESHOLD, CATEGORIES))
    source = iter(failures)
    batches = failure_batches(source, size=4)
    assert next(batches).num_rows == 4
    assert next(source) == failures[4]  # not read ahead
    assert [batch.num_rows for batch in batches] == [1]


def test_frames_with_an_error_have_no_failures() -> None:
    row = a_frame()
    row.error = "unreadable"
    assert list(find_failures([row], THRESHOLD, CATEGORIES)) == []
    assert zero_one_loss([row], THRESHOLD) == 0.0


def test_zero_one_loss_counts_each_thing_once() -> None:
    # One object found; failures: five wrong detections and one missed object.
    assert zero_one_loss([a_frame()], THRESHOLD) == pytest.approx(6 / 7)
    # At 0.85 only the right detection is left, and three objects are missed.
    assert zero_one_loss([a_frame()], 0.85) == pytest.approx(3 / 4)
    assert zero_one_loss([], THRESHOLD) == 0.0


def test_fates_agree_with_the_failures_and_count_what_is_judged() -> None:
    rows = [a_frame(), a_frame("g")]
    fates = Fates(THRESHOLD)
    for row in rows:
        fates.add(row)
    assert Counter(fates.failures) == Counter(f.kind for f in find_failures(rows, THRESHOLD, CATEGORIES))
    assert (fates.correct, fates.objects, fates.detections) == (2, 8, 12)
