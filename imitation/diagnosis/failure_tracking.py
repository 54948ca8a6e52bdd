"""Failures followed from one evaluation to another of the same frames: fixed, persistent, new, regressed.

The two are of different detectors: of cycle k - 1 and cycle k, or of two seeds of the same data. Between
two seeds the same counts are *churn*: what retraining alone fixes and breaks.

Followed are objects and false detections, not records. A failing *object* (missed, or explained by a
localization or classification error) is the same one wherever its frame and index are. A *false
detection* (all other failures: on nothing, doubled, beside an object that was found) is the same one if a
false detection of the same predicted class overlaps it with an IoU of at least 0.5.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from imitation.common.names import failure_id, missed_id
from imitation.data.boxes import pairwise_iou
from imitation.diagnosis.failure_modes import Threshold, threshold_of
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.failures import KINDS, Failure, find_failures
from imitation.evaluation.matching import FOREGROUND_IOU, by_score, match

STATUSES = ("fixed", "persistent", "new", "regressed", "unjudged")


@dataclass(frozen=True, slots=True)
class Followed:
    """An object or false detection that failed before, after, or both times.

    `fixed`: only `before`; `persistent`: both times, perhaps of another kind; `regressed`: an object
    that was found before and fails now; `new`: a false detection that was not there before, or an
    object of a frame that was not evaluated before; `unjudged`: failed before, in a frame that was not
    evaluated after.
    """

    status: str
    before: Failure | None
    after: Failure | None

    @property
    def failure(self) -> Failure:
        """The failure as it is now, or was last."""
        latest = self.after or self.before
        assert latest is not None
        return latest


class Judge(NamedTuple):
    """How to read an evaluation's rows: its detector's categories in label order, its threshold."""

    categories: Sequence[str]
    threshold: Threshold


@dataclass
class FrameFailures:
    """What failed in one frame: objects by their index, and false detections."""

    objects: dict[int, Failure] = field(default_factory=dict)
    false: list[Failure] = field(default_factory=list)

    @classmethod
    def of(cls, row: FrameDetections, judge: Judge) -> FrameFailures:
        """The row's failures, each as an object's or as a false detection."""
        cut = threshold_of(row, judge.threshold)
        failures = cls()
        explaining = _explaining(row, cut)
        for failure in find_failures([row], cut, judge.categories):
            if failure.object_index is not None and failure.failure_id in explaining:
                failures.objects[failure.object_index] = failure
            else:
                failures.false.append(failure)
        return failures


def _explaining(row: FrameDetections, threshold: Cutoff) -> set[str]:
    """Ids of the failures that stand for an object: that it is missed, or the error that explains it."""
    detections = row.detections.above(threshold)
    matching = match(detections, row.objects)
    rank = {int(d): place for place, d in enumerate(by_score(detections))}
    ids = set()
    for o, fate in enumerate(matching.object_fates.tolist()):
        if fate == "missed":
            ids.add(missed_id(row.frame_id, row.objects.index[o]))
        elif fate in KINDS:
            ids.add(failure_id(row.frame_id, fate, rank[int(matching.object_detections[o])]))
    return ids


def follow(
    before: Iterable[FrameDetections],
    after: Iterable[FrameDetections],
    judge: Judge,
    judge_after: Judge | None = None,
) -> Iterator[Followed]:
    """Every failure of both evaluations, in exactly one `Followed`.

    Pass rows of one split, each frame once in each; rows with an `error` count as not evaluated.
    Categories and thresholds are `judge`'s, of the later evaluation `judge_after`'s if given. Both are
    streamed side by side; of frames that have not met their counterpart yet, only the failures are
    held: where both are in the same order, those of one frame. Raises ValueError for a frame that
    stands twice.
    """
    judge_after = judge_after or judge
    waiting: tuple[dict[str, FrameFailures], dict[str, FrameFailures]] = ({}, {})
    for pair in zip_longest(before, after):
        for side, (row, how) in enumerate(zip(pair, (judge, judge_after))):
            if row is None or row.error is not None:
                continue
            if row.frame_id in waiting[side]:
                raise ValueError(f"frame {row.frame_id!r} stands twice: pass the rows of one split alone")
            failures = FrameFailures.of(row, how)
            if (other := waiting[1 - side].pop(row.frame_id, None)) is None:
                waiting[side][row.frame_id] = failures
            else:
                yield from _compare(*((other, failures) if side else (failures, other)))
    for side, status in ((0, "unjudged"), (1, "new")):
        for failures in waiting[side].values():
            for failure in (*failures.objects.values(), *failures.false):
                yield Followed(status, *((None, failure) if side else (failure, None)))


def _compare(before: FrameFailures, after: FrameFailures) -> Iterator[Followed]:
    for index in sorted(before.objects.keys() | after.objects.keys()):
        was, now = before.objects.get(index), after.objects.get(index)
        yield Followed("regressed" if was is None else "fixed" if now is None else "persistent", was, now)
    pairs = same_places(before.false, after.false)
    for i, was in enumerate(before.false):
        again = pairs.get(i)
        yield (
            Followed("fixed", was, None) if again is None else Followed("persistent", was, after.false[again])
        )
    known = set(pairs.values())
    for j, now in enumerate(after.false):
        if j not in known:
            yield Followed("new", None, now)


def same_places(before: Sequence[Failure], after: Sequence[Failure]) -> dict[int, int]:
    """Pairs of wrong detections of one frame that are the same: index in `before` -> index in `after`.

    Each in at most one pair; of the same predicted class, with an IoU of at least 0.5; the greatest IoU
    first, ties by the boxes, so that swapping the two sides gives the same pairs.
    """
    if not before or not after:
        return {}
    boxes = [np.array([failure.detection_box for failure in side]) for side in (before, after)]
    overlap = pairwise_iou(*boxes)
    overlap[(boxes[0][:, None] == boxes[1][None]).all(axis=2)] = 1.0  # of empty boxes too
    near = [
        (i, j)
        for i, j in np.argwhere(overlap >= FOREGROUND_IOU).tolist()
        if before[i].predicted == after[j].predicted
    ]
    near.sort(key=lambda p: (-overlap[p], sorted((tuple(boxes[0][p[0]]), tuple(boxes[1][p[1]]))), p))
    pairs: dict[int, int] = {}
    taken = set()
    for i, j in near:
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs


def _counts() -> dict[str, int]:
    return dict.fromkeys(STATUSES, 0)


def count_followed(
    followed: Iterable[Followed],
    mode_of: Callable[[Failure], str],
    reason_of: Callable[[Followed], str] | None = None,
) -> dict[str, Any]:
    """Counts of what `follow` gives, plain data for JSON.

    By status ("fixed", "persistent", "new", "regressed", "unjudged"), the same `by_kind` (of the
    failure as it is now, or was last) and `by_mode` (`Modes.of`), `changed`: of persistent ones of
    another kind than before, by "missed to localization", and `reasons`: of persistent ones, by why
    they may be out of reach (`Reach.reason`); empty without `reason_of`.
    """
    totals, changed, reasons = _counts(), Counter[str](), Counter[str]()
    by_kind: defaultdict[str, dict[str, int]] = defaultdict(_counts)
    by_mode: defaultdict[str, dict[str, int]] = defaultdict(_counts)
    for one in followed:
        for counts in (totals, by_kind[one.failure.kind], by_mode[mode_of(one.failure)]):
            counts[one.status] += 1
        if one.before is not None and one.after is not None:
            if one.before.kind != one.after.kind:
                changed[f"{one.before.kind} to {one.after.kind}"] += 1
            if reason_of is not None:
                reasons[reason_of(one)] += 1
    return {
        **totals,
        "by_kind": {kind: by_kind[kind] for kind in KINDS if kind in by_kind},
        "by_mode": dict(sorted(by_mode.items())),
        "changed": dict(sorted(changed.items())),
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
    }
