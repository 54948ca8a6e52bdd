"""`imitate score`: the field's metrics of anyone's detections."""

from __future__ import annotations

import argparse
import importlib

from cluster.cli.arguments import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "score",
        group="measure",
        help="the field's metrics of anyone's detections",
        example="imitate score kitti label_2 results",
    )
    protocols = command.add_subparsers(dest="protocol", required=True, metavar="PROTOCOL")
    kitti = protocols.add_parser("kitti", help="KITTI 2D: easy, moderate, hard; 40 and 11 recall points")
    kitti.add_argument("labels", metavar="LABEL_DIR", help="folder of label files (label_2)")
    kitti.add_argument("results", metavar="RESULT_DIR", help="folder of result files, with scores")
    coco = protocols.add_parser("coco", help="COCO's twelve numbers")
    coco.add_argument("annotations", metavar="ANNOTATIONS.json")
    coco.add_argument("results", metavar="RESULTS.json")
    waymo = protocols.add_parser("waymo", help="an emulation of Waymo's 2D detection metrics")
    waymo.add_argument("evaluation", metavar="EVALUATION", help="a folder that `evaluate --out` wrote")
    for protocol in (kitti, coco, waymo):
        protocol.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.set_defaults(carry_out=score)


def score(args: argparse.Namespace) -> None:
    """Hands over to the protocol's own module."""
    importlib.import_module(f"cluster.cli.commands.measure.score.{args.protocol}").score(args)
