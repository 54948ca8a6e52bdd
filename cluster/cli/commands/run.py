"""`imitate run`, `sweep`, `evaluate`, `export-model`, `report` and `defaults`."""

from __future__ import annotations

import argparse
import json

from cluster.cli.arguments import Commands, with_config
from cluster.cli.common import config_of
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.formats import old_names


def add_run(commands: Commands) -> None:
    command = commands.add_parser(
        "run",
        group="run",
        help="the main job: baseline, imitation cycles, report",
        example="imitate run ray_config.yaml data.root=/data/kitti",
    )
    with_config(command)
    command.set_defaults(carry_out=run)


def run(args: argparse.Namespace) -> None:
    """The main job."""
    from cluster.config.parse import load
    from cluster.observability.console import Reporter
    from cluster.run.main_job import run as run_job

    run_job(load(args.config, args.options), Reporter())


def add_sweep(commands: Commands) -> None:
    command = commands.add_parser(
        "sweep",
        group="run",
        help="trials of other settings: what sweep.space names",
        example='imitate sweep my.yaml "sweep.space={train.steps: {grid: [500, 1000]}}"',
        description="Trials of other settings: what sweep.space names, by Ray Tune.",
    )
    with_config(command)
    command.add_argument("--dry-run", action="store_true", help="print what it would do, and start nothing")
    command.set_defaults(carry_out=sweep)


def sweep(args: argparse.Namespace) -> None:
    """Trials of other settings; with --dry-run only what they would be."""
    from cluster.config.parse import load
    from cluster.observability.console import Reporter

    config = load(args.config, args.options)
    if args.dry_run:
        from cluster.experiments.sweep.plan import dry_run
        from imitation.common.text_table import fitted

        print(fitted("\n".join(dry_run(config))))
        return
    from cluster.experiments.sweep.command import sweep as run_sweep

    run_sweep(config, Reporter())


def add_evaluate(commands: Commands) -> None:
    command = commands.add_parser(
        "evaluate",
        group="measure",
        help="metrics and failures of a checkpoint on a split",
        example="imitate evaluate runs/default/best --split test --out evaluation",
    )
    command.add_argument("checkpoint", help="a checkpoint, such as runs/default/best")
    with_config(command, required=False)
    command.add_argument(
        "--split", default="test", type=old_names.asked_split, choices=("train", "val", "test", "all")
    )
    command.add_argument("--json", action="store_true", help="everything as JSON, on standard output")
    command.add_argument(
        "--out", metavar="DIR", help="also write detections.parquet, failures.parquet and metrics.json here"
    )
    command.set_defaults(carry_out=evaluate)


def evaluate(args: argparse.Namespace) -> None:
    """Metrics and failures of a checkpoint on a split: of the run it lies in, or of named data; as tables, or
    as JSON with --json."""
    from cluster.evaluation.checkpoint import evaluate_checkpoint
    from cluster.observability.console import Reporter

    result = evaluate_checkpoint(args.checkpoint, config_of(args), args.split, args.out, Reporter())
    if args.json:
        print(json.dumps(result, indent=2, allow_nan=False))
        return
    from cluster.cli.text.evaluation import evaluation_lines

    print("\n".join(evaluation_lines(args.checkpoint, result)))
    if args.out:
        print(f"written: {args.out}")


def add_export_model(commands: Commands) -> None:
    command = commands.add_parser(
        "export-model",
        group="share",
        help="a detector as ONNX: pictures in, detections out",
        example="imitate export-model runs/default/best --out model.onnx",
    )
    command.add_argument("checkpoint", help="a checkpoint, such as runs/default/best")
    command.add_argument("--out", default="model.onnx", metavar="FILE")
    command.add_argument("--raw", action="store_true", help="the network alone, up to its proposals")
    command.set_defaults(carry_out=export_model)


def export_model(args: argparse.Namespace) -> None:
    """A checkpoint's detector as ONNX."""
    from imitation.detectors.checkpoint import export_onnx

    export_onnx(args.checkpoint, args.out, raw=args.raw)
    print(args.out)


def add_report(commands: Commands) -> None:
    command = commands.add_parser(
        "report",
        group="share",
        help="write a run's report.html anew",
        example="imitate report runs/default",
    )
    command.add_argument("run", help="a run's folder, such as runs/default")
    command.set_defaults(carry_out=report)


def report(args: argparse.Namespace) -> None:
    """Writes a finished run's report anew."""
    from cluster.run.summary import SUMMARY, rewrite_report
    from cluster.workspace.run_folder import Workspace

    workspace = Workspace(args.run)
    if not storage.exists(workspace.path(SUMMARY)):
        raise UserError(f"{args.run}: no finished run here (summary.json is missing)")
    print(rewrite_report(workspace))


def add_defaults(commands: Commands) -> None:
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
