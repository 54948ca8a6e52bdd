"""A scene as meshes, camera and lights: what the embedded renderer draws, for anything else that draws.

    from sim_actors.simulators.geometry.scene_geometry import scene_geometry

    geometry = scene_geometry(scene)
    for mesh in geometry.meshes:
        print(mesh.name, mesh.category, mesh.vertices, mesh.triangles)   # m, in the world's axes (axes.py)

Nothing here opens a display: meshes, poses, colours and light are plain arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imitation.common.settings import UserError
from imitation.data.records import Camera
from sim_actors.scene.records import Scene
from sim_actors.simulators.geometry.axes import moved, world_from_camera
from sim_actors.simulators.geometry.ground import ground_meshes
from sim_actors.simulators.geometry.lights import Lights, lights_of
from sim_actors.simulators.geometry.meshes import WorldMesh, body_in_world
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.user_bodies import install
from sim_actors.simulators.opengl.passes.draw_list import bodies, occluder_body
from sim_actors.simulators.opengl.supported import problems


@dataclass(frozen=True, eq=False)
class SceneGeometry:
    """`meshes`: actors, props, what a photo shows nearer, and the ground, in this order; `camera`, `width`
    and `height` (px) as in the scene; `camera_pose` (4, 4) puts points of the camera's axes (x right,
    y down, z forward) into the world."""

    scene_id: str
    width: int
    height: int
    camera: Camera
    camera_pose: np.ndarray
    meshes: tuple[WorldMesh, ...]
    lights: Lights

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the world, m, to pixels (N, 2). They must lie before the camera."""
        return self.camera.project(moved(points, np.linalg.inv(self.camera_pose)))


def scene_geometry(scene: Scene, own_bodies: str | None = None) -> SceneGeometry:
    """The geometry of a scene. The same scene gives the same arrays.

    `own_bodies` is the manifest of a user's bodies (`renderer.bodies`), if scenes name them. A scene with
    a backdrop has no ground: the photo shows it. Raises UserError for a scene that cannot be staged.
    """
    if own_bodies is not None:
        install(own_bodies)
    if reasons := problems(scene):
        raise UserError(f"scene {scene.scene_id!r} cannot be staged: {'; '.join(reasons)}")
    family = FAMILIES[scene.family]
    to_world = world_from_camera(scene.camera)
    actors, props = bodies(scene, family)
    meshes = [
        body_in_world(
            body, family, to_world, kind="actor", index=k, category=actor.category, identity=body.identity
        )
        for k, (actor, body) in enumerate(zip(scene.actors, actors))
    ]
    meshes += [
        body_in_world(body, family, to_world, kind="prop", index=k, category=prop.kind, identity=0)
        for k, (prop, body) in enumerate(zip(scene.props, props))
    ]
    if scene.backdrop is None:
        meshes += ground_meshes(scene, family)
    else:
        meshes += [
            body_in_world(
                occluder_body(item, family, 0), family, to_world,
                kind="photographed", index=k, category=item.category, identity=0,
            )
            for k, item in enumerate(scene.backdrop.occluders)
        ]  # fmt: skip
    return SceneGeometry(
        scene_id=scene.scene_id,
        width=scene.width,
        height=scene.height,
        camera=scene.camera,
        camera_pose=to_world,
        meshes=tuple(meshes),
        lights=lights_of(scene, family, to_world),
    )
