"""`imitate score waymo`: an emulation of Waymo's 2D detection metrics, of an evaluation.

Of a run's several detectors the main one counts, and in the mine split those of the folds, as one.

The JSON is {"protocol": a sentence, "splits": {split: {category: {level_1, level_2, objects_level_1,
objects_level_2, iou}}}}, AP in fractions of 1; the table is in points of 100.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from imitation.common.text_table import Table, format_table
from imitation.evaluation.detection_files import evaluation_uri, read_categories, read_detections
from imitation.metrics.protocols.waymo import WaymoAP, WaymoAveragePrecision
from imitation.metrics.statistics.evaluation_side import counted_detectors

PROTOCOL = "an emulation of Waymo's 2D detection metrics; not a Waymo benchmark result"


def score(args: argparse.Namespace) -> None:
    """Scores each split that an evaluation holds."""
    uri = evaluation_uri(args.evaluation)
    categories = read_categories(uri)
    detectors = counted_detectors(args.evaluation)
    metrics = {split: WaymoAveragePrecision(categories) for split in detectors}
    for row in read_detections(uri):
        if row.detector in detectors[row.split]:
            metrics[row.split].add(row)
    results = {split: metric.result() for split, metric in metrics.items()}
    if args.json:
        splits = {
            split: {name: ap.to_dict() for name, ap in result.items()} for split, result in results.items()
        }
        print(json.dumps({"protocol": PROTOCOL, "splits": splits}, indent=2, allow_nan=False))
    else:
        print("\n\n".join(_table(split, result) for split, result in results.items()))


def _table(split: str, result: Mapping[str, WaymoAP]) -> str:
    def points(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f}"

    rows = tuple(
        (
            name,
            points(ap.level_1),
            points(ap.level_2),
            f"{ap.iou:.1f}",
            f"{ap.objects_level_1} / {ap.objects_level_2}",
        )
        for name, ap in result.items()
    )
    title = f"Waymo-style 2D average precision of {split}, points of 100"
    columns = ("", "level 1", "level 2", "IoU", "objects")
    return format_table(Table((title, f"({PROTOCOL})"), (), columns, rows, -1, ()))
