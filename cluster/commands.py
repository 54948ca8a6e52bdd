"""What each command of `imitate` does."""

from __future__ import annotations

import argparse
import json
import math
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.progress import Reporter
from imitation import storage
from imitation.settings import UserError

if TYPE_CHECKING:
    from cluster.config import Config
    from imitation.records import Frame
    from sim_actors.scene import Scene


def run(args: argparse.Namespace) -> None:
    """The main job."""
    from cluster.config import load
    from cluster.run import run as run_job

    run_job(load(args.config, args.options), Reporter())


def render(args: argparse.Namespace) -> None:
    """Re-staged frames with a contact sheet, or a scene written by hand; without Ray."""
    from cluster.run import check_renderer
    from sim_actors.factory import build_simulator
    from sim_actors.sheet import contact_sheet, gallery

    config = _config(args)
    check_renderer(config)
    from cluster.services import Services

    reporter = Reporter()
    out = Path(args.out)
    storage.check_writable(str(out))
    pairs: list[tuple[Frame, Frame]] = []
    frames: list[Frame] = []
    simulator = build_simulator(Services(config).simulator())
    try:
        total = 1 if args.scene else args.count * args.variations
        with reporter.stage("rendering", total) as bar:
            for done, (parent, scene) in enumerate(_scenes(args, config), start=1):
                if reasons := simulator.supports(scene):
                    raise UserError(f"scene {scene.scene_id} cannot be staged: {'; '.join(reasons)}")
                frame = simulator.render(scene)
                assert frame.image is not None
                (out / f"{scene.scene_id}{_suffix(frame.image)}").write_bytes(frame.image)
                (out / f"{scene.scene_id}.json").write_text(scene.to_json() + "\n", encoding="utf-8")
                frames.append(frame)
                if parent is not None:
                    pairs.append((parent, frame))
                bar.update(done)
    finally:
        simulator.close()
    sheet = out / "contact-sheet.png"
    if pairs:
        contact_sheet(pairs, sheet)
    else:
        gallery(frames, sheet, columns=1, cell_width=1242, names=True)
    print(sheet)


def _scenes(args: argparse.Namespace, config: Config) -> Iterator[tuple[Frame | None, Scene]]:
    from imitation.datasets.kitti import kitti_splits, read_kitti
    from imitation.requests import Request
    from sim_actors.handwritten import load_scene
    from sim_actors.restage import default_camera
    from sim_actors.staging import StagingSettings, Target, stage

    if args.scene:
        yield None, load_scene(args.scene)
        return
    from cluster.run import catalog

    names = (kitti_splits(args.like) or {}).get("train")
    settings = StagingSettings(restage=config.restage, randomize=config.randomize)
    for index, frame in enumerate(read_kitti(args.like, names[: args.count] if names else None)):
        if index == args.count:
            return
        target = Target(
            convention=config.data.convention or "cuboid_clipped",
            categories=tuple(sorted({obj.category for obj in frame.objects})),
            camera=frame.camera or default_camera(frame.width, frame.height, config.restage.hfov_deg),
            width=frame.width,
            height=frame.height,
            catalog=catalog(config),
        )
        request = Request(
            request_id=frame.frame_id,
            parent=frame.frame_id,
            failures=(),
            focus=(),
            clutter=(),
            variations=args.variations,
            seed=zlib.crc32(f"{config.run.seed}/{frame.frame_id}".encode()),
            policy="render",
        )
        for variation in range(args.variations):
            yield frame, stage(request, variation, frame, target=target, settings=settings)


def evaluate(args: argparse.Namespace) -> None:
    """Metrics and failures of a checkpoint on a split: of the run it lies in, or of named data."""
    from cluster.evaluation import evaluate_checkpoint

    result = evaluate_checkpoint(args.checkpoint, _config(args), args.split, args.out, Reporter())
    print(json.dumps(result, indent=2, allow_nan=False))


def predict(args: argparse.Namespace) -> None:
    """Detections in pictures, as JSON on standard output; drawn where --out says."""
    from PIL import Image

    from imitation.drawing import draw_detections
    from imitation.images import decode_image
    from imitation.product import load_product
    from imitation.records import Box

    predictor, info = load_product(args.checkpoint)
    threshold = args.threshold if args.threshold is not None else info.operating_threshold or 0.0
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
                "threshold": threshold,
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
    data = RealData.from_json(storage.read_json(workspace.path("data", "stage-prepare.json")))
    print(write_report(config, workspace, data, read_summary(workspace.path(SUMMARY))))


def defaults(args: argparse.Namespace) -> None:
    """Prints the configuration file."""
    from cluster.config_file import commented_yaml

    print(commented_yaml(), end="")


def _suffix(image: bytes) -> str:
    return ".png" if image.startswith(b"\x89PNG") else ".jpg"


def _config(args: argparse.Namespace) -> Config:
    """The named configuration file, or the defaults, with the options on top."""
    from cluster.config import load, load_defaults

    return load(args.config, args.options) if args.config else load_defaults(args.options)
