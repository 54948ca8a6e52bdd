"""Suspected label errors: false detections that several detectors repeat may be unlabelled objects.

Confident learning calls labels suspect that a model confidently contradicts (Northcutt, Jiang, Chuang:
*Confident Learning*, JAIR 2021); here several detectors must, each trained anew.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Record
from imitation.diagnosis.failure_modes import threshold_of
from imitation.diagnosis.failure_tracking import Judge, same_places
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.failures import Failure, find_failures
from imitation.evaluation.matching import match_correct


class Evaluated(NamedTuple):
    """An evaluation by name ("cycle 1", "seed 1"): how to read its rows, once for each call."""

    name: str
    rows: Callable[[], Iterable[FrameDetections]]
    judge: Judge


class Suspect(Record):
    """A confident detection where no object is labelled, made by every detector that judged the frame:
    `imitation.diagnosis.label_errors`. Perhaps a missing label; never re-staged."""

    frame_id: str = Field(description="the frame it is in")
    predicted: str = Field(description="the category that the detectors see")
    score: float = Field(description="score of the first of them")
    box: list[float] = Field(min_length=4, max_length=4, description="x1, y1, x2, y2, px")
    evaluations: list[str] = Field(min_length=1, description="who made it: cycles and seeds")
    failure_id: str = Field(description="its failure in the first of them")


def suspected_label_errors(evaluations: Sequence[Evaluated], quantile: float = 0.75) -> list[Suspect]:
    """Confident false detections of the first evaluation that every other one makes again, by falling score.

    A detection is confident if it scores at least the `quantile` of all right detections of its
    evaluation (at its threshold), and it is made again where another evaluation has a `background`
    failure of the same predicted class, with an IoU of at least 0.5, of whatever score over its
    threshold. Give the evaluation that is mined first, so that ids match its failures; then earlier
    cycles and other seeds. At least one other must have judged the frame.

    Streams every evaluation once, the first twice; holds its confident false detections and four bytes
    for each right one. Raises ValueError for fewer than two evaluations or a quantile outside [0, 1].
    """
    if len(evaluations) < 2:
        raise ValueError(f"needs two evaluations to see what persists, found {len(evaluations)}")
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile is {quantile}, but must be in [0, 1]")
    first, *others = evaluations
    cut = _confident(first, quantile)
    frames: dict[str, list[Suspect]] = {}
    kept: dict[str, Failure] = {}
    for frame_id, failures in _false(first):
        confident = [failure for failure in failures if failure.score is not None and failure.score >= cut]
        if confident:
            frames[frame_id] = [_suspect(failure, first.name) for failure in confident]
            kept |= {failure.failure_id: failure for failure in confident}
    for other in others:
        for frame_id, failures in _false(other):
            if frame_id in frames:
                suspects = frames[frame_id]
                again = same_places([kept[suspect.failure_id] for suspect in suspects], failures)
                frames[frame_id] = [
                    suspect.model_copy(update={"evaluations": [*suspect.evaluations, other.name]})
                    for i, suspect in enumerate(suspects)
                    if i in again
                ]
    found = [suspect for suspects in frames.values() for suspect in suspects if len(suspect.evaluations) > 1]
    return sorted(found, key=lambda suspect: (-suspect.score, suspect.failure_id))


def _suspect(failure: Failure, name: str) -> Suspect:
    box, predicted, score = failure.detection_box, failure.predicted, failure.score
    assert box is not None
    assert predicted is not None
    assert score is not None
    return Suspect(
        frame_id=failure.frame_id,
        predicted=predicted,
        score=score,
        box=list(box),
        evaluations=[name],
        failure_id=failure.failure_id,
    )


def _confident(evaluated: Evaluated, quantile: float) -> float:
    """The score from which on a detection is confident; infinite if there is no right one."""
    scores = array("f")
    for row in evaluated.rows():
        if row.error is None:
            above = row.detections.above(threshold_of(row, evaluated.judge.threshold))
            found, _ = match_correct(above, row.objects)
            scores.frombytes(above.scores[found >= 0].tobytes())
    return float(np.quantile(np.frombuffer(scores, dtype=np.float32), quantile)) if scores else float("inf")


def _false(evaluated: Evaluated) -> Iterator[tuple[str, list[Failure]]]:
    """Frames that were judged, each with its detections on nothing."""
    judge = evaluated.judge
    for row in evaluated.rows():
        if row.error is None:
            failures = find_failures([row], threshold_of(row, judge.threshold), judge.categories)
            yield row.frame_id, [failure for failure in failures if failure.kind == "background"]
