"""`imitate defaults`."""

from __future__ import annotations

import argparse

from cluster.cli.arguments import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "defaults",
        group="run",
        help="every setting with its default, as a configuration file",
        example="imitate defaults > ray_config.yaml",
    )
    command.set_defaults(carry_out=defaults)


def defaults(args: argparse.Namespace) -> None:
    """Prints the configuration file."""
    from cluster.config.template import commented_yaml

    print(commented_yaml(), end="")
