"""Outcomes in a file: what a bootstrap needs of an evaluation, and no more. No box, no pixel.

A detection keeps its score, its frame, which IoUs it is correct at, and codes of its size and place; an
object its frame, its category and codes of what it is like. Detections that no number can depend on are left
out: those that are judged at no IoU, and, in the outcomes of one evaluation, those of a category that come
after the last correct one. What is computed from the file equals what is computed from the evaluation.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from imitation.common import storage
from imitation.common.settings import UserError
from imitation.evaluation import attributes
from imitation.metrics.columns import ranks
from imitation.metrics.statistics.outcomes import BOX, Outcomes

SUFFIX = ".npz"
_FORMAT = 1
_TEXTS = ("frames", "sequences", "unreadable", "categories", "conditions")


def write_outcomes(outcomes: Outcomes, uri: str, whole: bool) -> None:
    """Writes outcomes, compressed; `whole`: nothing will be ranked together with them (no other fold), so
    that a category's detections after its last correct one can go."""
    detections = _needed(outcomes, whole)
    texts = {
        "format": _FORMAT,
        "frames": outcomes.frames,
        "sequences": outcomes.sequences,
        "unreadable": list(outcomes.unreadable),
        "categories": list(outcomes.categories),
        "conditions": {name: list(words) for name, (words, _) in outcomes.conditions.items()},
    }
    arrays: dict[str, Any] = {
        "texts": np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8),
        "thresholds": outcomes.thresholds,
        "counts": outcomes.counts,
    }
    arrays |= {f"detection {name}": values for name, values in detections.items()}
    arrays |= {f"object {name}": v for name, v in outcomes.of_object.items() if name not in BOX}
    arrays |= {f"condition {name}": codes for name, (_, codes) in outcomes.conditions.items()}
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    storage.write_bytes_atomic(uri, packed.getvalue())


def _needed(outcomes: Outcomes, whole: bool) -> dict[str, np.ndarray]:
    table = outcomes.of_detection
    everywhere = (1 << len(outcomes.thresholds)) - 1
    kept = (table["found"] > 0) | ((table["excused"] & everywhere) != everywhere)
    if whole:
        place = np.arange(len(kept))
        for label in range(1, len(outcomes.categories) + 1):
            own = table["label"] == label
            hits = np.flatnonzero(own & (table["found"] > 0))
            kept &= ~own | (place <= (hits[-1] if len(hits) else -1))
    return {name: values[kept] for name, values in table.items()}


def read_outcome_file(uri: str) -> Outcomes:
    """The inverse of `write_outcomes`; objects have no boxes. Raises UserError for a file that is none."""
    try:
        with np.load(io.BytesIO(storage.read_bytes(uri)), allow_pickle=False) as packed:
            arrays = {name: packed[name] for name in packed.files}
        texts = json.loads(arrays["texts"].tobytes())
        if texts["format"] != _FORMAT:
            raise ValueError(f"its format is {texts['format']}")
        return Outcomes(
            categories=tuple(texts["categories"]),
            thresholds=arrays["thresholds"],
            frames=texts["frames"],
            unreadable=tuple(texts["unreadable"]),
            sequences=texts["sequences"],
            conditions={
                name: (tuple(words), arrays[f"condition {name}"])
                for name, words in texts["conditions"].items()
            },
            counts=arrays["counts"],
            of_detection=_group(arrays, "detection "),
            of_object=_group(arrays, "object "),
        )
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise UserError(f"{uri}: is no file of outcomes ({error})") from None


def _group(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def together(parts: Sequence[Outcomes]) -> Outcomes:
    """Outcomes of different frames as one, as if one detector had judged them all: detections are ranked
    together. Raises UserError for a frame that stands in two of them, ValueError for other categories or
    IoUs."""
    first = parts[0]
    if len(parts) == 1:
        return first
    seen: set[str] = set()
    for part in parts:
        if part.categories != first.categories or not np.array_equal(part.thresholds, first.thresholds):
            raise ValueError("outcomes of other categories, or at other IoUs")
        if twice := next((name for name in part.frames if name in seen), None):
            raise UserError(f"frame {twice!r} is in the test part of two folds")
        seen.update(part.frames)
    frames = [name for part in parts for name in part.frames]
    shifts = np.cumsum([0, *(len(part.frames) for part in parts)])
    objects = np.cumsum([0, *(len(part.of_object["frame"]) for part in parts)])
    detection_tables, object_tables = [], []
    for part, frame, about in zip(parts, shifts, objects):
        table = dict(part.of_detection)
        table["frame"] = (table["frame"].astype(np.int64) + frame).astype(table["frame"].dtype)
        found = table["about"].astype(np.int64)
        table["about"] = np.where(found < 0, -1, found + about).astype(table["about"].dtype)
        detection_tables.append(table)
        table = dict(part.of_object)
        table["frame"] = (table["frame"].astype(np.int64) + frame).astype(table["frame"].dtype)
        object_tables.append(table)
    detections = _stacked(detection_tables)
    order = np.lexsort((ranks(frames)[detections["frame"]], -detections["score"]))
    return Outcomes(
        categories=first.categories,
        thresholds=first.thresholds,
        frames=frames,
        unreadable=tuple(name for part in parts for name in part.unreadable),
        sequences=[name for part in parts for name in part.sequences],
        conditions=_conditions(parts),
        counts=np.concatenate([part.counts for part in parts]),
        of_detection={name: values[order] for name, values in detections.items()},
        of_object=_stacked(object_tables),
    )


def _stacked(tables: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    shared = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: np.concatenate([table[name] for table in tables]) for name in shared}


def _conditions(parts: Sequence[Outcomes]) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    result = {}
    for name in sorted({name for part in parts for name in part.conditions}):
        said: list[str] = []
        for part in parts:
            if name in part.conditions:
                words, codes = part.conditions[name]
                said += [words[code] for code in codes]
            else:
                said += [attributes.UNKNOWN] * len(part.frames)
        words = (*sorted(set(said) - {attributes.UNKNOWN}), attributes.UNKNOWN)
        places = {word: code for code, word in enumerate(words)}
        result[name] = (words, np.array([places[word] for word in said], dtype=np.uint8))
    return result
