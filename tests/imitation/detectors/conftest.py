"""Tiny images that a detector can learn in seconds."""

from collections.abc import Callable

import numpy as np
import pytest

from imitation.training.samples import ArraySource

WIDTH, HEIGHT = 128, 96
COLOURS = {1: (220, 40, 40), 2: (40, 60, 220)}


def draw(rng: np.random.Generator) -> tuple[np.ndarray, tuple]:
    """Noise with one to three red (1) or blue (2) rectangles, 14 to 60 px a side, that do not touch."""
    image = rng.integers(70, 110, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    boxes, labels = [], []
    for left in rng.permutation([0, 44, 88])[: rng.integers(1, 4)]:
        width, height = rng.integers(14, 38), rng.integers(14, 60)
        x, y = left + rng.integers(0, 40 - width), rng.integers(0, HEIGHT - height)
        label = int(rng.integers(1, 3))
        image[y : y + height, x : x + width] = COLOURS[label]
        boxes.append((x, y, x + width, y + height))
        labels.append(label)
    count = len(boxes)
    occlusion = np.full(count, np.nan, dtype=np.float32)
    return image, (np.array(boxes, np.float32), np.array(labels), np.zeros(count, bool), occlusion)


@pytest.fixture
def toy() -> Callable[[int, int], ArraySource]:
    """`toy(count, seed)`: that many tiny images as a training source."""

    def make(count: int, seed: int) -> ArraySource:
        rng = np.random.default_rng(seed)
        pairs = [draw(rng) for _ in range(count)]
        return ArraySource([image for image, _ in pairs], [targets for _, targets in pairs])

    return make
