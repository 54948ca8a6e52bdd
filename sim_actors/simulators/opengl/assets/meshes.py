"""Which body stands for an actor or a prop, built once, and how it is posed in the scene."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from imitation.data.records import Camera, Cuboid
from sim_actors.scene.category_words import SECOND_NAMES, canonical
from sim_actors.scene.ground import ground_rotation, ground_y
from sim_actors.scene.records import Actor, Prop
from sim_actors.simulators.opengl.assets.families import FAMILIES, SIMULATOR
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, assemble, box

VARIETY = 0.16
"""Bodies within this strain of the nearest are as good: the seed chooses among them."""

CATALOG: dict[str, tuple[str, ...]] = {
    category: tuple(models)
    for category, models in [
        *SIMULATOR.bodies.items(),
        *((alias, SIMULATOR.bodies[target]) for alias, target in SECOND_NAMES.items()),
    ]
}
"""Categories (lower case) that can be staged -> the models of the "simulator" family."""

BLOCK = "block"
"""The name of `block_mesh` where a category or kind stands."""

MeshKey = tuple[str, str, str | int]
"""(family, category, model) of a body, or (family, kind, variant) of a prop."""


def bodies_of(family: Family, category: str) -> tuple[str, ...]:
    """The models of a category, named as any dataset writes it (case, spaces and hyphens do not
    matter); empty if the family has none."""
    return tuple(family.bodies.get(canonical(category), ()))


def model_of(family: Family, actor: Actor) -> str:
    """The model's name for an actor: the one it names, or else the body whose proportions and height are
    among the nearest to the cuboid's, the actor's seed choosing between those.

    Raises KeyError for a category or a model that the family lacks.
    """
    models = bodies_of(family, actor.category)
    if actor.model:
        if actor.model not in models:
            raise KeyError(actor.model)
        return actor.model
    if not models:
        raise KeyError(actor.category)
    category = canonical(actor.category)
    strain = sorted((_strain(body_mesh(family.name, category, name), actor.cuboid), name) for name in models)
    fit = [name for value, name in strain if value < strain[0][0] + VARIETY]
    return fit[int(np.random.default_rng([11, actor.seed & 0xFFFFFFFF]).integers(len(fit)))]


def _strain(mesh: Mesh, cuboid: Cuboid) -> float:
    """How far a body is from a cuboid: the spread of the log scale over the axes (its proportions),
    and that of the height, so that a short person is a child rather than a shrunken grown-up."""
    scale = np.log(np.array([cuboid.length, cuboid.height, cuboid.width]) / np.array(mesh.size))
    return float(scale.max() - scale.min() + abs(scale[1]))


@lru_cache(maxsize=256)
def body_mesh(family: str, category: str, model: str) -> Mesh:
    """The mesh of a body in the unit cuboid."""
    return FAMILIES[family].bodies[canonical(category)][model]()


@lru_cache(maxsize=1)
def block_mesh() -> Mesh:
    """The unit cuboid itself, for things of which only the size is known."""
    return assemble([box((0, 0.5, 0), (1, 1, 1), M.TRIM)])


@lru_cache(maxsize=256)
def prop_mesh(family: str, kind: str, variant: int) -> Mesh:
    """The mesh of a prop in the unit cuboid."""
    return FAMILIES[family].props[kind][variant]()


def mesh_of(key: MeshKey) -> Mesh:
    """The mesh of a body, a prop, or the block."""
    family, name, which = key
    if name == BLOCK:
        return block_mesh()
    if isinstance(which, int):
        return prop_mesh(family, name, which)
    return body_mesh(family, name, which)


def prop_variant(family: Family, prop: Prop, kind: str | None = None) -> int:
    """Which of the family's meshes of a kind (None: its own) stands for a prop: its seed decides."""
    count = len(family.props[kind or prop.kind])
    return int(np.random.default_rng([13, prop.seed & 0xFFFFFFFF]).integers(count))


def _turn(yaw: float) -> np.ndarray:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def actor_pose(cuboid: Cuboid) -> np.ndarray:
    """(4, 4): unit cuboid -> camera coordinates (m), filling the cuboid exactly."""
    pose = np.eye(4)
    pose[:3, :3] = _turn(cuboid.yaw) * np.array([cuboid.length, cuboid.height, cuboid.width])
    pose[:3, 3] = (cuboid.x, cuboid.y, cuboid.z)
    return pose


def prop_pose(prop: Prop, camera: Camera) -> np.ndarray:
    """(4, 4): unit cuboid -> camera coordinates (m), upright, on the ground plane or `lift` m over it."""
    pose = np.eye(4)
    size = np.array([prop.length, prop.height, prop.width])
    pose[:3, :3] = (ground_rotation(camera) @ _turn(prop.yaw)) * size
    pose[:3, 3] = (prop.x, ground_y(camera, prop.z) - prop.lift, prop.z)
    return pose
