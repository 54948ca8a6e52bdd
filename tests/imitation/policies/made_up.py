"""Made-up failures."""

from dataclasses import replace

from imitation.data.records import Box
from imitation.evaluation.failures import Failure


def failure(frame="f0", kind="missed", category="car", index=0, **changes):
    thing = kind == "background"
    return replace(
        Failure(
            failure_id=f"{frame}#{kind}-{index}",
            frame_id=frame,
            split="mine",
            detector="fold-0",
            kind=kind,
            category=None if thing else category,
            predicted="car",
            object_index=None if thing else index,
            object_box=None if thing else Box(0, 0, 10, 40),
            detection_box=Box(5, 5, 20, 30),
            score=0.5,
            iou=0.0,
            height_px=40.0,
        ),
        **changes,
    )
