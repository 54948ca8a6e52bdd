"""A scene as a list of posed bodies, ready to draw, and their records for the shaders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim_actors.scene.backdrop import Occluder
from sim_actors.scene.records import Actor, Prop, Scene
from sim_actors.scene.sizes import size_prior
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.meshes import (
    BLOCK,
    actor_pose,
    bodies_of,
    canonical,
    model_of,
    prop_pose,
    prop_variant,
)
from sim_actors.simulators.opengl.lighting.light import illuminate
from sim_actors.simulators.opengl.passes.context import INSTANCE_BYTES, MeshKey, mesh_of

FAR_AWAY = 38.0
"""Props farther away than this are drawn with fewer triangles where a family has such a mesh
(kind "..._far"), m."""


@dataclass(frozen=True)
class Body:
    """One posed body. `actor` is the index of its labelled actor, None for clutter and props;
    `pose` (4, 4) maps the unit cuboid to camera coordinates, m."""

    mesh: MeshKey
    pose: np.ndarray
    record: bytes
    actor: int | None
    grounded: bool

    @property
    def distance(self) -> float:
        return float(np.linalg.norm(self.pose[:3, 3]))

    @property
    def identity(self) -> int:
        """Its number in the id target: that of its labelled actor, from 1; 0 of anything else."""
        return int(self._rows()[8, 3] + 0.5)

    @property
    def colors(self) -> np.ndarray:
        """Its own colours, (3, 3) linear RGB: paint or upper cloth; lower cloth or roof; skin."""
        return self._rows()[9:12, :3]

    @property
    def lights(self) -> float:
        """How bright its lamps or windows shine, in [0, 1]."""
        return float(self._rows()[11, 3])

    def _rows(self) -> np.ndarray:
        return np.frombuffer(self.record, dtype=np.float32).reshape(-1, 4)

    def inside(self, view: np.ndarray) -> bool:
        """Whether its cuboid meets the clip volume of a view (4, 4); may say yes for a near miss."""
        clip = _UNIT @ (view @ self.pose).T
        w = clip[:, 3:]
        return not (np.any(np.all(clip[:, :3] > w, axis=0)) or np.any(np.all(clip[:, :3] < -w, axis=0)))


_UNIT = np.array([[x, y, z, 1.0] for x in (-0.5, 0.5) for y in (-1.0, 0.0) for z in (-0.5, 0.5)])


def stage(scene: Scene, family: Family) -> list[Body]:
    """Every actor and prop, nearest first (what is hidden is then not shaded).

    A labelled actor's id in the id target is its index + 1; everything else has 0.
    """
    night = illuminate(scene.environment, scene.camera, family).night
    bodies = [_actor_body(index, actor, family, night) for index, actor in enumerate(scene.actors)]
    bodies += [_prop_body(prop, scene, family, night) for prop in scene.props]
    return sorted(bodies, key=lambda body: body.distance)


def _actor_body(index: int, actor: Actor, family: Family, night: float) -> Body:
    key = (family.name, canonical(actor.category), model_of(family, actor))
    rng = np.random.default_rng([19, actor.seed & 0xFFFFFFFF])
    cloth = family.cloths[int(rng.integers(len(family.cloths)))]
    skin = family.skins[int(rng.integers(len(family.skins)))]
    offsets = rng.uniform(0, 1, 2)
    pose = actor_pose(actor.cuboid)
    size = np.array([actor.cuboid.length, actor.cuboid.height, actor.cuboid.width])
    record = _record(
        key, pose, size, actor.color, cloth, skin, offsets,
        lights=(0.35 + 0.65 * night) if actor.lights else 0.0,
        identity=index + 1 if actor.labelled else 0,
    )  # fmt: skip
    return Body(key, pose, record, index if actor.labelled else None, grounded=True)


def occluder_body(item: Occluder, family: Family, identity: int) -> Body:
    """The body that stands for a photographed thing: of its category, or a block where there is none or
    where things of the category have no shape in common."""
    prior = size_prior(item.category)
    shaped = prior is None or prior.kind != "other"
    known = shaped and bool(bodies_of(family, item.category))
    actor = Actor(item.category, item.cuboid, seed=item.seed)
    key = (
        (family.name, canonical(item.category), model_of(family, actor))
        if known
        else (family.name, BLOCK, "")
    )
    size = np.array([item.cuboid.length, item.cuboid.height, item.cuboid.width])
    grey, pose = (0.5, 0.5, 0.5), actor_pose(item.cuboid)
    record = _record(key, pose, size, grey, grey, grey, np.zeros(2), lights=0.0, identity=identity)
    return Body(key, pose, record, None, grounded=False)


def _prop_body(prop: Prop, scene: Scene, family: Family, night: float) -> Body:
    kind: str = prop.kind
    if f"{kind}_far" in family.props and math.hypot(prop.x, prop.z) > FAR_AWAY:
        kind += "_far"
    key = (family.name, kind, prop_variant(family, prop, kind))
    rng = np.random.default_rng([29, prop.seed & 0xFFFFFFFF])
    offsets = rng.uniform(0, 1, 2)
    second = tuple(np.array(prop.color) * rng.uniform(0.5, 0.9))
    pose = prop_pose(prop, scene.camera)
    size = np.array([prop.length, prop.height, prop.width])
    record = _record(key, pose, size, prop.color, second, prop.color, offsets, lights=night, identity=0)
    return Body(key, pose, record, None, grounded=False)


def _record(
    key: MeshKey,
    pose: np.ndarray,
    size: np.ndarray,
    first: tuple[float, ...],
    second: tuple[float, ...],
    third: tuple[float, ...],
    offsets: np.ndarray,
    lights: float,
    identity: int,
) -> bytes:
    """The `Instance` block of instance.glsl, std140, padded to `INSTANCE_BYTES`."""
    turn = np.eye(4)
    # Normals were made on the prototype: they follow the inverse of its stretch.
    turn[:3, :3] = pose[:3, :3] / size * (np.array(mesh_of(key).size) / size)
    rows = np.array(
        [
            *pose.T,
            *turn.T,
            [*size, identity],
            [*first, offsets[0]],
            [*second, offsets[1]],
            [*third, lights],
        ],
        dtype=np.float32,
    )
    return rows.tobytes().ljust(INSTANCE_BYTES, b"\0")
