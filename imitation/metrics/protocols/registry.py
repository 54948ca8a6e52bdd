"""The benchmarks' own counts, by name: what a dataset names as its `protocol`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from imitation.common.registry import Registry

if TYPE_CHECKING:
    from imitation.evaluation.detections import FrameDetections

Protocol = Callable[[Iterable["FrameDetections"], Sequence[str]], dict[str, Any]]
"""From the evaluated rows of a split and the detector's categories to plain data for JSON."""

PROTOCOLS: Registry[Protocol] = Registry(
    "protocol",
    "a dataset's protocol",
    {
        "kitti": "imitation.metrics.protocols.kitti:of_rows",
        "waymo": "imitation.metrics.protocols.waymo:of_rows",
    },
)
