"""Other renderers over the simulator's own meshes: Blender Cycles and pybullet's TinyRenderer.

    python benchmarks/rivals.py blender|tiny SCENES.npz

Started by `benchmarks.simulator`, each in a process of its own: Blender is GPL, and both bring a
Python environment that may not be the project's (so this file needs numpy alone). Renders every
scene of the file after one to warm up; prints JSON: frames, wall and CPU seconds a frame.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SAMPLES = 4  # Cycles, a pixel, before its denoiser


def scenes(path: str) -> Iterator[dict[str, Any]]:
    """Scenes of a file: size and camera, and bodies as (vertices (V, 3) m in camera axes, triangles (T, 3),
    linear RGB)."""
    data = np.load(path)
    for s in range(int(data["count"])):
        bodies = [
            (data[f"{s}/{b}/vertices"], data[f"{s}/{b}/triangles"], data[f"{s}/{b}/color"])
            for b in range(int(data[f"{s}/bodies"]))
        ]
        yield {"camera": data[f"{s}/camera"], "sun": data[f"{s}/sun"], "bodies": bodies}


def blender(scene: dict[str, Any]) -> None:
    """One picture by Cycles on the CPU: 4 samples a pixel, denoised; a sun, an even sky, shadows."""
    import bpy
    from mathutils import Matrix, Vector

    width, height, fx, _, cx, cy = (float(v) for v in scene["camera"])
    bpy.ops.wm.read_factory_settings(use_empty=True)
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.color = (0.6, 0.7, 0.9)
    for k, (vertices, triangles, color) in enumerate(scene["bodies"]):
        mesh = bpy.data.meshes.new(f"mesh{k}")
        # camera axes (x right, y down, z ahead) to Blender's world (z up)
        turned = np.column_stack([vertices[:, 0], vertices[:, 2], -vertices[:, 1]])
        mesh.from_pydata(turned.tolist(), [], triangles.tolist())
        material = bpy.data.materials.new(f"material{k}")
        material.diffuse_color = (*map(float, color), 1.0)
        with contextlib.suppress(AttributeError):
            material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (
            *map(float, color),
            1.0,
        )
        mesh.materials.append(material)
        bpy.context.collection.objects.link(bpy.data.objects.new(f"body{k}", mesh))
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy = 3.0
    x, y, z = (float(v) for v in scene["sun"])
    sun.rotation_euler = Vector((x, z, -y)).to_track_quat("Z", "Y").to_euler()
    bpy.context.collection.objects.link(sun)
    lens = bpy.data.cameras.new("camera")
    lens.sensor_width, lens.lens = 36.0, 36.0 * fx / width
    lens.shift_x, lens.shift_y = (width / 2 - cx) / width, (cy - height / 2) / width
    camera = bpy.data.objects.new("camera", lens)
    camera.matrix_world = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))
    bpy.context.collection.objects.link(camera)
    settings = bpy.context.scene
    settings.camera = camera
    settings.render.engine = "CYCLES"
    settings.cycles.device, settings.cycles.samples, settings.cycles.use_denoising = "CPU", SAMPLES, True
    settings.render.resolution_x, settings.render.resolution_y = int(width), int(height)
    settings.render.filepath = str(Path(tempfile.gettempdir()) / f"rival-{os.getpid()}.png")
    bpy.ops.render.render(write_still=True)
    Path(settings.render.filepath).unlink()


def tiny(scene: dict[str, Any]) -> None:
    """One picture with segmentation by TinyRenderer, a software rasterizer."""
    import pybullet

    width, height, fx, fy, cx, cy = (float(v) for v in scene["camera"])
    for vertices, triangles, color in scene["bodies"]:
        shape = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=(vertices * [1, -1, -1]).tolist(),  # x right, y up, z behind
            indices=triangles.reshape(-1).tolist(),
            rgbaColor=[*map(float, color), 1.0],
        )
        pybullet.createMultiBody(baseVisualShapeIndex=shape)
    near, far = 0.2, 800.0
    projection = np.zeros((4, 4))
    projection[0, 0], projection[0, 2] = 2 * fx / width, 1 - 2 * cx / width
    projection[1, 1], projection[1, 2] = 2 * fy / height, 2 * cy / height - 1
    projection[2, 2], projection[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
    projection[3, 2] = -1
    x, y, z = (float(v) for v in scene["sun"])
    pybullet.getCameraImage(
        int(width),
        int(height),
        viewMatrix=np.eye(4).T.reshape(-1).tolist(),
        projectionMatrix=projection.T.reshape(-1).tolist(),
        lightDirection=[x, -y, -z],
        shadow=1,
        renderer=pybullet.ER_TINY_RENDERER,
    )
    pybullet.resetSimulation()


def measure(render: Callable[[dict[str, Any]], None], path: str) -> dict[str, float]:
    """Seconds a frame, the scene's loading into the renderer included; the first frame warms up."""
    wall = cpu = 0.0
    frames = -1
    for scene in scenes(path):
        before, start = _cpu(), time.perf_counter()
        with _quiet():
            render(scene)
        if frames >= 0:
            wall += time.perf_counter() - start
            cpu += _cpu() - before
        frames += 1
    return {"frames": frames, "wall_s": wall / frames, "cpu_s": cpu / frames}


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on standard output, whatever language prints it."""
    sys.stdout.flush()
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)


def main() -> None:
    which, path = sys.argv[1:]
    if which == "tiny":
        with _quiet():
            import pybullet

            pybullet.connect(pybullet.DIRECT)
    print(json.dumps(measure({"blender": blender, "tiny": tiny}[which], path)))


if __name__ == "__main__":
    main()
