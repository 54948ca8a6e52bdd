"""Boxes that are not what COCO says: corners in place of sizes, or shares of the image in place of pixels."""

from __future__ import annotations

import numpy as np

from imitation.common.settings import DataError
from imitation.datasets.coco.index import CocoIndex
from imitation.datasets.common.box_forms import misread_boxes


def refuse_other_boxes(index: CocoIndex) -> None:
    """Raises `DataError` where the file's boxes as a whole make sense as corners or shares, and not as x, y,
    width, height in px."""
    owners = np.repeat(np.arange(len(index.names)), np.diff(index.starts))
    if (said := misread_boxes(index.boxes, index.sizes[owners])) is not None:
        raise DataError(index.uri, said)
