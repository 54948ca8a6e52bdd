"""Slices against a plain reading of their rules, frame by frame and object by object."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.evaluation import attributes
from imitation.evaluation.attributes import CONDITION, OF_DETECTIONS, UNKNOWN
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.evaluation.failures import Fates
from imitation.evaluation.matching import match, match_correct
from imitation.metrics.average_precision import average_precisions, interpolated_precision
from imitation.metrics.statistics.slices import FEW, Slice, slices
from tests.imitation.metrics.driving import CATEGORIES, evaluated

THRESHOLD = 0.5


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def plain_slice(
    rows: Sequence[FrameDetections], attribute: str, value: str
) -> tuple[int, float | None, float | None]:
    """(objects, AP50, recall) of one slice, read off the rules one detection at a time."""
    precisions = []
    found_at_threshold = objects_in_slice = 0
    for label in range(1, len(CATEGORIES) + 1):
        judged: list[tuple[float, int]] = []
        objects = 0
        for row in rows:
            words = attributes.of_objects(row, CATEGORIES).get(attribute)
            own = attributes.of_detections(row, CATEGORIES).get(attribute)
            condition = attribute.startswith(CONDITION)
            found, excused = match_correct(row.detections, row.objects)
            operating = match(row.detections.above(THRESHOLD), row.objects).object_fates

            def in_slice(these: np.ndarray | None, i: int, condition: bool = condition) -> bool:
                return (UNKNOWN if these is None and condition else these[i]) == value  # type: ignore[index]

            for o in np.flatnonzero((row.objects.labels == label) & ~row.objects.ignore):
                if in_slice(words, o):
                    objects += 1
                    found_at_threshold += operating[o] == "found"
            for d in np.flatnonzero((row.detections.labels == label) & ~excused):
                score = float(row.detections.scores[d])
                if found[d] >= 0:
                    if in_slice(words, found[d]):
                        judged.append((score, 1))
                elif (attribute not in OF_DETECTIONS and not condition) or in_slice(own, d):
                    judged.append((score, 0))
        objects_in_slice += objects
        if objects:
            ranked = np.array([hit for _, hit in sorted(judged, key=lambda item: -item[0])], dtype=int)
            precisions.append(interpolated_precision(ranked, objects))
    recall = found_at_threshold / objects_in_slice if objects_in_slice else None
    return objects_in_slice, float(np.mean(precisions)) if precisions else None, recall


@pytest.fixture(scope="module")
def rows() -> list[FrameDetections]:
    return list(evaluated(60, 1))


@pytest.fixture(scope="module")
def cut(rows: list[FrameDetections]) -> list[Slice]:
    return slices(rows, CATEGORIES, THRESHOLD, rng(), resamples=200)


def test_every_slice_is_what_its_rules_say(rows: list[FrameDetections], cut: list[Slice]) -> None:
    assert len(cut) > 20
    for one in cut:
        objects, ap50, recall = plain_slice(rows, one.attribute, one.value)
        assert one.objects == objects, one
        assert one.ap50 == pytest.approx(ap50, abs=1e-9), one
        assert one.recall == pytest.approx(recall, abs=1e-12), one


def test_attributes_are_those_known_and_parts_make_the_whole(
    rows: list[FrameDetections], cut: list[Slice]
) -> None:
    names = ["category", "size", "occlusion", "truncation", "distance", "edge"]
    assert list(dict.fromkeys(one.attribute for one in cut)) == [
        *names,
        "condition: lamp",
        "condition: weather",
    ]
    total = sum(int((~row.objects.ignore).sum()) for row in rows)
    fates = Fates(THRESHOLD)
    for row in rows:
        fates.add(row)
    for name in {one.attribute for one in cut}:
        parts = [one for one in cut if one.attribute == name]
        assert sum(one.objects for one in parts) == total == fates.objects
        assert sum((one.recall or 0) * one.objects for one in parts) == pytest.approx(fates.correct)


def test_categories_equal_cocos(rows: list[FrameDetections], cut: list[Slice]) -> None:
    theirs = average_precisions(rows, CATEGORIES).ap50
    assert {one.value: one.ap50 for one in cut if one.attribute == "category"} == pytest.approx(theirs)


def test_values_come_in_their_order_with_unknown_last(cut: list[Slice]) -> None:
    assert [one.value for one in cut if one.attribute == "occlusion"] == [
        *["visible", "partly occluded", "largely occluded", UNKNOWN]
    ]
    assert [one.value for one in cut if one.attribute == "condition: lamp"] == ["on", UNKNOWN]


def test_frames_hold_the_objects_or_have_the_condition(rows: list[FrameDetections], cut: list[Slice]) -> None:
    weather = {one.value: one.frames for one in cut if one.attribute == "condition: weather"}
    assert weather == {"clear": 20, "fog": 20, "rain": 20}
    cars = sum(bool(((row.objects.labels == 1) & ~row.objects.ignore).any()) for row in rows)
    assert next(one.frames for one in cut if one.value == "car") == cars


def test_intervals_hold_the_estimate_and_few_are_marked(cut: list[Slice]) -> None:
    for one in cut:
        assert one.few == (one.objects < FEW)
        assert (one.ap50_low is None) == (one.ap50_high is None)
        if one.ap50_low is not None:
            assert 0 <= one.ap50_low <= one.ap50_high <= 1  # type: ignore[operator]
            assert one.recall_low - 1e-9 <= one.recall <= one.recall_high + 1e-9  # type: ignore[operator]
    wide = next(one for one in cut if one.value == "clear")
    assert wide.recall_low < wide.recall < wide.recall_high  # type: ignore[operator]


def box_row(found: Detections, true: GroundTruth, name: str = "f") -> FrameDetections:
    return FrameDetections(name, "val", "d", 1000, 500, found, true)


def test_which_false_positives_count() -> None:
    """A tall visible car is found; a small occluded one is not; one false positive is tall, scored best."""
    true = GroundTruth(
        np.array([[100, 0, 200, 100], [400, 0, 420, 20.0]]), [1, 1], occlusion=np.array([0.0, 0.9])
    )
    found = Detections(np.array([[100, 0, 200, 100], [700, 0, 800, 100.0]]), [0.8, 0.9], [1, 1])
    cut = {
        (one.attribute, one.value): one
        for one in slices([box_row(found, true)], ("car",), THRESHOLD, rng(), resamples=10)
    }
    assert cut["size", "80-160 px"].ap50 == pytest.approx(0.5)  # the tall false positive stands before it
    assert cut["size", "under 25 px"].ap50 == 0.0
    assert cut["occlusion", "visible"].ap50 == pytest.approx(0.5)
    small = replace(box_row(found, true), detections=found.select(np.array([1])))
    small.detections.boxes = np.array([[700, 0, 715, 15]], dtype=np.float32)
    both = replace(small, detections=Detections(
        np.concatenate([found.boxes[:1], small.detections.boxes]), [0.8, 0.9], [1, 1]
    ))  # fmt: skip
    cut = {
        (one.attribute, one.value): one.ap50
        for one in slices([both], ("car",), THRESHOLD, rng(), resamples=10)
    }
    assert cut["size", "80-160 px"] == pytest.approx(1.0)  # a small false positive is none of a tall slice
    assert cut["occlusion", "visible"] == pytest.approx(0.5)  # but nobody knows how visible it would be


def test_what_found_an_object_outside_the_slice_is_not_judged() -> None:
    true = GroundTruth(
        np.array([[100, 0, 200, 100], [400, 0, 500, 100.0]]), [1, 1], occlusion=np.array([0.0, 0.9])
    )
    found = Detections(np.array([[400, 0, 500, 100], [100, 0, 200, 100.0]]), [0.9, 0.8], [1, 1])
    cut = slices([box_row(found, true)], ("car",), THRESHOLD, rng(), 10, attributes=["occlusion"])
    assert [(one.value, one.ap50) for one in cut] == [("visible", 1.0), ("largely occluded", 1.0)]


def test_a_slice_rests_on_its_rarest_category() -> None:
    """200 cars of which a quarter is found, and a van in so many frames that is: no interval of AP for two,
    and for ten one that does not hold what the cars alone would give."""
    box = np.array([[10.0, 10, 60, 60]])

    def cut(vans: int) -> Slice:
        frames = []
        for i in range(200 + vans):
            label, found = (1, i % 4 == 0) if i < 200 else (2, True)
            seen = Detections(box, [0.9], [label]) if found else Detections.empty()
            frames.append(
                FrameDetections(f"{i:03}", "test", "d", 99, 99, seen, GroundTruth(box, np.array([label])))
            )
        parts = slices(frames, ["car", "van"], 0.5, np.random.default_rng(0), 300, ["size"])
        return next(part for part in parts if part.objects == 200 + vans)

    few = cut(2)
    assert few.ap50 == pytest.approx(0.62, abs=0.02)
    assert (few.ap50_low, few.ap50_high) == (None, None)
    assert few.recall_low is not None  # over all objects: the vans are few of them
    some = cut(10)
    assert some.ap50_low is not None
    assert some.ap50_high is not None
    assert 0.55 < some.ap50_low < some.ap50_high < 0.7


def test_one_frame_has_values_but_no_interval(rows: list[FrameDetections]) -> None:
    full = next(row for row in rows if (~row.objects.ignore).sum() > 3)
    for one in slices([full], CATEGORIES, THRESHOLD, rng(), resamples=50):
        assert one.ap50 is not None
        assert (one.ap50_low, one.ap50_high, one.recall_low, one.recall_high) == (None,) * 4


def test_nothing_to_find_gives_no_slice(rows: list[FrameDetections]) -> None:
    assert slices([], CATEGORIES, THRESHOLD, rng()) == []
    empty = [replace(row, objects=GroundTruth.empty()) for row in rows]
    assert slices(empty, CATEGORIES, THRESHOLD, rng(), resamples=10) == []


def test_frames_with_an_error_count_nothing(rows: list[FrameDetections]) -> None:
    broken = replace(rows[0], frame_id="broken", error="truncated JPEG")
    assert slices([*rows, broken], CATEGORIES, THRESHOLD, rng(), 20) == slices(
        rows, CATEGORIES, THRESHOLD, rng(), 20
    )


def test_same_generator_same_intervals_and_other_attributes_change_nothing(
    rows: list[FrameDetections], cut: list[Slice]
) -> None:
    again = slices(iter(rows), CATEGORIES, THRESHOLD, rng(), resamples=200, attributes=["distance", "size"])
    wanted = [one for name in ("distance", "size") for one in cut if one.attribute == name]
    assert again == wanted
    other = slices(rows, CATEGORIES, THRESHOLD, rng(1), resamples=200, attributes=["distance", "size"])
    assert [one.ap50 for one in other] == [one.ap50 for one in wanted]
    assert other != wanted


def test_sequences_are_drawn_whole() -> None:
    single = list(evaluated(60, 1))
    few = [replace(row, sequence=f"drive {i // 20}") for i, row in enumerate(single)]
    cut = slices(few, CATEGORIES, THRESHOLD, rng(), 50, attributes=["category"])
    assert all(one.recall_low is None for one in cut)  # three sequences are too few for an interval
    copies = [
        replace(row, frame_id=f"{row.frame_id}-{i}", sequence=row.frame_id) for row in single for i in (0, 1)
    ]
    whole = slices(copies, CATEGORIES, THRESHOLD, rng(), 400, attributes=["category"])
    alone = slices(single, CATEGORIES, THRESHOLD, rng(), 400, attributes=["category"])
    for one, two in zip(whole, alone):  # a frame twice in its sequence tells no more than once
        assert (one.recall_low, one.recall_high) == pytest.approx((two.recall_low, two.recall_high))


def test_a_condition_of_many_values_is_no_slice(rows: list[FrameDetections]) -> None:
    timed = [
        replace(row, conditions={"time": f"12:00:{i:02d}.{i}", "weather": "fog"})
        for i, row in enumerate([*rows, *(replace(row, frame_id=row.frame_id + "b") for row in rows)])
    ]
    names = {one.attribute for one in slices(timed, CATEGORIES, THRESHOLD, rng(), 10)}
    assert "condition: weather" in names
    assert "condition: time" not in names


def test_unknown_attribute_is_refused(rows: list[FrameDetections]) -> None:
    with pytest.raises(UserError, match="condition: moon"):
        slices(rows, CATEGORIES, THRESHOLD, rng(), 10, attributes=["condition: moon"])


def test_dict_has_the_documented_keys(cut: list[Slice]) -> None:
    assert list(cut[0].to_dict()) == [
        *["attribute", "value", "frames", "objects", "ap50", "ap50_low", "ap50_high"],
        *["recall", "recall_low", "recall_high", "few"],
    ]
