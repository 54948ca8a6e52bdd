"""Which labels look wrong, and how much AP hangs on each.

A detector that is sure of itself and contradicts a label may be right (Northcutt, Jiang, Chuang: *Confident
Learning*, JAIR 2021), the more so where others, trained anew, contradict it in the same way. Five kinds:

| kind | what is seen | what the label may be |
|---|---|---|
| missing | a detection on nothing | an object without a label |
| double | a second detection of a found object | two objects, one of them without a label |
| place | a detection of the category that fits the label badly | a shifted box |
| category | a detection that fits, of another category | a wrong category |
| invented | nothing finds an object that is easily found elsewhere | a label where nothing is |

`sure` is a rough probability. At first: of a detection, how often detections of about its score are right; of
an object that nothing finds, how often objects like it (category, size, occlusion) are found; halved, since a
label says otherwise. Then each other detector that judged the frame is a witness (Bayes' rule): of a real
label error 9 of 10 see the same, of a fluke 1 of 10. `at_stake` is what mAP at IoU 0.5 would gain if the
detection were right, this one alone. The rank is their product: labels worth looking at first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Fraction, Record
from imitation.common.settings import UserError
from imitation.data.boxes import pairwise_iou
from imitation.diagnosis.failure_modes import Threshold, threshold_of
from imitation.evaluation import attributes
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import FOREGROUND_IOU, by_score, match
from imitation.metrics.curves import interpolated_precision

Kind = Literal["missing", "double", "place", "category", "invented"]
KINDS: tuple[Kind, ...] = ("missing", "double", "place", "category", "invented")
_OF_FATE: dict[str, Kind] = {
    "background": "missing",
    "duplicate": "double",
    "localization": "place",
    "classification": "category",
}
BINS = 10
MOST = 3000
"""Suspects whose AP at stake is computed, the surest ones."""
LABELS_RIGHT = 0.5
WITNESS, FLUKE = 0.9, 0.1
"""How often another detector says the same of a real label error, and of what was chance: rough values, a
detector's recall and the share of its false detections that another one repeats."""
SAME_PLACE = 0.6
"""IoU at which another detector agrees on where a badly placed object is."""


@dataclass(frozen=True)
class Judged:
    """An evaluation of one detector (or of folds, each frame by one of them): how to read its rows."""

    name: str
    rows: Callable[[], Iterable[FrameDetections]]
    threshold: Threshold


class Suspect(Record):
    """A label that may be wrong; see `imitation.audit.suspects`."""

    frame_id: str = Field(description="the frame it is in")
    kind: Kind = Field(description='"missing", "double", "place", "category" or "invented"')
    category: str = Field(description="what the detector sees; of an invented object what is labelled")
    labelled: str | None = Field(description="what is labelled there; null: nothing")
    object_index: int | None = Field(description="of the label in its frame; null: there is none")
    box: list[float] = Field(min_length=4, max_length=4, description="proposed: x1, y1, x2, y2, px")
    score: float | None = Field(description="of the detection; null of an invented object")
    agree: int = Field(ge=0, description="other detectors that say the same")
    others: int = Field(ge=0, description="other detectors that judged the frame")
    sure: Fraction = Field(description="how likely it is a label error, roughly")
    at_stake: Fraction = Field(description="what mAP50 would gain if the label were corrected")

    @property
    def rank(self) -> float:
        return self.sure * self.at_stake


@dataclass
class _Found:
    """A suspect on its way: `row` of the category's ranking that its detection has (-1: none), and the labels
    (from 1) of the detection and of the object (0: none)."""

    suspect: Suspect
    sees: int
    label: int
    row: int
    box: np.ndarray
    weight: float = 1.0
    peers: tuple[int, int, int] | None = None
    agree: int = 0
    others: int = 0


@dataclass
class _Ranking:
    """A category's judged detections, and how many objects it has."""

    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    objects: int = 0


def find_suspects(
    evaluations: Sequence[Judged], categories: Sequence[str], most: int | None = None
) -> list[Suspect]:
    """Suspected label errors of the frames of the first evaluation, the worthiest first; `most` of them.

    `categories` are the detector's, in label order. The other evaluations (earlier cycles, a twin, other
    seeds) only agree or not. Streams each once; holds a score a detection and the suspects. Raises UserError
    for no evaluation, and where none of the first one's detections is right: then nothing can be told.
    """
    if not evaluations:
        raise UserError("there is no evaluation to look for label errors in")
    first, *others = evaluations
    ranking = [_Ranking() for _ in categories]
    found, seen, easy = _first_pass(first, categories, ranking)
    scores = np.concatenate([np.array(one.scores) for one in ranking]) if ranking else np.zeros(0)
    right = (
        np.concatenate([np.array(one.right, dtype=bool) for one in ranking]) if ranking else np.zeros(0, bool)
    )
    if not right.any():
        raise UserError(f"{first.name}: no detection is right, so it tells nothing of the labels")
    for other in others:
        _ask(other, found)
    chances = _reliability(scores, right)
    told = []
    for one in found:
        own = one.suspect.score
        sure = one.weight * (chances(own) if own is not None else _peers(one.peers, seen, easy))
        told.append((_after(LABELS_RIGHT * min(1.0, max(0.0, sure)), one.agree, one.others), one))
    told.sort(key=lambda pair: (-pair[0], pair[1].suspect.frame_id))
    stakes = _Stakes(ranking)
    suspects = [
        one.suspect.model_copy(
            update={"sure": sure, "agree": one.agree, "others": one.others, "at_stake": stakes.of(one)}
        )
        for sure, one in told[:MOST]
    ]
    suspects.sort(key=lambda s: (-s.rank, -s.sure, s.frame_id, s.box))
    return suspects if most is None else suspects[:most]


def _first_pass(
    first: Judged, categories: Sequence[str], ranking: list[_Ranking]
) -> tuple[list[_Found], Counter[tuple[int, int, int]], Counter[tuple[int, int, int]]]:
    """Suspects; objects by (label, size, occlusion), and how many of them are found."""
    found: list[_Found] = []
    seen, easy = Counter[tuple[int, int, int]](), Counter[tuple[int, int, int]]()
    for row in first.rows():
        if row.error is not None:
            continue
        detections, objects = row.detections, row.objects
        row.check_labels(len(categories))
        fates = match(detections, objects)
        above = detections.reaching(threshold_of(row, first.threshold))
        places = np.full(len(detections), -1)
        for d in by_score(detections).tolist():
            if fates.detection_fates[d] != "ignored":
                one = ranking[detections.labels[d] - 1]
                places[d] = len(one.scores)
                one.scores.append(float(detections.scores[d]))
                one.right.append(bool(fates.detection_fates[d] == "correct"))
        for label in objects.labels[~objects.ignore].tolist():
            ranking[label - 1].objects += 1
        overlap = (
            pairwise_iou(detections.boxes, objects.boxes) if len(objects) else np.zeros((len(detections), 0))
        )
        for d in np.flatnonzero(above).tolist():
            kind = _OF_FATE.get(str(fates.detection_fates[d]))
            about = int(fates.detection_objects[d])
            if kind is None or (kind in ("place", "category") and fates.object_detections[about] != d):
                continue  # right, ignored, or another detection tells more of that object
            weight = 1.0 - float(fates.ious[d]) if kind == "double" else 1.0
            score = float(detections.scores[d])
            sees, label = int(detections.labels[d]), 0 if about < 0 else int(objects.labels[about])
            found.append(
                _Found(
                    _suspect(row, kind, categories, sees, about, detections.boxes[d], score),
                    sees, label, int(places[d]), detections.boxes[d], weight,
                )
            )  # fmt: skip
        size = attributes.size_codes(objects.height)
        hidden = attributes.occlusion_codes(objects.occlusion, objects.occlusion_level)
        explained = np.isin(fates.detection_fates, ("correct", "localization", "classification")) & above
        taken = set(fates.detection_objects[explained].tolist())
        for o in np.flatnonzero(~objects.ignore).tolist():
            label = int(objects.labels[o])
            peers = (label, int(size[o]), int(hidden[o]))
            seen[peers] += 1
            if o in taken:
                easy[peers] += 1
                continue
            near = detections.scores[overlap[:, o] >= FOREGROUND_IOU / 2]
            weight = 1.0 - float(near.max(initial=0.0))  # something is hardly seen there, after all
            found.append(
                _Found(
                    _suspect(row, "invented", categories, label, o, objects.boxes[o], None), label, label, -1,
                    objects.boxes[o], weight, peers,
                )
            )  # fmt: skip
    return found, seen, easy


def _suspect(
    row: FrameDetections,
    kind: Kind,
    categories: Sequence[str],
    sees: int,
    about: int,
    box: np.ndarray,
    score: float | None,
) -> Suspect:
    labelled = kind in ("place", "category", "invented")
    return Suspect(
        frame_id=row.frame_id,
        kind=kind,
        category=categories[sees - 1],
        labelled=categories[int(row.objects.labels[about]) - 1] if labelled else None,
        object_index=int(row.objects.index[about]) if labelled else None,
        box=[float(v) for v in box],
        score=score,
        agree=0,
        others=0,
        sure=0.0,
        at_stake=0.0,
    )


def _ask(other: Judged, found: list[_Found]) -> None:
    """Whether another evaluation says the same of each suspect."""
    by_frame: dict[str, list[_Found]] = {}
    for one in found:
        by_frame.setdefault(one.suspect.frame_id, []).append(one)
    for row in other.rows():
        if row.error is not None or row.frame_id not in by_frame:
            continue
        kept = row.detections.above(threshold_of(row, other.threshold))
        for one in by_frame[row.frame_id]:
            one.others += 1
            overlap = pairwise_iou(one.box[None], kept.boxes)[0] if len(kept) else np.zeros(0)
            least = SAME_PLACE if one.suspect.kind == "place" else FOREGROUND_IOU
            if one.suspect.kind == "invented":
                one.agree += not (overlap >= FOREGROUND_IOU).any()
            else:
                one.agree += bool(((overlap >= least) & (kept.labels == one.sees)).any())


def _after(prior: float, agree: int, others: int) -> float:
    """The probability of a label error once the others were heard."""
    real = prior * WITNESS**agree * (1 - WITNESS) ** (others - agree)
    chance = (1 - prior) * FLUKE**agree * (1 - FLUKE) ** (others - agree)
    return real / (real + chance)


def _reliability(scores: np.ndarray, right: np.ndarray) -> Callable[[float], float]:
    """How often a detection of about this score is right: by tenths of the detections, made monotone."""
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    edges = np.array([scores[part].max() for part in parts])
    shares = np.maximum.accumulate([(right[part].sum() + 0.5) / (len(part) + 1) for part in parts])
    return lambda score: float(shares[min(int(np.searchsorted(edges, score)), len(shares) - 1)])


def _peers(
    peers: tuple[int, int, int] | None,
    seen: Counter[tuple[int, int, int]],
    easy: Counter[tuple[int, int, int]],
) -> float:
    """How often objects like one that nothing finds are found, itself left out."""
    assert peers is not None
    return easy[peers] / (seen[peers] + 1)


class _Stakes:
    """AP at IoU 0.5 of each category, and what it would be with one label corrected."""

    def __init__(self, ranking: Sequence[_Ranking]) -> None:
        self._sorted: list[np.ndarray] = []
        self._place: list[np.ndarray] = []
        for one in ranking:
            order = np.argsort(-np.array(one.scores), kind="stable")
            place = np.empty(len(order), dtype=np.int64)
            place[order] = np.arange(len(order))
            self._sorted.append(np.array(one.right, dtype=np.uint8)[order])
            self._place.append(place)
        self._objects = [one.objects for one in ranking]
        self._known = sum(count > 0 for count in self._objects)
        self._base = [self._ap(k, self._sorted[k], count) for k, count in enumerate(self._objects)]

    @staticmethod
    def _ap(k: int, right: np.ndarray, objects: int) -> float:
        return interpolated_precision(right, objects) if objects > 0 else 0.0

    def of(self, one: _Found) -> float:
        """The gain in mAP, at least 0; of a category that would be left without objects 0."""
        changed: dict[int, float] = {}
        sees, label, kind = one.sees - 1, one.label - 1, one.suspect.kind
        if kind == "invented":
            if self._objects[label] > 1:
                changed[label] = self._ap(label, self._sorted[label], self._objects[label] - 1)
        else:
            right = self._sorted[sees].copy()
            right[self._place[sees][one.row]] = 1
            more = 0 if kind == "place" else 1
            changed[sees] = self._ap(sees, right, self._objects[sees] + more)
            if kind == "category" and self._objects[label] > 1:
                changed[label] = self._ap(label, self._sorted[label], self._objects[label] - 1)
        gain = sum(ap - self._base[k] for k, ap in changed.items())
        return min(1.0, max(0.0, gain / max(1, self._known)))


def question(suspect: Suspect) -> str:
    """A suspect in a sentence."""
    what = {
        "missing": f"{suspect.category} without a label?",
        "double": f"a second {suspect.category} without a label?",
        "place": f"is the box of this {suspect.labelled} shifted?",
        "category": f"{suspect.labelled}, or {suspect.category}?",
        "invented": f"is there a {suspect.labelled}?",
    }[suspect.kind]
    seen = "" if suspect.score is None else f", score {suspect.score:.2f}"
    return f"{what} ({suspect.agree} of {suspect.others} other detectors agree{seen})"
