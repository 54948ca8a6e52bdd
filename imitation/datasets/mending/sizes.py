"""Sizes of pictures that labels give wrongly: which of them are set right, and which say something else."""

from __future__ import annotations

from collections.abc import Sequence

from imitation.data.records import Box

SIZED = "sizes set to those of the pictures"
NEAR = 2  # px by which a size that is merely wrong differs
SLACK = 2.0  # px by which a box may leave its picture


def fits(said: tuple[int, int], found: tuple[int, int], boxes: Sequence[Box]) -> bool:
    """Whether labels whose size is not their picture's are the picture's all the same: the two differ by a
    rounding. Else they may be of a larger or smaller copy, or of the picture turned, where every box would be
    wrong: nobody but their maker knows."""
    near = all(abs(a - b) <= NEAR for a, b in zip(said, found))
    width, height = found
    return near and all(box.x2 <= width + SLACK and box.y2 <= height + SLACK for box in boxes)
