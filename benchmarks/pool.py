"""Frames a second of the simulator pool beside bare processes that render the same scenes.

Both have the same number of simulators, the same free scenes and one rasterizer thread each;
simulators are started and warm before the clock runs. Rounds alternate, so that whatever else the
machine does hits both; the table shows medians. The third row streams the pool into Parquet files.

    python benchmarks/pool.py --actors 2 --frames 60
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import ray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cluster.config.simulate import SimulateSettings
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.stream import simulate
from cluster.simulation.work_queue import Rendered
from imitation.data.records import Camera
from sim_actors.randomization.free_scene import free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.records import Scene
from sim_actors.simulators.registry import SimulatorSpec, build_simulator
from sim_actors.simulators.worker import SceneJob

CATEGORIES = ("Car", "Van", "Truck", "Pedestrian", "Cyclist")


def make_scenes(count: int, width: int, height: int, first: int) -> list[Scene]:
    camera = Camera(0.58 * width, 0.58 * width, width / 2, 0.46 * height, height=1.65, pitch=0.0)
    return [
        free_scene(
            RandomizeSettings(),
            scene_id=f"bench-{seed:05d}",
            seed=seed,
            camera=camera,
            width=width,
            height=height,
            categories=CATEGORIES,
            convention="amodal_clipped",
        )
        for seed in range(first, first + count)
    ]


def bare_process(spec: SimulatorSpec, pipe: Connection) -> None:
    """Renders each list of scenes that comes through the pipe; answers with the CPU seconds it took."""
    os.environ["LP_NUM_THREADS"] = "1"
    simulator = build_simulator(spec)
    pipe.send(0.0)
    while (scenes := pipe.recv()) is not None:
        start = time.process_time()
        for scene in scenes:
            simulator.render(scene)
        pipe.send(time.process_time() - start)
    simulator.close()


@contextmanager
def bare_processes(spec: SimulatorSpec, count: int) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("spawn")  # a forked child hangs in GL
    pipes, workers = [], []
    for _ in range(count):
        ours, theirs = context.Pipe()
        workers.append(context.Process(target=bare_process, args=(spec, theirs), daemon=True))
        workers[-1].start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    yield pipes
    for pipe, worker in zip(pipes, workers, strict=True):
        pipe.send(None)
        worker.join()


def time_bare(pipes: list[Connection], scenes: list[Scene]) -> tuple[float, float]:
    start = time.perf_counter()
    for i, pipe in enumerate(pipes):
        pipe.send(scenes[i :: len(pipes)])
    cpu = sum(pipe.recv() for pipe in pipes)
    return time.perf_counter() - start, cpu


def time_pool(pool: SimulatorPool, scenes: list[Scene]) -> tuple[float, float]:
    start = time.perf_counter()
    outcomes = list(pool.render(SceneJob(scene) for scene in scenes))
    seconds = time.perf_counter() - start
    failed = [outcome for outcome in outcomes if not isinstance(outcome, Rendered)]
    if failed:
        raise SystemExit(f"{len(failed)} scenes could not be rendered; the first: {failed[0]}")
    return seconds, pool.counts.cpu_seconds


def time_stage(pool: SimulatorPool, scenes: list[Scene]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        report = simulate((SceneJob(scene) for scene in scenes), folder, pool)
    return report.seconds, report.cpu_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=192)
    options = parser.parse_args()

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=options.actors + 1, include_dashboard=False, logging_level="ERROR")
    spec = SimulatorSpec("opengl")
    settings = SimulateSettings(actors=options.actors, frames_per_file=32)
    warm_up = make_scenes(4 * options.actors, options.width, options.height, first=100_000)
    scenes = make_scenes(options.frames, options.width, options.height, first=0)
    times: dict[str, list[tuple[float, float]]] = {"bare processes": [], "pool": [], "pool to Parquet": []}
    with bare_processes(spec, options.actors) as pipes, SimulatorPool(spec, settings) as pool:
        time_bare(pipes, warm_up)
        while len(pool.pids()) < options.actors:
            time_pool(pool, warm_up)
        time_pool(pool, warm_up)
        for _ in range(options.rounds):
            times["bare processes"].append(time_bare(pipes, scenes))
            times["pool"].append(time_pool(pool, scenes))
            times["pool to Parquet"].append(time_stage(pool, scenes))
    ray.shutdown()

    rows = {}
    for name, rounds in times.items():
        seconds = statistics.median(wall for wall, _ in rounds)
        cpu = statistics.median(cpu for _, cpu in rounds)
        rows[name] = {
            "frames_per_second": round(options.frames / seconds, 2),
            "cpu_s_per_frame": round(cpu / options.frames, 4),
            "seconds": [round(wall, 3) for wall, _ in rounds],
        }
    base = rows["bare processes"]["frames_per_second"]
    print(f"{options.actors} simulators, {options.frames} scenes {options.width}x{options.height}, "
          f"median of {options.rounds} rounds, {os.cpu_count()} CPUs")  # fmt: skip
    print(f"{'':18}{'frames/s':>10}{'of bare':>10}{'CPU s/frame':>13}")
    for name, row in rows.items():
        rate = row["frames_per_second"]
        print(f"{name:18}{rate:10.2f}{rate / base:10.2f}{row['cpu_s_per_frame']:13.4f}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(vars(options) | {"rows": rows, "driver_peak_mb": round(peak_mb)}))


if __name__ == "__main__":
    main()
