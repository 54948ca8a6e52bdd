"""The four numbers of a box, as people write them, and boxes that are read as what they are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from imitation.data.records import Box

BoxForm = Literal["xywh", "xyxy", "xywh_shares", "xyxy_shares"]
BOX_FORMS = (
    "what the four numbers of a bbox are: left upper corner and size (COCO's), or two corners; in px, or as "
    "shares of the image's width and height"
)
LEAST = 5  # boxes that all have to say the same
SLACK = 2.0  # px by which a box may leave its image
LEAVING = 0.2  # share of boxes that leave their image as sizes, where they are corners
LARGEST_SHARE = 1.5  # px; where no box reaches farther, none is of anything to be seen


def box_of(four: Sequence[float], form: BoxForm, width: int, height: int) -> Box:
    """Four numbers as a box of an image of that size, px."""
    x, y, right, bottom = four
    if form.startswith("xywh"):
        right, bottom = x + right, y + bottom
    if form.endswith("shares"):
        x, y, right, bottom = x * width, y * height, right * width, bottom * height
    return Box(x, y, right, bottom)


def misread_boxes(boxes: np.ndarray, sizes: np.ndarray) -> str | None:
    """What is wrong with boxes (N, 4) that are taken for x, y, width, height in px, and make sense as a whole
    as corners or shares alone; None where nothing is. `sizes` (N, 2) are those of their images, px, 0 where
    they are not known."""
    sound = (boxes[:, 2:] > 0).all(axis=1)
    boxes, sizes = boxes[sound], sizes[sound].astype(float)
    if len(boxes) < LEAST:
        return None
    if boxes.max() <= LARGEST_SHARE and boxes.min() >= -LARGEST_SHARE:
        what = "are shares of the image (0 to 1), no pixels"
        return _said(boxes, what, "xywh_shares or xyxy_shares")
    if not (sizes > 0).all():
        return None
    corners = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (boxes[:, 2:] <= sizes + SLACK).all(axis=1)
    leaving = (boxes[:, :2] + boxes[:, 2:] > sizes + SLACK).any(axis=1)
    if corners.all() and leaving.mean() >= LEAVING:
        what = (
            f"are two corners (xyxy), no corner and size: read so, {leaving.sum():,} of {len(boxes):,} leave "
        )
        return _said(boxes[leaving], what + "their image", "xyxy")
    return None


def _said(boxes: np.ndarray, what: str, option: str) -> str:
    return f"its boxes, such as {boxes[0].tolist()}, {what}; set data.options.boxes to {option}"
