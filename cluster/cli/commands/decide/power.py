"""`imitate power`: how many test frames, and seeds, does it take to see an effect of this size?"""

from __future__ import annotations

import argparse
import json

from cluster.cli.arguments import Commands, positive
from imitation.common.formats import old_names

EPILOG = """\
Of a run, the baseline and its twin say how much two trainings differ, and its
cycles how much two detectors differ from frame to frame. For example
  imitate power runs/default --effect 2 --measure cyclist
"""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "power",
        group="decide",
        help="how many frames and seeds does it take to see an effect?",
        example="imitate power runs/default --effect 2 --measure cyclist",
        description="How many test frames and seeds does it take to see an effect of this size?",
        epilog=EPILOG,
    )
    command.add_argument(
        "places",
        nargs="+",
        metavar="RUN|EVAL",
        help="a run's folder, or an evaluation; several: trained alike, each from another seed",
    )
    command.add_argument(
        "--effect",
        type=_points,
        default=2.0,
        metavar="POINTS",
        help="the true difference to see (default 2 points of 100)",
    )
    command.add_argument(
        "--measure",
        default="map50",
        metavar="NAME",
        help="map50 (default), map, recall, precision, f1, 0-1-loss; a category for its AP50; or NAME=VALUE "
        "for AP50 of a slice, as occlusion=largely occluded",
    )
    command.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="EVAL",
        help="a detector of another way of training on the same frames: what a pair varies by is then "
        "measured, not assumed; may be repeated",
    )
    command.add_argument("--split", type=old_names.asked_split, help="default test, or the only one there is")
    command.add_argument("--resamples", type=positive, default=1000, help="of the bootstrap (default 1000)")
    command.add_argument("--seed", type=int, default=0, help="of the bootstrap's draws (default 0)")
    command.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.set_defaults(carry_out=power)


def _points(text: str) -> float:
    value = float(text)
    if not 0 < value < 100:
        raise argparse.ArgumentTypeError(f"must lie above 0 and below 100 points, is {text}")
    return value


def power(args: argparse.Namespace) -> None:
    """Prints how many frames and seeds it takes, or with --json `Answer.to_dict`."""
    from cluster.cli.text.power import lines
    from cluster.experiments.power import answer

    result = answer(
        args.places, args.against, args.measure, args.effect / 100, args.split, args.resamples, args.seed
    )
    if args.json:
        print(json.dumps(result.to_dict(), indent=2, allow_nan=False))
    else:
        print("\n".join(lines(result)))
