"""`imitate sweep`."""

from __future__ import annotations

import argparse


def sweep(args: argparse.Namespace) -> None:
    """Trials of other settings; with --dry-run only what they would be."""
    from cluster.config import load
    from cluster.progress import Reporter

    config = load(args.config, args.options)
    if args.dry_run:
        from cluster.sweep_plan import make_plan
        from imitation.report.text_table import fitted

        print(fitted("\n".join(make_plan(config).lines())))
        return
    from cluster.sweep import sweep as run_sweep

    run_sweep(config, Reporter())
