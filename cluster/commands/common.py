"""What several commands need."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.config import Config


def remark_lines(remarks: Iterable[str]) -> list[str]:
    """What looks wrong with somebody's results, as lines below a table."""
    return [f"remark: {remark}" for remark in remarks]


def config_of(args: argparse.Namespace) -> Config:
    """The named configuration file, or the defaults, with the options on top."""
    from cluster.config import load, load_defaults

    return load(args.config, args.options) if args.config else load_defaults(args.options)
