"""The words of the command line: what is before and beside the commands, and what several of them take."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, cast

from cluster.cli.registry import COMMANDS
from cluster.cli.text.help import Commands, Parser

OPTION = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+=")


EPILOG = """\
Settings are given after the configuration file as section.key=value, for example
  imitate run ray_config.yaml data.kind=kitti \\
    data.root=/data/kitti train.steps=2000
ray_config.yaml holds every setting with its default and what it means.
imitate COMMAND --help says all of one command.
"""


def parser() -> argparse.ArgumentParser:
    main = Parser(
        prog="imitate",
        description="Imitation training: mine a detector's failures, re-stage them in a simulator, retrain.",
        epilog=EPILOG,
    )
    main.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    main.add_argument("--traceback", action="store_true", help="show the traceback of an error")
    words: dict[str, Any] = {"title": "commands", "dest": "command", "required": True, "metavar": "COMMAND"}
    commands = cast(Commands, main.add_subparsers(action=Commands, **words))
    for name in COMMANDS:  # an installed package's too
        COMMANDS.load(name)(commands)
    return main


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: --help stays instant."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            release = version("imitation-training")
        except PackageNotFoundError:  # a checkout that is run without being installed
            release = "(not installed)"
        print(f"imitate {release}")
        parser.exit()


def with_config(command: argparse.ArgumentParser, required: bool = True) -> None:
    command.add_argument(
        "config",
        nargs=None if required else "?",
        metavar="CONFIG",
        help="configuration file, such as ray_config.yaml",
    )


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, is {value}")
    return value


def size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit() and int(width) >= 64 and int(height) >= 32):
        raise argparse.ArgumentTypeError(f"write WIDTHxHEIGHT of at least 64x32 px, not {text!r}")
    return int(width), int(height)


def share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in 0 to 1, is {text}")
    return value


def split_options(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Takes the `section.key=value` words out, wherever they stand among the flags."""
    options = [word for word in argv if OPTION.match(word)]
    return [word for word in argv if not OPTION.match(word)], options
