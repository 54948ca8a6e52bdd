"""`imitate sweep`."""

from __future__ import annotations

import argparse

from cluster.cli.arguments import Commands, with_config


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "sweep",
        group="run",
        help="trials of other settings: what sweep.space names",
        example='imitate sweep my.yaml "sweep.space={train.steps: {grid: [500, 1000]}}"',
        description="Trials of other settings: what sweep.space names, by Ray Tune.",
    )
    with_config(command)
    command.add_argument("--dry-run", action="store_true", help="print what it would do, and start nothing")
    command.set_defaults(carry_out=sweep)


def sweep(args: argparse.Namespace) -> None:
    """Trials of other settings; with --dry-run only what they would be."""
    from cluster.config.parse import load
    from cluster.observability.console import Reporter

    config = load(args.config, args.options)
    if args.dry_run:
        from cluster.experiments.sweep.plan import dry_run
        from imitation.common.text_table import fitted

        print(fitted("\n".join(dry_run(config))))
        return
    from cluster.experiments.sweep.command import sweep as run_sweep

    run_sweep(config, Reporter())
