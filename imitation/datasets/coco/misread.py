"""Boxes that are not what COCO says: corners in place of sizes, or shares of the image in place of pixels."""

from __future__ import annotations

import numpy as np

from imitation.common.settings import DataError
from imitation.datasets.coco.index import CocoIndex

LEAST = 5  # boxes that all have to say the same
SLACK = 2.0  # px by which a box may leave its image
LEAVING = 0.2  # share of boxes that leave their image as sizes, where they are corners
LARGEST_WHOLE = 1.05  # shares up to which a box ends in its image
LARGEST_SHARE = 1.5  # px; where no box reaches farther, none is of anything to be seen


def layout_of_boxes(index: CocoIndex) -> str:
    """How the file's boxes are written, in the words of `data.options.boxes`. Shares that could be both are
    corner and size, as COCO has it."""
    try:
        refuse_other_boxes(index)
    except DataError as error:
        if not error.what.endswith("xyxy_shares"):
            return "xyxy"
        boxes = index.boxes[(index.boxes[:, 2:] > 0).all(axis=1)]
        corners = bool((boxes[:, 2:] > boxes[:, :2]).all())
        leaving = bool((boxes[:, :2] + boxes[:, 2:] > LARGEST_WHOLE).any())
        return "xyxy_shares" if corners and leaving else "xywh_shares"
    return "xywh"


def refuse_other_boxes(index: CocoIndex) -> None:
    """Raises `DataError` where the file's boxes as a whole make sense as corners or shares, and not as x, y,
    width, height in px."""
    owners = np.repeat(np.arange(len(index.names)), np.diff(index.starts))
    sizes = index.sizes[owners].astype(float)
    sound = (index.boxes[:, 2:] > 0).all(axis=1)
    boxes, sizes = index.boxes[sound], sizes[sound]
    if len(boxes) < LEAST:
        return
    if boxes.max() <= LARGEST_SHARE and boxes.min() >= -LARGEST_SHARE:
        raise _misread(
            index, boxes, "are shares of the image (0 to 1), no pixels", "xywh_shares or xyxy_shares"
        )
    known = (sizes > 0).all(axis=1)
    if not known.all():
        return
    corners = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (boxes[:, 2:] <= sizes + SLACK).all(axis=1)
    leaving = (boxes[:, :2] + boxes[:, 2:] > sizes + SLACK).any(axis=1)
    if corners.all() and leaving.mean() >= LEAVING:
        what = (
            f"are two corners (xyxy), no corner and size: read so, {leaving.sum():,} of {len(boxes):,} leave "
        )
        raise _misread(index, boxes[leaving], what + "their image", "xyxy")


def _misread(index: CocoIndex, boxes: np.ndarray, what: str, option: str) -> DataError:
    return DataError(
        index.uri, f"its boxes, such as {boxes[0].tolist()}, {what}; set data.options.boxes to {option}"
    )
