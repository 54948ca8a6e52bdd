"""`imitate advise`: render it, photograph it, or look at its labels?"""

from __future__ import annotations

import argparse
import json

from cluster.cli.arguments import Commands, positive

EPILOG = """\
For each failure mode: what more synthetic frames are estimated to mend, what
more real frames are, how sure that is, and what it costs. For example
  imitate advise runs/default --label-cost 0.05 --frame-cost 0.5 --gpu-hour 2
"""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "advise",
        group="decide",
        help="render it, photograph it, or look at its labels?",
        example="imitate advise runs/default --gpu-hour 2 --label-cost 0.05",
        description="What to do about failures, ranked: render, photograph, or look at their labels?",
        epilog=EPILOG,
    )
    command.add_argument("run", metavar="RUN", help="a run's folder, in which failures were mined")
    command.add_argument(
        "--frames", type=positive, help="real frames to ask about (default half as many as were trained on)"
    )
    for name, what in (
        ("label", "of one object's label"),
        ("frame", "of one real frame, without its labels"),
    ):
        command.add_argument(
            f"--{name}-cost", type=_cost, default=0.0, metavar="COST", help=f"{what} (default 0)"
        )
    command.add_argument(
        "--gpu-hour",
        type=_cost,
        default=0.0,
        metavar="COST",
        help="of an hour of the machine that renders and trains (default 0)",
    )
    command.add_argument(
        "--curves",
        action="store_true",
        help="first train detectors on a quarter, half and all of the real frames, out of fold (some "
        "trainings; what is finished is kept)",
    )
    command.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.set_defaults(carry_out=advise)


def _cost(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more, is {text}")
    return value


def advise(args: argparse.Namespace) -> None:
    """Prints the ranked list, or with --json `imitation.advice.record.Advice`."""
    from cluster.advice.build import build_advice
    from cluster.cli.text.advise import lines
    from cluster.config.parse import load
    from cluster.workspace.run_folder import CONFIG_FILE, Workspace
    from imitation.advice.advise import with_costs
    from imitation.advice.record import Costs
    from imitation.common import storage
    from imitation.common.errors import UserError

    workspace = Workspace(args.run)
    uri = workspace.path(CONFIG_FILE)
    if not (storage.is_folder(args.run) and storage.exists(uri)):
        raise UserError(f"{args.run}: is no run's folder: it has no {CONFIG_FILE}")
    config = load(uri)
    if args.curves:
        from cluster.advice.curves import train_curves
        from cluster.observability.console import Reporter

        train_curves(config, workspace, Reporter())
    advice = build_advice(config, workspace, args.frames)
    if advice is None:
        raise UserError(
            f"{args.run}: no failure was mined in it, so there is nothing to advise on; a run with "
            "loop.cycles of 1 or more mines"
        )
    advice = with_costs(advice, Costs(label=args.label_cost, frame=args.frame_cost, gpu_hour=args.gpu_hour))
    print(json.dumps(advice.to_dict(), indent=2) if args.json else "\n".join(lines(advice)))
