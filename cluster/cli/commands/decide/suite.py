"""`imitate suite`: failures as frozen grids of scenes, which any detector has to pass."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cluster.cli.arguments import Commands, positive
from imitation.common.errors import UserError

if TYPE_CHECKING:
    from sim_actors.changes.grid import Axes

EPILOG = """\
For example
  imitate suite add cases runs/default
  imitate suite run cases runs/default
  imitate suite run cases found.json --against runs-default --fail-on-regression
Predictions are made on the pictures in cases/coco.
"""
STEPS = {
    "distance": "of the case's own, as 0.7,1,1.5",
    "occlusion": "share hidden by a wall, as 0,0.3,0.6",
    "hour": "as 12,17.5,22",
    "weather": "as clear,rain,fog",
}
ALL = 10**9


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "suite",
        group="decide",
        help="what was fixed, as frozen scenes that a detector must pass",
        example="imitate suite run cases runs/default",
        description="A regression suite: failures as frozen grids of rendered scenes.",
        epilog=EPILOG,
    )
    parts = command.add_subparsers(dest="suite_command", required=True, metavar="add|run|show")
    for name, what in (("add", _add_words), ("run", _run_words), ("show", _show_words)):
        part = what(parts, name)
        part.add_argument("--json", action="store_true", help="as JSON, on standard output")


def _add_words(parts: Any, name: str) -> argparse.ArgumentParser:
    words: argparse.ArgumentParser = parts.add_parser(
        name, help="failures of a run become grids of rendered scenes"
    )
    words.add_argument("suite", metavar="SUITE", help="the suite's folder; made if need be")
    words.add_argument("run", metavar="RUN", help="a run's folder, such as runs/default")
    chosen = words.add_mutually_exclusive_group()
    chosen.add_argument(
        "--fixed",
        type=positive,
        nargs="?",
        const=12,
        default=12,
        metavar="N",
        help="objects that failed once and that the last detector finds, N at most (the default, 12)",
    )
    chosen.add_argument("--failures", type=positive, metavar="N", help="N objects that fail, at random")
    words.add_argument("--mode", metavar="WORDS", help="of failure modes that are called so, as cyclist")
    words.add_argument("--cycle", type=int, metavar="C", help="with --failures: of this cycle")
    for axis, what in STEPS.items():
        words.add_argument(f"--{axis}", metavar="STEPS", help=what)
    words.add_argument(
        "--full", action="store_true", help="every combination (82 scenes a case), not two planes (19)"
    )
    words.set_defaults(carry_out=add_cases)
    return words


def _run_words(parts: Any, name: str) -> argparse.ArgumentParser:
    words: argparse.ArgumentParser = parts.add_parser(name, help="a detector on a suite: where does it pass?")
    words.add_argument("suite", metavar="SUITE", help="the suite's folder")
    words.add_argument(
        "what",
        metavar="WHAT",
        help="a run, a checkpoint, or predictions on SUITE/coco: COCO results, a KITTI result folder",
    )
    words.add_argument("--threshold", type=float, help="score from which detections count")
    words.add_argument("--name", help="of the result (default: as WHAT is called)")
    words.add_argument("--against", metavar="RESULT", help="an earlier result, by its name or file")
    words.add_argument(
        "--fail-on-regression",
        action="store_true",
        help="with --against: exit status 1 where a scene that passed fails",
    )
    words.set_defaults(carry_out=run, failed=2)
    return words


def _show_words(parts: Any, name: str) -> argparse.ArgumentParser:
    words: argparse.ArgumentParser = parts.add_parser(name, help="what is in a suite, and how detectors did")
    words.add_argument("suite", metavar="SUITE", help="the suite's folder")
    words.add_argument(
        "--rerender",
        type=positive,
        nargs="?",
        const=ALL,
        metavar="N",
        help="render all scenes again, or N, and compare them with what is frozen",
    )
    words.set_defaults(carry_out=show)
    return words


def add_cases(args: argparse.Namespace) -> None:
    """Adds, and says what is in the suite now."""
    from cluster.observability.console import Reporter
    from cluster.probing.suite import add as carry_out
    from imitation.report.suite.text import suite_lines

    suite = carry_out(
        args.suite,
        args.run,
        options=args.options,
        failing=args.failures,
        most=args.fixed,
        mode=args.mode,
        cycle=args.cycle,
        axes=_axes(args),
        full=args.full,
        reporter=Reporter(),
    )
    _told(args, suite.to_dict(), suite_lines(suite, {}))


def _axes(args: argparse.Namespace) -> Axes:
    from sim_actors.changes.grid import axes_of

    return axes_of({axis: text.split(",") for axis in STEPS if (text := getattr(args, axis))})


def run(args: argparse.Namespace) -> int:
    """0, or with --fail-on-regression 1 where something regressed; 2 where there is no answer."""
    import numpy as np

    from cluster.observability.console import Reporter
    from cluster.probing.suite_run import earlier
    from cluster.probing.suite_run import run as carry_out
    from imitation.common import storage
    from imitation.report.suite.heatmap import heatmap_png
    from imitation.report.suite.text import result_lines
    from imitation.suites.result import compare

    if args.fail_on_regression and not args.against:
        raise UserError("--fail-on-regression: against what? name an earlier result by --against")
    before = earlier(args.against, args.suite) if args.against else None  # it may be written over below
    suite, result, place = carry_out(
        args.suite,
        args.what,
        options=args.options,
        threshold=args.threshold,
        name=args.name,
        reporter=Reporter(),
    )
    change = None if before is None else compare(suite, result, before, np.random.default_rng(0))
    if (picture := heatmap_png(result)) is not None:
        storage.write_bytes_atomic(place.removesuffix(".json") + ".png", picture)
    args.answer = int(bool(args.fail_on_regression and change is not None and change.regressed))
    plain = result.to_dict() | {"against": None if change is None else change.to_dict()}
    _told(args, plain, [*result_lines(suite, result, change), f"written: {place}"])
    sys.stdout.flush()
    return int(args.answer)


def show(args: argparse.Namespace) -> int:
    """0, or 1 where a scene that is rendered again has other labels, or is not rendered."""
    from collections import Counter

    from cluster.observability.console import Reporter
    from cluster.probing.suite_run import rerender
    from imitation.common import storage
    from imitation.report.suite.text import suite_lines
    from imitation.suites.record import RESULTS, read_suite
    from imitation.suites.result import read_result

    suite = read_suite(args.suite)
    folder = storage.join(args.suite, RESULTS)
    files = storage.list_files(folder, ".json") if storage.exists(folder) else []
    results = {storage.name_of(uri).removesuffix(".json"): read_result(uri) for uri in files}
    again = rerender(args.suite, args.rerender, Reporter()) if args.rerender else None
    lines = list(suite_lines(suite, results))
    if again is not None:
        counts = Counter(again.values())
        lines += ["", "rendered again: " + ", ".join(f"{n} {what}" for what, n in counts.most_common())]
    plain = suite.to_dict() | {"digest": suite.digest, "rendered_again": again}
    plain["results"] = {name: result.to_dict() for name, result in results.items()}
    _told(args, plain, lines)
    return int(again is not None and any(what not in ("equal", "other pixels") for what in again.values()))


def _told(args: argparse.Namespace, plain: dict[str, Any], lines: Iterable[str]) -> None:
    if args.json:
        print(json.dumps(plain, indent=2, allow_nan=False))
    else:
        print("\n".join(lines))
