"""A scene as a list of posed bodies, ready to draw, and their records for the shaders."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim_actors.scene.backdrop import Occluder
from sim_actors.scene.records import Actor, Prop, Scene
from sim_actors.scene.sizes import size_prior
from sim_actors.simulators.opengl.assets.family import Family, Rgb
from sim_actors.simulators.opengl.assets.meshes import (
    BLOCK,
    MeshKey,
    actor_pose,
    bodies_of,
    canonical,
    mesh_of,
    model_of,
    prop_pose,
    prop_variant,
)
from sim_actors.simulators.opengl.lighting.light import illuminate

FAR_AWAY = 38.0
"""Props farther away than this are drawn with fewer triangles where a family has such a mesh
(kind "..._far"), m."""

INSTANCE_BYTES = 256
"""What a body's record takes, padded so that any can be bound alone."""


@dataclass(frozen=True, eq=False)
class Body:
    """One posed body. `actor` is the index of its labelled actor, None for clutter and props;
    `pose` (4, 4) maps the unit cuboid to camera coordinates, m; `size` is its length, height and width
    there, m. `colors`, linear RGB, are what materials are tinted with (materials.py), `offsets` (2,) shift
    its textures, `lights` in [0, 1] says how brightly its lamps or windows shine, `identity` is what the id
    target says of its pixels."""

    mesh: MeshKey
    pose: np.ndarray
    size: np.ndarray
    colors: tuple[Rgb, Rgb, Rgb]
    offsets: np.ndarray
    lights: float
    identity: int
    actor: int | None
    grounded: bool

    @property
    def distance(self) -> float:
        return float(np.linalg.norm(self.pose[:3, 3]))

    @property
    def normal_turn(self) -> np.ndarray:
        """(3, 3): normals of the mesh to camera coordinates, not of unit length."""
        # Normals were made on the prototype: they follow the inverse of its stretch.
        return self.pose[:3, :3] / self.size * (np.array(mesh_of(self.mesh).size) / self.size)

    @cached_property
    def record(self) -> bytes:
        """The `Instance` block of instance.glsl, std140, padded to `INSTANCE_BYTES`."""
        turn = np.eye(4)
        turn[:3, :3] = self.normal_turn
        first, second, third = self.colors
        rows = np.array(
            [
                *self.pose.T,
                *turn.T,
                [*self.size, self.identity],
                [*first, self.offsets[0]],
                [*second, self.offsets[1]],
                [*third, self.lights],
            ],
            dtype=np.float32,
        )
        return rows.tobytes().ljust(INSTANCE_BYTES, b"\0")

    def inside(self, view: np.ndarray) -> bool:
        """Whether its cuboid meets the clip volume of a view (4, 4); may say yes for a near miss."""
        clip = _UNIT @ (view @ self.pose).T
        w = clip[:, 3:]
        return not (np.any(np.all(clip[:, :3] > w, axis=0)) or np.any(np.all(clip[:, :3] < -w, axis=0)))


_UNIT = np.array([[x, y, z, 1.0] for x in (-0.5, 0.5) for y in (-1.0, 0.0) for z in (-0.5, 0.5)])


def stage(scene: Scene, family: Family) -> list[Body]:
    """Every actor and prop, nearest first (what is hidden is then not shaded)."""
    actors, props = bodies(scene, family)
    return sorted([*actors, *props], key=lambda body: body.distance)


def bodies(scene: Scene, family: Family) -> tuple[list[Body], list[Body]]:
    """The bodies of all actors and of all props, in the scene's order.

    A labelled actor's id in the id target is its index + 1; everything else has 0.
    """
    night = illuminate(scene.environment, scene.camera, family).night
    return (
        [_actor_body(index, actor, family, night) for index, actor in enumerate(scene.actors)],
        [_prop_body(prop, scene, family, night) for prop in scene.props],
    )


def _actor_body(index: int, actor: Actor, family: Family, night: float) -> Body:
    rng = np.random.default_rng([19, actor.seed & 0xFFFFFFFF])
    cloth = family.cloths[int(rng.integers(len(family.cloths)))]
    skin = family.skins[int(rng.integers(len(family.skins)))]
    return Body(
        mesh=(family.name, canonical(actor.category), model_of(family, actor)),
        pose=actor_pose(actor.cuboid),
        size=np.array([actor.cuboid.length, actor.cuboid.height, actor.cuboid.width]),
        colors=(actor.color, cloth, skin),
        offsets=rng.uniform(0, 1, 2),
        lights=(0.35 + 0.65 * night) if actor.lights else 0.0,
        identity=index + 1 if actor.labelled else 0,
        actor=index if actor.labelled else None,
        grounded=True,
    )


def occluder_body(item: Occluder, family: Family, identity: int) -> Body:
    """The body that stands for a photographed thing: of its category, or a block where there is none or
    where things of the category have no shape in common."""
    prior = size_prior(item.category)
    shaped = prior is None or prior.kind != "other"
    known = shaped and bool(bodies_of(family, item.category))
    actor = Actor(item.category, item.cuboid, seed=item.seed)
    grey = (0.5, 0.5, 0.5)
    return Body(
        mesh=(family.name, canonical(item.category), model_of(family, actor))
        if known
        else (family.name, BLOCK, ""),
        pose=actor_pose(item.cuboid),
        size=np.array([item.cuboid.length, item.cuboid.height, item.cuboid.width]),
        colors=(grey, grey, grey),
        offsets=np.zeros(2),
        lights=0.0,
        identity=identity,
        actor=None,
        grounded=False,
    )


def _prop_body(prop: Prop, scene: Scene, family: Family, night: float) -> Body:
    kind: str = prop.kind
    if f"{kind}_far" in family.props and math.hypot(prop.x, prop.z) > FAR_AWAY:
        kind += "_far"
    rng = np.random.default_rng([29, prop.seed & 0xFFFFFFFF])
    offsets = rng.uniform(0, 1, 2)
    red, green, blue = (float(v) for v in np.array(prop.color) * rng.uniform(0.5, 0.9))
    return Body(
        mesh=(family.name, kind, prop_variant(family, prop, kind)),
        pose=prop_pose(prop, scene.camera),
        size=np.array([prop.length, prop.height, prop.width]),
        colors=(prop.color, (red, green, blue), prop.color),
        offsets=offsets,
        lights=night,
        identity=0,
        actor=None,
        grounded=False,
    )
