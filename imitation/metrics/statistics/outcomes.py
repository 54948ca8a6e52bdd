"""What stays of an evaluation for slices, intervals and comparisons: compact arrays, no pixels.

Each row is matched once; then 20 bytes a detection, 30 an object and 20 (and its id) a frame are all
that is kept, and every statistic on a resample of the frames is a matter of weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imitation.common.settings import UserError
from imitation.evaluation import attributes
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.matching import FOREGROUND_IOU, match
from imitation.metrics.coco_matching import match_frames
from imitation.metrics.columns import Columns, ranks
from imitation.metrics.curves import Curve

CHUNK = 64
MAX_WORDS = 64
"""A condition of more values is a name or a time of each frame, and no slice."""
BOX = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One detector on F frames, compact. Detections stand best first, as COCO ranks them.

    `frames` their ids (`unreadable`: those with an error); `sequences`; `counts` int64 (F, 4): correct
    detections, judged detections, objects, failures, at the operating threshold. Detections: `score`,
    `frame`, `label`, `found` and `excused` (bit t: a true positive, or not judged, at `thresholds[t]`),
    `about` (the object found at thresholds[0], -1), `size`, `edge` (codes).
    Objects that are to be found: `of_object`, frame, label, `found` at the operating threshold, codes, and
    the box, px, as `BOX`: two evaluations can be compared only if their objects are the same.
    """

    categories: tuple[str, ...]
    thresholds: np.ndarray
    frames: list[str]
    unreadable: tuple[str, ...]
    sequences: list[str | None]
    conditions: Mapping[str, tuple[tuple[str, ...], np.ndarray]]
    counts: np.ndarray
    of_detection: Mapping[str, np.ndarray]
    of_object: Mapping[str, np.ndarray]

    def only(self, ids: Sequence[str]) -> Outcomes:
        """The same for these frames alone, in this order. Raises KeyError for a frame that is missing."""
        place = {name: i for i, name in enumerate(self.frames)}
        picked = np.array([place[name] for name in ids], dtype=np.int64)
        number = np.full(len(self.frames), -1, dtype=np.int64)
        number[picked] = np.arange(len(picked))
        kept = number[self.of_object["frame"]] >= 0
        renumbered = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        objects = {name: values[kept] for name, values in self.of_object.items()}
        objects["frame"] = number[objects["frame"]]
        kept = number[self.of_detection["frame"]] >= 0
        detections = {name: values[kept] for name, values in self.of_detection.items()}
        detections["frame"] = number[detections["frame"]]
        detections["about"] = renumbered[detections["about"]]
        return replace(
            self,
            frames=list(ids),
            sequences=[self.sequences[i] for i in picked],
            conditions={name: (words, codes[picked]) for name, (words, codes) in self.conditions.items()},
            counts=self.counts[picked],
            of_detection=detections,
            of_object=objects,
        )

    def attributes(self) -> list[str]:
        """What slices can be cut by here: fixed ones, then conditions; none that is unknown throughout."""
        names = [*attributes.OF_OBJECTS, *(attributes.CONDITION + name for name in self.conditions)]
        return [name for name in names if set(self.words_present(name)) - {attributes.UNKNOWN}]

    def words(self, attribute: str) -> tuple[str, ...]:
        """Code -> word of an attribute. Raises UserError if there is no such attribute."""
        if attribute == "category":
            return (attributes.UNKNOWN, *self.categories)
        if attribute in attributes.WORDS:
            return attributes.WORDS[attribute]
        name = attribute.removeprefix(attributes.CONDITION)
        if attribute.startswith(attributes.CONDITION) and name in self.conditions:
            return self.conditions[name][0]
        known = [*attributes.OF_OBJECTS, *(attributes.CONDITION + name for name in self.conditions)]
        raise UserError(f"there is no attribute {attribute!r} to slice by; there are {', '.join(known)}")

    def words_present(self, attribute: str) -> list[str]:
        """The words that some object to be found has, in the attribute's order."""
        words = self.words(attribute)
        return [words[code] for code in np.unique(self.object_codes(attribute))]

    def object_codes(self, attribute: str) -> np.ndarray:
        """The attribute's code of each object, (M,)."""
        if attribute == "category":
            return self.of_object["label"]
        if attribute in attributes.WORDS:
            return self.of_object[attribute]
        return self._codes(attribute)[self.of_object["frame"]]

    def detection_codes(self, attribute: str) -> np.ndarray | None:
        """The attribute's code of each detection, (N,); None if detections have no such attribute."""
        if attribute == "category":
            return self.of_detection["label"]
        if attribute in attributes.OF_DETECTIONS:
            return self.of_detection[attribute]
        if attribute in attributes.WORDS:
            return None
        return self._codes(attribute)[self.of_detection["frame"]]

    def frame_codes(self, attribute: str) -> np.ndarray | None:
        """The attribute's code of each frame, (F,); None if frames have none: it is no condition."""
        return self._codes(attribute) if attribute.startswith(attributes.CONDITION) else None

    def _codes(self, attribute: str) -> np.ndarray:
        return self.conditions[attribute.removeprefix(attributes.CONDITION)][1]

    def curve(self, label: int, threshold: int = 0) -> Curve | None:
        """The curve of one category at `thresholds[threshold]`; None without objects."""
        curves = self.curves(
            label, threshold, np.zeros(len(self.of_object["frame"]), dtype=np.uint8), None, [0]
        )
        return curves[0]

    def slice_curves(self, attribute: str, label: int, codes: Sequence[int]) -> list[Curve | None]:
        """The curve of one category in each slice, at thresholds[0]; None where it has no object.

        Detections that found an object of another slice are not judged; false positives count in the
        slice that they have the attribute of, or, where only objects have it, in every slice.
        """
        return self.curves(label, 0, self.object_codes(attribute), self.detection_codes(attribute), codes)

    def curves(
        self, label: int, t: int, objects: np.ndarray, detections: np.ndarray | None, codes: Sequence[int]
    ) -> list[Curve | None]:
        """A curve for each code: `objects` (M,) and `detections` (N,) are codes, None: false positives
        count for all."""
        table = self.of_detection
        own = np.flatnonzero(table["label"] == label)
        hit = (table["found"][own] >> t & 1).astype(bool)
        hits, misses = own[hit], own[~hit & (table["excused"][own] >> t & 1 == 0)]
        misses = (
            misses[: np.searchsorted(misses, hits[-1])] if len(hits) else misses[:0]
        )  # later ones change nothing
        mine = self.of_object["label"] == label
        hit_codes = objects[table["about"][hits]] if t == 0 else np.zeros(len(hits), dtype=np.uint8)
        result: list[Curve | None] = []
        shared = table["frame"][misses].astype(np.int64)
        for code in codes:
            of_slice = self.of_object["frame"][mine & (objects == code)].astype(np.int64)
            if not len(of_slice):
                result.append(None)
                continue
            chosen = hits[hit_codes == code]
            these, frames = misses, shared
            if detections is not None:
                these = misses[detections[misses] == code]
                frames = table["frame"][these].astype(np.int64)
            before = np.searchsorted(these, chosen)
            result.append(Curve(table["frame"][chosen].astype(np.int64), before, frames, of_slice))
        return result


class OutcomeBuilder:
    """Adds frames one by one, then gives their `Outcomes`.

    `thresholds` are the IoUs at which detections are matched as COCO does, at most 16. Raises ValueError
    for a label beyond the categories.
    """

    def __init__(self, categories: Sequence[str], thresholds: Sequence[float] = (FOREGROUND_IOU,)) -> None:
        self._categories = tuple(categories)
        self._thresholds = np.asarray(thresholds, dtype=np.float64)
        self._frames: list[str] = []
        self._unreadable: list[str] = []
        self._sequences: list[str | None] = []
        self._conditions = _Conditions()
        self._per_frame = Columns(correct="i4", judged="i4", objects="i4", failures="i4")
        self._detections = Columns(
            score="f4", frame="u4", label="u2", found="u2", excused="u2", about="i4", size="u1", edge="u1"
        )
        self._objects = Columns(
            frame="u4", label="u2", found="u1", size="u1", occlusion="u1", truncation="u1", distance="u1",
            edge="u1", **dict.fromkeys(BOX, "f4"),
        )  # fmt: skip
        self._count = 0  # objects to be found so far
        self._pending: list[tuple[FrameDetections, np.ndarray]] = []

    def add(self, row: FrameDetections, threshold: Cutoff) -> None:
        """Takes in one frame, with its detector's operating threshold; one with an `error` counts nothing."""
        if row.error is not None:
            self._unreadable.append(row.frame_id)
            return
        detections, objects = row.detections, row.objects
        row.check_labels(len(self._categories))
        self._frames.append(row.frame_id)
        self._sequences.append(row.sequence)
        self._conditions.add(row.conditions or {})
        fates = match(detections.above(threshold), objects)
        real = np.flatnonzero(~objects.ignore)
        correct = int((fates.detection_fates == "correct").sum())
        judged = int((fates.detection_fates != "ignored").sum())
        wrong = judged - correct + int((fates.object_fates == "missed").sum())
        self._per_frame.extend(correct=[correct], judged=[judged], objects=[len(real)], failures=[wrong])
        self._pending.append((row, fates.object_fates == "found"))
        if len(self._pending) == CHUNK:
            self._flush()

    def result(self) -> Outcomes:
        """The outcomes of the frames so far; more may be added after."""
        self._flush()
        raw = self._detections.arrays()
        order = np.lexsort((ranks(self._frames)[raw["frame"]], -raw["score"]))
        per_frame = self._per_frame.arrays()
        return Outcomes(
            categories=self._categories,
            thresholds=self._thresholds,
            frames=list(self._frames),
            unreadable=tuple(self._unreadable),
            sequences=list(self._sequences),
            conditions=self._conditions.codes(),
            counts=np.stack(
                [per_frame[n] for n in ("correct", "judged", "objects", "failures")], axis=1
            ).astype(np.int64),
            of_detection={name: values[order] for name, values in raw.items()},
            of_object=self._objects.arrays(),
        )

    def _flush(self) -> None:
        if not self._pending:
            return
        rows = [row for row, _ in self._pending]
        first = len(self._frames) - len(rows)
        widths = np.array([row.width for row in rows], dtype=np.float64)
        matched = match_frames(rows, self._thresholds)
        boxes = np.concatenate([row.detections.boxes for row in rows])[matched.rows]
        real = np.concatenate([~row.objects.ignore for row in rows])
        number = np.append(np.where(real, np.cumsum(real) - 1 + self._count, -1), -1)
        self._count += int(real.sum())
        self._detections.extend(
            score=matched.scores,
            frame=first + matched.frames,
            label=matched.labels,
            found=matched.found,
            excused=matched.not_judged,
            about=number[matched.about],
            size=attributes.size_codes(boxes[:, 3] - boxes[:, 1]),
            edge=attributes.edge_codes(boxes, widths[matched.frames]),
        )

        def known(name: str) -> np.ndarray:
            return np.asarray(np.concatenate([getattr(row.objects, name) for row in rows])[real])

        of_frame = np.repeat(np.arange(len(rows)), [len(row.objects) for row in rows])[real]
        boxes = known("boxes")
        self._objects.extend(
            frame=first + of_frame,
            label=known("labels"),
            found=np.concatenate([found for _, found in self._pending])[real],
            size=attributes.size_codes(known("height")),
            occlusion=attributes.occlusion_codes(known("occlusion"), known("occlusion_level")),
            truncation=attributes.truncation_codes(known("truncation")),
            distance=attributes.distance_codes(known("distance")),
            edge=attributes.edge_codes(boxes, widths[of_frame]),
            **dict(zip(BOX, boxes.T)),
        )
        self._pending = []


class _Conditions:
    """The conditions of many frames: each different set once, and a number a frame."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}
        self._of_frame = bytearray()

    def add(self, conditions: Mapping[str, str]) -> None:
        key = tuple(sorted(conditions.items()))
        number = self._numbers.setdefault(key, len(self._numbers))
        self._of_frame += number.to_bytes(4, "little")

    def codes(self) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        """Condition -> (words, code of each frame); frames that do not say it are `UNKNOWN`."""
        of_frame = np.frombuffer(bytes(self._of_frame), dtype="<u4")
        sets = [dict(key) for key in self._numbers]
        result = {}
        for name in sorted({name for known in sets for name in known}):
            said = [known.get(name, attributes.UNKNOWN) for known in sets]
            words = sorted(set(said) - {attributes.UNKNOWN})
            if len(words) <= MAX_WORDS:
                words.append(attributes.UNKNOWN)
                of_set = np.array([words.index(word) for word in said], dtype=np.uint8)
                result[name] = (tuple(words), of_set[of_frame])
        return result
