"""Evaluated frames of a made-up road: two detectors see the same objects, each in its own way."""

from collections.abc import Iterator

import numpy as np

from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth

CATEGORIES = ("car", "van", "person")


def evaluated(
    frames: int,
    detector_seed: int,
    *,
    hit: float = 0.75,
    split: str = "test",
    detector: str = "main",
    world_seed: int = 0,
    frames_a_sequence: int | None = None,
    first: int = 0,
) -> Iterator[FrameDetections]:
    """Frames with up to 8 objects of all kinds (a tenth ignored) and up to 12 detections; an object is
    detected with the chance `hit`. The ground truth depends on `world_seed` and the frame's number alone."""
    for i in range(first, first + frames):
        world, sight = np.random.default_rng([world_seed, i]), np.random.default_rng([detector_seed, i, 1])
        count = int(world.integers(0, 9))
        corner = world.uniform(0, [900, 300], (count, 2))
        boxes = np.concatenate([corner, corner + world.uniform(15, 200, (count, 2))], axis=1)
        labels = world.integers(1, 4, count)
        truth = GroundTruth(
            boxes,
            labels,
            ignore=world.random(count) < 0.1,
            occlusion=np.where(world.random(count) < 0.9, world.random(count), np.nan),
            truncation=world.random(count) * (world.random(count) < 0.4),
            distance=world.uniform(3, 80, count),
        )
        seen = sight.random(count) < hit
        near = boxes[seen] + sight.normal(0, 4, (int(seen.sum()), 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        corner = sight.uniform(0, [900, 300], (12 - len(near), 2))
        wrong = np.concatenate([corner, corner + sight.uniform(15, 200, (len(corner), 2))], axis=1)
        found = Detections(
            np.concatenate([near, wrong]),
            np.concatenate([sight.beta(4, 2, len(near)), sight.beta(1, 4, len(wrong))]),
            np.concatenate([labels[seen], sight.integers(1, 4, len(wrong))]),
        )
        conditions = {"weather": ("clear", "rain", "fog")[i % 3]} | ({} if i % 5 else {"lamp": "on"})
        sequence = None if frames_a_sequence is None else f"drive-{i // frames_a_sequence}"
        yield FrameDetections(
            f"{i:06d}", split, detector, 1000, 500, found, truth, sequence=sequence, conditions=conditions
        )
