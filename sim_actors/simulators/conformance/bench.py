"""Where a simulator is tried: one or two cars on flat ground before a small camera, and what came back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imitation.common.contracts import Found
from imitation.common.import_paths import error_line
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from sim_actors.scene.projection import iou, projected_box
from sim_actors.scene.records import Actor, Environment, Scene, Sensor
from sim_actors.scene.sizes import size_prior
from sim_actors.simulators.contract import checked_reasons
from sim_actors.simulators.protocol import Simulator, unsupported
from sim_actors.simulators.registry import SimulatorSpec, build_simulator

WIDTH, HEIGHT, FOCAL = 240, 144, 150.0  # px: small, so that a check takes seconds
GROUND = 1.5  # m below the camera
AHEAD = -math.pi / 2  # yaw of a car that drives away
_ELSE = (4.0, 1.7, 1.5)  # length, width and height of a category of unknown size, m
_PREFERRED = ("car", "vehicle", "van", "truck", "bus")  # as long as their yaw can be told from their box

Guess = Callable[[Cuboid, Camera], Box]
"""Where a box lies by some way of reading the scene, right or mistaken."""


class NotStaged(Exception):
    """`supports` refuses the scene: what it shows is not judged."""


class Mistaken(Exception):
    """What is wrong, in a sentence: no frame, or none of its labels, to judge."""


@dataclass(frozen=True)
class Check:
    """One thing that a simulator has to do right. `judge` renders `renders` scenes or fewer.

    `labels`: it judges labels. `basic`: where it is wrong, the checks of labels after it would only repeat
    it, and are left out.
    """

    name: str
    judge: Callable[[Bench], Found]
    renders: int
    basic: bool = False
    labels: bool = True


class Bench:
    """A running simulator, and scenes for it. `category` is what its actors are: a car where it has them.

    Distances go with the size of the category, so that a tram is as large in the picture as a car.
    """

    def __init__(self, spec: SimulatorSpec, categories: Sequence[str]) -> None:
        self.spec = spec
        catalog = spec.catalog()
        known = [name for name in categories if catalog is None or name.lower() in catalog]
        choice = [*known, *sorted(catalog or ())] or ["car"]
        self.categories = tuple(dict.fromkeys(choice))
        liked = [name for name in self.categories if name.lower() in _PREFERRED]
        sized = [name for name in self.categories if size_prior(name) is not None]
        self.category = min(
            liked, key=lambda name: _PREFERRED.index(name.lower()), default=(sized or choice)[0]
        )
        self.length, self.width, self.height = self.size(self.category)
        self.scale = max(self.length / 4, self.height / 1.8)
        self.simulator: Simulator = build_simulator(spec)

    @staticmethod
    def size(category: str) -> tuple[float, float, float]:
        """Length, width and height, m."""
        prior = size_prior(category)
        return _ELSE if prior is None else (prior.length, prior.width, prior.height)

    def restart(self) -> None:
        """Closes the simulator, twice as is allowed, and builds it again."""
        self.simulator.close()
        self.simulator.close()
        self.simulator = build_simulator(self.spec)

    def actor(self, x: float, z: float, yaw: float = AHEAD, category: str = "") -> Actor:
        """One that stands on the ground, red; x and z are m for a category of a car's size."""
        size = self.size(category) if category else (self.length, self.width, self.height)
        cuboid = Cuboid(x * self.scale, GROUND, z * self.scale, *size, yaw)
        return Actor(category or self.category, cuboid, color=(0.7, 0.02, 0.02))

    def scene(self, name: str, *actors: Actor, cx: float = WIDTH / 2, cy: float = HEIGHT / 2) -> Scene:
        """Flat ground by day, without noise or blur."""
        return Scene(
            f"check-{name}",
            WIDTH,
            HEIGHT,
            Camera(FOCAL, FOCAL, cx, cy, GROUND, 0.0),
            actors,
            environment=Environment(weather="overcast"),
            sensor=Sensor(noise=0.0, read_noise=0.0, blur=0.0, vignette=0.0, jpeg_quality=0),
        )

    def pair(self, name: str = "two") -> Scene:
        """A near one on the left and a far one right of the middle; what is mirrored lies elsewhere."""
        return self.scene(name, self.actor(-2.6, 9), self.actor(1.4, 14))

    def frame(self, scene: Scene) -> Frame:
        """What it renders, as it is. Raises NotStaged, Mistaken."""
        if reasons := checked_reasons(unsupported(self.simulator, scene), self.simulator.name):
            raise NotStaged("; ".join(reasons))
        try:
            frame: Any = self.simulator.render(scene)
        except Exception as error:  # a user's simulator may raise anything
            raise Mistaken(
                f"supports() accepts scene {scene.scene_id!r}, but render() fails: {error_line(error)}; "
                "usually: supports() does not ask all that render() needs"
            ) from error
        if not isinstance(frame, Frame) or not frame.image:
            raise Mistaken("render() has to give an imitation.data.records.Frame with PNG or JPEG bytes")
        return frame

    def objects(self, scene: Scene) -> tuple[Object, ...]:
        """The labels of a scene whose actors are all in sight, one each. Raises NotStaged, Mistaken."""
        frame = self.frame(scene)
        if len(frame.objects) != len(scene.actors):
            raise Mistaken(
                f"{len(frame.objects)} objects came back for {len(scene.actors)} actors, all in sight; "
                "usually: one is staged out of sight (another unit, z backward, y upward), or dropped"
            )
        return frame.objects


def agreement(obj: Object, expected: Box) -> float:
    """IoU of a whole (amodal) box and the one expected; of both clipped where it has only that."""
    if obj.amodal_box is not None:
        return iou(obj.amodal_box, expected)
    return iou(obj.box, expected.clipped(WIDTH, HEIGHT))


def fits(objects: Sequence[Object], scene: Scene, guesses: Mapping[str, Guess]) -> dict[str, float]:
    """Guess -> mean over the actors of the best IoU that an object has with where the guess has the actor."""
    return {
        name: sum(
            max((agreement(obj, guess(actor.cuboid, scene.camera)) for obj in objects), default=0.0)
            for actor in scene.actors
        )
        / len(scene.actors)
        for name, guess in guesses.items()
    }


def moved(**changes: Callable[[Cuboid], float]) -> Guess:
    """The box of the cuboid with these fields changed."""
    return lambda cuboid, camera: projected_box(
        replace(cuboid, **{name: change(cuboid) for name, change in changes.items()}), camera
    )


def wrong(found: str, expected: str, usually: str, /, **numbers: float) -> Found:
    """A finding of what is wrong: what was found, what was expected, and what it usually means."""
    return Found(f"{found}; expected {expected}; usually: {usually}", wrong=True, numbers=_short(numbers))


def right(text: str, /, **numbers: float) -> Found:
    return Found(text, numbers=_short(numbers))


def noted(text: str, /, **numbers: float) -> Found:
    return Found(text, note=True, numbers=_short(numbers))


def _short(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in numbers.items()}
