"""The gallery: failures, drawn at random, with the synthetic frames that were rendered for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from imitation.common.settings import DataError
from imitation.data.boxes import pairwise_iou
from imitation.data.records import SCHEMA, Box, Frame
from imitation.datasets.parquet.files import read_frames
from imitation.datasets.parquet.store import FrameStore
from imitation.diagnosis.label_errors import Suspect
from imitation.evaluation.failures import Failure, read_failures
from imitation.evaluation.matching import FOREGROUND_IOU
from imitation.report.words import kind_name

MAX_SYNTHETIC = 3
LABELS = tuple(name for name in SCHEMA.names if name != "image")


@dataclass(frozen=True)
class GalleryItem:
    """A failure, the frame it happened in, and frames rendered for it, all with their images.

    `verdict` says what a later evaluation made of the same object; None where none was given.
    `drawn_from` is the number of failures that the draw was among.
    """

    failure: Failure
    parent: Frame
    synthetic: tuple[Frame, ...]
    verdict: str | None = None
    drawn_from: int = 0


def collect_gallery(
    failures_uri: str,
    real_uri: str,
    synthetic_uris: Sequence[str],
    count: int,
    rng: np.random.Generator,
    *,
    later_failures_uri: str | None = None,
    shown: set[str] | None = None,
) -> list[GalleryItem]:
    """`count` failures (fewer where there are not as many), drawn by `rng` among all that had frames rendered
    for them, of different frames as far as there are any (`drawn_apart`); the same draw whatever the order
    of rows in the files. `shown`: frames that the page has already, which come last; grows by those drawn.

    `failures_uri` is the Parquet file of one evaluation (`FAILURES_SCHEMA`), `synthetic_uris` the
    frames that were rendered for that same evaluation: failure ids are unique in it alone.
    `later_failures_uri`, of a later evaluation of the same frames, gives the verdicts. Labels are
    streamed and images read for the chosen frames alone.

    Raises DataError if a chosen failure's frame is not in `real_uri`, and as `read_frames` does.
    """
    rendered = _rendered(synthetic_uris)
    candidates = _candidates(failures_uri, rendered)
    failures = drawn_apart(candidates, count, rng, set() if shown is None else shown)
    parents = _with_images([real_uri], {failure.frame_id for failure in failures})
    if missing := sorted({failure.frame_id for failure in failures} - parents.keys()):
        raise DataError(real_uri, f"has no frame {missing[0]!r}, in which {failures_uri} has a failure")
    wanted = {frame_id for failure in failures for frame_id in rendered[failure.failure_id]}
    synthetic = _with_images(synthetic_uris, wanted)
    later = None if later_failures_uri is None else _later(later_failures_uri, parents)
    return [
        GalleryItem(
            failure,
            parents[failure.frame_id],
            tuple(synthetic[frame_id] for frame_id in rendered[failure.failure_id]),
            None if later is None else verdict(failure, later.get(failure.frame_id, ())),
            len(candidates),
        )
        for failure in failures
    ]


def collect_suspects(
    suspects: Sequence[Suspect], real_uri: str, count: int, rng: np.random.Generator
) -> list[GalleryItem]:
    """`count` suspected label errors (fewer where there are not as many), drawn by `rng`, of different frames
    as far as there are any; the most confident first, each with its frame. The verdict says who made the
    detection.

    Raises DataError if a chosen one's frame is not in `real_uri`, and as `read_frames` does.
    """
    chosen = drawn_apart(suspects, count, rng, set())
    parents = _with_images([real_uri], {suspect.frame_id for suspect in chosen})
    if missing := sorted({suspect.frame_id for suspect in chosen} - parents.keys()):
        raise DataError(real_uri, f"has no frame {missing[0]!r}, in which a label error is suspected")
    return [
        GalleryItem(
            _as_failure(suspect),
            parents[suspect.frame_id],
            (),
            f"made by {', '.join(suspect.evaluations)}",
            len(suspects),
        )
        for suspect in chosen
    ]


class _InFrame(Protocol):
    @property
    def frame_id(self) -> str: ...


T = TypeVar("T", bound=_InFrame)


def drawn_apart(items: Sequence[T], count: int, rng: np.random.Generator, shown: set[str]) -> list[T]:
    """`count` of the things (fewer where there are not as many), in their own order, drawn by `rng` so that
    no frame comes twice while there are others: of each frame one at random, then of the rest. Frames in
    `shown` count as drawn already; it grows by those drawn."""
    order = rng.permutation(len(items)).tolist()
    first: list[int] = []
    rest: list[int] = []
    for i in order:
        new = items[i].frame_id not in shown
        shown.add(items[i].frame_id)
        (first if new else rest).append(i)
    chosen = sorted([*first, *rest][:count])
    shown -= {items[i].frame_id for i in first} - {items[i].frame_id for i in chosen}
    return [items[i] for i in chosen]


def _as_failure(suspect: Suspect) -> Failure:
    box = Box(*suspect.box)
    return Failure(
        failure_id=suspect.failure_id,
        frame_id=suspect.frame_id,
        split="",
        detector=suspect.evaluations[0],
        kind="background",
        category=None,
        predicted=suspect.predicted,
        object_index=None,
        object_box=None,
        detection_box=box,
        score=suspect.score,
        iou=0.0,
        height_px=box.height,
    )


def _rendered(uris: Iterable[str]) -> dict[str, list[str]]:
    """Failure id -> the first `MAX_SYNTHETIC` frames, by id, that were rendered for it."""
    by_failure: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        for frame in read_frames(uri, ("frame_id", "origin")):
            if frame.origin is not None:
                for failure_id in frame.origin.failures:
                    by_failure[failure_id] = sorted([*by_failure[failure_id], frame.frame_id])[:MAX_SYNTHETIC]
    return by_failure


def _candidates(uri: str, rendered: Mapping[str, object]) -> list[Failure]:
    by_id: dict[str, Failure] = {}
    for failure in read_failures(uri):
        if failure.failure_id in rendered:
            known = by_id.get(failure.failure_id)
            if known is None or failure.detector < known.detector:
                by_id[failure.failure_id] = failure
    return [by_id[failure_id] for failure_id in sorted(by_id)]


def _with_images(uris: Sequence[str], wanted: set[str]) -> dict[str, Frame]:
    """The wanted frames, image bytes included where the file holds them."""
    frames_by_id: dict[str, Frame] = {}
    for uri in uris if wanted else ():
        places = {
            frame.frame_id: (row, frame)
            for row, frame in enumerate(read_frames(uri, LABELS))
            if frame.frame_id in wanted
        }
        if not places:
            continue
        store = FrameStore(uri, ("frame_id",))  # its rows are in `read_frames`' order
        for frame_id, (row, frame) in sorted(places.items(), key=lambda item: item[1][0]):
            data = store.image_bytes(row)
            frames_by_id[frame_id] = frame if data is None else replace(frame, image=data, image_uri=None)
    return frames_by_id


def _later(uri: str, parents: Mapping[str, Frame]) -> dict[str, list[Failure]]:
    by_frame: dict[str, list[Failure]] = defaultdict(list)
    for failure in read_failures(uri):
        if failure.frame_id in parents:
            by_frame[failure.frame_id].append(failure)
    return by_frame


def verdict(failure: Failure, later: Sequence[Failure]) -> str:
    """The status of a failure, given the later evaluation's failures in the same frame."""
    if failure.kind == "background":
        same = [f for f in later if f.kind == "background" and _overlap(failure, f) >= FOREGROUND_IOU]
        return "still detected" if same else "no longer detected"
    again = [f for f in later if f.object_index is not None and f.object_index == failure.object_index]
    if failure.kind == "duplicate":
        return "still found twice" if any(f.kind == "duplicate" for f in again) else "no longer found twice"
    wrong = sorted({f.kind for f in again if f.kind != "duplicate"})
    return f"still wrong: {', '.join(map(kind_name, wrong))}" if wrong else "now found"


def _overlap(one: Failure, other: Failure) -> float:
    if one.detection_box is None or other.detection_box is None:
        return 0.0
    return float(pairwise_iou(np.array([one.detection_box]), np.array([other.detection_box]))[0, 0])
