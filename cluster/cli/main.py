"""The command line. Imports what a command needs only when it runs: `imitate --help` is instant."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from cluster.cli.arguments import parser, split_options

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("imitation", "sim_actors", "cluster")


def shadowed() -> str | None:
    """Why this installation cannot run: another package shadows one of ours (`imitation` and
    `cluster` are also names of other people's packages). None if all is well."""
    for name in FLOORS:
        spec = importlib.util.find_spec(name)
        place = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if place != ROOT / name:
            return (
                f"the package {name!r} is taken from {place}, but this project's is {ROOT / name}: "
                "another distribution of that name is installed. Install imitation-training in an "
                "environment of its own (make setup)."
            )
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. 0: done; 1: it failed, and the last line says why (2, of a command whose 1 is an
    answer: `failed` of its arguments); 130: stopped by Ctrl-C; 143: by SIGTERM."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    words, options = split_options(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(words)
    args.options = options
    failed: int = getattr(args, "failed", 1)
    if options and not (
        hasattr(args, "config") or args.command == "submit"
    ):  # to pass over it would look as if it had been heeded
        print(f"imitate: {args.command} takes no settings, and was given {options[0]}", file=sys.stderr)
        return failed
    if problem := shadowed():
        print(f"imitate: {problem}", file=sys.stderr)
        return failed
    if os.getcwd() not in sys.path:  # a person's own detector or policy; a console script leaves it out
        sys.path.append(os.getcwd())
    from cluster.runtime.openmp import wait_passively
    from cluster.runtime.signals import terminable

    wait_passively()
    if session := sys.modules.get("cluster.runtime.ray_session"):
        session.renew()
    with terminable():
        try:
            return _carry_out(args)
        except KeyboardInterrupt as stop:
            return _stopped(args, stop)
        finally:
            _end_ray()


def _carry_out(args: argparse.Namespace) -> int:
    failed: int = getattr(args, "failed", 1)
    try:
        from imitation.common.settings import UserError
    except ModuleNotFoundError as error:
        print(f"imitate: {_missing(error)}", file=sys.stderr)
        return failed
    try:
        return int(args.carry_out(args) or 0)
    except UserError as error:
        if args.traceback:
            raise
        from imitation.common.storage.errors import without_secrets

        _last_line(without_secrets(str(error)))
        return failed
    except BrokenPipeError:  # the reader of our output has had enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(getattr(args, "answer", 0))  # one that was given does not turn into a 0
    except Exception as error:  # a defect: all of it, and what it is as the last line
        if isinstance(error, ModuleNotFoundError) and _ours_misses(error):
            _last_line(_missing(error))
            return failed
        from cluster.runtime.ray_errors import short_of_memory

        if memory := short_of_memory(error):
            _last_line(memory)
            return failed
        traceback.print_exc()
        what = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        _last_line(f"failed: {what}")
        return failed


def _last_line(sentence: str) -> None:
    """Says why a command failed, after everything else that has something to say: what was printed is written
    out, and the Ray that the command started has ended. One line in a file, fitted to a terminal."""
    sys.stdout.flush()
    _end_ray()
    sys.stderr.flush()
    _complain(f"imitate: {sentence}")


def _complain(text: str) -> None:
    """An error on standard error: one line in a file, fitted to a terminal."""
    if sys.stderr.isatty():
        from imitation.common.text_table import fitted

        text = fitted(text)
    print(text, file=sys.stderr, flush=True)


def _ours_misses(error: ModuleNotFoundError) -> bool:
    """Whether code of ours asks for somebody else's module; a detector or simulator may miss its own."""
    frames = traceback.extract_tb(error.__traceback__)
    asking = [Path(frame.filename) for frame in frames if not frame.filename.startswith("<frozen")]
    ours = bool(asking) and any(asking[-1].is_relative_to(ROOT / floor) for floor in FLOORS)
    return ours and _package(error) not in FLOORS


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]


def _missing(error: ModuleNotFoundError) -> str:
    return (
        f"{sys.executable} has no module {_package(error)!r}: that is not the Python that this project was "
        "installed for. Use that one (`make setup` makes .venv/bin/imitate), or install the project there; "
        "on a cluster, on every node"
    )


def _stopped(args: argparse.Namespace, stop: KeyboardInterrupt) -> int:
    """Lets nothing start any more, and says how to go on; the exit code. Ray ends after that: a job that is
    stopped has three seconds to say its last words."""
    from cluster.runtime.signals import is_terminated

    if session := sys.modules.get("cluster.runtime.ray_session"):
        session.start_no_more()
    names = {"run": "the run", "sweep": "the sweep", "compare": "the comparison"}
    goes_on = None if args.command == "compare" and args.b else names.get(args.command)
    hint = f"; the same command continues {goes_on}" if goes_on else ""
    print(f"imitate: stopped{hint}", file=sys.stderr, flush=True)
    return 143 if is_terminated(stop) else 130


def _end_ray() -> None:
    """If the command has used Ray: this imports nothing."""
    if session := sys.modules.get("cluster.runtime.ray_session"):
        session.end_ray()


if __name__ == "__main__":
    sys.exit(main())
