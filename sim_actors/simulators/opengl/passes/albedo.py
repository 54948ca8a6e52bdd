"""What a scene's surfaces look like before light falls on them, for a renderer that only does the light.

The embedded renderer's facades, road markings and leaves are shaders. This pass runs them and stops before
the light: each sample gets the albedo and the finish of what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import moderngl
import numpy as np

from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.materials import packed
from sim_actors.simulators.opengl.lighting.light import projection
from sim_actors.simulators.opengl.passes.context import Device
from sim_actors.simulators.opengl.passes.draw_list import Body
from sim_actors.simulators.opengl.passes.shading import bind_instance, bind_scene, lay_ground

GROUND, SKY = 0, -1
"""Numbers of what is no body."""


@dataclass(frozen=True)
class Bare:
    """A scene without light, `scale` samples per pixel and axis, rows from the top; float32.

    `albedo` (h, w, 3) linear RGB and `gloss` (h, w) in [0, 1]; `reflectance` (h, w) at normal incidence;
    `number` (h, w): the index in the list of bodies + 1, `GROUND` or `SKY`; `distance` (h, w) m from the
    camera, 0 for the sky; `emitted` (h, w, 3): radiance of what shines by itself, and the sky's.
    """

    albedo: np.ndarray
    gloss: np.ndarray
    reflectance: np.ndarray
    number: np.ndarray
    distance: np.ndarray
    emitted: np.ndarray


def bare(device: Device, scene: Scene, family: Family, bodies: Sequence[Body], scale: int) -> Bare:
    """Draws the surfaces of a scene at `scale` samples per pixel and axis."""
    ctx, size = device.ctx, (scene.width * scale, scene.height * scale)
    looks, light = ctx.texture(size, 4, dtype="f2"), ctx.texture(size, 4, dtype="f2")
    shown, depth = ctx.texture(size, 4, dtype="f4"), ctx.depth_renderbuffer(size)
    target = ctx.framebuffer([looks, shown, light], depth)
    try:
        view = projection(scene.camera, scene.width, scene.height)
        bind_scene(device, scene, family, bodies, view)
        target.use()
        target.clear(depth=1.0)
        ctx.enable_only(moderngl.DEPTH_TEST)
        ctx.depth_func = "<="
        materials = packed(dict(family.materials)).tobytes()
        for facade in ((), ("FACADE",)):
            device.program("surface", *facade, "BARE")["materials"].write(materials)  # type: ignore[union-attr]
        for index, body in enumerate(bodies):
            if body.inside(view):
                facade = ("FACADE",) if body.mesh[1] == "building" else ()
                device.program("surface", *facade, "BARE")["number"] = float(index + 1)
                bind_instance(device, index)
                device.mesh(body.mesh, "surface", *facade, "BARE").render()
        lay_ground(device, scene)
        device.screen("ground", "BARE").render(moderngl.TRIANGLE_STRIP, vertices=8)
        veiled = ("VEILED",) if scene.environment.weather != "clear" else ()
        device.screen("sky", *veiled, "BARE").render(moderngl.TRIANGLES)
        first, second = _read(looks, np.float16), _read(shown, np.float32)
        third = _read(light, np.float16)
    finally:
        for item in (target, looks, shown, light, depth):
            item.release()
    return Bare(
        albedo=first[..., :3],
        gloss=first[..., 3],
        reflectance=second[..., 1],
        number=second[..., 0],
        distance=second[..., 2],
        emitted=third[..., :3],
    )


def _read(texture: moderngl.Texture, kind: type[np.floating]) -> np.ndarray:
    rows = np.frombuffer(texture.read(alignment=1), dtype=kind)
    return rows.reshape(texture.height, texture.width, 4).astype(np.float32)
