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
    from sim_actors.actor import SceneJob, SimulatorHost

SHOWN = 60  # frames on a contact sheet
LIKE = 12  # frames re-staged where --count does not say


def render(args: argparse.Namespace) -> None:
    """Re-staged frames with a contact sheet, or a scene written by hand; without Ray."""
    from cluster.services import Services
    from imitation.datasets.parquet import write_frames
    from sim_actors.actor import SimulatorHost
    from sim_actors.opengl.preflight import problem

    config = config_of(args)
    if config.simulate.simulator == "opengl" and (reason := problem()):
        raise UserError(reason)
    reporter = Reporter()
    out = Path(args.out)
    storage.check_writable(str(out))
    total, jobs = _jobs(args, config, reporter)
    host = SimulatorHost(Services(config).simulator())
    if error := host.start().error:
        raise UserError(error)
    shown: list[tuple[Frame | None, Frame]] = []
    try:
        with reporter.stage("rendering", total) as bar:

            def frames() -> Iterator[Frame]:
                for done, (parent, job) in enumerate(jobs, start=1):
                    frame = _rendered(host, job)
                    _write(frame, job, out)
                    if len(shown) < SHOWN:
                        shown.append((parent, frame))
                    bar.update(done)
                    yield frame

            count = write_frames(frames(), str(out / "frames.parquet"))
    finally:
        host.close()
    if not count:
        raise UserError("nothing was rendered: there was no frame to re-stage")
    print(_sheet(shown, out / "contact-sheet.png"))
    reporter.say(f"{count} labelled frames: {out / 'frames.parquet'}")


def _jobs(
    args: argparse.Namespace, config: Config, reporter: Reporter
) -> tuple[int, Iterator[tuple[Frame | None, SceneJob]]]:
    """How many scenes there are to render, and they, each with the frame that it re-stages."""
    from sim_actors.actor import SceneJob
    from sim_actors.handwritten import load_scene

    if args.scene:
        return 1, iter([(None, SceneJob(load_scene(args.scene), policy="by hand"))])
    if args.requests:
        from cluster.mining import requested_jobs

        return requested_jobs(args.requests, config, args.count, reporter)
    count = args.count or LIKE
    return count * args.variations, _like(args.like, count, args.variations, config)


def _like(root: str, count: int, variations: int, config: Config) -> Iterator[tuple[Frame, SceneJob]]:
    from cluster.run import catalog
    from imitation.datasets.kitti import kitti_splits, read_kitti
    from imitation.requests import Request
    from sim_actors.actor import SceneJob
    from sim_actors.restage import default_camera
    from sim_actors.staging import StagingSettings, Target, stage

    names = (kitti_splits(root) or {}).get("train")
    settings = StagingSettings(restage=config.restage, randomize=config.randomize)
    for index, frame in enumerate(read_kitti(root, names[:count] if names else None)):
        if index == count:
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
            variations=variations,
            seed=zlib.crc32(f"{config.run.seed}/{frame.frame_id}".encode()),
            policy="render",
        )
        for variation in range(variations):
            scene = stage(request, variation, frame, target=target, settings=settings)
            yield frame, SceneJob(scene, parent=frame.frame_id, policy="render", seed=request.seed)


def _rendered(host: SimulatorHost, job: SceneJob) -> Frame:
    from sim_actors.actor import decode_frame

    answer = host.render(job)
    if answer.payload is None:
        reason = answer.error or "; ".join(answer.unsupported)
        raise UserError(f"scene {job.scene.scene_id} cannot be staged: {reason}")
    return decode_frame(answer.payload)


def _write(frame: Frame, job: SceneJob, out: Path) -> None:
    assert frame.image is not None  # the host checked it
    suffix = ".png" if frame.image.startswith(b"\x89PNG") else ".jpg"
    (out / f"{frame.frame_id}{suffix}").write_bytes(frame.image)
    (out / f"{frame.frame_id}.json").write_text(job.scene.to_json() + "\n", encoding="utf-8")


def _sheet(shown: list[tuple[Frame | None, Frame]], path: Path) -> Path:
    from sim_actors.sheet import contact_sheet, gallery

    pairs = [(parent, frame) for parent, frame in shown if parent is not None]
    if pairs:
        contact_sheet(pairs, path)
    else:
        gallery([frame for _, frame in shown], path, columns=1, cell_width=1242, names=True)
    return path
