"""Where in the town a scene is staged: on ground that is flat, with nothing in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Scene
from sim_actors.simulators.carla.settings import Place
from sim_actors.simulators.carla.town.geometry import Pose, camera_pose, to_world

GROUND = frozenset(("Roads", "RoadLines", "Sidewalks", "Ground", "Terrain", "Bridge", "RailTrack"))
_ABOVE, _BELOW = 6.0, 6.0  # m from where ground is expected: how far it is looked for
_CLEAR = tuple((x, z) for z in (6.0, 12.0, 20.0) for x in (-2.5, 0.0, 2.5))
"""Points ahead of the camera, m to the right and ahead, that have to be free at a spawn point."""


@dataclass(frozen=True)
class Column:
    """What a ray straight down met: the height of the ground that is nearest to where it is expected, m, and
    what else stands there within the height of a body."""

    ground: float | None
    in_the_way: tuple[str, ...] = ()


class Town:
    """The loaded map, asked by rays. Answers about the map alone are kept."""

    def __init__(self, carla: Any, world: Any, places: Sequence[Place]) -> None:
        self._carla, self._world = carla, world
        points = list(world.get_map().get_spawn_points()) if not places else []
        self.chosen = bool(places)
        self.places: tuple[Place, ...] = tuple(places) or tuple(
            (float(p.location.x), float(p.location.y), float(p.rotation.yaw)) for p in points
        )
        self._heights = {
            (float(p.location.x), float(p.location.y), float(p.rotation.yaw)): float(p.location.z)
            for p in points
        }
        self._standing: dict[Place, float | None] = {}
        self._free: dict[tuple[Place, float], bool] = {}

    def order(self, seed: int) -> Iterator[Place]:
        """All places, in an order that is the scene's."""
        shuffled = np.random.default_rng([43, seed & 0xFFFFFFFF]).permutation(len(self.places))
        return (self.places[int(index)] for index in shuffled)

    def stand(self, place: Place) -> float | None:
        """The height of the ground at a place, m; None where there is none."""
        if place not in self._standing:
            x, y, _ = place
            if (expected := self._heights.get(place)) is not None:
                found = self.column(x, y, expected, 0.0).ground
            else:  # anywhere: the highest ground that there is
                hits = self._hits(x, y, 1000.0, -1000.0)
                found = max((z for z, label in hits if label in GROUND), default=None)
            self._standing[place] = found
        return self._standing[place]

    def free(self, place: Place, ground: float, tolerance: float) -> bool:
        """Whether the road ahead of a place is flat and free. A place that a person chose is."""
        if self.chosen:
            return True
        if (place, tolerance) not in self._free:
            x, y, yaw = place
            pose = Pose(x, y, ground, 0.0, yaw)
            points = to_world(np.array([[right, 0.0, ahead] for right, ahead in _CLEAR]), pose)
            columns = [self.column(px, py, ground, 2.0) for px, py, _ in points]
            self._free[place, tolerance] = all(
                c.ground is not None and abs(c.ground - ground) <= tolerance and not c.in_the_way
                for c in columns
            )
        return self._free[place, tolerance]

    def column(self, x: float, y: float, expected: float, height: float) -> Column:
        """What is at a point, near an expected height, and what is in the way of a body of this height, m."""
        hits = self._hits(x, y, expected + max(_ABOVE, height), expected - _BELOW)
        grounds = [z for z, label in hits if label in GROUND]
        if not grounds:
            return Column(None)
        ground = min(grounds, key=lambda z: abs(z - expected))
        # What has no label is a trigger: seen by rays, and by nobody else.
        others = [(z, label) for z, label in hits if label not in GROUND and label != "NONE"]
        return Column(ground, tuple(label for z, label in others if ground + 0.1 < z < ground + height))

    def _hits(self, x: float, y: float, top: float, bottom: float) -> list[tuple[float, str]]:
        location = self._carla.Location
        hits = self._world.cast_ray(location(x=x, y=y, z=top), location(x=x, y=y, z=bottom))
        return [(float(hit.location.z), str(hit.label).rsplit(".", 1)[-1]) for hit in hits]


@dataclass(frozen=True)
class Standing:
    """A scene in the town: where its camera is, and the height of the ground under each actor, m."""

    camera: Pose
    grounds: tuple[float, ...]


def standing(
    town: Town, scene: Scene, heights: Sequence[float], tries: int, tolerance: float
) -> Standing | str:
    """The first place where a scene can be staged, or why there is none. `heights` of its bodies, m."""
    why = f"the map has no place: give simulate.options.places, found {len(town.places)}"
    tried = 0
    for place in town.order(scene.seed):
        ground = town.stand(place)
        if ground is None:
            why = f"at ({place[0]:g}, {place[1]:g}) there is no ground"
            continue
        if not town.free(place, ground, tolerance):
            why = f"no place was found where the road ahead is flat and free; the last tried: {_name(place)}"
        elif isinstance(found := _at(town, scene, place, ground, heights, tolerance), Standing):
            return found
        else:
            why = f"no place was found for it; at the last tried, {_name(place)}, {found}"
            tried += 1
        if tried >= tries:
            break
    return f"{why} (simulate.options.places, tries, ground_tolerance_m)"


def _at(
    town: Town, scene: Scene, place: Place, ground: float, heights: Sequence[float], tolerance: float
) -> Standing | str:
    x, y, yaw = place
    camera = camera_pose(scene.camera, x, y, ground, yaw)
    grounds = []
    for index, (actor, height) in enumerate(zip(scene.actors, heights)):
        cuboid = actor.cuboid
        at = to_world(np.array([[cuboid.x, cuboid.y, cuboid.z]]), camera)[0]
        column = town.column(float(at[0]), float(at[1]), float(at[2]), height)
        if column.ground is None:
            return f"there is no ground under actors[{index}] ({actor.category})"
        if abs(column.ground - at[2]) > tolerance:
            off = cuboid.y - ground_y(scene.camera, cuboid.z)
            more = f"; its cuboid is {abs(off):.2f} m off the scene's own ground" if abs(off) > 0.1 else ""
            return (
                f"the ground under actors[{index}] ({actor.category}) is {column.ground - at[2]:+.2f} m off "
                f"its cuboid{more}"
            )
        if column.in_the_way:
            things = ", ".join(sorted(set(column.in_the_way)))
            return f"{things} stand where actors[{index}] ({actor.category}) does"
        grounds.append(column.ground)
    return Standing(camera, tuple(grounds))


def _name(place: Place) -> str:
    return f"[{place[0]:.1f}, {place[1]:.1f}, {place[2]:.1f}]"
