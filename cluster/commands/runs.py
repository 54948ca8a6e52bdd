"""`imitate run`, `evaluate`, `predict`, `export-model`, `report` and `defaults`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from cluster.commands.common import config_of
from cluster.progress import Reporter
from imitation import storage
from imitation.settings import UserError


def run(args: argparse.Namespace) -> None:
    """The main job."""
    from cluster.config import load
    from cluster.run import run as run_job

    run_job(load(args.config, args.options), Reporter())


def evaluate(args: argparse.Namespace) -> None:
    """Metrics and failures of a checkpoint on a split: of the run it lies in, or of named data."""
    from cluster.evaluation import evaluate_checkpoint

    result = evaluate_checkpoint(args.checkpoint, config_of(args), args.split, args.out, Reporter())
    print(json.dumps(result, indent=2, allow_nan=False))


def predict(args: argparse.Namespace) -> None:
    """Detections in pictures, as JSON on standard output; drawn where --out says."""
    from PIL import Image

    from imitation.drawing import draw_detections
    from imitation.images import decode_image
    from imitation.metrics.operating_point import Operating
    from imitation.product import load_product
    from imitation.records import Box

    predictor, info = load_product(args.checkpoint)
    single = args.threshold if args.threshold is not None else info.operating_threshold or 0.0
    own = {} if args.threshold is not None else info.operating_thresholds
    threshold = Operating(single, own).cutoff(info.categories)
    results: list[dict[str, Any]] = []
    for path in args.images:
        image = decode_image(storage.read_bytes(path), path)
        (found,) = predictor.predict([image])
        kept = found.above(threshold)
        assert kept.occlusion is not None
        boxes = [Box(*map(float, box)) for box in kept.boxes]
        names = [info.categories[label - 1] for label in kept.labels]
        results.append(
            {
                "image": path,
                "width": image.shape[1],
                "height": image.shape[0],
                "threshold": single,
                "thresholds": own,
                "detections": [
                    {
                        "category": name,
                        "score": round(float(score), 4),
                        "box": [round(v, 2) for v in box],
                        "occlusion": None if math.isnan(occlusion) else round(float(occlusion), 3),
                    }
                    for name, score, box, occlusion in zip(
                        names, kept.scores, boxes, kept.occlusion, strict=True
                    )
                ],
            }
        )
        if args.out:
            drawn = draw_detections(Image.fromarray(image), boxes, names, [float(s) for s in kept.scores])
            Path(args.out).mkdir(parents=True, exist_ok=True)
            target = Path(args.out) / f"{Path(path).stem}.png"
            drawn.save(target)
            print(f"drawn: {target}", file=sys.stderr)
    print(json.dumps(results, indent=2, allow_nan=False))


def export_model(args: argparse.Namespace) -> None:
    """A product's network as ONNX."""
    from imitation.product import export_onnx

    export_onnx(args.checkpoint, args.out)
    print(args.out)


def report(args: argparse.Namespace) -> None:
    """Writes a finished run's report anew."""
    import yaml

    from cluster.config import parse
    from cluster.prepare import RealData
    from cluster.summary import SUMMARY, write_report
    from cluster.workspace import CONFIG_FILE, Workspace
    from imitation.report.summary import read_summary

    workspace = Workspace(args.run)
    if not storage.exists(workspace.path(SUMMARY)):
        raise UserError(f"{args.run}: no finished run here (summary.json is missing)")
    config = parse(
        yaml.safe_load(storage.read_text(workspace.path(CONFIG_FILE))), workspace.path(CONFIG_FILE)
    )
    data = RealData.from_json(storage.read_json(workspace.path("data", "stage-prepare.json")), workspace)
    print(write_report(config, workspace, data, read_summary(workspace.path(SUMMARY))))


def defaults(args: argparse.Namespace) -> None:
    """Prints the configuration file."""
    from cluster.config_file import commented_yaml

    print(commented_yaml(), end="")
