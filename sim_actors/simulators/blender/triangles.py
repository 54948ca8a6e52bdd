"""A staged scene as triangles in Blender's axes (x right, y ahead, z up, m), and the pictures that are
projected onto them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_actors.scene.ground import camera_height, ground_rotation
from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.materials import M, Material, Texture
from sim_actors.simulators.opengl.passes.albedo import GROUND, Bare
from sim_actors.simulators.opengl.passes.context import mesh_of
from sim_actors.simulators.opengl.passes.draw_list import Body

THROUGH = 0.45
"""Share of light that comes through a leaf, as surface.frag has it."""

_AXES = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_OWN_COLOUR = 1024  # materials from this number on are colours (user_bodies.py)
# What a texture leaves of its material's albedo on the average: where no picture shows the surface.
_MEAN = {Texture.FOLIAGE: 0.85, Texture.ROUGH: 1.0, Texture.FACADE: 0.7, Texture.TILES: 0.9}
_X = np.array([-1500.0, -300.0, -40.0, 0.0, 40.0, 300.0, 1500.0])
_Z = np.array([-300.0, -40.0, 0.0, 40.0, 300.0, 700.0])


def to_blender(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) in camera axes -> Blender's."""
    return np.asarray(vectors) @ _AXES.T


def soup(bodies: Sequence[Body], family: Family) -> dict[str, np.ndarray]:
    """All bodies as one list of triangles; arrays as `messages.py` names them. `body` is the index + 1."""
    points, triangles, plain, finish, numbers, ids = [], [], [], [], [], []
    first = 0
    for number, body in enumerate(bodies, start=1):
        mesh = mesh_of(body.mesh)
        points.append(to_blender(mesh.positions @ body.pose[:3, :3].T + body.pose[:3, 3]))
        # Meshes are made y up and then mirrored: their windings are turned.
        triangles.append(mesh.triangles[:, ::-1] + first)
        first += len(mesh.positions)
        looks = _looks(mesh.materials, body.colors, family)
        plain.append(looks[:, :3])
        finish.append(looks[:, 3:])
        numbers.append(np.full(len(mesh.positions), number))
        ids.append(np.full(len(mesh.positions), body.identity))
    if not points:
        return _arrays(np.zeros((0, 3)), np.zeros((0, 3)), *(np.zeros((0, 3)),) * 2, *(np.zeros(0),) * 2)
    return _arrays(*(np.concatenate(part) for part in (points, triangles, plain, finish, numbers, ids)))


def ground(scene: Scene, albedo: np.ndarray) -> dict[str, np.ndarray]:
    """The ground plane, far beyond what the camera sees of it, as `soup` has it."""
    turn = ground_rotation(scene.camera)
    x, z = np.meshgrid(_X, _Z)
    flat = np.stack([x, np.full_like(x, camera_height(scene.camera)), z], axis=-1).reshape(-1, 3)
    columns = len(_X)
    corner = (np.arange(len(_Z) - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    near, far = np.array([0, 1, columns + 1]), np.array([0, columns + 1, columns])
    triangles = np.concatenate([corner[:, None] + near, corner[:, None] + far])
    count = len(flat)
    return _arrays(
        to_blender(flat @ turn.T),
        triangles,
        np.tile(albedo, (count, 1)),
        np.tile([0.22, 0.02, 0.0], (count, 1)),
        np.zeros(count),
        np.zeros(count),
    )


def pictures(seen: Bare) -> dict[str, np.ndarray]:
    """What is projected: `looks` (h, w, 4), albedo and gloss; `shown` (h, w, 4), number, reflectance, and 1
    where a body and nothing else is shown all around."""
    solid = seen.number > GROUND
    inside = solid.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            inside &= np.roll(solid, shift, axis)
    rest = [seen.number, seen.reflectance, inside, np.ones_like(seen.number)]
    return {
        "looks": np.dstack([seen.albedo, seen.gloss]).astype(np.float16),
        "shown": np.dstack(rest).astype(np.float32),
    }


def _arrays(
    positions: np.ndarray,
    triangles: np.ndarray,
    plain: np.ndarray,
    finish: np.ndarray,
    body: np.ndarray,
    ids: np.ndarray,
) -> dict[str, np.ndarray]:
    return {
        "positions": positions.astype(np.float32),
        "triangles": triangles.astype(np.int32),
        "plain": plain.astype(np.float32),
        "finish": finish.astype(np.float32),
        "body": body.astype(np.float32),
        "identity": ids.astype(np.float32),
    }


def _looks(materials: np.ndarray, colors: np.ndarray, family: Family) -> np.ndarray:
    """(V, 6) by vertex: albedo, gloss, reflectance, share that comes through; as surface.vert."""
    numbers = np.rint(materials).astype(int)
    rows = np.array([_row(family.materials[M(index)], colors) for index in range(len(M))])
    own = numbers >= _OWN_COLOUR
    looks = rows[np.where(own, int(M.TRIM), numbers)]
    packed = numbers[own] - _OWN_COLOUR
    rgb = np.stack([packed >> 11, packed >> 5 & 63, packed & 31], axis=1) / [31.0, 63.0, 31.0]
    looks[own, :3] = rgb**2.2
    return looks


def _row(material: Material, colors: np.ndarray) -> list[float]:
    albedo = np.array(material.color)
    if material.tint:
        albedo = albedo + (colors[material.tint - 1] - albedo) * min(material.weight, 0.999)
    albedo = albedo * _MEAN.get(material.texture, 1.0)
    through = THROUGH if material.texture == Texture.FOLIAGE else 0.0
    return [*albedo, material.gloss, material.reflectance, through]
