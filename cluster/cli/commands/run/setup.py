"""`imitate setup`: what cannot stand in this project's own environment gets one of its own."""

from __future__ import annotations

import argparse

from cluster.cli.arguments import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "setup",
        group="run",
        example="imitate setup blender",
        help="an environment of its own for Blender",
        description="Makes an environment in which Blender is a Python module (bpy, with the numpy and the "
        "Python that it wants), for simulate.simulator=blender. About 1 GB. Blender is under the GPL: it "
        "runs in a process of its own.",
    )
    command.add_argument("what", choices=["blender"], help="what to set up")
    command.add_argument(
        "--folder",
        metavar="DIR",
        help="where (default: in the user's folder of caches); elsewhere it is named by "
        "simulate.options.blender=DIR",
    )
    command.add_argument(
        "--package",
        metavar="SPEC",
        help="which release, as pip writes it, such as bpy==5.0.1 (default: bpy==4.5.*)",
    )
    command.set_defaults(carry_out=setup)


def setup(args: argparse.Namespace) -> None:
    """Makes the environment, and starts Blender in it once. Raises UserError where either fails."""
    from pathlib import Path

    from cluster.observability.console import Reporter
    from sim_actors.simulators.blender.installed import BPY, default_folder, install
    from sim_actors.simulators.blender.settings import BlenderSettings
    from sim_actors.simulators.blender.worker_process import greeted

    reporter = Reporter()
    folder = Path(args.folder).expanduser() if args.folder else default_folder()
    reporter.say(f"installing {args.package or BPY} in {folder}")
    install(folder, args.package or BPY)
    reporter.say("starting it")
    hello = greeted(BlenderSettings(blender=str(folder)))
    option = f" simulate.options.blender={folder}" if args.folder else ""
    print(
        f"Blender {hello.blender} works here and computes on {hello.device}. Try it: imitate check simulator "
        f"blender{option}"
    )
