"""`imitate gate`: may this detector replace that one? For a pipeline that asks at every change."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from cluster.cli.arguments import Commands, positive
from imitation.common.formats import old_names

MEASURES = ("map50", "map", "recall", "precision", "f1", "0-1-loss")
EPILOG = """\
Ends with 0 (passed), 1 (worse beyond chance) or 2 (no answer: words or data
that do not fit). For example
  imitate gate candidate baseline --slice category=person \\
    --slice weather=fog --max-loss 2 --markdown comment.md
"""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "gate",
        group="decide",
        help="may this detector replace that one? 1 where it is worse",
        example="imitate gate candidate baseline --slice category=person",
        description="May this detector replace that one? Exit status 1 where it is worse beyond chance.",
        epilog=EPILOG,
    )
    command.add_argument("candidate", metavar="CANDIDATE", help="a run's folder, or an evaluation")
    command.add_argument("baseline", metavar="BASELINE", help="another one of the same frames")
    command.add_argument(
        "--measure",
        action="append",
        choices=MEASURES,
        help="what must not get worse on all frames; may be repeated (default map50)",
    )
    command.add_argument(
        "--slice",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="AP50 must not get worse there either, as category=car; NAME alone: in each of its values; may "
        "be repeated",
    )
    command.add_argument(
        "--max-loss",
        type=_points,
        default=1.0,
        metavar="POINTS",
        help="the loss to guard against (default 1 point of 100)",
    )
    command.add_argument(
        "--split",
        type=old_names.asked_split,
        help="the split to compare on (default test, or the one both have)",
    )
    command.add_argument("--resamples", type=positive, default=1000, help="of the bootstrap (default 1000)")
    command.add_argument("--seed", type=int, default=0, help="of the bootstrap's draws (default 0)")
    command.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.add_argument("--markdown", metavar="FILE", help="write it as Markdown, for a pull request")
    command.set_defaults(carry_out=gate, failed=2)


def _points(text: str) -> float:
    value = float(text)
    if not 0 < value < 100:
        raise argparse.ArgumentTypeError(f"must lie above 0 and below 100 points, is {text}")
    return value


def gate(args: argparse.Namespace) -> int:
    """0 where the candidate passes, 1 where it is worse; prints the verdict, or with --json `Gate.to_dict`,
    the seed and which evaluation of a run was taken."""
    import numpy as np

    from cluster.cli.commands.decide.evaluation_of_run import taken
    from cluster.cli.text.gate import lines, markdown
    from imitation.common import storage
    from imitation.metrics.statistics.evaluation_side import split_of
    from imitation.metrics.statistics.gate import judge
    from imitation.metrics.statistics.paired_comparison import compare

    (candidate, why_candidate), (baseline, why_baseline) = taken(args.candidate), taken(args.baseline)
    split = args.split or split_of(candidate, baseline)
    comparison = compare(baseline, candidate, split, np.random.default_rng(args.seed), args.resamples)
    result = judge(comparison, args.measure or ["map50"], args.slice, args.max_loss / 100)
    args.answer = 0 if result.passed else 1
    if args.markdown:
        text = markdown(result, args.seed, command(args), why_candidate, why_baseline)
        storage.write_bytes_atomic(args.markdown, text.encode())
    if args.json:
        reasons = {"candidate": why_candidate, "baseline": why_baseline}
        told = result.to_dict() | {"seed": args.seed, "taken": {k: why for k, why in reasons.items() if why}}
        print(json.dumps(told, indent=2, allow_nan=False))
    else:
        print("\n".join(lines(result, args.seed, why_candidate, why_baseline)))
    sys.stdout.flush()
    return int(args.answer)


def command(args: argparse.Namespace) -> str:
    """What was typed, so far as it decides the verdict."""
    words = ["imitate", "gate", args.candidate, args.baseline]
    for name in ("measure", "slice"):
        for value in getattr(args, name) or ():
            words += [f"--{name}", value]
    words += ["--max-loss", f"{args.max_loss:g}"]
    for name, default in (("split", None), ("resamples", 1000), ("seed", 0)):
        if getattr(args, name) != default:
            words += [f"--{name}", str(getattr(args, name))]
    return shlex.join(words)
