"""`imitate probe`: on what do the failures of a run hang?"""

from __future__ import annotations

import argparse
import json

from cluster.cli.arguments import Commands, positive
from imitation.common.formats import old_names

EPILOG = """\
Each failing object is staged again with one thing changed: what hides it taken
away, 10 m nearer, noon, clear weather, turned, mirrored, another paint, more
contrast. For example
  imitate probe runs/default --mode cyclist --failures 40
Settings of the run may follow, as simulate.actors=4.
"""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "probe",
        group="measure",
        help="on what do failures hang? one thing changed at a time",
        example="imitate probe runs/default --mode cyclist --failures 40",
        description="On what do failures hang? Each staged again with one thing changed.",
        epilog=EPILOG,
    )
    command.add_argument("run", metavar="RUN", help="a run's folder, such as runs/default")
    command.add_argument(
        "--failures", type=positive, default=60, metavar="N", help="failing objects, at random (default 60)"
    )
    command.add_argument("--mode", metavar="WORDS", help="of failure modes that are called so, as cyclist")
    command.add_argument("--cycle", type=int, metavar="C", help="of this cycle (default: the chosen one)")
    command.add_argument(
        "--split",
        type=old_names.asked_split,
        choices=("mine", "val", "test"),
        help="mine (out of fold) or val (default: mine where the cycle mined, else val)",
    )
    command.add_argument(
        "--factor",
        action="append",
        default=[],
        metavar="NAME",
        help="what is changed: one of ours, or your own as package.module:function; may be repeated "
        "(default: all that have a name)",
    )
    command.add_argument("--out", metavar="DIR", help="where it is written (default: RUN/probe)")
    command.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.set_defaults(carry_out=probe)


def probe(args: argparse.Namespace) -> None:
    """Prints tables and conclusions, or with --json `Probe.to_dict`."""
    from cluster.observability.console import Reporter
    from cluster.probing.probe import probe as carry_out
    from imitation.report.probe.text import lines

    result = carry_out(
        args.run,
        options=args.options,
        most=args.failures,
        mode=args.mode,
        cycle=args.cycle,
        split=args.split,
        names=args.factor,
        out=args.out,
        reporter=Reporter(),
    )
    if args.json:
        print(json.dumps(result.to_dict(), indent=2, allow_nan=False))
    else:
        print("\n".join(lines(result)))
