"""Bodies and ground as meshes in metres, each in a frame of its own that stands in the world."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from sim_actors.simulators.geometry.axes import Z_UP, moved
from sim_actors.simulators.geometry.materials import Surface, surface_of
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.meshes import mesh_of
from sim_actors.simulators.opengl.passes.draw_list import Body

Kind = Literal["actor", "prop", "ground", "photographed", "plate"]


@dataclass(frozen=True, eq=False)
class WorldMesh:
    """One thing of a scene.

    `name` is its own in the scene, fit for a path. `kind` says which list of the scene `index` counts in:
    "actor", "prop", or "photographed", a thing of the backdrop's photo that hides what stands behind it
    and is not to be seen itself; the "ground" counts its pieces, and the photo itself is a "plate".
    `category` is an actor's as the scene writes it, a prop's kind, or "ground"; `model` the body's name.
    `identity` is what the embedded renderer's id image says of its pixels: a labelled actor's index + 1,
    else 0.

    `points` (V, 3), unit `normals` (V, 3) and `pose` (4, 4) rigid: m, in the body's own frame, x forward,
    y left, z up, from the middle of its foot; the pose puts it into the world (axes.py). `triangles`
    (T, 3) index them, counter-clockwise seen from outside; `material` (T,) indexes `surfaces`. `uv`
    (T, 3, 2) in [0, 1] are texture coordinates of the triangles' corners, None where there are none.
    """

    name: str
    kind: Kind
    index: int
    category: str
    model: str
    identity: int
    points: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray
    material: np.ndarray
    surfaces: tuple[Surface, ...]
    pose: np.ndarray
    uv: np.ndarray | None = None

    @cached_property
    def vertices(self) -> np.ndarray:
        """(V, 3): the points in the world, m."""
        return moved(self.points, self.pose)

    @cached_property
    def world_normals(self) -> np.ndarray:
        """(V, 3): the normals in the world."""
        return self.normals @ self.pose[:3, :3].T

    @property
    def labelled(self) -> bool:
        return self.identity > 0


def body_in_world(
    body: Body, family: Family, to_world: np.ndarray, *, kind: Kind, index: int, category: str, identity: int
) -> WorldMesh:
    """A posed body of the embedded renderer as a mesh; `to_world` (4, 4) from the camera's axes."""
    mesh = mesh_of(body.mesh)
    # The prototype fills the unit cuboid in axes forward, down, left.
    points = mesh.positions.astype(np.float64) * body.size @ Z_UP.T
    normals = mesh.normals.astype(np.float64) * (np.array(mesh.size) / body.size) @ Z_UP.T
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    pose = np.eye(4)
    pose[:3, :3] = to_world[:3, :3] @ (body.pose[:3, :3] / body.size) @ Z_UP.T
    pose[:3, 3] = moved(body.pose[:3, 3], to_world)
    numbers, material = np.unique(mesh.materials[mesh.triangles[:, 0]].astype(np.int64), return_inverse=True)
    _, name, which = body.mesh
    return WorldMesh(
        name=f"{kind}_{index:03d}_{_word(category)}",
        kind=kind,
        index=index,
        category=category,
        model=f"{name}_{which}" if isinstance(which, int) else which,
        identity=identity,
        points=points + 0.0,
        normals=normals + 0.0,
        triangles=mesh.triangles[:, ::-1],  # `assemble` mirrored them, and with that turned them inside out
        material=material.reshape(-1).astype(np.int32),
        surfaces=tuple(surface_of(int(number), body, family) for number in numbers),
        pose=pose + 0.0,
    )


def _word(text: str) -> str:
    """A category as a part of a name: ASCII letters, digits and underscores."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text.lower())
