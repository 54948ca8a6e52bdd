"""What several commands need."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.config.schema import Config


def remark_lines(remarks: Iterable[str]) -> list[str]:
    """What looks wrong with somebody's results, as lines below a table."""
    return wrapped(f"remark: {remark}" for remark in remarks)


def wrapped(lines: Iterable[str]) -> list[str]:
    """Lines for standard output: on a terminal none is wider than it, and no word is broken."""
    lines = list(lines)
    if not sys.stdout.isatty():
        return lines
    width = max(40, shutil.get_terminal_size().columns)
    return [textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False) for line in lines]


def config_of(args: argparse.Namespace) -> Config:
    """The named configuration file, or the defaults, with the options on top."""
    from cluster.config.parse import load, load_defaults

    return load(args.config, args.options) if args.config else load_defaults(args.options)
