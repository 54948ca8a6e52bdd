"""Evaluated frames: from Frames, and through Arrow and back."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imitation.data.records import Box, Cuboid, Frame, Object
from imitation.evaluation.detections import (
    ANY_LABEL,
    DETECTIONS_SCHEMA,
    Detections,
    FrameDetections,
    GroundTruth,
    detections_from_table,
    detections_to_table,
)


def example(frame_id: str, detections: int, objects: int, error: str | None = None) -> FrameDetections:
    rng = np.random.default_rng(detections * 7 + objects)
    return FrameDetections(
        frame_id=frame_id,
        split="test",
        detector="best",
        width=640,
        height=192,
        detections=Detections(
            rng.uniform(0, 99, (detections, 4)), rng.random(detections), rng.integers(1, 4, detections)
        ),
        objects=GroundTruth(
            rng.uniform(0, 99, (objects, 4)),
            rng.integers(1, 4, objects),
            ignore=rng.random(objects) < 0.5,
            distance=rng.uniform(1, 50, objects),
        ),
        sequence=None if objects else "drive 1",
        error=error,
        conditions={"weather": "fog"} if detections else None,
    )


def assert_equal(a: FrameDetections, b: FrameDetections) -> None:
    for name in ("frame_id", "split", "detector", "width", "height", "sequence", "error", "conditions"):
        assert getattr(a, name) == getattr(b, name)
    for left, right in ((a.detections, b.detections), (a.objects, b.objects)):
        for name, value in vars(left).items():
            assert value.dtype == getattr(right, name).dtype
            np.testing.assert_array_equal(value, getattr(right, name))


ROWS = [example("a", 3, 2), example("b", 0, 0), example("c", 0, 4), example("d", 5, 0, "truncated JPEG")]


def test_table_round_trip_keeps_everything() -> None:
    table = detections_to_table(ROWS)
    assert table.schema.equals(DETECTIONS_SCHEMA, check_metadata=True)
    table.validate(full=True)
    for a, b in zip(ROWS, detections_from_table(table), strict=True):
        assert_equal(a, b)


def test_slices_chunks_and_other_columns_read_back() -> None:
    table = detections_to_table(ROWS)
    chunked = pa.concat_tables([table.slice(1, 3), table.slice(0, 2)]).append_column("more", [list(range(5))])
    for a, b in zip([*ROWS[1:], *ROWS[:2]], detections_from_table(chunked), strict=True):
        assert_equal(a, b)


def test_parquet_round_trip(tmp_path: object) -> None:
    path = f"{tmp_path}/d.parquet"
    pq.write_table(detections_to_table(ROWS), path)
    for a, b in zip(ROWS, detections_from_table(pq.read_table(path)), strict=True):
        assert_equal(a, b)


def test_row_round_trip() -> None:
    for row in ROWS:
        assert_equal(FrameDetections.from_row(row.to_row()), row)
    assert list(ROWS[0].to_row()) == DETECTIONS_SCHEMA.names


def test_no_rows_make_an_empty_table() -> None:
    assert detections_from_table(detections_to_table([])) == []


def test_a_row_is_small() -> None:
    table = detections_to_table([example("x", 1000, 0)])
    assert table.nbytes < 30 * 1000


def test_ground_truth_of_a_frame() -> None:
    near = Object(
        "Car",
        Box(10, 20, 30, 60),
        truncation=0.25,
        occlusion=0.5,
        cuboid=Cuboid(1, 2, 12.5, 4, 2, 1.5, 0.1),
        occlusion_level=2,
    )
    frame = Frame(
        "f",
        100,
        100,
        objects=(
            Object("Tram", Box(0, 0, 5, 5)),
            near,
            Object("DontCare", Box(50, 50, 60, 60), ignore=True),
            Object("Van", Box(1, 2, 3, 4), ignore=True),
        ),
        sequence="s",
        conditions={"weather": "rain"},
    )
    row = FrameDetections.of(frame, None, categories=("Van", "Car"), split="test", detector="d", error="why")
    true = row.objects
    assert true.index.tolist() == [1, 2, 3]  # the Tram is not this detector's business
    assert true.labels.tolist() == [2, ANY_LABEL, 1]
    assert true.ignore.tolist() == [False, True, True]
    assert true.boxes[0].tolist() == [10, 20, 30, 60]
    assert true.height.tolist() == [40, 10, 2]
    assert true.distance[0] == 12.5
    assert true.truncation[0] == 0.25
    assert true.occlusion[0] == 0.5
    assert np.isnan([true.distance[1], true.truncation[1], true.occlusion[1]]).all()
    assert true.occlusion_level.tolist() == [2, -1, -1]
    assert (row.error, row.sequence, row.conditions, len(row.detections)) == (
        "why",
        "s",
        {"weather": "rain"},
        0,
    )


def test_above_keeps_scores_from_the_threshold_on() -> None:
    found = Detections(np.zeros((3, 4)), [0.3, 0.1, 0.2], [1, 2, 3])
    assert found.above(float(np.float32(0.2))).labels.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("boxes", "scores", "labels", "message"),
    [
        ([[0, 0, 1]], [1], [1], r"\(N, 4\)"),
        ([[0, 0, 1, 1]], [1, 2], [1], "scores"),
        ([[0, 0, 1, 1]], [1], [0], "1-based"),
        ([[0, 0, 1, 1]], [np.nan], [1], "finite"),
        ([[0, 0, np.inf, 1]], [1], [1], "finite"),
    ],
)
def test_bad_detections_are_refused(boxes: list, scores: list, labels: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Detections(boxes, scores, labels)


def test_an_object_to_be_found_needs_a_label() -> None:
    with pytest.raises(ValueError, match="1-based"):
        GroundTruth(np.zeros((1, 4)), [ANY_LABEL])
