"""`imitate mine`: anyone's detections into failures and requests."""

from __future__ import annotations

import argparse
import json

from cluster.cli.arguments import Commands, positive, with_config
from cluster.cli.common import config_of, remark_lines
from imitation.common.formats import old_names


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "mine",
        group="measure",
        help="failures and requests from anyone's detections",
        example="imitate mine data.root=/data/kitti --detections results --out mined",
    )
    with_config(command, required=False)
    command.add_argument(
        "--detections",
        required=True,
        metavar="FILE|DIR",
        help="COCO results, a KITTI result folder, an evaluation",
    )
    command.add_argument(
        "--split",
        default="train",
        type=old_names.asked_split,
        choices=("train", "mine", "val", "test", "all"),
    )
    command.add_argument("--detector", metavar="NAME", help="of an evaluation of several (default: main)")
    command.add_argument("--threshold", type=float, help="score threshold (default: of greatest F1 on them)")
    command.add_argument("--budget", type=positive, help="frames to ask for (default: the cap's share)")
    command.add_argument("--out", required=True, metavar="DIR", help="where failures and requests go")
    command.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.set_defaults(carry_out=mine)


def mine(args: argparse.Namespace) -> None:
    """Prints what was found, as tables or with --json as JSON; failures and requests go to --out."""
    from cluster.observability.console import Reporter
    from cluster.stages.mine import mine as mine_results

    result = mine_results(
        config_of(args),
        args.detections,
        args.split,
        args.detector,
        args.threshold,
        args.budget,
        args.out,
        Reporter(),
    )
    if args.json:
        print(json.dumps(result, indent=2, allow_nan=False))
        return
    from cluster.cli.text.evaluation import mined_lines

    print("\n".join([*mined_lines(args.detections, result), *remark_lines(result["remarks"])]))
