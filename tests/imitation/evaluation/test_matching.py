"""Each detection and each object has exactly one fate, whatever the order."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.data.boxes import pairwise_coverage, pairwise_iou
from imitation.evaluation.detections import ANY_LABEL, Detections, GroundTruth
from imitation.evaluation.matching import (
    BACKGROUND_IOU,
    DETECTION_FATES,
    FOREGROUND_IOU,
    OBJECT_FATES,
    Matching,
    by_score,
    match,
    match_correct,
)

# A coarse grid makes equal overlaps, equal scores and equal boxes common.
corner = st.integers(0, 6).map(lambda v: 10.0 * v)
side = st.integers(1, 4).map(lambda v: 10.0 * v)
box = st.tuples(corner, corner, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
detection = st.tuples(box, st.integers(1, 3), st.sampled_from([0.3, 0.5, 0.7, 0.9]))
truth = st.one_of(
    st.tuples(box, st.integers(1, 3), st.just(False)), st.tuples(box, st.integers(0, 3), st.just(True))
)
frame = st.tuples(st.lists(detection, max_size=7), st.lists(truth, max_size=6))


def build(found: list, true: list, index: Any = None) -> tuple[Detections, GroundTruth]:
    return (
        Detections([d[0] for d in found], [d[2] for d in found], [d[1] for d in found]),
        GroundTruth([t[0] for t in true], [t[1] for t in true], [t[2] for t in true], index),
    )


def outcome(found: list, true: list, matching: Matching, index: list[int]) -> tuple[Counter, Counter]:
    """Fates by content: what must not depend on the order of rows."""
    return (
        Counter(
            (d, str(fate), round(float(iou), 9))
            for d, fate, iou in zip(found, matching.detection_fates, matching.ious)
        ),
        Counter((t, i, str(fate)) for t, i, fate in zip(true, index, matching.object_fates)),
    )


def iou_by_hand(a: tuple, b: tuple) -> float:
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


@given(st.lists(box, max_size=5), st.lists(box, max_size=5))
def test_pairwise_overlaps_equal_those_by_hand(a: list, b: list) -> None:
    iou, coverage = pairwise_iou(np.array(a), np.array(b)), pairwise_coverage(np.array(a), np.array(b))
    assert iou.shape == coverage.shape == (len(a), len(b))
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            assert iou[i, j] == pytest.approx(iou_by_hand(p, q))
            union_is_p = (min(p[0], q[0]), min(p[1], q[1]), max(p[2], q[2]), max(p[3], q[3])) == p
            if union_is_p:  # q lies in p
                assert coverage[i, j] == pytest.approx(iou_by_hand(p, q))


def test_empty_boxes_overlap_nothing() -> None:
    flat = np.array([[5.0, 5, 5, 9]])
    assert pairwise_iou(flat, flat).tolist() == [[0.0]]
    assert pairwise_coverage(flat, np.array([[0.0, 0, 9, 9]])).tolist() == [[0.0]]


@given(frame, st.randoms(use_true_random=False))
def test_fates_do_not_depend_on_the_order(rows: tuple[list, list], random: Any) -> None:
    found, true = rows
    index = list(range(len(true)))
    original = outcome(found, true, match(*build(found, true, index)), index)
    order = random.sample(range(len(found)), len(found))
    places = random.sample(index, len(index))
    shuffled_found, shuffled_true = [found[i] for i in order], [true[i] for i in places]
    matching = match(*build(shuffled_found, shuffled_true, places))
    assert outcome(shuffled_found, shuffled_true, matching, places) == original


@given(frame)
def test_every_thing_has_one_fate_and_the_two_sides_agree(rows: tuple[list, list]) -> None:
    found, true = rows
    detections, objects = build(found, true)
    m = match(detections, objects)
    assert m.detection_fates.shape == m.detection_objects.shape == m.ious.shape == (len(found),)
    assert m.object_fates.shape == m.object_detections.shape == (len(true),)
    assert set(m.detection_fates) <= set(DETECTION_FATES)
    assert set(m.object_fates) <= set(OBJECT_FATES)
    assert (m.object_fates == "ignored").tolist() == objects.ignore.tolist()
    # A found object has its own correct detection; one explained by an error has an error of that kind.
    correct = np.flatnonzero(m.detection_fates == "correct")
    finders = m.object_detections[m.object_fates == "found"]
    assert sorted(finders.tolist()) == correct.tolist()
    for o, (fate, d) in enumerate(zip(m.object_fates, m.object_detections)):
        if fate in {"missed", "ignored"}:
            assert d == -1
        else:
            assert m.detection_objects[d] == o
            assert m.detection_fates[d] == {"found": "correct"}.get(fate, fate)
    # Nothing that a localization or classification error is about is also missed.
    for fate, o in zip(m.detection_fates, m.detection_objects):
        assert (o >= 0) == (fate not in {"background", "ignored"})
        if fate in {"localization", "classification"}:
            assert m.object_fates[o] != "missed"


@given(frame)
def test_fates_keep_the_rules_of_the_taxonomy(rows: tuple[list, list]) -> None:
    found, true = rows
    m = match(*build(found, true))
    for d, (box_d, label, score) in enumerate(found):
        fate, about = m.detection_fates[d], int(m.detection_objects[d])
        overlaps = {
            kind: [iou_by_hand(box_d, b) for b, lab, ignore in true if not ignore and (lab == label) == same]
            for kind, same in (("own", True), ("other", False))
        }
        own, other = max(overlaps["own"], default=0.0), max(overlaps["other"], default=0.0)
        if about >= 0:
            assert m.ious[d] == pytest.approx(iou_by_hand(box_d, true[about][0]))
            assert (true[about][1] == label) == (fate in {"correct", "localization", "duplicate"})
        if fate == "correct":
            assert m.ious[d] >= FOREGROUND_IOU
        elif fate == "localization":
            assert BACKGROUND_IOU <= own < FOREGROUND_IOU
        elif fate == "classification":
            assert other >= FOREGROUND_IOU
        elif fate == "duplicate":
            assert own >= FOREGROUND_IOU
            assert m.object_fates[about] == "found"
            assert found[int(m.object_detections[about])][2] >= score
        elif fate == "both":
            assert own < BACKGROUND_IOU <= other < FOREGROUND_IOU
        elif fate == "background":
            assert max(own, other) < BACKGROUND_IOU
            assert m.ious[d] == pytest.approx(max(own, other))


@given(frame)
def test_what_lies_in_an_ignore_region_is_never_an_error(rows: tuple[list, list]) -> None:
    found, true = rows
    m = match(*build(found, true))
    regions = np.array([b for b, _, ignore in true if ignore]).reshape(-1, 4)
    labels = [label for _, label, ignore in true if ignore]
    for (box_d, label, _), fate in zip(found, m.detection_fates):
        covered = pairwise_coverage(np.array([box_d]), regions)[0] >= FOREGROUND_IOU
        if any(c and lab in {ANY_LABEL, label} for c, lab in zip(covered, labels)):
            assert fate in {"correct", "ignored"}
        else:
            assert fate != "ignored"


@given(frame, st.sampled_from([0.4, 0.6, 0.8]))
def test_lower_scores_do_not_change_what_higher_ones_find(rows: tuple[list, list], threshold: float) -> None:
    detections, objects = build(*rows)
    found, not_judged = match_correct(detections, objects)
    kept = detections.scores >= threshold
    found_above, not_judged_above = match_correct(detections.above(threshold), objects)
    assert found[kept].tolist() == found_above.tolist()
    assert not_judged[kept].tolist() == not_judged_above.tolist()


def test_one_of_each_fate() -> None:
    found = [
        ((0, 0, 10, 10), 1, 0.9),  # right on object 0
        ((0, 0, 10, 9), 1, 0.8),  # again
        ((20, 0, 30, 20), 1, 0.7),  # half of object 1, three times as tall
        ((50, 0, 60, 10), 2, 0.7),  # object 2 under another name
        ((70, 0, 80, 30), 2, 0.6),  # a third of object 3, under another name
        ((0, 50, 10, 60), 1, 0.6),  # nothing there
        ((100, 0, 110, 10), 3, 0.6),  # in a region of every category
    ]
    true = [
        ((0, 0, 10, 10), 1, False),
        ((20, 0, 30, 8), 1, False),
        ((50, 0, 60, 10), 1, False),
        ((70, 0, 80, 10), 1, False),
        ((90, 0, 190, 90), ANY_LABEL, True),
    ]
    m = match(*build(found, true))
    assert m.detection_fates.tolist() == [
        "correct",
        "duplicate",
        "localization",
        "classification",
        "both",
        "background",
        "ignored",
    ]
    assert m.detection_objects.tolist() == [0, 0, 1, 2, 3, -1, -1]
    assert m.object_fates.tolist() == ["found", "localization", "classification", "missed", "ignored"]
    assert m.object_detections.tolist() == [0, 2, 3, -1, -1]
    assert m.ious.tolist() == pytest.approx([1, 0.9, 0.4, 1, 1 / 3, 0, 0])


def test_a_better_scored_detection_chooses_first_even_with_less_overlap() -> None:
    found = [((0, 0, 10, 10), 1, 0.5), ((0, 0, 10, 8), 1, 0.6)]
    m = match(*build(found, [((0, 0, 10, 10), 1, False)]))
    assert m.detection_fates.tolist() == ["duplicate", "correct"]


def test_the_foreground_iou_itself_is_enough() -> None:
    m = match(*build([((0, 0, 10, 5), 1, 0.5)], [((0, 0, 10, 10), 1, False)]))
    assert m.detection_fates.tolist() == ["correct"]


def test_the_error_that_overlaps_an_object_most_explains_it() -> None:
    found = [((0, 0, 10, 2), 1, 0.9), ((0, 0, 10, 4), 1, 0.5), ((0, 0, 10, 3), 1, 0.6)]
    m = match(*build(found, [((0, 0, 10, 10), 1, False)]))
    assert m.detection_fates.tolist() == ["localization"] * 3
    assert m.object_detections.tolist() == [1]


def test_an_ignored_object_never_takes_a_detection_from_a_real_one() -> None:
    true = [((0, 0, 10, 10), 1, True), ((0, 0, 10, 9), 1, False)]
    m = match(*build([((0, 0, 10, 10), 1, 0.5), ((0, 0, 10, 10), 1, 0.4)], true))
    assert m.detection_fates.tolist() == ["correct", "ignored"]
    assert m.object_fates.tolist() == ["ignored", "found"]


def test_empty_frames() -> None:
    m = match(Detections.empty(), GroundTruth.empty())
    assert len(m.detection_fates) == len(m.object_fates) == 0
    m = match(*build([((0, 0, 10, 10), 1, 0.5)], []))
    assert m.detection_fates.tolist() == ["background"]
    m = match(*build([], [((0, 0, 10, 10), 1, False)]))
    assert m.object_fates.tolist() == ["missed"]


def test_by_score_breaks_ties_by_content() -> None:
    found = [
        ((0, 0, 10, 10), 2, 0.5),
        ((5, 0, 10, 10), 1, 0.5),
        ((0, 0, 10, 10), 1, 0.5),
        ((9, 0, 10, 10), 9, 0.6),
    ]
    assert by_score(build(found, [])[0]).tolist() == [3, 2, 1, 0]
