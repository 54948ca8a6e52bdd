"""Average precision that failures cost: what AP would be, had a group of failures not occurred.

The oracle fixes are TIDE's (Bolya, Foley, Hays, Hoffman: *TIDE: A General Toolbox for Identifying
Object Detection Errors*, ECCV 2020, section 2.3): each fixes one kind of error and nothing else, so a
gain is what these failures cost with all others in place. Gains of several groups do not add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import FOREGROUND_IOU, Matching, by_score
from imitation.metrics.columns import Columns, ranks
from imitation.metrics.curves import RECALL_POINTS, interpolated_precision

NO_GROUP = -1
_TRUE, _FALSE = 0, 1  # a detection that fixing its group leaves as it is; that it removes
_TO_TRUE = 2  # false, becomes a true positive
_RELABELLED = 3  # of another category; a true positive of this one when fixed
_RAISED = 4  # true, but scored below the operating threshold; ranks first when fixed


class CategoryPrecision(NamedTuple):
    """AP of one category in [0, 1], None without objects, and how many objects and judged detections
    stand behind it, of them how many true positives."""

    ap: float | None
    objects: int
    detections: int
    found: int


class Lost(NamedTuple):
    """The gain in AP, in [0, 1]: the mean over the categories that have objects, and each of them."""

    mean: float
    by_category: dict[str, float]


class LostPrecision:
    """Adds matched frames one by one, then gives AP and what groups of failures cost of it.

    About 13 bytes a detection stay in memory, and each frame's id (to rank equal scores by).
    `categories` are the detector's, in label order; `iou` is the one the frames were matched at;
    `recall_points` (R,) ascending in [0, 1], where precision is averaged.
    """

    def __init__(
        self,
        categories: Sequence[str],
        iou: float = FOREGROUND_IOU,
        recall_points: np.ndarray = RECALL_POINTS,
    ) -> None:
        self.iou = iou
        self._categories = list(categories)
        self._recall_points = recall_points
        self._kept = [_Kept() for _ in categories]
        self._frames: list[str] = []
        self._ranked: list[_Ranked] | None = None

    def add(
        self,
        row: FrameDetections,
        matching: Matching,
        detection_groups: np.ndarray,
        object_groups: np.ndarray,
    ) -> None:
        """Takes in one frame; one with an `error` counts nothing.

        `matching` is `match(row.detections, row.objects, foreground=iou)`: of *all* detections, not only
        of those above the operating threshold. `detection_groups` int32 (N,) and `object_groups` int32
        (M,): the group (any id >= 0) that the failing detection, or the missed object, belongs to, -1 for
        none. When its group is fixed, by the fate in `matching`,

        - a `localization` error becomes a true positive, a `classification` error one of the object's
          category; but it is removed if its object is found already, or if another such error about the
          same object has a better score (TIDE fixes the best);
        - a `duplicate`, `background` or `both` error is removed;
        - an object that nothing finds no longer counts, unless the fix makes a detection find it;
        - an object that is found after all, by a detection below the operating threshold, is found at
          once: its detection ranks first.

        Groups of correct or ignored detections and of ignored objects change nothing.
        Raises ValueError for shapes that disagree and labels beyond the categories.
        """
        if row.error is not None:
            return
        detections, objects = row.detections, row.objects
        groups = _groups(detection_groups, len(detections), "detection_groups", row.frame_id)
        missed = _groups(object_groups, len(objects), "object_groups", row.frame_id)
        row.check_labels(len(self._kept))
        fates, about, order = matching.detection_fates, matching.detection_objects, by_score(detections)

        state = np.where(fates == "correct", _TRUE, _FALSE).astype(np.uint8)
        groups[(fates == "correct") | (fates == "ignored")] = NO_GROUP
        best = _best_fixable(matching, order)
        fixable = best[best >= 0]
        state[fixable[fates[fixable] == "localization"]] = _TO_TRUE
        for label in np.flatnonzero(counts := np.bincount(objects.labels[~objects.ignore])).tolist():
            self._kept[label - 1].objects += int(counts[label])
        for o in np.flatnonzero((missed >= 0) & ~objects.ignore).tolist():
            if matching.object_fates[o] == "found":
                finder = matching.object_detections[o]
                state[finder], groups[finder] = _RAISED, missed[o]
            else:
                finder_group = int(groups[best[o]]) if best[o] >= 0 else NO_GROUP
                self._kept[objects.labels[o] - 1].missed[int(missed[o]), finder_group] += 1

        relabelled = fixable[(fates[fixable] == "classification") & (groups[fixable] >= 0)]
        judged = order[fates[order] != "ignored"]
        entries = np.concatenate([judged, relabelled])
        labels = np.concatenate([detections.labels[judged], objects.labels[about[relabelled]]])
        states = np.concatenate([state[judged], np.full(len(relabelled), _RELABELLED, dtype=np.uint8)])
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        place = np.lexsort((rank[entries], labels))
        entries, labels, states = entries[place], labels[place], states[place]
        bounds = np.flatnonzero(np.diff(labels, prepend=0, append=0))
        for low, high in pairwise(bounds.tolist()):
            kept, these = self._kept[labels[low] - 1], entries[low:high]
            kept.detections.extend(
                score=detections.scores[these],
                group=groups[these],
                state=states[low:high],
                frame=np.full(high - low, len(self._frames)),
            )
        if len(entries):
            self._frames.append(row.frame_id)
        self._ranked = None

    def result(self) -> dict[str, float | None]:
        """AP by category as it is, in [0, 1]; None for a category without objects."""
        return {name: base.ap for name, base in zip(self._categories, self.precisions())}

    def lost(self, groups: int | Iterable[int]) -> Lost:
        """What a group of failures costs, or several together: see `Lost`. At least 0.

        A category left without objects counts as 1 if no detection of it is left either, else as 0.
        """
        gains = {}
        for name, base, fixed in zip(self._categories, self.precisions(), self.precisions(groups)):
            if base.ap is not None:
                gains[name] = (float(not fixed.detections) if fixed.ap is None else fixed.ap) - base.ap
        return Lost(float(np.mean(list(gains.values()))) if gains else 0.0, gains)

    def precisions(self, groups: int | Iterable[int] = ()) -> list[CategoryPrecision]:
        """Each category, in label order, with the failures of these groups fixed (none by default)."""
        wanted = frozenset([groups] if isinstance(groups, int) else groups) - {NO_GROUP}
        if self._ranked is None:
            frame_rank = ranks(self._frames)
            self._ranked = [_Ranked(kept, frame_rank, self._recall_points) for kept in self._kept]
        return [ranked.precision(wanted) for ranked in self._ranked]


def _groups(values: np.ndarray, count: int, name: str, frame_id: str) -> np.ndarray:
    groups = np.array(values, dtype=np.int32)  # a copy
    if groups.shape != (count,):
        raise ValueError(f"frame {frame_id}: {name}: expected shape ({count},), found {groups.shape}")
    return groups


def _best_fixable(matching: Matching, order: np.ndarray) -> np.ndarray:
    """For each object that nothing finds, the best-scored detection that a fix makes find it, or -1."""
    best = np.full(len(matching.object_fates), -1, dtype=np.int64)
    fates, about = matching.detection_fates[order], matching.detection_objects[order]
    fixable = (fates == "localization") | (fates == "classification")
    fixable[fixable] = matching.object_fates[about[fixable]] != "found"
    objects, first = np.unique(about[fixable], return_index=True)
    best[objects] = order[fixable][first]
    return best


class _Kept:
    """What stays of one category: 13 bytes a detection, in frame order, best first in a frame."""

    def __init__(self) -> None:
        self.objects = 0
        # (group of the object, group of the detection that a fix makes find it) -> objects
        self.missed: Counter[tuple[int, int]] = Counter()
        self.detections = Columns(score="f4", frame="u4", group="i4", state="u1")


class _Ranked:
    """One category, its detections ranked: to be asked for many groups."""

    def __init__(self, kept: _Kept, frame_rank: np.ndarray, recall_points: np.ndarray) -> None:
        found = kept.detections.arrays()
        order = np.lexsort((frame_rank[found["frame"]], -found["score"]))
        self._states, self._groups = found["state"][order], found["group"][order]
        self._objects, self._missed = kept.objects, kept.missed
        self._recall_points = recall_points
        self._known = frozenset(np.unique(self._groups).tolist()).union(group for group, _ in kept.missed)
        self._base = self._precision(frozenset())

    def precision(self, groups: frozenset[int]) -> CategoryPrecision:
        groups = groups & self._known
        return self._precision(groups) if groups else self._base

    def _precision(self, groups: frozenset[int]) -> CategoryPrecision:
        fixed = np.isin(self._groups, list(groups))
        states = self._states
        was_true = (states == _TRUE) | (states == _RAISED)
        true = was_true | (fixed & ((states == _TO_TRUE) | (states == _RELABELLED)))
        first = fixed & (states == _RAISED)
        judged = true | (~fixed & ((states == _FALSE) | (states == _TO_TRUE)))
        objects = self._objects - sum(
            count
            for (group, finder), count in self._missed.items()
            if group in groups and finder not in groups
        )
        ranked = np.concatenate([true[first], true[judged & ~first]])
        ap = interpolated_precision(ranked, objects, self._recall_points) if objects else None
        return CategoryPrecision(ap, objects, len(ranked), int(ranked.sum()))
