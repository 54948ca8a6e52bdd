"""`imitate run`."""

from __future__ import annotations

import argparse

from cluster.cli.arguments import Commands, with_config


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "run",
        group="run",
        help="the main job: baseline, imitation cycles, report",
        example="imitate run ray_config.yaml data.root=/data/kitti",
    )
    with_config(command)
    command.set_defaults(carry_out=run)


def run(args: argparse.Namespace) -> None:
    """The main job."""
    from cluster.config.parse import load
    from cluster.observability.console import Reporter
    from cluster.run.main_job import run as run_job

    run_job(load(args.config, args.options), Reporter())
