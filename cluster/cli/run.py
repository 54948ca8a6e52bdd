"""`imitate run`, `evaluate`, `export-model`, `report` and `defaults`."""

from __future__ import annotations

import argparse
import json

from cluster.cli.common import config_of
from cluster.observability.console import Reporter
from imitation.common import old_names, storage
from imitation.common.settings import UserError


def run(args: argparse.Namespace) -> None:
    """The main job."""
    from cluster.config.parse import load
    from cluster.run.main_job import run as run_job

    run_job(load(args.config, args.options), Reporter())


def evaluate(args: argparse.Namespace) -> None:
    """Metrics and failures of a checkpoint on a split: of the run it lies in, or of named data; as tables, or
    as JSON with --json."""
    from cluster.evaluation.checkpoint import evaluate_checkpoint

    result = evaluate_checkpoint(args.checkpoint, config_of(args), args.split, args.out, Reporter())
    if args.json:
        print(json.dumps(result, indent=2, allow_nan=False))
        return
    from cluster.cli.text.evaluation import evaluation_lines

    print("\n".join(evaluation_lines(args.checkpoint, result)))
    if args.out:
        print(f"written: {args.out}")


def export_model(args: argparse.Namespace) -> None:
    """A product's detector as ONNX."""
    from imitation.detectors.checkpoint import export_onnx

    export_onnx(args.checkpoint, args.out, raw=args.raw)
    print(args.out)


def report(args: argparse.Namespace) -> None:
    """Writes a finished run's report anew."""
    from cluster.config.parse import parse
    from cluster.run.summary import SUMMARY, write_report
    from cluster.stages.prepare import RealData
    from cluster.workspace.run_folder import CONFIG_FILE, Workspace, read_config
    from imitation.report.run.record import read_summary

    workspace = Workspace(args.run)
    if not storage.exists(workspace.path(SUMMARY)):
        raise UserError(f"{args.run}: no finished run here (summary.json is missing)")
    config = parse(read_config(workspace.path(CONFIG_FILE)), workspace.path(CONFIG_FILE))
    data = RealData.from_json(old_names.read_json(workspace.path("data", "stage-prepare.json")), workspace)
    print(write_report(config, workspace, data, read_summary(workspace.path(SUMMARY))))


def defaults(args: argparse.Namespace) -> None:
    """Prints the configuration file."""
    from cluster.config.template import commented_yaml

    print(commented_yaml(), end="")
