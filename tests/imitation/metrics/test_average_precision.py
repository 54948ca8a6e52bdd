"""AP against pycocotools, and the memory that it takes."""

import contextlib
import io
import tracemalloc
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.evaluation.detections import ANY_LABEL, Detections, FrameDetections, GroundTruth
from imitation.metrics.average_precision import (
    MAX_DETECTIONS,
    RECALL_POINTS,
    AveragePrecision,
    average_precisions,
    interpolated_precision,
)

MakeRows = Callable[..., list[FrameDetections]]


def oracle(
    rows: Sequence[FrameDetections], categories: Sequence[str]
) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """pycocotools' (AP50, AP) by category; images numbered by frame_id."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")

    def xywh(box: np.ndarray) -> list[float]:
        x1, y1, x2, y2 = (float(v) for v in box)
        return [x1, y1, x2 - x1, y2 - y1]

    annotations: list[dict] = []
    results: list[dict] = []
    for image, row in enumerate(sorted(rows, key=lambda r: r.frame_id), start=1):
        true, found = row.objects, row.detections
        for box, label, ignore in zip(true.boxes, true.labels.tolist(), true.ignore.tolist()):
            x, y, w, h = xywh(box)
            for category in range(1, len(categories) + 1) if label == ANY_LABEL else [label]:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image,
                        "category_id": category,
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": int(ignore),
                    }
                )
        for box, label, score in zip(found.boxes, found.labels.tolist(), found.scores.tolist()):
            results.append({"image_id": image, "category_id": label, "bbox": xywh(box), "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "images": [{"id": i + 1, "width": 200, "height": 200} for i in range(len(rows))],
            "annotations": annotations,
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(categories)],
        }
        truth.createIndex()
        found_index = truth.loadRes(results) if results else coco.COCO()
        evaluation = cocoeval.COCOeval(truth, found_index, "bbox")
        evaluation.params.imgIds = [i + 1 for i in range(len(rows))]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # (T, R, K), area "all", 100 detections
    ap50: dict[str, float | None] = {}
    ap: dict[str, float | None] = {}
    for k, name in enumerate(categories):
        known = bool((precision[:, :, k] > -1).any())
        ap50[name] = float(precision[0, :, k].mean()) if known else None
        ap[name] = float(precision[:, :, k].mean()) if known else None
    return ap50, ap


def assert_same(ours: dict[str, float | None], theirs: dict[str, float | None]) -> None:
    assert {k for k, v in ours.items() if v is None} == {k for k, v in theirs.items() if v is None}
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("seed", range(12))
def test_equals_pycocotools(seed: int, random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows = random_rows(seed, frames=5 + 13 * seed)
    result = average_precisions(rows, categories)
    ap50, ap = oracle(rows, categories)
    assert_same(result.ap50, ap50)
    assert_same(result.ap, ap)
    known = [v for v in ap.values() if v is not None]
    assert result.map == pytest.approx(np.mean(known))


def test_equals_pycocotools_with_more_than_100_detections(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(3, frames=4, most=1500, objects=60)
    assert max(np.bincount(r.detections.labels).max() for r in rows) > MAX_DETECTIONS
    ap50, ap = oracle(rows, categories)
    result = average_precisions(rows, categories)
    assert_same(result.ap50, ap50)
    assert_same(result.ap, ap)


def test_equal_overlaps_and_boxes_without_area(categories: tuple[str, ...]) -> None:
    boxes = np.array([[0, 0, 8, 8], [4, 0, 12, 8], [0, 0, 8, 8], [20, 20, 20, 30]], dtype=float)
    found = np.array(
        [[2, 0, 10, 8], [0, 0, 8, 8], [20, 20, 20, 30], [4, 0, 12, 8], [2, 0, 10, 8]], dtype=float
    )
    rows = [
        FrameDetections(
            f"f{i}",
            "val",
            "d",
            40,
            40,
            Detections(found[order], np.array([0.9, 0.9, 0.9, 0.5, 0.5])[order], np.ones(5)),
            GroundTruth(boxes, np.ones(4)),
        )
        for i, order in enumerate(np.random.default_rng(0).permuted(np.tile(np.arange(5), (6, 1)), axis=1))
    ]
    ap50, ap = oracle(rows, categories)
    result = average_precisions(rows, categories)
    assert_same(result.ap50, ap50)
    assert_same(result.ap, ap)


def test_of_objects_that_overlap_equally_the_last_is_found(categories: tuple[str, ...]) -> None:
    left, middle, right = [0, 0, 8, 8], [2, 0, 10, 8], [4, 0, 12, 8]
    found = Detections([middle, right, left], [0.9, 0.8, 0.7], [1, 1, 1])
    for objects, expected in (([left, right], (51 + 50 * 2 / 3) / 101), ([right, left], 1.0)):
        row = FrameDetections("f", "val", "d", 40, 40, found, GroundTruth(objects, [1, 1]))
        result = average_precisions([row], categories)
        assert result.ap50["car"] == pytest.approx(expected)
        assert_same(result.ap50, oracle([row], categories)[0])


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 20))
def test_interpolated_precision_is_the_best_at_that_recall_or_a_higher_one(
    found: list[bool], unfound: int
) -> None:
    objects = sum(found) + unfound
    if not objects:
        return
    hits = np.cumsum(found)
    curve = [(hit / objects, hit / (i + 1)) for i, hit in enumerate(hits.tolist())]
    best = [max((p for r, p in curve if r >= point), default=0.0) for point in RECALL_POINTS]
    assert interpolated_precision(np.array(found, dtype=bool), objects) == pytest.approx(
        np.mean(best), abs=1e-12
    )


def test_order_of_frames_does_not_matter(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows = random_rows(7, frames=90)
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    assert average_precisions(shuffled, categories) == average_precisions(rows, categories)


def test_category_without_objects_is_none_and_left_out_of_the_mean(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    result = average_precisions(random_rows(1, frames=40), categories)
    assert result.ap["person"] is None
    assert result.ap50["person"] is None
    assert result.map50 == pytest.approx((result.ap50["car"] + result.ap50["van"]) / 2)  # type: ignore[operator]


def test_nothing_to_find_has_no_mean(categories: tuple[str, ...]) -> None:
    result = average_precisions([], categories)
    assert result.map is None
    assert result.map50 is None
    assert result.ap == dict.fromkeys(categories)


def test_objects_without_detections_give_zero(categories: tuple[str, ...]) -> None:
    row = FrameDetections(
        "f", "val", "d", 9, 9, objects=GroundTruth(np.array([[0, 0, 4, 4.0]]), np.array([1]))
    )
    result = average_precisions([row], categories)
    assert result.ap50 == {"car": 0.0, "van": None, "person": None}
    assert result.map == 0.0


def test_frames_with_an_error_count_nothing(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows = random_rows(2, frames=20)
    broken = random_rows(9, frames=1)[0]
    broken.error = "truncated JPEG"
    assert average_precisions([*rows, broken], categories) == average_precisions(rows, categories)


def test_result_may_be_asked_for_between_frames(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows = random_rows(4, frames=50)
    metric = AveragePrecision(categories)
    for row in rows[:20]:
        metric.add(row)
    assert metric.result() == average_precisions(rows[:20], categories)
    for row in rows[20:]:
        metric.add(row)
    assert metric.result() == average_precisions(rows, categories)


def test_label_beyond_the_categories_is_refused() -> None:
    row = FrameDetections(
        "frame7", "val", "d", 9, 9, detections=Detections(np.array([[0, 0, 4, 4]]), [0.5], [2])
    )
    with pytest.raises(ValueError, match="frame7: label 2 of 1"):
        average_precisions([row], ["car"])


def stream(frames: int, categories: int, detections: int) -> Iterator[FrameDetections]:
    """Frames made as they are asked for; every detection lies near an object of its category."""
    rng = np.random.default_rng(0)
    for i in range(frames):
        corner = rng.uniform(0, 500, (detections, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, 90, (detections, 2))], axis=1)
        labels = rng.integers(1, categories + 1, detections)
        yield FrameDetections(
            f"sequence_0007/frame_{i:08d}",
            "val",
            "d",
            640,
            640,
            detections=Detections(boxes + rng.normal(0, 3, boxes.shape), rng.random(detections), labels),
            objects=GroundTruth(boxes, labels),
        )


@pytest.mark.parametrize(("categories", "detections"), [(1, 1), (1, 8), (8, 3), (80, 8)])
def test_memory_grows_by_less_than_200_bytes_a_detection(categories: int, detections: int) -> None:
    names = [f"c{i}" for i in range(categories)]

    def peak(frames: int) -> int:
        tracemalloc.start()
        average_precisions(stream(frames, categories, detections), names)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = 100, 1000
    peak(few)  # the library's import is not growth
    growth = (peak(many) - peak(few)) / ((many - few) * detections)
    assert growth < 200, f"{growth:.0f} bytes a detection"
