"""The passes that make a picture: shadows, what a wet road mirrors, colour and ids together, contact
shadows, ambient occlusion."""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np

from sim_actors.scene.ground import camera_height, camera_pitch, ground_rotation
from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.materials import packed
from sim_actors.simulators.opengl.lighting.light import (
    CASCADES,
    FAR,
    NEAR,
    Illumination,
    frame_block,
    illuminate,
    projection,
    shadow_matrix,
)
from sim_actors.simulators.opengl.passes.context import (
    FRAME_BINDING,
    INSTANCE_BINDING,
    UNIT,
    Device,
    Targets,
)
from sim_actors.simulators.opengl.passes.draw_list import INSTANCE_BYTES, Body

_MIRRORS_FROM = 0.25
"""Wetness from which the road mirrors what stands on it."""


def bind_instance(device: Device, index: int) -> None:
    device.instances.bind_to_uniform_block(
        INSTANCE_BINDING, offset=index * INSTANCE_BYTES, size=INSTANCE_BYTES
    )


def paint(device: Device, scene: Scene, family: Family, bodies: Sequence[Body], scale: int) -> Targets:
    """Draws a scene at `scale` samples per pixel and axis; colour is linear radiance.

    With scale 2 the view is shifted by a quarter of a pixel, so that the second sample of each
    pair falls on the pixel's own centre: ids are read there, and the colour filter is symmetric.
    """
    shift = 0.25 if scale == 2 else 0.0
    view = projection(scene.camera, scene.width, scene.height, left=-shift, top=-shift)
    light = bind_scene(device, scene, family, bodies, view)
    lit = lights_of(light)
    if light.shines:
        draw_shadows(device, scene, light.to_sun, bodies)
    targets = device.targets(scene.width, scene.height, scale)
    materials = packed(dict(family.materials)).tobytes()
    wet = scene.environment.wetness > _MIRRORS_FROM
    if wet:
        mirror = view @ _mirrored(scene)
        targets.mirrored.use()
        targets.mirrored.clear()
        draw_bodies(device, mirror, [b for b in bodies if b.grounded], bodies, materials, ("MIRROR", *lit))

    targets.scene.use()
    targets.scene.clear(depth=1.0)
    draw_bodies(device, view, bodies, bodies, materials, lit)
    lay_ground(device, scene)
    ground = ("WET", *lit) if wet else lit
    if wet:
        targets.mirror.use(UNIT["mirror_map"])
        device.program("ground", *ground)["mirror_scale"] = 1.0 / scale
    device.screen("ground", *ground).render(moderngl.TRIANGLE_STRIP, vertices=8)
    veiled = ("VEILED",) if scene.environment.weather != "clear" else ()
    device.screen("sky", *veiled).render(moderngl.TRIANGLES)
    contact(device, targets, view, bodies, (moderngl.DST_COLOR, moderngl.ZERO))
    occlude(device, targets, scene, scale, shift)
    _dim(device, targets, scale)
    return targets


def bind_scene(
    device: Device, scene: Scene, family: Family, bodies: Sequence[Body], view: np.ndarray
) -> Illumination:
    """Puts a scene's light and the records of its bodies where the shaders read them."""
    light = illuminate(scene.environment, scene.camera, family)
    data = b"".join(body.record for body in bodies)
    if len(data) > device.instances.size:
        device.instances.orphan(2 * len(data))
    if data:
        device.instances.write(data)
    device.frame.write(frame_block(scene, family, view, device.shadow_texels))
    device.frame.bind_to_uniform_block(FRAME_BINDING)
    device.use_family(family)
    device.use_sky(light.day.radiance)
    return light


def lights_of(light: Illumination) -> tuple[str, ...]:
    """What the shaders are to be compiled for."""
    return (*(("SUN",) if light.shines else ()), *(("NIGHT",) if light.night > 0.0 else ()))


def draw_bodies(
    device: Device,
    view: np.ndarray,
    drawn: Sequence[Body],
    bodies: Sequence[Body],
    materials: bytes,
    defines: tuple[str, ...],
) -> None:
    """Draws those of the bodies into the target in use that its view can hold."""
    device.ctx.enable_only(moderngl.DEPTH_TEST)
    device.ctx.depth_func = "<="
    for facade in ((), ("FACADE",)):
        device.program("surface", *facade, *defines)["materials"].write(materials)  # type: ignore[union-attr]
    index = {id(body): k for k, body in enumerate(bodies)}
    for body in drawn:
        if body.inside(view):
            bind_instance(device, index[id(body)])
            facade = ("FACADE",) if body.mesh[1] == "building" else ()
            device.mesh(body.mesh, "surface", *facade, *defines).render()


def _mirrored(scene: Scene) -> np.ndarray:
    """(4, 4): points in camera axes to where the ground plane mirrors them."""
    down = ground_rotation(scene.camera)[:, 1]
    matrix = np.eye(4)
    matrix[:3, :3] -= 2 * np.outer(down, down)
    matrix[:3, 3] = 2 * camera_height(scene.camera) * down
    return matrix


def contact(
    device: Device,
    targets: Targets,
    view: np.ndarray,
    bodies: Sequence[Body],
    blend: tuple[int, int],
    *defines: str,
) -> None:
    """Darkens the ground under bodies, where little of the sky is seen."""
    targets.overlay.use()
    device.ctx.enable(moderngl.BLEND)
    device.ctx.blend_func = blend
    targets.overlay.depth_mask = False
    for index, body in enumerate(bodies):
        if body.grounded and body.inside(view):
            bind_instance(device, index)
            device.screen("contact", *defines).render(moderngl.TRIANGLE_STRIP)
    targets.overlay.depth_mask = True
    device.ctx.disable(moderngl.BLEND)


def occlude(device: Device, targets: Targets, scene: Scene, scale: int, shift: float) -> None:
    """Ambient occlusion, a texel a pixel."""
    camera, program = scene.camera, device.program("occlusion")
    program["scale"] = scale
    program["lens"] = tuple(
        scale * value for value in (camera.fx, camera.fy, camera.cx + shift, camera.cy + shift)
    )
    program["range"] = (NEAR, FAR)
    targets.occluded.use()
    targets.depth.use(UNIT["depth_map"])
    device.ctx.enable_only(moderngl.NOTHING)
    device.screen("occlusion").render(moderngl.TRIANGLES)


def _dim(device: Device, targets: Targets, scale: int) -> None:
    """Multiplies ambient occlusion into the picture."""
    device.program("dim")["scale"] = scale
    targets.overlay.use()
    targets.light.use(UNIT["light_map"])
    device.ctx.enable_only(moderngl.BLEND)
    device.ctx.blend_func = moderngl.DST_COLOR, moderngl.ZERO
    device.screen("dim").render(moderngl.TRIANGLES)
    device.ctx.disable(moderngl.BLEND)


def draw_shadows(device: Device, scene: Scene, to_sun: np.ndarray, bodies: Sequence[Body]) -> None:
    """Depth from the sun, the cascades side by side."""
    device.shadow_target.use()
    device.shadow_target.clear(depth=1.0)
    device.ctx.enable_only(moderngl.DEPTH_TEST)
    device.ctx.depth_func = "<="
    side = device.shadow_texels
    for cascade in range(len(CASCADES)):
        sun = shadow_matrix(to_sun, scene.camera, cascade)
        device.shadow_target.viewport = (cascade * side, 0, side, side)
        device.program("depth")["view"].write(sun.T.astype(np.float32).tobytes())  # type: ignore[union-attr]
        for index, body in enumerate(bodies):
            if body.inside(sun):
                bind_instance(device, index)
                device.mesh(body.mesh, "depth").render()
    device.shadow_target.viewport = (0, 0, len(CASCADES) * side, side)
    device.shadow_map.use(UNIT["shadow_map"])


def lay_ground(device: Device, scene: Scene) -> None:
    """Strips of ground from just in front of the camera to near the horizon."""
    pitch = camera_pitch(scene.camera)
    start = max(0.3, (NEAR * 1.5 - camera_height(scene.camera) * np.sin(pitch)) / np.cos(pitch))
    strips = ((start, 40), (start + 12, 80), (start + 80, 300), (700, 1500))
    rows = [(side * reach, z) for z, reach in strips for side in (-1, 1)]
    device.strips.write(np.array(rows, dtype=np.float32).tobytes())
