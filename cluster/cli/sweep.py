"""`imitate sweep`."""

from __future__ import annotations

import argparse


def sweep(args: argparse.Namespace) -> None:
    """Trials of other settings; with --dry-run only what they would be."""
    from cluster.config.parse import load
    from cluster.observability.console import Reporter

    config = load(args.config, args.options)
    if args.dry_run:
        from cluster.experiments.sweep.plan import make_plan
        from imitation.common.text_table import fitted

        print(fitted("\n".join(make_plan(config).lines())))
        return
    from cluster.experiments.sweep.command import sweep as run_sweep

    run_sweep(config, Reporter())
