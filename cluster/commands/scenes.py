"""`imitate render`: frames without Ray, one simulator in this process."""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.commands.common import config_of
from cluster.progress import Reporter
from imitation import storage
from imitation.settings import UserError

if TYPE_CHECKING:
    from cluster.config import Config
    from imitation.records import Frame
    from sim_actors.scene import Scene


def render(args: argparse.Namespace) -> None:
    """Re-staged frames with a contact sheet, or a scene written by hand; without Ray."""
    from sim_actors.factory import build_simulator
    from sim_actors.opengl.preflight import problem
    from sim_actors.sheet import contact_sheet, gallery

    config = config_of(args)
    if config.simulate.simulator == "opengl" and (reason := problem()):
        raise UserError(reason)
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


def _suffix(image: bytes) -> str:
    return ".png" if image.startswith(b"\x89PNG") else ".jpg"
