"""`imitate report`."""

from __future__ import annotations

import argparse

from cluster.cli.arguments import Commands
from imitation.common import storage
from imitation.common.errors import UserError


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "report",
        group="share",
        help="write a run's report.html anew",
        example="imitate report runs/default",
    )
    command.add_argument("run", help="a run's folder, such as runs/default")
    command.set_defaults(carry_out=report)


def report(args: argparse.Namespace) -> None:
    """Writes a finished run's report anew."""
    from cluster.run.summary import SUMMARY, rewrite_report
    from cluster.workspace.run_folder import Workspace

    workspace = Workspace(args.run)
    if not storage.exists(workspace.path(SUMMARY)):
        raise UserError(f"{args.run}: no finished run here (summary.json is missing)")
    print(rewrite_report(workspace))
