"""Boxes that are not what COCO says: corners in place of sizes, or shares of the image in place of pixels."""

from __future__ import annotations

import numpy as np

from imitation.common.settings import DataError
from imitation.datasets.coco.index import CocoIndex
from imitation.datasets.common.box_forms import misread_boxes

LARGEST_WHOLE = 1.05
"""Shares up to which a box ends in its image."""


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
    if (said := misread_boxes(index.boxes, index.sizes[owners])) is not None:
        raise DataError(index.uri, said)
