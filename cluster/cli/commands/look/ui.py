"""`imitate ui`: a page of runs as they go."""

from __future__ import annotations

import argparse

from cluster.cli.arguments import Commands

PORT = 8400


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "ui",
        group="look",
        help="a live page of runs: progress, curves, frames, failures",
        example="imitate ui s3://bucket/runs --port 8400",
        description="A page of the runs, comparisons and sweeps of a storage as they go: progress by stage, "
        "curves, the newest frames, failures, tables, reports. It reads folders and changes nothing; drivers "
        "need not know of it. It listens on this machine alone; elsewhere who asks needs the token that is "
        "printed.",
    )
    command.add_argument(
        "storage", nargs="?", default="runs", metavar="STORAGE", help="run.storage (default: runs)"
    )
    command.add_argument("--port", type=_port, default=PORT, help=f"default {PORT}; 0: any that is free")
    command.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: this machine alone)"
    )
    command.add_argument(
        "--token", action="store_true", help="demand a token on this machine too, which others share"
    )
    command.add_argument(
        "--pictures",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a dataset outside of the storage whose pictures may be shown; may be repeated",
    )
    command.set_defaults(carry_out=ui)


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError(f"a port lies in 0 to 65535, not {text}")
    return value


def ui(args: argparse.Namespace) -> None:
    """Serves until Ctrl-C. Raises UserError where there is no storage, and for a port that is taken."""
    from cluster.ui.serve import serve

    serve(args.storage, args.host, args.port, args.token, args.pictures)
