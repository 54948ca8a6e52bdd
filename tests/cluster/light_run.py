"""A whole run without Ray and without networks: `cluster.run.main_job.run`, its stages, policies, analysis
and report as they are, only rendering, training and judging done by toys in the driver's own process.

What it commits, and when, is what a real run commits; so a driver can be killed at every place.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import numpy as np

import cluster.run.loop
import cluster.run.main_job
import cluster.stages.evaluate
from cluster.config.parse import load_defaults
from cluster.config.simulate import SimulateSettings
from cluster.config.simulator import simulators
from cluster.observability.console import Reporter
from cluster.simulation.mixing.dealing import Deal
from cluster.simulation.work_queue import PoolCounts, Rendered, SetAside
from cluster.training.train_loop import STATE_FILE, _fingerprint
from imitation.common import storage
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import read_frames
from imitation.detectors.checkpoint import read_info, save_checkpoint
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import Detections, FrameDetections
from imitation.report import svg
from sim_actors.scene.records import Scene
from sim_actors.simulators.mixture import Mixture
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob, SimulatorHost

OPTIONS = [
    "world.train=14",
    "world.val=6",
    "world.test=6",
    "world.width=160",
    "world.height=64",
    "train.steps=4",
    "loop.cycles=1",
    "simulate.frames_per_file=8",
    "aggregation.synthetic_per_cycle=0.5",
    "report.gallery=2",
]


class Painter:
    """Renders a scene as one colour; its labels are its actors' cuboids, projected and clipped."""

    name = "painter"
    version = "1"

    def supports(self, scene: Scene) -> list[str]:
        return []

    def render(self, scene: Scene) -> Frame:
        colour = np.random.default_rng(scene.seed).integers(0, 255, 3, dtype=np.uint8)
        image = encode_png(np.broadcast_to(colour, (scene.height, scene.width, 3)).copy())
        objects = []
        for actor in scene.actors:
            corners = actor.cuboid.corners()
            if not actor.labelled or corners[:, 2].min() <= 0.1:
                continue
            points = scene.camera.project(corners).clip(0, [scene.width, scene.height])
            box = Box(*map(float, (*points.min(axis=0), *points.max(axis=0))))
            if box.width > 2 and box.height > 2:
                objects.append(Object(actor.category, box, cuboid=actor.cuboid))
        return Frame(
            scene.scene_id, scene.width, scene.height, tuple(objects), image=image, camera=scene.camera
        )

    def close(self) -> None:
        pass


class Picky(Painter):
    """One that stages no scene whose seed is a multiple of `every`, and in cycle 1 only a frame, if named."""

    def __init__(self, every: int = 3, only: str = "") -> None:
        self.every, self.only = every, only

    def supports(self, scene: Scene) -> list[str]:
        if self.only and scene.scene_id.startswith("c01") and self.only not in scene.scene_id:
            return [f"nothing but {self.only} is staged here"]
        return ["multiples are unlucky"] if scene.seed % self.every == 0 else []


class Pool:
    """Renders in this process: by the painter, or by several."""

    def __init__(self, settings: SimulateSettings, mixture: Mixture | None = None) -> None:
        self.settings, self.counts = settings, PoolCounts()
        self.mixture = mixture or Mixture.one(SimulatorSpec("tests.cluster.light_run:Painter"))
        self.hosts = {label: SimulatorHost(spec) for label, spec in self.mixture.specs.items()}
        for host in self.hosts.values():
            assert host.start().error is None

    def render(self, jobs: Any) -> Iterator[Rendered | SetAside]:
        self.counts = PoolCounts()
        deal = Deal(self.mixture, jobs)

        def following() -> tuple[str, SceneJob] | None:
            dealt = ((label, deal.next(label)) for label in self.hosts)
            return next(((label, job) for label, job in dealt if job is not None), None)

        while (given := following()) is not None:
            label, job = given
            answer = self.hosts[label].render(job)
            assert answer.error is None, answer.error
            if answer.payload is not None:
                found: Rendered | SetAside = Rendered(
                    answer.scene_id, answer.payload, 1, answer.seconds, answer.cpu_seconds
                )
            elif deal.hand_on(label, job, answer.unsupported):
                continue
            else:
                found = SetAside(answer.scene_id, "unsupported", "; ".join(answer.unsupported), 1)
            yield deal.told(label, found) if self.mixture.mixed else found

    @property
    def totals(self) -> PoolCounts:
        return self.counts

    def pids(self) -> list[int]:
        return []

    def kill(self) -> None:
        pass


class Launcher:
    """Learns nothing: a training state, then a checkpoint that knows how many frames it was trained on."""

    def run(self, config: dict[str, Any], progress: Any) -> None:
        spec = config["spec"]
        storage.write_bytes_atomic(storage.join(spec.output + ".partial", STATE_FILE), b"half-way")
        counts = [
            sum(frame.frame_id not in spec.exclude for uri in uris for frame in read_frames(uri, ()))
            for uris in (spec.real, spec.synthetic)
        ]
        told = {
            "spec": _fingerprint(spec),
            "steps": spec.train.steps,
            "images_seen": spec.train.steps * spec.train.batch_size,
            "real_frames": counts[0],
            "synthetic_frames": counts[1],
            "repeated_frames": 0,
            "seconds": 0.0,
            "losses": {"loss": 1.0},
            "skipped": {},
            "seed": spec.seed,
        }
        save_checkpoint(spec.output, {}, spec.detector, spec.categories.categories, told)

    def close(self) -> None:
        pass


class Services:
    """Stands in for `cluster.stages.services.Services`."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def __enter__(self) -> "Services":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    @contextmanager
    def pool(self, embedded: bool = False) -> Iterator[Pool]:
        ours = not embedded and any(m.name.startswith(__name__) for m in self.config.simulate.members)
        yield Pool(self.config.simulate, simulators(self.config) if ours else None)

    def launcher(self) -> Launcher:
        return Launcher()

    def make_room_for_evaluation(self) -> None:
        pass

    def expect_training(self) -> None:
        pass

    def expect_rendering(self) -> None:
        pass


def judge(parts: Any, checkpoints: Any, categories: Any, out: str, *rest: Any) -> dict[str, Any]:
    """Stands in for `cluster.evaluation.ray_data.evaluate`: finds more the more frames a detector was trained
    on.
    """

    def rows() -> Iterator[FrameDetections]:
        for part in parts:
            for frame in read_frames(part.uri):
                for name in part.judges(frame.frame_id):
                    yield _judged(
                        frame, name, part.split, read_info(checkpoints[name]).trained_on, categories
                    )

    rows_written = write_detections(rows(), out, categories.categories)
    return {"rows": rows_written, "errors": [], "busy_seconds": 0.0}


def _judged(frame: Frame, name: str, split: str, told: dict[str, Any], categories: Any) -> FrameDetections:
    mapped = categories.mapped(frame)
    trained = told["real_frames"] + told["synthetic_frames"]
    rng = np.random.default_rng([zlib.crc32(f"{frame.frame_id} {name} {trained} {told['seed']}".encode())])
    boxes, labels = [], []
    for obj in mapped.objects:
        if obj.category in categories.categories and rng.random() < trained / (trained + 10):
            boxes.append(np.array(obj.box) + rng.normal(0, 1, 4))
            labels.append(1 + categories.categories.index(obj.category))
    if rng.random() < 0.5:
        boxes.append(np.array([5.0, 5, 25, 25]))
        labels.append(1)
    found = Detections(np.reshape(boxes, (-1, 4)), rng.uniform(0.1, 1, len(boxes)), labels)
    return FrameDetections.of(
        mapped,
        found,
        source=[obj.category for obj in frame.objects],
        categories=categories.categories,
        split=split,
        detector=name,
    )


def undrawn() -> Any:
    """Within it reports are written whole, only that no plot is drawn: a run's take half a second."""
    return mock.patch.object(svg, "_to_svg", return_value='<svg viewBox="0 0 1 1"></svg>')


def run(storage_folder: str, name: str, *options: str, drawn: bool = False) -> None:
    """`cluster.run.main_job.run` on the toys; `options` are settings. `drawn`: its report has plots."""
    config = load_defaults([*OPTIONS, f"run.storage={storage_folder}", f"run.name={name}", *options])
    with (
        mock.patch.object(cluster.run.loop, "Services", Services),
        mock.patch.object(cluster.run.main_job, "check_renderer", return_value=None),
        mock.patch.object(cluster.stages.evaluate, "evaluate", judge),
        nullcontext() if drawn else undrawn(),
    ):
        cluster.run.main_job.run(config, Reporter())
