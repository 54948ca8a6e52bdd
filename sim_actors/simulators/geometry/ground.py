"""The ground as flat rectangles around the camera: a near piece, where its texture is worth pixels, and
what surrounds it as far as the embedded renderer draws."""

from __future__ import annotations

import numpy as np

from sim_actors.scene.records import Scene
from sim_actors.simulators.geometry.materials import Surface
from sim_actors.simulators.geometry.meshes import WorldMesh
from sim_actors.simulators.opengl.assets.family import Family

Rectangle = tuple[float, float, float, float]
"""x1, y1, x2, y2 on the ground, m, in the world's axes."""

PIECES: tuple[Rectangle, ...] = (
    (-12.0, -8.0, 12.0, 40.0),
    (-40.0, -24.0, 40.0, 136.0),
    (-720.0, -640.0, 720.0, 800.0),
)
"""Each surrounds the one before it, which is cut out of it. Texels grow with the distance."""


def ground_meshes(scene: Scene, family: Family) -> list[WorldMesh]:
    """The pieces, near ones first; `uv` runs over a piece's whole rectangle, v along y."""
    color = {
        "asphalt": family.ground.asphalt, "concrete": family.ground.concrete, "gravel": family.ground.gravel
    }[scene.road.surface]  # fmt: skip
    surface = Surface("ground", color, roughness=0.9, reflectance=0.02)
    found = []
    for index, outer in enumerate(PIECES):
        inner = PIECES[index - 1] if index else None
        points, triangles = _frame(outer, inner)
        uv = (points - outer[:2]) / (np.array(outer[2:]) - outer[:2])
        found.append(
            WorldMesh(
                name=f"ground_{index}",
                kind="ground",
                index=index,
                category="ground",
                model=scene.road.surface,
                identity=0,
                points=np.column_stack([points, np.zeros(len(points))]),
                normals=np.tile([0.0, 0.0, 1.0], (len(points), 1)),
                triangles=triangles,
                material=np.zeros(len(triangles), dtype=np.int32),
                surfaces=(surface,),
                pose=np.eye(4),
                uv=uv[triangles],
            )
        )
    return found


def _frame(outer: Rectangle, inner: Rectangle | None) -> tuple[np.ndarray, np.ndarray]:
    """Corners (V, 2) and triangles (T, 3), counter-clockwise from above, of a rectangle, or of what is left
    of it around another."""
    corners = _corners(outer)
    if inner is None:
        return corners, np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    sides = [
        triangle
        for k in range(4)
        for triangle in ([k, (k + 1) % 4, 4 + (k + 1) % 4], [k, 4 + (k + 1) % 4, 4 + k])
    ]
    return np.concatenate([corners, _corners(inner)]), np.array(sides, dtype=np.int32)


def _corners(of: Rectangle) -> np.ndarray:
    x1, y1, x2, y2 = of
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
