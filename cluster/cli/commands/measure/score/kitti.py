"""`imitate score kitti`: KITTI's 2D average precision of anyone's result files.

The JSON is {category: {easy|moderate|hard: {ap_r40, ap_r11, precision}}, "remarks": [sentence, ...]}, in
fractions of 1; a category that was never detected is null, as the official program does not evaluate it. The
table is in points of 100. The remarks say what looks wrong with the results.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from cluster.cli.common import remark_lines
from imitation.common.text_table import Table, format_table
from imitation.evaluation.result_remarks import ResultRemarks
from imitation.metrics.protocols.kitti import DIFFICULTIES, KittiAP, kitti_average_precision, read_label_dir
from imitation.metrics.protocols.kitti_frames import DONT_CARE, OTHER, KittiFrames

NAMED = 5
"""Frames without a result that are named; the others are counted."""


def score(args: argparse.Namespace) -> None:
    """Scores a folder of result files against a folder of labels."""
    frames = read_label_dir(args.labels, args.results)
    if frames.left_out:
        print(f"imitate: {_left_out(frames.left_out)}", file=sys.stderr)
    result = kitti_average_precision(frames)
    remarks = _remarks(frames)
    if args.json:
        output: dict[str, Any] = {
            name: None if levels is None else {level: ap.to_dict() for level, ap in levels.items()}
            for name, levels in result.items()
        }
        missing = [_left_out(frames.left_out)] if frames.left_out else []
        print(json.dumps({**output, "remarks": [*missing, *remarks]}, indent=2, allow_nan=False))
    else:
        print("\n".join([_table(result, len(frames)), *remark_lines(remarks)]))


def _remarks(frames: KittiFrames) -> list[str]:
    """What looks wrong with the results."""
    looked = ResultRemarks("xyxy", frame="frame", silent=False)
    for number in range(len(frames)):
        true = slice(*frames.object_starts[number : number + 2])
        rows = slice(*frames.detection_starts[number : number + 2])
        types = frames.object_types[true]
        kept = (types != DONT_CARE) & (types != OTHER)
        looked.add(
            str(number),
            None,
            frames.object_boxes[true][kept],
            types[kept],
            frames.detection_boxes[rows],
            frames.detection_types[rows],
            frames.scores[rows],
        )
    return looked.lines()


def _left_out(names: tuple[str, ...]) -> str:
    count = "1 frame has" if len(names) == 1 else f"{len(names)} frames have"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"{count} labels but no result file, left out as in the official program "
        f"(an empty file says that nothing was found): {', '.join(names[:NAMED])}{more}"
    )


def _table(result: Mapping[str, Mapping[str, KittiAP] | None], frames: int) -> str:
    rows = []
    for name, levels in result.items():
        aps = [] if levels is None else [levels[level] for level in DIFFICULTIES]
        rows.append(
            (
                name,
                *(f"{100 * ap.ap_r40:.2f}" for ap in aps),
                *(f"{100 * ap.ap_r11:.2f}" for ap in aps),
                *(["-"] * (0 if aps else 2 * len(DIFFICULTIES))),
            )
        )
    table = Table(
        heading=(f"KITTI 2D average precision, {frames} frames, points of 100",),
        groups=(("", 1), ("AP_R40", len(DIFFICULTIES)), ("AP_R11", len(DIFFICULTIES))),
        columns=("", *DIFFICULTIES, *DIFFICULTIES),
        rows=tuple(rows),
        best=-1,
        notes=tuple(
            f"{name}: not evaluated: never detected" for name, levels in result.items() if levels is None
        ),
    )
    return format_table(table)
