"""`imitate evaluate`."""

from __future__ import annotations

import argparse
import json

from cluster.cli.arguments import Commands, with_config
from cluster.cli.common import config_of
from imitation.common.formats import old_names


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "evaluate",
        group="measure",
        help="metrics and failures of a checkpoint on a split",
        example="imitate evaluate runs/default/best --split test --out evaluation",
    )
    command.add_argument("checkpoint", help="a checkpoint, such as runs/default/best")
    with_config(command, required=False)
    command.add_argument(
        "--split", default="test", type=old_names.asked_split, choices=("train", "val", "test", "all")
    )
    command.add_argument("--json", action="store_true", help="everything as JSON, on standard output")
    command.add_argument(
        "--out", metavar="DIR", help="also write detections.parquet, failures.parquet and metrics.json here"
    )
    command.set_defaults(carry_out=evaluate)


def evaluate(args: argparse.Namespace) -> None:
    """Metrics and failures of a checkpoint on a split: of the run it lies in, or of named data; as tables, or
    as JSON with --json."""
    from cluster.evaluation.checkpoint import evaluate_checkpoint
    from cluster.observability.console import Reporter

    result = evaluate_checkpoint(args.checkpoint, config_of(args), args.split, args.out, Reporter())
    if args.json:
        print(json.dumps(result, indent=2, allow_nan=False))
        return
    from cluster.cli.text.evaluation import evaluation_lines

    print("\n".join(evaluation_lines(args.checkpoint, result)))
    if args.out:
        print(f"written: {args.out}")
