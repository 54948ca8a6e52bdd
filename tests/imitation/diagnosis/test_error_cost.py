"""What failures cost in AP: by hand, and against AP of frames with the failures physically mended."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.diagnosis.error_cost import NO_GROUP, LostPrecision
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.evaluation.matching import match
from imitation.metrics.average_precision import average_precisions

CATEGORIES = ("car", "van", "person")
GROUPS = 4
CAR, VAN, PERSON = 1, 2, 3
HERE, THERE, FAR = (0, 0, 10, 10), (100, 0, 110, 10), (200, 0, 210, 10)
NEAR_HERE = (0, 0, 10, 30)  # IoU 1/3 with HERE
Grouped = tuple[FrameDetections, np.ndarray, np.ndarray]


def frame(
    found: Sequence[tuple[Any, int, float]], true: Sequence[tuple[Any, int]], name: str = "f"
) -> FrameDetections:
    """Detections (box, label, score) and objects (box, label)."""
    return FrameDetections(
        name,
        "test",
        "d",
        300,
        300,
        Detections([d[0] for d in found], [d[2] for d in found], [d[1] for d in found]),
        GroundTruth([t[0] for t in true], [t[1] for t in true]),
    )


def added(rows: Sequence[Grouped], categories: Sequence[str] = CATEGORIES) -> LostPrecision:
    precision = LostPrecision(categories)
    for row, detections, objects in rows:
        precision.add(row, match(row.detections, row.objects), detections, objects)
    return precision


def one(row: FrameDetections, detections: Sequence[int], objects: Sequence[int]) -> LostPrecision:
    return added([(row, np.array(detections), np.array(objects))])


def grouped_frames(seed: int, frames: int) -> list[Grouped]:
    """Random frames, scores all different, whose failures (and some objects found late) are in groups."""
    rng = np.random.default_rng(seed)
    scores = rng.permutation(frames * 12)
    rows = []
    for i in range(frames):
        m, n = rng.integers(0, 6), rng.integers(0, 12)
        corner = rng.uniform(0, 100, (m + n, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(10, 40, (m + n, 2))], axis=1)
        true, labels, found, said = boxes[:m], rng.integers(1, 4, m), boxes[m:], rng.integers(1, 4, n)
        if m:
            near, about = rng.random(n) < 0.8, rng.integers(0, m, n)
            found[near] = (true[about] + rng.normal(0, 4, (n, 4)))[near]
            said = np.where(near & (rng.random(n) < 0.7), labels[about], said)
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        row = FrameDetections(
            f"{i:03d}",
            "test",
            "d",
            150,
            150,
            Detections(found, scores[12 * i : 12 * i + n] / 1000, said),
            GroundTruth(true, labels, rng.random(m) < 0.15),
        )
        rows.append((row, rng.integers(-1, GROUPS, n), rng.integers(-1, GROUPS, m)))
    return rows


def mended(
    row: FrameDetections, detections: np.ndarray, objects: np.ndarray, fixed: set[int]
) -> FrameDetections:
    """The frame as it would be without the failures of these groups, box by box."""
    found, true, matching = row.detections, row.objects, match(row.detections, row.objects)
    boxes, labels, scores = found.boxes.copy(), found.labels.copy(), found.scores.copy()
    stays, counts = np.ones(len(found), dtype=bool), np.ones(len(true), dtype=bool)
    finds: set[int] = set()
    for d in np.argsort(-found.scores):
        o, fate = int(matching.detection_objects[d]), matching.detection_fates[d]
        if fate in ("correct", "ignored"):
            continue
        late = (
            fate not in ("localization", "classification")
            or matching.object_fates[o] == "found"
            or o in finds
        )
        if not late:
            finds.add(o)
        if detections[d] in fixed:
            stays[d] = not late
            if not late:
                boxes[d], labels[d] = true.boxes[o], true.labels[o]
                objects = np.where(np.arange(len(objects)) == o, NO_GROUP, objects)
    for o in range(len(true)):
        if objects[o] in fixed and not true.ignore[o]:
            if matching.object_fates[o] == "found":
                d = matching.object_detections[o]
                boxes[d], scores[d] = true.boxes[o], 1000 + scores[d]
            else:
                counts[o] = False
    return replace(
        row,
        detections=Detections(boxes[stays], scores[stays], labels[stays]),
        objects=GroundTruth(true.boxes[counts], true.labels[counts], true.ignore[counts]),
    )


@pytest.mark.parametrize("seed", range(12))
def test_equals_ap_of_mended_frames(seed: int) -> None:
    rows = grouped_frames(seed, 3 + 4 * seed)
    precision = added(rows)
    for fixed in (set(), {0}, {1}, {2, 3}, set(range(GROUPS))):
        expected = average_precisions([mended(*row, fixed) for row in rows], CATEGORIES).ap50
        got = precision.precisions(fixed)
        for name, value in zip(CATEGORIES, got):
            assert value.ap == (None if expected[name] is None else pytest.approx(expected[name], abs=1e-12))
        base = precision.result()
        lost = precision.lost(fixed)
        for name, gain in lost.by_category.items():
            if expected[name] is not None:
                assert gain == pytest.approx(expected[name] - base[name], abs=1e-12)
        assert lost.mean == pytest.approx(np.mean(list(lost.by_category.values())))


@pytest.mark.parametrize("ties", [False, True])
def test_base_is_average_precision_at_50(ties: bool) -> None:
    rows = grouped_frames(5, 60)
    if ties:  # between frames; within one, equal scores rank by content here, in the order given there
        for row, _, _ in rows:
            row.detections.scores = np.linspace(0.9, 0.1, 12, dtype=np.float32)[: len(row.detections)]
    assert added(rows).result() == pytest.approx(
        average_precisions([row for row, _, _ in rows], CATEGORIES).ap50
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 8), st.sets(st.integers(0, GROUPS - 1)))
def test_never_negative(seed: int, frames: int, groups: set[int]) -> None:
    lost = added(grouped_frames(seed, frames)).lost(groups)
    assert lost.mean >= -1e-12
    assert all(gain >= -1e-12 for gain in lost.by_category.values())


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_order_of_frames_detections_and_objects_does_not_matter(seed: int, frames: int) -> None:
    rows = grouped_frames(seed, frames)
    for row, _, _ in rows:  # equal scores, too
        row.detections.scores = np.round(row.detections.scores * 30).astype(np.float32)
    rng = np.random.default_rng(seed)
    shuffled = []
    for i in rng.permutation(frames):
        row, detections, objects = rows[i]
        d, o = rng.permutation(len(detections)), rng.permutation(len(objects))
        true = row.objects
        moved = replace(
            row,
            detections=row.detections.select(d),
            objects=GroundTruth(true.boxes[o], true.labels[o], true.ignore[o], true.index[o]),
        )
        shuffled.append((moved, detections[d], objects[o]))
    for groups in ((), 0, (1, 2)):
        assert added(shuffled).precisions(groups) == added(rows).precisions(groups)


def test_fixing_everything_leaves_nothing_to_lose() -> None:
    rows = []
    for row, _, _ in grouped_frames(1, 40):
        fates = match(row.detections, row.objects)
        rows.append((row, np.zeros(len(row.detections)), np.where(fates.object_fates == "missed", 0, -1)))
    precision = added(rows)
    assert [value.ap for value in precision.precisions(0)] == pytest.approx([1, 1, 1])
    base = [ap for ap in precision.result().values() if ap is not None]
    assert precision.lost(0).mean == pytest.approx(1 - np.mean(base))


def test_localization_error_finds_its_object() -> None:
    lost = one(frame([(NEAR_HERE, CAR, 0.9)], [(HERE, CAR)]), [7], [NO_GROUP])
    assert lost.result() == {"car": 0.0, "van": None, "person": None}
    assert lost.lost(7).by_category == {"car": 1.0}


def test_only_the_best_error_about_an_object_finds_it() -> None:
    row = frame([(NEAR_HERE, CAR, 0.8), (NEAR_HERE, CAR, 0.9)], [(HERE, CAR)])
    lost = one(row, [1, 2], [NO_GROUP])
    assert lost.lost(1).mean == 0.0  # it goes; nothing finds the object
    assert lost.lost(2).mean == 1.0


def test_classification_error_counts_for_the_category_it_mistook() -> None:
    row = frame([(HERE, VAN, 0.9), (THERE, VAN, 0.8)], [(HERE, CAR), (THERE, VAN)])
    lost = one(row, [3, NO_GROUP], [NO_GROUP, NO_GROUP])
    assert lost.result() == {"car": 0.0, "van": 0.5, "person": None}
    assert lost.lost(3).by_category == {"car": 1.0, "van": 0.5}
    assert lost.lost(3).mean == 0.75


def test_classification_error_about_a_found_object_goes() -> None:
    row = frame([(HERE, VAN, 0.9), (HERE, CAR, 0.8), (THERE, VAN, 0.7)], [(HERE, CAR), (THERE, VAN)])
    lost = one(row, [0, NO_GROUP, NO_GROUP], [NO_GROUP, NO_GROUP])
    assert lost.result() == {"car": 1.0, "van": 0.5, "person": None}
    assert lost.lost(0).by_category == {"car": 0.0, "van": 0.5}


@pytest.mark.parametrize("false", [(FAR, CAR, 0.8), (HERE, CAR, 0.8)], ids=["background", "duplicate"])
def test_false_detection_goes(false: tuple) -> None:
    row = frame([(HERE, CAR, 0.9), false, (THERE, CAR, 0.7)], [(HERE, CAR), (THERE, CAR)])
    lost = one(row, [NO_GROUP, 0, NO_GROUP], [NO_GROUP, NO_GROUP])
    points = np.linspace(0, 1, 101)
    assert lost.result()["car"] == pytest.approx(np.where(points <= 0.5, 1, 2 / 3).mean())
    assert lost.lost(0).by_category["car"] == pytest.approx((points > 0.5).mean() / 3)


def test_missed_object_no_longer_counts() -> None:
    lost = one(frame([(HERE, CAR, 0.9)], [(HERE, CAR), (THERE, CAR)]), [NO_GROUP], [NO_GROUP, 0])
    assert lost.lost(0).mean == pytest.approx((np.linspace(0, 1, 101) > 0.5).mean())
    assert lost.precisions(0)[0].objects == 1


def test_explained_object_counts_when_its_error_is_fixed_with_it() -> None:
    row = frame([(NEAR_HERE, CAR, 0.9), (THERE, CAR, 0.8)], [(HERE, CAR), (THERE, CAR)])
    lost = one(row, [0, NO_GROUP], [1, NO_GROUP])
    assert [lost.precisions(groups)[0].objects for groups in ((), 0, 1, (0, 1))] == [2, 2, 1, 2]
    assert lost.precisions((0, 1))[0].ap == 1.0
    assert lost.precisions(1)[0].ap == 0.5


def test_object_found_too_late_is_found_at_once() -> None:
    row = frame([(FAR, CAR, 0.9), (HERE, CAR, 0.1)], [(HERE, CAR)])
    lost = one(row, [NO_GROUP, NO_GROUP], [0])
    assert lost.result()["car"] == 0.5
    assert lost.lost(0).mean == 0.5


def test_category_left_without_objects() -> None:
    bare = frame([], [(HERE, CAR)])
    assert one(bare, [], [0]).lost(0).by_category == {"car": 1.0}
    false = frame([(FAR, CAR, 0.9)], [(HERE, CAR)])
    assert one(false, [NO_GROUP], [0]).lost(0).by_category == {"car": 0.0}
    assert one(false, [0], [0]).lost(0).by_category == {"car": 1.0}


def test_groups_of_what_is_right_or_ignored_change_nothing() -> None:
    row = frame([(HERE, CAR, 0.9), (FAR, CAR, 0.95)], [(HERE, CAR), (FAR, CAR), (THERE, CAR)])
    row.objects.ignore[1] = True
    lost = one(row, [0, 0], [NO_GROUP, 0, NO_GROUP])
    assert lost.precisions(0) == lost.precisions()
    assert lost.precisions()[0].detections == 1


def test_nothing_and_unknown_groups_cost_nothing() -> None:
    empty = LostPrecision(CATEGORIES)
    assert empty.result() == dict.fromkeys(CATEGORIES)
    assert empty.lost(0) == (0.0, {})
    precision = added(grouped_frames(2, 10))
    for groups in ((), NO_GROUP, 9999):
        assert precision.lost(groups).mean == 0.0


def test_may_be_asked_between_frames() -> None:
    rows = grouped_frames(3, 20)
    precision = added(rows[:10])
    assert precision.precisions(1) == added(rows[:10]).precisions(1)
    for row, detections, objects in rows[10:]:
        precision.add(row, match(row.detections, row.objects), detections, objects)
    assert precision.precisions(1) == added(rows).precisions(1)


def test_frames_with_an_error_count_nothing() -> None:
    row = frame([], [(HERE, CAR)])
    row.error = "truncated JPEG"
    assert one(row, [], [0]).result()["car"] is None


def test_refuses_what_does_not_fit() -> None:
    row = frame([(HERE, CAR, 0.9)], [(HERE, CAR)], "frame7")
    with pytest.raises(ValueError, match=r"frame7: detection_groups: expected shape \(1,\), found \(0,\)"):
        one(row, [], [0])
    with pytest.raises(ValueError, match=r"frame7: object_groups: expected shape \(1,\), found \(2,\)"):
        one(row, [0], [0, 0])
    row.detections.labels[:] = 4
    with pytest.raises(ValueError, match="frame7: label 4 of 3"):
        one(row, [0], [0])


def test_keeps_less_than_40_bytes_a_detection() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 500, (8, 2))
    boxes = np.concatenate([corner, corner + 50], axis=1)
    frames, groups = 500, np.zeros(8)

    tracemalloc.start()
    precision = LostPrecision(CATEGORIES)
    before = tracemalloc.get_traced_memory()[0]
    for i in range(frames):
        row = FrameDetections(
            f"sequence_0007/frame_{i:08d}",
            "test",
            "d",
            640,
            640,
            Detections(boxes, rng.random(8), rng.integers(1, 4, 8)),
            GroundTruth(boxes, rng.integers(1, 4, 8)),
        )
        precision.add(row, match(row.detections, row.objects), groups, groups)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert kept / (8 * frames) < 40
