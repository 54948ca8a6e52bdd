"""What the surface shaders lay over bodies and ground, before light falls on it, as textures."""

from __future__ import annotations

from dataclasses import dataclass

import moderngl
import numpy as np

from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.materials import packed
from sim_actors.simulators.opengl.assets.meshes import mesh_of
from sim_actors.simulators.opengl.passes.context import Device
from sim_actors.simulators.opengl.passes.draw_list import Body
from sim_actors.simulators.opengl.passes.shading import bind_instance, bind_scene


@dataclass(frozen=True, eq=False)
class Baked:
    """`albedo` (H, W, 3), linear RGB in [0, 1]; `gloss` (H, W) in [0, 1]; `emitted` (H, W, 3), in the units
    of the scene's light; `drawn` (H, W) bool, where the texture means anything. Row 0 is the top, where the
    second texture coordinate is 1."""

    albedo: np.ndarray
    gloss: np.ndarray
    emitted: np.ndarray
    drawn: np.ndarray


def bake_body(
    device: Device,
    scene: Scene,
    family: Family,
    body: Body,
    triangles: np.ndarray,
    places: np.ndarray,
    size: tuple[int, int],
) -> Baked:
    """A texture of `size` (width, height) px of some of a body's triangles: `triangles` (N,) index its
    mesh's, later ones lie over earlier ones; `places` (N, 3, 2) in [0, 1] are where their corners come to
    lie in it."""
    mesh = mesh_of(body.mesh)
    corners = mesh.triangles[triangles].reshape(-1)
    rows = np.column_stack(
        [mesh.positions[corners], mesh.normals[corners], mesh.materials[corners], places.reshape(-1, 2)]
    )
    bind_scene(device, scene, family, [body], np.eye(4))
    bind_instance(device, 0)
    defines = ("FACADE", "BARE", "CHART") if body.mesh[1] == "building" else ("BARE", "CHART")
    program = device.program("surface", *defines)
    program["materials"].write(packed(dict(family.materials)).tobytes())  # type: ignore[union-attr]
    layout = ("3f 3f 1f 2f", "in_position", "in_normal", "in_material", "in_place")
    return _drawn(device, program, rows, layout, moderngl.TRIANGLES, size)


def bake_ground(
    device: Device,
    scene: Scene,
    family: Family,
    rectangle: tuple[float, float, float, float],
    size: tuple[int, int],
) -> Baked:
    """A texture of `size` (width, height) px of a rectangle of the ground, x1, y1, x2, y2: m to the right
    and ahead."""
    x1, y1, x2, y2 = rectangle
    # A view from straight above, of points in camera axes: right is x, and ahead runs along the ground.
    pitch = scene.camera.pitch or 0.0
    view = np.zeros((4, 4))
    view[0, [0, 3]] = 2 / (x2 - x1), -(x1 + x2) / (x2 - x1)
    view[1, 1:] = 2 / (y2 - y1) * np.array([-np.sin(pitch), np.cos(pitch), -(y1 + y2) / 2])
    view[3, 3] = 1.0
    bind_scene(device, scene, family, [], view)
    program = device.program("ground", "BARE")
    rows = np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]])
    return _drawn(device, program, rows, ("2f", "in_corner"), moderngl.TRIANGLE_STRIP, size)


def bake_sky(device: Device, scene: Scene, family: Family, height: int) -> np.ndarray:
    """(height, 2 height, 3): the radiance of the sky with its clouds and a far skyline, without the sun's
    disc; rows from the zenith to the nadir, columns from behind over the left, ahead in the middle, to the
    right. What lies below the horizon means nothing."""
    bind_scene(device, scene, family, [], np.eye(4))
    veiled = ("VEILED",) if scene.environment.weather != "clear" else ()
    program = device.program("sky", *veiled, "BARE", "PANORAMA")
    rows = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]])
    layout = ("2f", "in_corner")
    return _read(device, program, rows, layout, moderngl.TRIANGLE_STRIP, (2 * height, height))[1][..., :3]


def _drawn(
    device: Device,
    program: moderngl.Program,
    rows: np.ndarray,
    layout: tuple[str, ...],
    mode: int,
    size: tuple[int, int],
) -> Baked:
    color, emitted = _read(device, program, rows, layout, mode, size)
    drawn = color[..., 3] >= 0
    return Baked(
        np.clip(color[..., :3], 0.0, 1.0),
        np.clip(color[..., 3], 0.0, 1.0),
        np.maximum(emitted[..., :3], 0.0),
        drawn,
    )


def _read(
    device: Device,
    program: moderngl.Program,
    rows: np.ndarray,
    layout: tuple[str, ...],
    mode: int,
    size: tuple[int, int],
) -> list[np.ndarray]:
    """What a shader without light (BARE) writes to its first and third output, colour and what shines by
    itself, (H, W, 4) float32 each, -1 where it draws nothing."""
    ctx = device.ctx
    buffer = ctx.buffer(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
    array = ctx.vertex_array(program, [(buffer, *layout)])
    textures = [ctx.texture(size, 4, dtype="f2") for _ in range(3)]
    target = ctx.framebuffer(textures)
    try:
        target.use()
        target.clear(-1.0, -1.0, -1.0, -1.0)
        ctx.enable_only(moderngl.NOTHING)
        array.render(mode)
        found = [target.read(components=4, attachment=k, dtype="f2") for k in (0, 2)]
    finally:
        array.release()
        target.release()
        buffer.release()
        for texture in textures:
            texture.release()
    return [
        np.frombuffer(data, np.float16).reshape(size[1], size[0], 4)[::-1].astype(np.float32)
        for data in found
    ]
