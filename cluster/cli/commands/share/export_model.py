"""`imitate export-model`."""

from __future__ import annotations

import argparse

from cluster.cli.arguments import Commands


def add(commands: Commands) -> None:
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
