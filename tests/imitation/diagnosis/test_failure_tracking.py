"""Failures followed from one evaluation to another."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.diagnosis.failure_modes import Modes
from imitation.diagnosis.failure_tracking import STATUSES, Followed, Judge, count_followed, follow
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.evaluation.failures import Failure, find_failures

CATEGORIES = ("car", "pedestrian")
JUDGE = Judge(CATEGORIES, 0.5)
CAR, OTHER = (100.0, 100.0, 160.0, 140.0), (300.0, 100.0, 360.0, 140.0)
NOWHERE = (600.0, 200.0, 640.0, 240.0)


def row(
    *found: tuple[tuple[float, ...], int],
    frame_id: str = "f",
    objects: tuple[tuple[float, ...], ...] = (CAR,),
) -> FrameDetections:
    """A frame of cars, and detections of (box, label)."""
    return FrameDetections(
        frame_id,
        "val",
        "main",
        1000,
        400,
        Detections(
            [box for box, _ in found], [0.9 - 0.01 * i for i in range(len(found))], [c for _, c in found]
        ),
        GroundTruth(np.array(objects), np.ones(len(objects))),
    )


def shifted(box: tuple[float, ...], dx: float) -> tuple[float, ...]:
    return (box[0] + dx, box[1], box[2] + dx, box[3])


def told(
    before: list[FrameDetections], after: list[FrameDetections]
) -> list[tuple[str, str | None, str | None]]:
    return [
        (f.status, f.before and f.before.kind, f.after and f.after.kind) for f in follow(before, after, JUDGE)
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (row(), row((CAR, 1)), [("fixed", "missed", None)]),
        (row((CAR, 1)), row(), [("regressed", None, "missed")]),
        (row(), row(), [("persistent", "missed", "missed")]),
        (row(), row((shifted(CAR, 35), 1)), [("persistent", "missed", "localization")]),
        (row((CAR, 2)), row((CAR, 1)), [("fixed", "classification", None)]),
        (row((CAR, 1), (NOWHERE, 1)), row((CAR, 1)), [("fixed", "background", None)]),
        (row((CAR, 1)), row((CAR, 1), (NOWHERE, 1)), [("new", None, "background")]),
        # The same place and class is the same false detection, whatever kind it is.
        (
            row((CAR, 1), (NOWHERE, 1)),
            row((CAR, 1), (shifted(NOWHERE, 5), 1)),
            [("persistent", "background", "background")],
        ),
        (
            row((CAR, 1), (NOWHERE, 1)),
            row((CAR, 1), (NOWHERE, 2)),
            [("fixed", "background", None), ("new", None, "background")],
        ),
        # An object found is not failing, even where a second detection of it is badly placed.
        (row((CAR, 1), (shifted(CAR, 35), 1)), row((CAR, 1)), [("fixed", "localization", None)]),
        (
            row((shifted(CAR, 35), 1)),
            row((CAR, 1), (shifted(CAR, 35), 1)),
            [("fixed", "localization", None), ("new", None, "localization")],
        ),
        (
            row((CAR, 1), (shifted(CAR, 1), 1)),
            row(),
            [("regressed", None, "missed"), ("fixed", "duplicate", None)],
        ),
    ],
)
def test_one_thing_one_status(
    before: FrameDetections,
    after: FrameDetections,
    expected: list[tuple[str, str | None, str | None]],
) -> None:
    assert told([before], [after]) == expected


def test_frames_that_one_of_them_did_not_judge() -> None:
    bad = replace(row(frame_id="g"), error="unreadable", detections=Detections.empty())
    assert told([bad], [row(frame_id="g")]) == [("new", None, "missed")]
    assert told([row(frame_id="g")], [bad]) == [("unjudged", "missed", None)]
    assert told([], [row()]) == [("new", None, "missed")]


def test_each_has_its_own_threshold_and_detectors_too() -> None:
    weak = row((CAR, 1))
    weak.detections.scores[:] = 0.3
    low = Judge(CATEGORIES, {"main": 0.2})
    assert [f.status for f in follow([weak], [weak], JUDGE, low)] == ["fixed"]
    assert [f.status for f in follow([weak], [weak], low, JUDGE)] == ["regressed"]


def test_a_frame_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="frame 'f' stands twice"):
        list(follow([row(), row()], [row(frame_id="g"), row(frame_id="h")], JUDGE))


def random_rows(seed: int) -> list[FrameDetections]:
    """The same frames for every detector; detections by seed, with boxes that coincide and empty ones."""
    truth = np.random.default_rng(7)
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(6):
        count = int(truth.integers(0, 5))
        corner = truth.uniform(0, 300, (count, 2))
        boxes = np.concatenate([corner, corner + truth.uniform(10, 90, (count, 2))], axis=1)
        candidates = np.concatenate(
            [boxes, boxes + np.array([30, 0, 30, 0]), [[400, 10, 450, 60], [404, 10, 454, 60]]]
        )
        candidates = np.concatenate([candidates, [[5.0, 5, 5, 5]]])
        found = candidates[rng.integers(0, len(candidates), int(rng.integers(0, 9)))]
        rows.append(
            FrameDetections(
                f"f{i}",
                "val",
                f"seed {seed}",
                500,
                400,
                Detections(found, rng.choice([0.3, 0.6, 0.9], len(found)), rng.integers(1, 3, len(found))),
                GroundTruth(boxes, truth.integers(1, 3, count), ignore=truth.uniform(size=count) < 0.1),
                error="unreadable" if rng.uniform() < 0.1 else None,
            )
        )
    return rows


def failure_ids(rows: list[FrameDetections]) -> list[str]:
    return sorted(f.failure_id for f in find_failures(rows, JUDGE.threshold, CATEGORIES))  # type: ignore[arg-type]


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(seeds, seeds, st.randoms(use_true_random=False))
def test_every_failure_has_one_status_in_whatever_order(a: int, b: int, random: object) -> None:
    before, after = random_rows(a), random_rows(b)
    followed = list(follow(before, after, JUDGE))
    assert sorted(f.before.failure_id for f in followed if f.before) == failure_ids(before)
    assert sorted(f.after.failure_id for f in followed if f.after) == failure_ids(after)
    shuffled = list(after)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert keys(follow(before, shuffled, JUDGE)) == keys(followed)


def keys(followed: object) -> list[tuple[str, str, str]]:
    def name(failure: Failure | None) -> str:
        return "" if failure is None else failure.failure_id

    return sorted((f.status, name(f.before), name(f.after)) for f in followed)  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(seeds, seeds)
def test_swapping_them_swaps_what_was_mended_and_what_broke(a: int, b: int) -> None:
    before, after = random_rows(a), random_rows(b)
    forth = Counter(
        (f.status, f.before and f.before.kind, f.after and f.after.kind) for f in follow(before, after, JUDGE)
    )
    back = Counter(
        (f.status, f.after and f.after.kind, f.before and f.before.kind) for f in follow(after, before, JUDGE)
    )
    gone, come = ("fixed", "unjudged"), ("regressed", "new")

    def sides(counts: Counter[tuple[str, str | None, str | None]]) -> Counter[tuple[str | None, str | None]]:
        return Counter({(x, y): n for (status, x, y), n in counts.items() if status == "persistent"})

    assert sides(forth) == sides(back)
    for one, other in ((forth, back), (back, forth)):
        assert sum(n for (s, _, _), n in one.items() if s in gone) == sum(
            n for (s, _, _), n in other.items() if s in come
        )


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_followed_by_itself_everything_persists_unchanged(seed: int) -> None:
    rows = random_rows(seed)
    followed = list(follow(rows, rows, JUDGE))
    assert {f.status for f in followed} <= {"persistent"}
    counts = count_followed(followed, Modes(()).of)
    assert counts["persistent"] == len(failure_ids(rows))
    assert counts["changed"] == {}


def test_only_the_frames_under_way_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: Counter[str] = Counter()

    def counted(side: str) -> object:
        for i in range(50):
            taken[side] += 1
            yield row(frame_id=f"f{i}")

    stream = follow(counted("before"), counted("after"), JUDGE)  # type: ignore[arg-type]
    for done, _ in enumerate(stream, start=1):
        assert taken == {"before": done, "after": done}


def test_counts_by_kind_mode_and_reason() -> None:
    before = [row(objects=(CAR, OTHER)), row((CAR, 1), (NOWHERE, 1), frame_id="g")]
    after = [row((shifted(CAR, 35), 1), (OTHER, 1), objects=(CAR, OTHER)), row(frame_id="g")]
    counts = count_followed(follow(before, after, JUDGE), Modes(()).of, lambda thing: "a reason")
    zero = dict.fromkeys(STATUSES, 0)
    assert {status: counts[status] for status in STATUSES} == zero | {
        "fixed": 2,
        "persistent": 1,
        "regressed": 1,
    }
    assert counts["by_kind"] == {
        "missed": zero | {"fixed": 1, "regressed": 1},
        "localization": zero | {"persistent": 1},
        "background": zero | {"fixed": 1},
    }
    assert counts["by_mode"]["car on nothing"] == zero | {"fixed": 1}
    assert counts["changed"] == {"missed to localization": 1}
    assert counts["reasons"] == {"a reason": 1}


def test_the_failure_of_a_thing_is_the_latest() -> None:
    (thing,) = follow([row()], [row((shifted(CAR, 35), 1))], JUDGE)
    assert isinstance(thing, Followed)
    assert thing.failure is thing.after
    (thing,) = follow([row()], [row((CAR, 1))], JUDGE)
    assert thing.failure is thing.before
