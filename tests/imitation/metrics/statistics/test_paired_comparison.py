"""Two evaluations side by side: the same numbers as each one's own metrics, and honest words."""

import json
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imitation.common.settings import DataError, UserError
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.metrics.statistics.bootstrap import BETTER, NEITHER, WORSE
from imitation.metrics.statistics.paired_comparison import Comparison, Row, compare
from imitation.metrics.statistics.slices import FEW, slices
from imitation.metrics.summary import summarize
from tests.imitation.metrics.driving import CATEGORIES, evaluated

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, rows: Iterable[FrameDetections], categories: Iterable[str] = CATEGORIES) -> str:
        write_detections(rows, str(tmp_path / name / "detections.parquet"), tuple(categories))
        return str(tmp_path / name)

    return write


def compared(a: str, b: str, split: str = "test", seed: int = 0, resamples: int = 100) -> Comparison:
    return compare(a, b, split, np.random.default_rng(seed), resamples)


def row_of(comparison: Comparison, measure: str) -> Row:
    return next(row for row in comparison.rows if row.measure == measure)


def test_both_sides_are_their_own_metrics(write: Write) -> None:
    rows = {name: list(evaluated(60, seed)) for name, seed in (("a", 1), ("b", 2))}
    val = {name: list(evaluated(30, seed, split="val", first=900)) for name, seed in (("a", 1), ("b", 2))}
    result = compared(*(write(name, [*rows[name], *val[name]]) for name in "ab"))
    for name, source in (("a", result.a), ("b", result.b)):
        threshold = summarize(val[name], CATEGORIES, "val").threshold
        assert source.thresholds == {"main": threshold}
        assert source.threshold_from == "greatest F1 on val"
        metrics = summarize(rows[name], CATEGORIES, "test", threshold)
        told = {row.measure: getattr(row, name) for row in result.rows if row.group == "overall"}
        assert told == pytest.approx(
            {
                "mAP50": metrics.map50,
                "mAP": metrics.map,
                "recall": metrics.recall,
                "precision": metrics.precision,
                "F1": metrics.f1,
                "0-1 loss": metrics.zero_one_loss,
            },
            abs=1e-9,
        )
        categories = {row.value: getattr(row, name) for row in result.rows if row.group == "category"}
        assert categories == pytest.approx(metrics.ap50, abs=1e-9)
    assert result.objects == metrics.objects
    assert (result.frames.both, result.frames.only_a, result.frames.only_b) == (60, 0, 0)


def test_slices_are_those_with_enough_objects(write: Write) -> None:
    rows = list(evaluated(60, 1))
    result = compared(write("a", rows), write("b", evaluated(60, 2)))
    all_slices = [
        s for s in slices(rows, CATEGORIES, 0.5, np.random.default_rng(0), 1) if s.attribute != "category"
    ]
    told = {(row.attribute, row.value): (row.objects, row.a) for row in result.rows if row.group == "slice"}
    expected = {(s.attribute, s.value): (s.objects, s.ap50) for s in all_slices if s.objects >= FEW}
    assert told.keys() == expected.keys()
    for key, (objects, ap50) in expected.items():
        assert told[key] == (objects, pytest.approx(ap50))
    assert result.few == len(all_slices) - len(expected) > 0


def test_a_much_better_detector_is_called_better_everywhere_it_shows(write: Write) -> None:
    a, b = write("a", evaluated(80, 1, hit=0.4)), write("b", evaluated(80, 2, hit=0.98))
    result = compared(a, b)
    assert row_of(result, "mAP50").verdict == BETTER
    assert row_of(result, "recall").verdict == BETTER
    loss = row_of(result, "0-1 loss")
    assert loss.difference.estimate is not None
    assert loss.difference.estimate < 0
    assert loss.verdict == BETTER
    assert all(row.verdict == BETTER for row in result.rows if row.group == "category")
    assert result.sentence.startswith("B is better than A on mAP50 by ")
    turned = compared(b, a)
    assert row_of(turned, "mAP50").verdict == WORSE
    assert turned.sentence.startswith("B is worse than A on mAP50 by ")
    for there, back in zip(result.rows, turned.rows):
        if there.group != "overall" or there.measure in ("mAP50", "mAP"):
            assert back.difference.estimate == pytest.approx(-there.difference.estimate)  # type: ignore[operator]
            if there.difference.low is not None and back.difference.high is not None:
                assert back.difference.high == pytest.approx(-there.difference.low)


def test_a_detector_is_not_distinguishable_from_itself(write: Write) -> None:
    a = write("a", evaluated(40, 1))
    result = compared(a, a)
    assert {row.difference.estimate for row in result.rows} == {0.0}
    assert {row.verdict for row in result.rows} == {NEITHER}
    assert result.sentence == (
        "B and A are not distinguishable on mAP50: the difference is +0.0 points "
        "(95% interval +0.0 to +0.0, which holds 0)."
    )


def test_exploratory_rows_are_corrected_and_the_others_are_not(write: Write) -> None:
    result = compared(
        write("a", evaluated(80, 1, hit=0.65)), write("b", evaluated(80, 2, hit=0.8)), resamples=300
    )
    explored = [row for row in result.rows if row.group != "overall"]
    assert all(row.p_holm is None for row in result.rows if row.group == "overall")
    assert all(row.p_holm is None or row.p_holm >= row.difference.p for row in explored)  # type: ignore[operator]
    stricter = [r for r in explored if r.difference.verdict() != NEITHER and r.verdict == NEITHER]
    assert stricter  # an interval that excludes 0 alone is not enough there
    assert all(row.p_holm >= 0.05 for row in stricter)  # type: ignore[operator]


def test_frames_are_paired_by_name_and_the_rest_is_left_out(write: Write) -> None:
    a, b = list(evaluated(50, 1)), list(evaluated(50, 2, first=10))
    a[20] = replace(a[20], error="truncated JPEG")
    order = np.random.default_rng(0).permutation(50)
    result = compared(write("a", a), write("b", [b[i] for i in order]))
    assert (result.frames.both, result.frames.only_a, result.frames.only_b) == (39, 10, 10)
    assert result.frames.unreadable == 1
    shared = compared(
        write("c", [row for row in a[10:] if row.error is None]),
        write("d", [row for row in b[:40] if row.frame_id != a[20].frame_id]),
    )
    assert [row.a for row in shared.rows if row.group != "overall"] == [
        row.a for row in result.rows if row.group != "overall"
    ]
    assert row_of(shared, "mAP") == row_of(result, "mAP")


def test_the_seed_decides_the_intervals_and_nothing_else(write: Write) -> None:
    a, b = write("a", evaluated(40, 1)), write("b", evaluated(40, 2))
    assert compared(a, b) == compared(a, b)
    one, two = compared(a, b, seed=0), compared(a, b, seed=1)
    assert [row.difference.estimate for row in one.rows] == [row.difference.estimate for row in two.rows]
    assert row_of(one, "mAP50").difference.low != row_of(two, "mAP50").difference.low


def test_sequences_are_drawn_whole_where_they_are_known(write: Write) -> None:
    a, b = (write(n, evaluated(60, s, frames_a_sequence=5)) for n, s in (("a", 1), ("b", 2)))
    result = compared(a, b)
    assert (result.unit, result.clusters) == ("sequences", 12)
    few = [
        write(n, evaluated(60, s, hit=h, frames_a_sequence=20)) for n, s, h in (("c", 1, 0.2), ("d", 2, 0.9))
    ]
    result = compared(*few)
    assert {row.verdict for row in result.rows} == {NEITHER}
    assert "there is no interval (only 3 sequences with anything to find" in result.sentence


def test_one_frame_and_nothing_to_find_are_no_difference(write: Write) -> None:
    full = next(row for row in evaluated(20, 1) if (~row.objects.ignore).sum() > 3)
    a = write("a", [full])
    assert {row.verdict for row in compared(a, a).rows} == {NEITHER}
    empty = [replace(row, objects=GroundTruth.empty()) for row in evaluated(10, 1)]
    b = write("b", empty)
    result = compared(b, b)
    assert result.sentence.startswith("There is nothing to find")
    assert row_of(result, "mAP").to_dict()["reason"] == "nothing to find"
    assert {row.verdict for row in result.rows} == {NEITHER}


# -- what cannot be compared


def test_another_ground_truth_is_refused_with_its_frame(write: Write) -> None:
    rows = list(evaluated(30, 1))
    at = next(i for i, row in enumerate(rows) if i > 5 and (~row.objects.ignore).sum() > 1)
    true = rows[at].objects
    a = write("a", rows)

    def with_truth(objects: GroundTruth) -> str:
        return write("b", [*rows[:at], replace(rows[at], objects=objects), *rows[at + 1 :]])

    real = np.flatnonzero(~true.ignore)
    fewer = GroundTruth(true.boxes[real[1:]], true.labels[real[1:]])
    labels = np.where(np.arange(len(true)) == real[0], true.labels % 3 + 1, true.labels)
    renamed = GroundTruth(true.boxes, labels, ignore=true.ignore)
    moved = GroundTruth(true.boxes + 5, true.labels, ignore=true.ignore)
    for changed, how in (
        (fewer, "objects / "),
        (renamed, "other categories or other boxes"),
        (moved, "other boxes"),
    ):
        with pytest.raises(UserError, match=f"frame {rows[at].frame_id} has another ground truth .*{how}"):
            compared(a, with_truth(changed))
    rounded = GroundTruth(np.round(true.boxes, 1), true.labels, ignore=true.ignore)
    assert compared(a, with_truth(rounded)).frames.both == 30


def test_other_categories_are_refused(write: Write) -> None:
    a, b = write("a", evaluated(5, 1)), write("b", evaluated(5, 2), ("car", "person", "van"))
    with pytest.raises(UserError, match=r"different categories \(car, van, person / car, person, van\)"):
        compared(a, b)


def test_other_frames_and_other_splits_are_refused(write: Write) -> None:
    a, b = write("a", evaluated(5, 1)), write("b", evaluated(5, 1, first=50))
    with pytest.raises(UserError, match="share no frame"):
        compared(a, b)
    with pytest.raises(UserError, match=r"has no frames of split 'val'; it has test \(choose with --split\)"):
        compared(a, a, split="val")


def test_a_frame_that_stands_twice_is_refused(write: Write) -> None:
    rows = list(evaluated(5, 1))
    with pytest.raises(DataError, match="frame 000003 stands there more than once"):
        compared(write("a", [*rows, rows[3]]), write("b", rows))


def test_detectors_that_cannot_be_told_apart_are_refused(write: Write) -> None:
    mixed = [*evaluated(5, 1, detector="one"), *evaluated(5, 2, detector="two")]
    with pytest.raises(UserError, match=r"several detectors \(one, two\) and none is 'main'"):
        compared(write("a", mixed), write("b", evaluated(5, 1)))


def test_no_evaluation_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no evaluation there"):
        compared(str(tmp_path), str(tmp_path))


# -- which detector, which threshold


def test_of_a_run_the_main_detector_counts_and_of_mining_all_folds(write: Write) -> None:
    def run(name: str, seed: int) -> str:
        rows = [
            *evaluated(40, seed),
            *evaluated(30, seed, split="val", first=500),
            *evaluated(30, seed + 10, split="val", detector="fold-0", first=500),
            *evaluated(30, seed + 20, split="val", detector="fold-1", first=500),
            *evaluated(20, seed + 10, split="mine", detector="fold-0", first=100),
            *evaluated(20, seed + 20, split="mine", detector="fold-1", first=120),
        ]
        return write(name, rows)

    a, b = run("a", 1), run("b", 2)
    assert compared(a, b).a.detectors == ("main",)
    mined = compared(a, b, split="mine")
    assert mined.a.detectors == ("fold-0", "fold-1")
    assert mined.frames.both == 40
    assert len(set(mined.a.thresholds.values())) == 2


def test_without_val_rows_the_threshold_is_that_of_metrics_json(write: Write) -> None:
    a, b = (
        write("a", evaluated(20, 1, detector="checkpoint")),
        write("b", evaluated(20, 2, detector="checkpoint")),
    )
    Path(a, "metrics.json").write_text(json.dumps({"threshold": 0.625}))
    result = compared(a, b)
    assert (result.a.thresholds, result.a.threshold_from) == ({"checkpoint": 0.625}, "metrics.json")
    best = summarize(list(evaluated(20, 2)), CATEGORIES, "test").threshold
    assert result.b.thresholds == {"checkpoint": best}
    assert result.b.threshold_from == "greatest F1 on test, the compared frames themselves"
    Path(a, "metrics.json").write_text(json.dumps({"threshold": "high"}))
    with pytest.raises(DataError, match="its threshold is no number: 'high'"):
        compared(a, b)


def test_json_is_plain_and_complete(write: Write) -> None:
    result = compared(write("a", evaluated(30, 1)), write("b", evaluated(30, 2)))
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert set(told) == {
        *("a", "b", "split", "categories", "frames", "objects", "clusters", "unit", "resamples"),
        *("confidence", "few_slices_left_out", "rows", "conclusion"),
    }
    assert list(told["rows"][0]) == [
        *("group", "measure", "attribute", "value", "objects", "a", "b", "difference", "low", "high"),
        *("p", "p_holm", "lower_is_better", "verdict", "reason"),
    ]
    assert told["rows"][0]["measure"] == "mAP50"


@pytest.mark.slow
def test_memory_grows_by_less_than_200_bytes_a_detection(write: Write) -> None:
    rows = list(evaluated(1200, 1)), list(evaluated(1200, 2))

    def peak(frames: int) -> int:
        a, b = (write(f"{name}{frames}", side[:frames]) for name, side in zip("ab", rows))
        tracemalloc.start()
        compared(a, b, resamples=5)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = 300, 1200
    peak(few)  # imports are no growth
    growth = (peak(many) - peak(few)) / (2 * 12 * (many - few))
    assert growth < 200, f"{growth:.0f} bytes a detection"


def labelled(tmp_path: Path, name: str, boxes: np.ndarray, labels: Sequence[int]) -> str:
    """An evaluation of 8 frames with these objects and nothing found."""
    truth = GroundTruth(boxes, np.array(labels))
    rows = [FrameDetections(f"f{i}", "test", "main", 800, 400, objects=truth) for i in range(8)]
    write_detections(rows, str(tmp_path / f"{name}.parquet"), ["car", "van"])
    return str(tmp_path / f"{name}.parquet")


PAIR = np.array([(100, 100, 200, 200), (400, 300, 500, 400)], dtype=np.float64)
CROWD = np.array([(10.0 * i, 3.0 * i, 10.0 * i + 80, 3.0 * i + 60) for i in range(30)])


def by(count: int, *moved: float) -> np.ndarray:
    """The first of so many boxes moved, px."""
    return np.array([moved, *[(0.0,) * 4] * (count - 1)])


@pytest.mark.parametrize(
    ("boxes", "moved", "labels"),
    [
        (PAIR, PAIR + by(2, -100, -100, 100, 100), [1, 1]),  # grown alike on all sides
        (PAIR, PAIR + by(2, 50, 0, 50, 0) - by(2, 50, 0, 50, 0)[::-1], [1, 1]),  # moved against each other
        (PAIR, PAIR[[[0, 1, 0, 1], [1, 0, 1, 0]], [0, 1, 2, 3]], [1, 1]),  # heights exchanged
        (PAIR, PAIR[::-1], [1, 2]),  # categories exchanged
        (CROWD, CROWD + by(30, 3, 3, 3, 3), [1] * 30),  # one of thirty, by little
    ],
)
def test_other_boxes_are_refused_whatever_their_sums(
    tmp_path: Path, boxes: np.ndarray, moved: np.ndarray, labels: list[int]
) -> None:
    a = labelled(tmp_path, "a", boxes, labels)
    with pytest.raises(
        UserError, match=r"frame f0 .*other boxes: no car at .* px in the latter.* 7 more of 8"
    ):
        compared(a, labelled(tmp_path, "b", moved, labels))


def test_unreadable_frames_are_not_taken_for_other_data(write: Write) -> None:
    rows = list(evaluated(6, 1))
    bad = [replace(row, error="unreadable", detections=Detections.empty()) for row in rows]
    readable = write("a", [*bad[:3], *rows[3:]]), write("b", [*rows[:3], *bad[3:]])
    with pytest.raises(
        UserError, match=r"share 6 frames, and each of them is unreadable .*3 in the former, 3 in"
    ):
        compared(*readable)
    with pytest.raises(UserError, match="share no frame"):
        compared(write("c", rows[:3]), write("d", rows[3:]))


@pytest.mark.parametrize("boxes", [PAIR, CROWD])
def test_rounding_and_order_are_no_other_ground_truth(tmp_path: Path, boxes: np.ndarray) -> None:
    exact, labels = boxes + np.random.default_rng(0).uniform(0, 1, boxes.shape), [1, 2] * (len(boxes) // 2)
    a = labelled(tmp_path, "a", exact, labels)
    corner, size = np.round(exact[:, :2]), np.round(exact[:, 2:] - exact[:, :2])
    for i, rounded in enumerate((np.round(exact, 2), np.hstack([corner, corner + size]))):
        b = labelled(tmp_path, f"b{i}", rounded[::-1], labels[::-1])
        assert compared(a, b).frames.both == 8


def test_a_mean_over_categories_rests_on_the_rarest(tmp_path: Path) -> None:
    """Cars that both find in 200 frames, trucks in 4 that only A finds: no verdict on the mean."""

    def written(name: str, finds_trucks: bool) -> str:
        rows = []
        for i in range(200):
            label = 2 if i < 4 else 1
            truth = GroundTruth(np.array([[10, 10, 60, 60]]), [label])
            count = 1 if label == 1 or finds_trucks else 0
            found = Detections(np.tile([10, 10, 60, 60], (count, 1)), np.full(count, 0.9), [label] * count)
            rows.append(FrameDetections(f"f{i:03}", "test", "main", 100, 100, found, truth))
        write_detections(rows, str(tmp_path / f"{name}.parquet"), ["car", "truck"])
        return str(tmp_path / f"{name}.parquet")

    result = compare(written("a", True), written("b", False), "test", np.random.default_rng(0), 200)
    (headline,) = [row for row in result.rows if row.measure == "mAP50"]
    assert headline.difference.estimate == pytest.approx(-0.5)
    assert headline.difference.low is None
    assert headline.verdict == "not distinguishable"
    assert "only 4 frames with truck to find" in headline.difference.reason
