"""`imitate score coco`: COCO's twelve numbers of anyone's detections."""

from __future__ import annotations

import argparse
import json
import sys

from cluster.cli.common import remark_lines
from imitation.common.text_table import Table, format_table

_MEANING = {
    "AP": ("0.50:0.95", "all", 100),
    "AP50": ("0.50", "all", 100),
    "AP75": ("0.75", "all", 100),
    "APs": ("0.50:0.95", "small", 100),
    "APm": ("0.50:0.95", "medium", 100),
    "APl": ("0.50:0.95", "large", 100),
    "AR1": ("0.50:0.95", "all", 1),
    "AR10": ("0.50:0.95", "all", 10),
    "AR100": ("0.50:0.95", "all", 100),
    "ARs": ("0.50:0.95", "small", 100),
    "ARm": ("0.50:0.95", "medium", 100),
    "ARl": ("0.50:0.95", "large", 100),
}


def score(args: argparse.Namespace) -> None:
    """Prints the numbers, and what looks wrong with the results: as one JSON object with `--json` (`remarks`
    is a list of sentences), else as a table and lines. Notes go to standard error too."""
    from imitation.metrics.protocols.coco import score_files

    scored = score_files(args.annotations, args.results)
    for note in scored.notes:
        print(f"imitate: {note}", file=sys.stderr)
    if args.json:
        print(json.dumps({**scored.numbers, "remarks": [*scored.remarks, *scored.notes]}))
    else:
        print("\n".join([_table(scored.numbers), *remark_lines(scored.remarks)]))


def _table(numbers: dict[str, float]) -> str:
    rows = tuple(
        (name, f"{numbers[name]:.4f}" if numbers[name] >= 0 else "none", iou, area, str(most))
        for name, (iou, area, most) in _MEANING.items()
    )
    note = "detections: the best so many of a category in an image; none: no such object to find"
    columns = ("", "value", "IoU", "objects", "detections")
    return format_table(Table((), (), columns, rows, -1, (note,), (0, 2, 3)))
