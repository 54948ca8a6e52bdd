"""Names that a run gives, built and read here alone: of cycles, detectors, requests, scenes and failures.

They stand in folders, Parquet columns and summaries of finished runs, so they never change.
"""

from __future__ import annotations

import re

MAIN = "main"
"""The detector that a cycle is about."""
TWIN = "twin"
"""The baseline's twin of another seed."""
_FOLD = "fold-"
_CYCLE = re.compile(r"cycle-(\d{3,})")
_TRAIN = "train-"


def fold_name(fold: int) -> str:
    """The detector that did not train on this fold: "fold-0"."""
    return f"{_FOLD}{fold}"


def is_fold(detector: str) -> bool:
    """Whether a detector is one of those that judge the fold which they did not train on."""
    return detector.startswith(_FOLD)


def cycle_folder(cycle: int) -> str:
    """A cycle's folder in its run: "cycle-001"."""
    return f"cycle-{cycle:03d}"


def cycle_of(folder: str) -> int | None:
    """The cycle that a folder in a run is of; None for any other folder."""
    found = _CYCLE.fullmatch(folder)
    return None if found is None else int(found[1])


def train_stage(detector: str) -> str:
    """The stage that trains a cycle's detector: "train-main"."""
    return f"{_TRAIN}{detector}"


def trained_by(stage: str) -> str | None:
    """The detector that a stage trains; None for a stage that trains none."""
    return stage.removeprefix(_TRAIN) if stage.startswith(_TRAIN) else None


def request_id(cycle: int, about: str) -> str:
    """Of what a cycle asks for: about a parent frame, or "free-00012"."""
    return f"c{cycle:02d}-{about}"


def scene_id(request: str, variation: int) -> str:
    """Of a variation of a request; the frame that is rendered has the same."""
    return f"{request}-v{variation:02d}"


def request_of(scene: str) -> tuple[str, int]:
    """The request and the variation that a scene's id was made of."""
    request, _, variation = scene.rpartition("-v")
    return request, int(variation)


def missed_id(frame: str, index: int) -> str:
    """Of the failure that the frame's object of this index was missed."""
    return f"{frame}#missed-o{index}"


def failure_id(frame: str, kind: str, rank: int) -> str:
    """Of a failing detection: its kind, and its place among the frame's detections by score."""
    return f"{frame}#{kind}-d{rank}"
