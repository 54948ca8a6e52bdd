"""Does the light matter? The same scenes lit by the embedded renderer and by Blender's Cycles.

    python -m benchmarks.traced_light cost [--blender DIR] [--frames 4] [--samples 1 4 16 64]
    python -m benchmarks.traced_light frames KITTI OUT --arms gl 4 16 [--frames 100] [--height 128]
    python -m benchmarks.traced_light picture OUT.jpg [--blender DIR] [--samples 16]
    python -m benchmarks.realism KITTI --arm gl=OUT/gl.parquet --arm cycles4=OUT/4.parquet ...

`cost`: wall and CPU seconds a frame, of free scenes, and how far each picture lies from that of the most
samples (root mean square of 8-bit levels, the sensor's noise left out); it ends with one line of JSON.
`frames`: the train list of a KITTI folder re-staged once, each arm a file of the same scenes: `gl`, or a
number of samples; the same command goes on after the last frame that it made. `picture`: scenes side by side,
the embedded renderer's on the left.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from cluster.cli.arguments import size
from imitation.data.records import Frame, Origin
from imitation.datasets.kitti.files import kitti_splits, read_kitti
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.requests import Request
from sim_actors.randomization.free_scene import free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.records import Scene
from sim_actors.simulators.blender.settings import BlenderSettings
from sim_actors.simulators.blender.simulator import BlenderSimulator
from sim_actors.simulators.opengl.assets.families import SIMULATOR
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings
from sim_actors.simulators.protocol import Simulator
from sim_actors.staging.restage import default_camera
from sim_actors.staging.stage import StagingSettings, Target, stage

CATEGORIES = ("car", "van", "truck", "pedestrian", "cyclist")


def built(arm: str, blender: str | None, threads: int) -> Simulator:
    """The simulator of an arm: "gl", or a number of samples."""
    if arm == "gl":
        return OpenGLSimulator(RendererSettings(threads=0))
    return BlenderSimulator(BlenderSettings(blender=blender, samples=int(arm), threads=threads))


def smaller(scene: Scene, height: int) -> Scene:
    """The scene through a camera of fewer pixels, of the same view."""
    share = height / scene.height
    width, camera = round(scene.width * share), scene.camera
    across = width / scene.width
    lens = replace(
        camera, fx=camera.fx * across, cx=camera.cx * across, fy=camera.fy * share, cy=camera.cy * share
    )
    return scene.replace(width=width, height=height, camera=lens)


def restaged(frame: Frame, height: int, simulator: Simulator) -> Frame:
    """A frame staged again in the default randomization; the same scene for every simulator."""
    assert frame.camera is not None
    names = tuple(sorted({obj.category for obj in frame.objects}))
    target = Target(
        "cuboid_clipped", names, frame.camera, frame.width, frame.height, frozenset(SIMULATOR.bodies)
    )
    seed = zlib.crc32(frame.frame_id.encode())
    request = Request(frame.frame_id, frame.frame_id, (), (), (), 1, seed, "traced light")
    scene = smaller(stage(request, 0, frame, target=target, settings=StagingSettings()), height)
    origin = Origin(
        cycle=0, parent=frame.frame_id, failures=(), policy="traced light", scene=scene.to_json(),
        simulator=simulator.name, simulator_version=simulator.version, seed=seed,
    )  # fmt: skip
    return replace(simulator.render(scene), origin=origin)


def make_frames(options: argparse.Namespace) -> None:
    """Writes a file for each arm."""
    listed = (kitti_splits(options.kitti) or {})["train"][: options.frames]
    frames = list(read_kitti(options.kitti, listed))
    for arm in options.arms:
        pieces = [Path(options.out) / arm / f"{frame.frame_id}.parquet" for frame in frames]
        pieces[0].parent.mkdir(parents=True, exist_ok=True)
        if not all(piece.exists() for piece in pieces):
            with contextlib.closing(built(arm, options.blender, options.threads)) as simulator:
                for frame, piece in zip(frames, pieces):
                    if not piece.exists():
                        began = time.perf_counter()
                        write_frames([restaged(frame, options.height, simulator)], str(piece))
                        print(f"{arm} {frame.frame_id}: {time.perf_counter() - began:.1f} s", flush=True)
        path = Path(options.out) / f"{arm}.parquet"
        count = write_frames((frame for piece in pieces for frame in read_frames(str(piece))), str(path))
        print(f"{path}: {count} frames", flush=True)


def measure_cost(options: argparse.Namespace) -> None:
    """Prints a table of seconds and noise, and a JSON object."""
    arms = ["gl", *map(str, sorted(options.samples))]
    rows = {}
    print(f"{'size':>10} {'arm':>5} {'s a frame':>10} {'CPU-s a frame':>14} {'MB':>6} {'off':>6}")
    for width, height in options.sizes:
        scenes = [_free(seed, width, height) for seed in range(options.frames)]
        finest: list[np.ndarray] = []
        for arm in reversed(arms):  # most samples first: what the others are compared with
            with contextlib.closing(built(arm, options.blender, options.threads)) as simulator:
                simulator.warm_up()  # type: ignore[attr-defined]
                wall, (cpu, _) = time.perf_counter(), _used()
                pictures = [_levels(simulator.render(scene)) for scene in scenes]
                wall, (after, memory) = time.perf_counter() - wall, _used()
            finest = finest or pictures
            off = math.sqrt(np.mean([np.mean((a - b) ** 2) for a, b in zip(pictures, finest)]))
            row = {"s": wall / len(scenes), "cpu_s": (after - cpu) / len(scenes), "mb": memory, "off": off}
            rows[f"{width}x{height} {arm}"] = row
            told = f"{row['s']:>10.2f} {row['cpu_s']:>14.2f} {memory:>6.0f} {off:>6.2f}"
            print(f"{width}x{height:<6} {arm:>5} {told}", flush=True)
    print(json.dumps({"benchmark": "traced_light", "frames": options.frames, "rows": rows}))


def _free(seed: int, width: int, height: int) -> Scene:
    scene = free_scene(
        RandomizeSettings(), scene_id=f"free-{seed}", seed=seed, camera=default_camera(width, height, 80.0),
        width=width, height=height, categories=CATEGORIES, convention="amodal_clipped",
    )  # fmt: skip
    return scene.replace(sensor=replace(scene.sensor, noise=0.0, read_noise=0.0, jpeg_quality=0))


def _levels(frame: Frame) -> np.ndarray:
    assert frame.image is not None
    return np.asarray(Image.open(io.BytesIO(frame.image)).convert("RGB"), dtype=np.float64)


def _used() -> tuple[float, float]:
    """CPU-seconds and MB of this process and of what it started."""
    here = psutil.Process()
    seconds = memory = 0.0
    for process in (here, *here.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            seconds, memory = seconds + times.user + times.system, memory + process.memory_info().rss / 1e6
    return seconds, memory


def draw_picture(options: argparse.Namespace) -> None:
    """Free scenes under three lights, each by both renderers."""
    lights = (
        (5, {"weather": "clear", "hour": 15.5, "sun_azimuth": 1.2}),
        (3, {"weather": "overcast", "hour": 11.0}),
        (4, {"weather": "rain", "hour": 10.5, "wetness": 0.9}),
        (6, {"weather": "clear", "hour": 22.0}),
    )
    width, height, gap = 480, 160, 4
    sheet = Image.new("RGB", (2 * width + gap, len(lights) * (height + gap) - gap), "white")
    for column, arm in enumerate(("gl", str(options.samples))):
        with contextlib.closing(built(arm, options.blender, options.threads)) as simulator:
            for row, (seed, light) in enumerate(lights):
                scene = _free(seed, width, height)
                scene = scene.replace(environment=replace(scene.environment, snow=0.0, haze=0.001, **light))
                drawn = Image.fromarray(_levels(simulator.render(scene)).astype(np.uint8))
                sheet.paste(drawn, (column * (width + gap), row * (height + gap)))
    sheet.save(options.out, quality=88)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    cost = commands.add_parser("cost")
    cost.add_argument("--samples", type=int, nargs="+", default=[1, 4, 16, 64])
    cost.add_argument("--frames", type=int, default=4)
    cost.add_argument("--sizes", type=size, nargs="+", default=[(416, 128), (1242, 375)], metavar="WxH")
    frames = commands.add_parser("frames")
    frames.add_argument("kitti", help="a KITTI folder with ImageSets/train.txt")
    frames.add_argument("out", help="folder for one Parquet file an arm")
    frames.add_argument("--arms", nargs="+", default=["gl", "4"], help="gl, or numbers of samples")
    frames.add_argument("--frames", type=int, default=100)
    frames.add_argument("--height", type=int, default=128)
    picture = commands.add_parser("picture")
    picture.add_argument("out", help="a JPEG file")
    picture.add_argument("--samples", type=int, default=16)
    for command in (cost, frames, picture):
        command.add_argument("--blender", help="as simulate.options.blender")
        command.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    {"cost": measure_cost, "frames": make_frames, "picture": draw_picture}[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
