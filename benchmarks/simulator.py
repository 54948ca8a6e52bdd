"""The embedded simulator with and without its ground truth, and other renderers, in one run.

    python -m benchmarks.simulator [--frames 40] [--blender PYTHON] [--tiny PYTHON]

Rows: `render` is the whole of `OpenGLSimulator.render` (stage, paint, truth, sensor, JPEG); `bare` is
the same loop without the truth passes; both at one and two samples per pixel and axis. They take
turns frame by frame, so that a busy machine slows all alike. CPU seconds count every thread.

Then, each alone over the same four scenes at 640x192: ours, Blender Cycles (4 samples and its denoiser;
`pip install bpy`) and pybullet's TinyRenderer (`pip install pybullet`), if the named Python, or this one, has
them.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from imitation.data.records import Camera, Cuboid
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Actor, Prop, Scene
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.meshes import mesh_of
from sim_actors.simulators.opengl.lighting.light import illuminate
from sim_actors.simulators.opengl.passes.draw_list import stage
from sim_actors.simulators.opengl.passes.sensor import develop, encode
from sim_actors.simulators.opengl.passes.shading import paint
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings

SIZES = {
    "640x192": (640, 192, Camera(372.0, 372.0, 314.0, 88.0, 1.65, 0.0)),
    "1242x375": (1242, 375, Camera(721.5, 721.5, 609.6, 172.9, 1.65, 0.0)),
}
BODIES = {"Car": (4.2, 1.75, 1.5), "Pedestrian": (0.9, 0.6, 1.75), "Cyclist": (1.76, 0.6, 1.74)}


def street(seed: int, size: str) -> Scene:
    """A street with 12 actors and 24 props, much like a re-staged frame."""
    rng = np.random.default_rng(seed)
    width, height, camera = SIZES[size]
    actors = []
    for k in range(12):
        category = ("Car", "Car", "Pedestrian", "Cyclist")[k % 4]
        z = float(rng.uniform(7, 50))
        x = float(rng.uniform(-0.6, 0.6) * z)
        cuboid = Cuboid(x, ground_y(camera, z), z, *BODIES[category], float(rng.uniform(-math.pi, math.pi)))
        actors.append(Actor(category, cuboid, tuple(rng.uniform(0, 0.6, 3)), seed=k))
    props = []
    for k in range(8):
        side = -1 if k % 2 else 1
        props.append(Prop("building", side * 17.0, 12 + 10.0 * k, 14, 9, 8, math.pi / 2, seed=k))
        props.append(Prop("tree", side * 10.0, 10 + 8.0 * k, 3.5, 3.5, 6.5, seed=k))
        props.append(Prop("pole", side * 8.0, 9 + 9.0 * k, 1.5, 0.2, 7, seed=k))
    return Scene(f"street-{seed}", width, height, camera, tuple(actors), tuple(props), seed=seed)


def bare(simulator: OpenGLSimulator, scene: Scene) -> bytes:
    """A picture without labels."""
    family, scale = FAMILIES[scene.family], simulator.settings.supersampling
    with simulator._open() as device:
        targets = paint(device, scene, family, stage(scene, family), scale)
        pixels = develop(device, targets, scene, family, scale)
    return encode(pixels, scene.sensor.jpeg_quality)


@dataclass
class Clock:
    wall: float = 0.0
    cpu: float = 0.0

    def add(self, work: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), _cpu()
        work()
        self.wall += time.perf_counter() - wall
        self.cpu += _cpu() - cpu


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


RIVALS = {"blender": "bpy", "tiny": "pybullet"}
RIVAL_SIZE, RIVAL_FRAMES, ROUNDS = "640x192", 4, 3


def export(path: str, count: int) -> None:
    """The first scenes' posed meshes for `benchmarks/rivals.py`; the ground is one more."""
    arrays: dict[str, np.ndarray] = {"count": np.array(count)}
    for s in range(count):
        scene = street(s, RIVAL_SIZE)
        bodies = stage(scene, FAMILIES[scene.family])
        c = scene.camera
        arrays[f"{s}/camera"] = np.array([scene.width, scene.height, c.fx, c.fy, c.cx, c.cy])
        arrays[f"{s}/sun"] = illuminate(scene.environment, c, FAMILIES[scene.family]).to_sun
        arrays[f"{s}/bodies"] = np.array(len(bodies) + 1)
        for b, body in enumerate(bodies):
            mesh = mesh_of(body.mesh)
            posed = mesh.positions @ body.pose[:3, :3].T + body.pose[:3, 3]
            arrays[f"{s}/{b}/vertices"], arrays[f"{s}/{b}/triangles"] = posed, mesh.triangles
            arrays[f"{s}/{b}/color"] = np.array([0.4, 0.4, 0.4])
        y = ground_y(c, 0.0)
        flat = np.array([[-200, y, 1], [200, y, 1], [200, y, 400], [-200, y, 400]], dtype=np.float64)
        arrays[f"{s}/{len(bodies)}/vertices"] = flat
        arrays[f"{s}/{len(bodies)}/triangles"] = np.array([[0, 1, 2], [0, 2, 3]])
        arrays[f"{s}/{len(bodies)}/color"] = np.array([0.1, 0.1, 0.1])
    np.savez(path, **arrays)


def rival(which: str, python: str, path: str) -> dict[str, float] | None:
    """Another renderer's seconds a frame; None where it is not installed."""
    if subprocess.run([python, "-c", f"import {RIVALS[which]}"], capture_output=True, check=False).returncode:
        return None
    script = str(Path(__file__).with_name("rivals.py"))
    out = subprocess.run([python, script, which, path], capture_output=True, text=True, check=True).stdout
    result: dict[str, float] = json.loads(out.strip().splitlines()[-1])
    return result


def ours() -> Clock:
    """A frame of ours over the rivals' scenes, alone as they are: everything on, labels too."""
    clock = Clock()
    simulator = OpenGLSimulator()
    for turn in range(1 + ROUNDS):  # one to warm up
        for s in range(1, RIVAL_FRAMES + 1):
            (clock if turn else Clock()).add(partial(simulator.render, street(s, RIVAL_SIZE)))
    simulator.close()
    count = ROUNDS * RIVAL_FRAMES
    return Clock(clock.wall / count, clock.cpu / count)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=40, help="frames a row")
    for which, module in RIVALS.items():
        parser.add_argument(
            f"--{which}", metavar="PYTHON", default=sys.executable, help=f"one that has {module}"
        )
    options = parser.parse_args()
    frames = options.frames
    simulators = {s: OpenGLSimulator(RendererSettings(supersampling=s)) for s in (1, 2)}
    clocks: dict[tuple[str, int, str], Clock] = {}
    for size in SIZES:
        for k in range(-2, frames):  # two rounds to warm up
            for samples, simulator in simulators.items():
                scene = street(k + 2, size)
                works: dict[str, Callable[[], object]] = {
                    "render": partial(simulator.render, scene),
                    "bare": partial(bare, simulator, scene),
                }
                for name, work in works.items():
                    clock = clocks.setdefault((size, samples, name), Clock())
                    (clock if k >= 0 else Clock()).add(work)
    with simulators[2]._open() as device:
        renderer = device.ctx.info["GL_RENDERER"]
    print(f"{renderer}; {frames} frames a row")
    print(f"{'size':>9} {'samples':>7} {'what':>7} {'frames/s':>9} {'wall ms':>8} {'CPU ms':>7}")
    rows = []
    for (size, samples, name), clock in clocks.items():
        wall, cpu = clock.wall / frames, clock.cpu / frames
        print(f"{size:>9} {samples:>7} {name:>7} {1 / wall:>9.1f} {1e3 * wall:>8.1f} {1e3 * cpu:>7.1f}")
        row: dict[str, object] = {"size": size, "supersampling": samples, "what": name}
        rows.append(row | {"frames_per_s": 1 / wall, "wall_s": wall, "cpu_s": cpu})
    for simulator in simulators.values():
        simulator.close()
    own = ours()
    wall, cpu = own.wall, own.cpu
    print(f"{RIVAL_SIZE:>9} {'':>7} {'ours':>7} {1 / wall:>9.1f} {1e3 * wall:>8.1f} {1e3 * cpu:>7.1f}")
    rows.append({"size": RIVAL_SIZE, "what": "ours", "wall_s": own.wall, "cpu_s": own.cpu})
    with tempfile.TemporaryDirectory() as folder:
        export(f"{folder}/scenes.npz", RIVAL_FRAMES + 1)
        for which, module in RIVALS.items():
            took = rival(which, getattr(options, which), f"{folder}/scenes.npz")
            if took is None:
                print(f"{which}: skipped, {module} is not installed")
                continue
            wall, cpu = took["wall_s"], took["cpu_s"]
            print(
                f"{RIVAL_SIZE:>9} {'':>7} {which:>7} {1 / wall:>9.2f} {1e3 * wall:>8.1f} {1e3 * cpu:>7.1f}"
                f"   {cpu / own.cpu:.1f} times our CPU seconds"
            )
            rows.append(
                {
                    "size": RIVAL_SIZE,
                    "what": which,
                    "frames_per_s": 1 / wall,
                    **took,
                    "of_ours": cpu / own.cpu,
                }
            )
    print(json.dumps({"benchmark": "simulator", "renderer": renderer, "frames": frames, "rows": rows}))


if __name__ == "__main__":
    main()
