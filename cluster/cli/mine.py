"""`imitate mine`: anyone's detections into failures and requests."""

from __future__ import annotations

import argparse
import json

from cluster.cli.common import config_of, remark_lines
from cluster.observability.console import Reporter


def mine(args: argparse.Namespace) -> None:
    """Prints what was found, as tables or with --json as JSON; failures and requests go to --out."""
    from cluster.stages.mine import mine as mine_results

    found = mine_results(
        config_of(args),
        args.detections,
        args.split,
        args.detector,
        args.threshold,
        args.budget,
        args.out,
        Reporter(),
    )
    if args.json:
        print(json.dumps(found, indent=2, allow_nan=False))
        return
    from cluster.cli.text.evaluation import mined_lines

    print("\n".join([*mined_lines(args.detections, found), *remark_lines(found["remarks"])]))
