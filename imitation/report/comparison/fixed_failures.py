"""The gallery of what got fixed: a failure, the frames rendered for it, the detection that came after.

All of it is out of fold: the detector before and the one after have seen neither the frame nor, the latter,
what was re-staged from it. That a failure is gone proves nothing by itself: any retraining mends some.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imitation.data.boxes import pairwise_iou
from imitation.data.records import Box
from imitation.evaluation.detection_files import read_detections
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.failures import read_failures
from imitation.evaluation.matching import FOREGROUND_IOU
from imitation.report.run.gallery import (
    GalleryItem,
    _candidates,
    _rendered,
    _with_images,
    drawn_apart,
    verdict,
)
from imitation.report.run.pictures import Entry, Picture, build_entry, crop_region, failure_box, outlined

GONE = ("now found", "no longer detected", "no longer found twice")


@dataclass(frozen=True)
class Fixed:
    """A failure that is gone, with its frames, and the later detection of the object (None: there is none,
    as there should be where nothing was)."""

    item: GalleryItem
    detection: Box | None
    score: float | None


@dataclass(frozen=True)
class FixedCounts:
    """Failures that frames were rendered for, and those that were gone afterwards; the same of the rest."""

    answered: int
    answered_fixed: int
    others: int
    others_fixed: int


def collect_fixed(
    before_uri: str,
    after_uri: str,
    detections_uri: str,
    thresholds: Mapping[str, Cutoff],
    real_uri: str,
    synthetic_uris: Sequence[str],
    count: int,
    rng: np.random.Generator,
) -> tuple[list[Fixed], FixedCounts]:
    """A draw by `rng` among the failures that were answered and are gone, of different frames first; and the
    counts of all.

    `before_uri`, `after_uri`: failures of two evaluations of the same frames; `detections_uri`: the later
    one, whose folds' operating thresholds are `thresholds`. Raises as `collect_gallery` does.
    """
    rendered = _rendered(synthetic_uris)
    later = defaultdict(list)
    for failure in read_failures(after_uri):
        later[failure.frame_id].append(failure)
    tally: Counter[tuple[bool, bool]] = Counter()
    for failure in read_failures(before_uri):
        gone = verdict(failure, later.get(failure.frame_id, ())) in GONE
        tally[failure.failure_id in rendered, gone] += 1
    counts = FixedCounts(
        tally[True, True] + tally[True, False],
        tally[True, True],
        tally[False, True] + tally[False, False],
        tally[False, True],
    )
    known = _candidates(before_uri, rendered)
    gone_ones = [f for f in known if verdict(f, later.get(f.frame_id, ())) in GONE]
    chosen = drawn_apart(gone_ones, count, rng, set())
    parents = _with_images([real_uri], {failure.frame_id for failure in chosen})
    wanted = {frame_id for failure in chosen for frame_id in rendered[failure.failure_id]}
    synthetic = _with_images(synthetic_uris, wanted)
    rows = {
        row.frame_id: row
        for row in read_detections(detections_uri, split="mine")
        if row.frame_id in parents and row.detector in thresholds
    }
    items = []
    for failure in chosen:
        item = GalleryItem(
            failure,
            parents[failure.frame_id],
            tuple(synthetic[frame_id] for frame_id in rendered[failure.failure_id]),
            verdict(failure, later.get(failure.frame_id, ())),
            len(gone_ones),
        )
        box, score = _detection(item, rows.get(failure.frame_id), thresholds)
        items.append(Fixed(item, box, score))
    return items, counts


def _detection(
    item: GalleryItem, row: FrameDetections | None, thresholds: Mapping[str, Cutoff]
) -> tuple[Box | None, float | None]:
    """The detection that finds the object: of those above the threshold the one that overlaps most."""
    true = item.failure.object_box
    if row is None or true is None:
        return None, None
    shown = row.detections.above(thresholds[row.detector])
    if not len(shown):
        return None, None
    overlaps = pairwise_iou(np.array([true], dtype=np.float64), shown.boxes)[0]
    best = int(overlaps.argmax())
    if overlaps[best] < FOREGROUND_IOU:
        return None, None
    return Box(*map(float, shown.boxes[best])), float(shown.scores[best])


def build_fixed(fixed: Fixed, stand_in: bool = False) -> tuple[Entry, Picture]:
    """The entry of the failure, and the picture of afterwards."""
    entry = build_entry(fixed.item, stand_in)
    return entry, _after(fixed, entry.headline)


def _after(fixed: Fixed, headline: str) -> Picture:
    failure, parent = fixed.item.failure, fixed.item.parent
    region = crop_region(failure_box(failure), parent.width, parent.height)
    caption = "afterwards" if fixed.score is None else f"afterwards: found, score {fixed.score:.2f}"
    alt = f"the same place after the cycle ({headline} before): {fixed.item.verdict}"
    return outlined(
        parent,
        region,
        alt,
        caption,
        subject=failure.object_index,
        truth=failure.object_box,
        detection=fixed.detection,
    )
