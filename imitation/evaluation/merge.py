"""Evaluations of different frames put together, as if they had been made in one.

Everything that is said of an evaluation follows from its rows, one a frame and detector, so that merging is
writing the rows of all into one file: parts of a large set that were evaluated on different days or machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from imitation.common import storage
from imitation.common.settings import UserError
from imitation.common.texts import shown
from imitation.evaluation.detection_files import (
    FILE,
    evaluation_uri,
    read_categories,
    read_detections,
    write_detections,
)
from imitation.evaluation.detections import FrameDetections

METRICS = "metrics.json"


def merge(places: Sequence[str], out: str) -> int:
    """Writes the rows of several evaluations into the folder `out`; returns their number.

    Where all tell the same operating threshold, so does the merged one. Memory holds a few hundred frames,
    and some tens of bytes for each that was read.
    Raises UserError for a place that is no evaluation, for categories that differ, for a frame of a split
    that two of them judge by the same detector, and if `out` holds an evaluation already.
    """
    target = storage.join(out, FILE)
    if storage.exists(target):
        raise UserError(f"{out}: holds an evaluation already; name a new folder")
    uris = [evaluation_uri(place) for place in places]
    categories = [read_categories(uri) for uri in uris]
    for place, names in zip(places, categories):
        if names != categories[0]:
            raise UserError(
                f"{places[0]} and {place} have different categories ({', '.join(categories[0])} / "
                f"{', '.join(names)}): merge evaluations of the same categories in the same order"
            )
    count = write_detections(_rows(uris), target, categories[0])
    thresholds = [_threshold(uri) for uri in uris]
    if thresholds[0] and all(other == thresholds[0] for other in thresholds):
        storage.write_json(storage.join(out, METRICS), thresholds[0])
    return count


def _rows(uris: Sequence[str]) -> Iterator[FrameDetections]:
    seen: set[bytes] = set()
    for uri in uris:
        for row in read_detections(uri):
            identity = "\0".join((row.split, row.detector, row.frame_id)).encode("utf-8", "surrogatepass")
            key = hashlib.blake2b(identity, digest_size=12).digest()
            if key in seen:
                raise UserError(
                    f"{uri}: frame {shown(row.frame_id)} of split {row.split!r} was already judged by the "
                    f"detector {row.detector!r}; merge evaluations of different frames"
                )
            seen.add(key)
            yield row


def _threshold(uri: str) -> dict[str, Any]:
    """The operating threshold that an evaluation tells, and those of categories with their own; nothing if it
    tells none."""
    place = storage.join(storage.parent(uri), METRICS)
    metrics = storage.read_json(place) if storage.exists(place) else None
    value = metrics.get("threshold") if isinstance(metrics, dict) else None
    if metrics is None or not isinstance(value, int | float):
        return {}
    own = metrics.get("thresholds")
    return {"threshold": float(value)} | ({"thresholds": own} if own else {})
