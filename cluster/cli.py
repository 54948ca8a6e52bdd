"""The command line. Imports what a command needs only when it runs: `imitate --help` is instant."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTION = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+=")

EPILOG = """\
Settings are given after the configuration file as section.key=value, for example
  imitate run ray_config.yaml data.kind=kitti data.root=/data/kitti train.steps=2000
ray_config.yaml holds every setting with its default and what it means.
"""


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(
        prog="imitate",
        description="Imitation training: mine a detector's failures, re-stage them in a simulator, retrain.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--traceback", action="store_true", help="show the traceback of an error")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="the main job: baseline, imitation cycles, report")
    _config(run)

    render = commands.add_parser("render", help="render scenes: re-staged, or written by hand")
    _config(render, required=False)
    what = render.add_mutually_exclusive_group(required=True)
    what.add_argument("--like", metavar="KITTI_ROOT", help="re-stage frames of this KITTI folder")
    what.add_argument("--scene", metavar="FILE", help="stage a scene written by hand (YAML or JSON)")
    render.add_argument("--count", type=_positive, default=12, help="frames to re-stage (default 12)")
    render.add_argument("--variations", type=_positive, default=1, help="renderings of each, perturbed anew")
    render.add_argument("--out", required=True, metavar="DIR", help="where the pictures go")

    evaluate = commands.add_parser("evaluate", help="metrics and failures of a checkpoint on a split")
    evaluate.add_argument("checkpoint", help="a product folder, such as runs/default/best")
    _config(evaluate, required=False)
    evaluate.add_argument("--split", default="test", choices=("train", "stop", "test"))
    evaluate.add_argument(
        "--out", metavar="DIR", help="also write detections.parquet, failures.parquet and metrics.json here"
    )

    predict = commands.add_parser("predict", help="detections in pictures, as JSON and drawn")
    predict.add_argument("checkpoint", help="a product folder, such as runs/default/best")
    predict.add_argument("images", nargs="+", help="picture files")
    predict.add_argument("--threshold", type=float, help="score threshold (default: the operating threshold)")
    predict.add_argument("--out", metavar="DIR", help="write the drawn pictures here")

    export = commands.add_parser("export-model", help="a checkpoint's network as ONNX")
    export.add_argument("checkpoint", help="a product folder, such as runs/default/best")
    export.add_argument("--out", default="model.onnx", metavar="FILE")

    report = commands.add_parser("report", help="write a run's report.html anew")
    report.add_argument("run", help="a run's folder, such as runs/default")

    commands.add_parser("defaults", help="every setting with its default, as a configuration file")
    return main


def _config(command: argparse.ArgumentParser, required: bool = True) -> None:
    command.add_argument(
        "config",
        nargs=None if required else "?",
        metavar="CONFIG",
        help="configuration file, such as ray_config.yaml",
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, is {value}")
    return value


def shadowed() -> str | None:
    """Why this installation cannot run: another package shadows one of ours (`imitation` and
    `cluster` are also names of other people's packages). None if all is well."""
    for name in ("imitation", "sim_actors", "cluster"):
        spec = importlib.util.find_spec(name)
        place = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if place != ROOT / name:
            return (
                f"the package {name!r} is taken from {place}, but this project's is {ROOT / name}: "
                "another distribution of that name is installed. Install imitation-training in an "
                "environment of its own (make setup)."
            )
    return None


def split_options(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Takes the `section.key=value` words out, wherever they stand among the flags."""
    options = [word for word in argv if OPTION.match(word)]
    return [word for word in argv if not OPTION.match(word)], options


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. 0: done; 1: a mistake, told in a sentence; 130: stopped by Ctrl-C."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    words, options = split_options(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(words)
    args.options = options
    if problem := shadowed():
        print(f"imitate: {problem}", file=sys.stderr)
        return 1
    if os.getcwd() not in sys.path:  # a person's own detector or policy; a console script leaves it out
        sys.path.append(os.getcwd())
    from cluster import commands
    from imitation.settings import UserError

    try:
        return int(getattr(commands, args.command.replace("-", "_"))(args) or 0)
    except UserError as error:
        if args.traceback:
            raise
        print(f"imitate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        hint = "; the same command continues the run" if args.command == "run" else ""
        print(f"imitate: stopped{hint}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
