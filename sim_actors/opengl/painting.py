"""The passes that make a picture: shadows, then colour and ids together, then contact shadows."""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np

from sim_actors.ground import camera_height, camera_pitch
from sim_actors.opengl.context import (
    FRAME_BINDING,
    INSTANCE_BINDING,
    INSTANCE_BYTES,
    SHADOW_UNIT,
    Device,
    Targets,
)
from sim_actors.opengl.family import Family
from sim_actors.opengl.light import NEAR, frame_block, illuminate, projection, shadow_matrix
from sim_actors.opengl.materials import packed
from sim_actors.opengl.staging import Body
from sim_actors.scene import Scene


def bind_instance(device: Device, index: int) -> None:
    device.instances.bind_to_uniform_block(
        INSTANCE_BINDING, offset=index * INSTANCE_BYTES, size=INSTANCE_BYTES
    )


def paint(device: Device, scene: Scene, family: Family, bodies: Sequence[Body], scale: int) -> Targets:
    """Draws a scene at `scale` samples per pixel and axis; colour is linear radiance.

    With scale 2 the view is shifted by a quarter of a pixel, so that the second sample of each
    pair falls on the pixel's own centre: ids are read there, and the colour filter is symmetric.
    """
    ctx = device.ctx
    shift = 0.25 if scale == 2 else 0.0
    view = projection(scene.camera, scene.width, scene.height, left=-shift, top=-shift)
    data = b"".join(body.record for body in bodies)
    if len(data) > device.instances.size:
        device.instances.orphan(2 * len(data))
    if data:
        device.instances.write(data)
    device.frame.write(frame_block(scene, family, view, device.shadow_texels))
    device.frame.bind_to_uniform_block(FRAME_BINDING)
    device.use_family(family)
    _shadows(device, scene, family, bodies)

    targets = device.targets(scene.width, scene.height, scale)
    targets.scene.use()
    targets.scene.clear(depth=1.0)
    ctx.enable_only(moderngl.DEPTH_TEST)
    ctx.depth_func = "<="
    device.shadow_map.use(SHADOW_UNIT)
    night = ("NIGHT",) if illuminate(scene.environment, scene.camera, family).night > 0.0 else ()
    materials = packed(dict(family.materials)).tobytes()
    for facade in ((), ("FACADE",)):
        program = device.program("surface", *facade, *night)
        program["materials"].write(materials)  # type: ignore[union-attr]
    for index, body in enumerate(bodies):
        if body.inside(view):
            bind_instance(device, index)
            facade = ("FACADE",) if body.mesh[1] == "building" else ()
            device.mesh(body.mesh, "surface", *facade, *night).render()
    _lay_ground(device, scene)
    device.screen("ground", *night).render(moderngl.TRIANGLE_STRIP, vertices=8)
    device.screen("sky").render(moderngl.TRIANGLES)

    targets.overlay.use()
    ctx.enable(moderngl.BLEND)
    ctx.blend_func = moderngl.DST_COLOR, moderngl.ZERO
    targets.overlay.depth_mask = False
    for index, body in enumerate(bodies):
        if body.grounded and body.inside(view):
            bind_instance(device, index)
            device.screen("contact").render(moderngl.TRIANGLE_STRIP)
    targets.overlay.depth_mask = True
    ctx.disable(moderngl.BLEND)
    return targets


def _shadows(device: Device, scene: Scene, family: Family, bodies: Sequence[Body]) -> None:
    sun = shadow_matrix(illuminate(scene.environment, scene.camera, family).to_sun, scene.camera)
    device.shadow_target.use()
    device.shadow_target.clear(depth=1.0)
    device.ctx.enable_only(moderngl.DEPTH_TEST)
    device.program("depth")["view"].write(sun.T.astype(np.float32).tobytes())  # type: ignore[union-attr]
    for index, body in enumerate(bodies):
        if body.inside(sun):
            bind_instance(device, index)
            device.mesh(body.mesh, "depth").render()


def _lay_ground(device: Device, scene: Scene) -> None:
    """Strips of ground from just in front of the camera to near the horizon."""
    pitch = camera_pitch(scene.camera)
    start = max(0.3, (NEAR * 1.5 - camera_height(scene.camera) * np.sin(pitch)) / np.cos(pitch))
    strips = ((start, 40), (start + 12, 80), (start + 80, 300), (700, 1500))
    rows = [(side * reach, z) for z, reach in strips for side in (-1, 1)]
    device.strips.write(np.array(rows, dtype=np.float32).tobytes())
