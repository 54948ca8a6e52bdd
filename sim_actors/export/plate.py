"""The photo that a scene is set into, as a card behind everything that fills the camera's view."""

from __future__ import annotations

import numpy as np

from sim_actors.simulators.geometry.axes import moved
from sim_actors.simulators.geometry.materials import Surface
from sim_actors.simulators.geometry.meshes import WorldMesh
from sim_actors.simulators.geometry.scene_geometry import SceneGeometry

_NEAREST = 100.0  # m


def plate_mesh(geometry: SceneGeometry) -> WorldMesh:
    """The card: it shines, and no light falls on it; `uv` runs over the photo."""
    to_camera = np.linalg.inv(geometry.camera_pose)
    depths = [float(moved(mesh.vertices, to_camera)[:, 2].max()) for mesh in geometry.meshes]
    depth = max([_NEAREST, *(1.1 * far for far in depths)])
    camera, width, height = geometry.camera, geometry.width, geometry.height
    pixels = np.array([[0, height], [width, height], [width, 0], [0, 0]], dtype=np.float64)
    rays = (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    points = moved(np.column_stack([rays, np.ones(4)]) * depth, geometry.camera_pose)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    places = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    toward = -geometry.camera_pose[:3, 2]
    return WorldMesh(
        name="plate",
        kind="plate",
        index=0,
        category="photo",
        model="",
        identity=0,
        points=points,
        normals=np.tile(toward, (4, 1)),
        triangles=triangles,
        material=np.zeros(2, dtype=np.int32),
        surfaces=(Surface("plate", (0.0, 0.0, 0.0), roughness=1.0, reflectance=0.0),),
        pose=np.eye(4),
        uv=places[triangles],
    )
