"""`imitate submit`: a command as a job of a Ray cluster."""

from __future__ import annotations

import argparse
import os
import sys

from cluster.cli.arguments import Commands
from cluster.runtime.signals import Terminated
from imitation.common.errors import UserError

CONFIGURED = ("run", "sweep")  # commands that work on a run's folder


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "submit",
        group="run",
        example="imitate submit ray_config.yaml run.storage=s3://bucket/runs",
        help="a command as a job of a Ray cluster",
        usage="imitate submit [--address URL] [--no-wait] [--env KEY ...] "
        "(CONFIG [section.key=value ...] | -- COMMAND ...)",
        description="Packs the current folder, submits the command as a Ray job and follows its log. The "
        "same command again follows a job that still runs, and continues one that has ended.",
    )
    command.add_argument(
        "words",
        nargs="+",
        metavar="COMMAND",
        help="a run's configuration file with its section.key=value, or any command: -- report s3://...",
    )
    command.add_argument(
        "--address",
        metavar="URL",
        help="the head's dashboard (default: RAY_API_SERVER_ADDRESS, RAY_ADDRESS, or this machine's Ray)",
    )
    command.add_argument("--no-wait", action="store_true", help="do not follow the log")
    command.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="KEY",
        help="hand this environment variable on to the job, with its value here; may be repeated",
    )
    command.set_defaults(carry_out=submit)


def submit(args: argparse.Namespace) -> int:
    """Submits and follows. 0: it succeeded; 1: it failed or was stopped; 130, 143: we left it alone."""
    from cluster.runtime.jobs import Submission, connect, follow, passed_on, show_log
    from cluster.runtime.jobs import submit as submit_job

    words, subject = checked(args.words, args.options)
    submission = Submission(tuple(words), subject, passed_on(args.env))
    client = connect(args.address)
    job_id, new = submit_job(client, submission, os.getcwd())
    print(f"imitate: job {job_id} {'is submitted' if new else 'is at work already'}", file=sys.stderr)
    if args.no_wait:
        _say_how_to_go_on(job_id)
        return 0
    try:
        status = follow(client, job_id, show_log)
    except KeyboardInterrupt as stop:
        print(f"\nimitate: job {job_id} goes on without us", file=sys.stderr)
        _say_how_to_go_on(job_id)
        return 143 if isinstance(stop, Terminated) else 130
    ended = {"SUCCEEDED": "has succeeded", "STOPPED": "was stopped; the same command continues it"}
    print(f"imitate: job {job_id} {ended.get(status.value, 'has failed')}", file=sys.stderr)
    return 0 if status.value == "SUCCEEDED" else 1


def checked(words: list[str], options: list[str]) -> tuple[list[str], str]:
    """The whole command and what its jobs are called after; mistakes are told here, not by the cluster.

    Raises UserError for what the job would refuse at its start.
    """
    from cluster.cli.arguments import parser
    from cluster.cli.registry import COMMANDS
    from cluster.config.parse import load
    from cluster.run.storage_checks import check_lasting
    from cluster.runtime.jobs import subject_of

    whole = list(words) if words[0] in COMMANDS else ["run", *words]
    if whole[0] == "submit":
        raise UserError("submit: a job cannot be submitted by a job")
    args = parser().parse_args(whole)
    if options and not hasattr(args, "config"):
        raise UserError(f"{whole[0]} takes no settings, and was given {options[0]}")
    name = None
    if whole[0] in CONFIGURED:
        if os.path.isabs(args.config):
            raise UserError(f"{args.config}: name it from the current folder, which the job gets a copy of")
        config = load(args.config, options)
        check_lasting(config)
        name = config.run.name
    return [*whole, *options], subject_of(whole[0], name)


def _say_how_to_go_on(job_id: str) -> None:
    print(
        f"imitate: the same command follows it; `ray job stop {job_id}` stops it, and then the same command "
        "continues the run",
        file=sys.stderr,
    )
