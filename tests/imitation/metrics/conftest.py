"""Random evaluated frames, with everything that AP has rules about."""

from collections.abc import Callable

import numpy as np
import pytest

from imitation.evaluation.detections import ANY_LABEL, Detections, FrameDetections, GroundTruth

CATEGORIES = ("car", "van", "person")


def random_frame(rng: np.random.Generator, frame_id: str, most: int = 8, objects: int = 5) -> FrameDetections:
    """A frame with up to `objects` objects (some ignored) and `most` detections around them or not.

    Coordinates are multiples of 4 and scores of 0.1, so that equal overlaps and scores are common.
    """

    def boxes(count: int) -> np.ndarray:
        corner = rng.integers(0, 25, (count, 2)) * 4
        return np.concatenate([corner, corner + rng.integers(2, 10, (count, 2)) * 4], axis=1).astype(float)

    true = boxes(int(rng.integers(0, objects + 1)))
    ignore = rng.random(len(true)) < 0.25
    labels = rng.integers(1, len(CATEGORIES), len(true))  # never the last: a category without objects
    labels[ignore & (rng.random(len(true)) < 0.4)] = ANY_LABEL
    found = boxes(int(rng.integers(0, most + 1)))
    near = np.flatnonzero(rng.random(len(found)) < 0.7) if len(true) else np.zeros(0, dtype=int)
    found[near] = (
        true[rng.integers(0, max(len(true), 1), len(near))] + rng.integers(-2, 3, (len(near), 4)) * 4
    )
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 4)
    return FrameDetections(
        frame_id=frame_id,
        split="val",
        detector="d",
        width=200,
        height=200,
        detections=Detections(
            found, rng.integers(1, 10, len(found)) / 10, rng.integers(1, len(CATEGORIES) + 1, len(found))
        ),
        objects=GroundTruth(true, labels, ignore),
    )


@pytest.fixture
def categories() -> tuple[str, ...]:
    return CATEGORIES


@pytest.fixture
def random_rows() -> Callable[..., list[FrameDetections]]:
    def make(seed: int, frames: int, most: int = 8, objects: int = 5) -> list[FrameDetections]:
        rng = np.random.default_rng(seed)
        return [random_frame(rng, f"{i:05d}", most, objects) for i in range(frames)]

    return make
