"""A staged scene as triangles in the world's axes (x right, y ahead, z up, m), and the pictures that are
projected onto them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sim_actors.scene.records import Scene
from sim_actors.simulators.geometry.ground import ground_meshes
from sim_actors.simulators.geometry.materials import Surface
from sim_actors.simulators.geometry.meshes import WorldMesh, body_in_world
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.materials import Texture
from sim_actors.simulators.opengl.passes.albedo import GROUND, Bare
from sim_actors.simulators.opengl.passes.draw_list import Body

THROUGH = 0.9
"""Light that comes through a leaf, of what it throws back. Twice what surface.frag has, whose
crowns do not shade themselves."""

# What a texture leaves of its material's albedo on the average: where no picture shows the surface.
_MEAN = {Texture.FOLIAGE: 0.85, Texture.FACADE: 0.7, Texture.TILES: 0.9}
_GROUND_GLOSS = 0.22


def bodies_as_triangles(
    bodies: Sequence[Body], family: Family, to_world: np.ndarray
) -> dict[str, np.ndarray]:
    """All bodies as one list of triangles; arrays as `messages.py` names them. `body` is the index + 1."""
    meshes = [
        body_in_world(
            body, family, to_world, kind="actor", index=k, category=body.mesh[1], identity=body.identity
        )
        for k, body in enumerate(bodies)
    ]
    return _joined((mesh, k + 1, _looks(mesh)) for k, mesh in enumerate(meshes))


def ground_as_triangles(scene: Scene, family: Family, albedo: np.ndarray) -> dict[str, np.ndarray]:
    """The ground, as far as the embedded renderer draws it, of one albedo (3,) where no picture shows it."""
    looks = np.array([*albedo, _GROUND_GLOSS, 0.02, 0.0])
    return _joined(
        (mesh, GROUND, np.tile(looks, (len(mesh.points), 1))) for mesh in ground_meshes(scene, family)
    )


def pictures(seen: Bare, ground_is_seen: bool = True) -> dict[str, np.ndarray]:
    """What is projected: `looks` (h, w, 4), albedo and gloss; `shown` (h, w, 4), number, reflectance, and 1
    where the camera sees no ground: where a body and nothing else is shown all around."""
    solid = (seen.number > GROUND) | (not ground_is_seen)
    inside = solid.copy()
    for axis in (0, 1):
        for shift in (-1, 1):
            inside &= np.roll(solid, shift, axis)
    rest = [seen.number, seen.reflectance, inside, np.ones_like(seen.number)]
    return {
        "looks": np.dstack([seen.albedo, seen.gloss]).astype(np.float16),
        "shown": np.dstack(rest).astype(np.float32),
    }


def _joined(parts: Iterable[tuple[WorldMesh, int, np.ndarray]]) -> dict[str, np.ndarray]:
    """Meshes, each with its number and the looks (V, 6) of its vertices, as one."""
    points, triangles = [np.zeros((0, 3))], [np.zeros((0, 3))]
    looks, numbers, identities = [np.zeros((0, 6))], [np.zeros(0)], [np.zeros(0)]
    first = 0
    for mesh, number, look in parts:
        points.append(mesh.vertices)
        triangles.append(mesh.triangles + first)
        looks.append(look)
        numbers.append(np.full(len(mesh.points), number))
        identities.append(np.full(len(mesh.points), mesh.identity))
        first += len(mesh.points)
    all_looks = np.concatenate(looks).astype(np.float32)
    return {
        "positions": np.concatenate(points).astype(np.float32),
        "triangles": np.concatenate(triangles).astype(np.int32),
        "plain": all_looks[:, :3],
        "finish": all_looks[:, 3:],
        "body": np.concatenate(numbers).astype(np.float32),
        "identity": np.concatenate(identities).astype(np.float32),
    }


def _looks(mesh: WorldMesh) -> np.ndarray:
    """(V, 6) by vertex: albedo, gloss, reflectance, share of light that comes through."""
    surface = np.zeros(len(mesh.points), dtype=np.int64)
    surface[mesh.triangles] = mesh.material[:, None]  # a vertex is of one material
    return np.array([_look(each) for each in mesh.surfaces])[surface]


def _look(surface: Surface) -> list[float]:
    through = THROUGH if surface.texture == Texture.FOLIAGE else 0.0
    albedo = np.array(surface.color) * _MEAN.get(surface.texture, 1.0)
    return [*albedo, 1.0 - surface.roughness, surface.reflectance, through]
