"""Detectors that are blind by construction, in streets whose every thing is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cluster.probing.experiment import Experiment
from cluster.probing.of_run import Failing
from cluster.probing.scenes import Staged
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Camera, Cuboid, Frame, Object, Origin
from imitation.evaluation.detections import Detections, FrameDetections
from imitation.evaluation.failures import Failure
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Actor, Environment, Prop, Scene, Sensor

SIZE = (192, 72)
CAMERA = Camera(130.0, 130.0, 96.0, 30.0, 1.65, 0.0)
WHITE, BLACK = (0.78, 0.78, 0.77), (0.012, 0.012, 0.014)
Blind = Callable[[Object, np.ndarray], bool]
"""Whether an object is not found: its label, and the picture (height, width, 3)."""


def car(x: float, z: float, colour=WHITE, yaw: float = -1.4) -> Actor:
    return Actor("car", Cuboid(x, ground_y(CAMERA, z), z, 3.9, 1.6, 1.5, yaw), colour, seed=3)


def street(number: int, subject: Actor, *others: Actor, props: tuple[Prop, ...] = (), **light) -> Scene:
    sensor = replace(Sensor(), noise=0.0, read_noise=0.0, jpeg_quality=0)
    environment = Environment(**light)
    actors = (subject, *others)
    return Scene(f"probe-{number:02d}-o0", *SIZE, CAMERA, actors, props, environment=environment,
                 sensor=sensor, seed=number, focus=(0,))  # fmt: skip


def thing(scene: Scene, number: int) -> Staged:
    box = Box(0, 0, 9, 9)
    about = f"f{number}#missed-o0", f"f{number}", "val", "main", "missed"
    failure = Failure(*about, "car", None, 0, box, None, None, 0.0, 9.0)
    return Staged(Failing(failure, "car, missed", "main"), scene, seed=100 + number)


class Bench:
    """The experiment with one simulator in this process and a blind detector."""

    def __init__(self, simulator, blind: Blind, factors) -> None:
        self.simulator = simulator
        self.blind = blind
        self.places: dict[str, dict[str, Frame]] = {}
        self.asked: list[str] = []
        self.experiment = Experiment(factors, self.render, self.detect, self.frames, {"main": 0.5})

    def render(self, jobs, place):
        lost = {}
        made = self.places.setdefault(place, {})
        for job in jobs:
            self.asked.append(job.scene.scene_id)
            if self.simulator.supports(job.scene):
                lost[job.scene.scene_id] = "refused by the simulator"
                continue
            frame = self.simulator.render(job.scene)
            origin = Origin(
                0, job.parent, job.failures, "probe", job.scene.to_json(), "opengl", "1", job.seed
            )
            made[job.scene.scene_id] = replace(frame, origin=origin)
        return lost

    def frames(self, place, columns, keep):
        return (self.places[place][name] for name in sorted(keep) if name in self.places[place])

    def detect(self, place, judges):
        for name in judges:
            frame = self.places[place][name]
            image = load_frame_image(frame)
            seen = [obj for obj in frame.objects if not obj.ignore and not self.blind(obj, image)]
            detections = Detections([list(obj.box) for obj in seen], [0.9] * len(seen), [1] * len(seen))
            yield FrameDetections.of(frame, detections, categories=("car",), split="probe", detector="main")


def dark(obj: Object, image: np.ndarray) -> bool:
    """By the brighter parts of its middle: windows and tyres are dark of every car."""
    (x1, y1, x2, y2), grey = obj.box, image.mean(axis=2)
    across, down = 0.2 * obj.box.width, 0.2 * obj.box.height
    part = grey[int(y1 + down) : int(y2 - down) + 1, int(x1 + across) : int(x2 - across) + 1]
    return bool(np.quantile(part, 0.8) < 92)


def small(obj: Object, image: np.ndarray) -> bool:
    return obj.box.height < 9


def right(obj: Object, image: np.ndarray) -> bool:
    return (obj.box.x1 + obj.box.x2) / 2 > image.shape[1] / 2


def hidden(obj: Object, image: np.ndarray) -> bool:
    return (obj.occlusion or 0.0) > 0.15
