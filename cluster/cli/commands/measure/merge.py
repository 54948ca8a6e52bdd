"""`imitate merge`: evaluations of different frames as one."""

from __future__ import annotations

import argparse

from cluster.cli.arguments import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "merge",
        group="measure",
        help="evaluations of different frames as one",
        example="imitate merge evaluation-a evaluation-b --out both",
    )
    command.add_argument(
        "evaluations", nargs="+", metavar="EVAL", help="what `evaluate --out` or `mine` wrote"
    )
    command.add_argument("--out", required=True, metavar="DIR", help="the folder of the merged evaluation")
    command.set_defaults(carry_out=merge)


def merge(args: argparse.Namespace) -> None:
    """Writes evaluations of different frames as one, and says how many rows it has."""
    from imitation.evaluation.merge import merge as merge_evaluations

    count = merge_evaluations(args.evaluations, args.out)
    print(f"{args.out}: {count} rows, one a frame and detector")
