"""How far the simulator pool scales: simulators that only wait, as one that runs elsewhere does.

1. Throughput of 1, 8 and 64 actor processes and of 32 with 8 scenes each, every scene a fixed wait, beside
   the ideal (scenes in flight / wait). Actors are up before the clock runs; how long that took is told.
2. The last of these pools again, with scenes that take no time, through the whole stage into Parquet files
   for as long as `--cheap`: what the driver spends on a scene, and how its memory grows.
3. With up to 10,000 scenes in flight: what one look at their answers costs (`ray.wait`), and what a step
   of the pool's own code does (against a Ray that answers at once).

    python benchmarks/scaling.py
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray  # noqa: E402

import cluster.simulation.pool  # noqa: E402
import cluster.simulation.slot  # noqa: E402
from benchmarks.waiting_simulator import AT_ONCE, PATH  # noqa: E402
from cluster.config.simulate import SimulateSettings  # noqa: E402
from cluster.simulation.pool import SimulatorPool  # noqa: E402
from cluster.simulation.stream import simulate  # noqa: E402
from cluster.simulation.work_queue import Rendered  # noqa: E402
from imitation.data.records import Camera, Cuboid  # noqa: E402
from sim_actors.scene.records import Actor, Scene  # noqa: E402
from sim_actors.simulators.registry import SimulatorSpec  # noqa: E402
from sim_actors.simulators.worker import Answer, SceneJob, Started, private_memory_mb  # noqa: E402

POOLS = [(1, 1), (8, 1), (64, 1), (32, 8)]  # actors, scenes at once in each
IN_FLIGHT = [256, 2048, 10_000]
TICKS = os.sysconf("SC_CLK_TCK")
CAMERA = Camera(20.0, 20.0, 12.0, 8.0)
CAR = Actor("Car", Cuboid(-4.9, -1.0, 14.0, 4.0, 1.8, 1.5, 0.0))  # where the simulator labels one


def job(scene_id: str) -> SceneJob:
    return SceneJob(Scene(scene_id, 24, 16, CAMERA, (CAR,)))


def system_cpu_s() -> float:
    """CPU seconds of Ray's own processes that this driver started (head and node daemon)."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        if int(fields[1]) == os.getpid() and name.partition("(")[2] in ("raylet", "gcs_server"):
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def start_up(pool: SimulatorPool, actors: int) -> float:
    """Seconds until all actors are up."""

    def until_all_are_up() -> Iterator[SceneJob]:
        for number in itertools.count():
            if len(pool.pids()) == actors:
                return
            yield job(f"start-{number}")

    start = time.perf_counter()
    for _ in pool.render(until_all_are_up()):
        pass
    return time.perf_counter() - start


def throughput(pool: SimulatorPool, actors: int, each: int, waves: int, wait_s: float) -> dict[str, Any]:
    started = start_up(pool, actors)
    count = actors * each * waves
    wall, cpu, system = time.perf_counter(), time.process_time(), system_cpu_s()
    outcomes = sum(isinstance(item, Rendered) for item in pool.render(job(f"s{i}") for i in range(count)))
    wall, cpu, system = time.perf_counter() - wall, time.process_time() - cpu, system_cpu_s() - system
    if outcomes != count or pool.counts.retries or pool.counts.actors_started:
        raise SystemExit(f"{outcomes} of {count} scenes came out: {pool.counts}")
    ideal = actors * each / wait_s
    return {
        "actors": actors,
        "scenes_at_once": each,
        "start_up_s": round(started, 1),
        "scenes_per_second": round(count / wall, 2),
        "ideal": ideal,
        "efficiency": round(count / wall / ideal, 3),
        "driver_ms_per_scene": round(1000 * cpu / count, 2),
        "ray_daemons_ms_per_scene": round(1000 * system / count, 2),
    }


def cheap_scenes(pool: SimulatorPool, seconds: float) -> dict[str, Any]:
    """A stage of scenes that take no time. Memory is a line fitted to samples of its second half."""
    end = time.monotonic() + seconds
    samples: list[tuple[int, float]] = []

    def jobs() -> Iterator[SceneJob]:
        for number in itertools.count():
            if time.monotonic() > end:
                return
            yield job(f"{AT_ONCE}{number:09d}")

    def progress(done: int) -> None:
        if done % 500 == 0:
            samples.append((done, private_memory_mb()))

    cpu, system = time.process_time(), system_cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        report = simulate(jobs(), folder, pool, progress)
    cpu, system = time.process_time() - cpu, system_cpu_s() - system
    late = np.array(samples[len(samples) // 2 :])
    growth = float(np.polyfit(late[:, 0], late[:, 1], 1)[0]) if len(late) > 2 else float("nan")
    return {
        "scenes": report.rendered,
        "scenes_per_second": round(report.frames_per_second, 1),
        "driver_ms_per_scene": round(1000 * cpu / report.rendered, 3),
        "ray_daemons_ms_per_scene": round(1000 * system / report.rendered, 3),
        "driver_mb": round(private_memory_mb()),
        "driver_mb_per_100k_scenes": round(100_000 * growth, 1),
        "driver_s_per_100k_scenes": round(100_000 * cpu / report.rendered),
    }


class InstantRef:
    def __init__(self, number: int, name: str, args: Any) -> None:
        self.number, self.name, self.args = number, name, args


class InstantRay:
    """Stands in for Ray: of what is waited for, the oldest `at_once` calls are answered at once."""

    def __init__(self) -> None:
        self.at_once = 1_000_000
        self.numbers = itertools.count()

    def remote(self, name: str, *args: Any) -> InstantRef:
        return InstantRef(next(self.numbers), name, args)

    def wait(self, refs: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        oldest = min(ref.number for ref in refs)
        return [ref for ref in refs if ref.number < oldest + self.at_once], []

    def get(self, ref: InstantRef) -> Any:
        if ref.name == "render":
            return Answer(ref.args[0].scene.scene_id, b"", 0.0, 0.0, 10.0)
        return Started("here", 1, "node")

    def kill(self, actor: Any) -> None:
        pass

    def start_worker(self, *args: Any, **options: Any) -> Any:
        names = ("ping", "start", "render", "close")
        methods = {name: mock.Mock(remote=lambda *a, name=name: self.remote(name, *a)) for name in names}
        return type("Actor", (), methods)


def own_code(in_flight: int, at_once: int, steps: int = 100) -> float:
    """Milliseconds of CPU that one step of the pool's own Python takes, `at_once` scenes ending in it."""
    fake = InstantRay()
    settings = SimulateSettings(actors=in_flight // 8, scenes_per_actor=8, scene_timeout_s=1e6)
    with (
        mock.patch.object(cluster.simulation.pool, "ray", fake),
        mock.patch.object(cluster.simulation.slot, "ray", fake),
        mock.patch.object(cluster.simulation.pool, "start_worker", fake.start_worker),
    ):
        pool = SimulatorPool(SimulatorSpec(PATH), settings)
        jobs = [job(f"s{number}") for number in range(3 * in_flight + steps * at_once)]
        outcomes = pool.render(jobs)
        for _ in range(in_flight):  # the first wave; all actors are there and full
            next(outcomes)
        fake.at_once = at_once
        start = time.process_time()
        for _ in range(steps * at_once):
            next(outcomes)
        seconds = time.process_time() - start
        outcomes.close()
    return 1000 * seconds / steps


@ray.remote(num_cpus=0)
class Silent:
    async def wait(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)


def one_look(in_flight: int) -> float:
    """Milliseconds of CPU of one `ray.wait` over so many answers that are still to come."""
    actor = Silent.options(max_concurrency=20_000).remote()
    refs = [actor.wait.remote(600.0) for _ in range(in_flight)]
    time.sleep(2.0)
    start = time.process_time()
    for _ in range(20):
        ray.wait(refs, num_returns=len(refs), timeout=0)
    seconds = time.process_time() - start
    ray.kill(actor)
    return 1000 * seconds / 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--wait", type=float, default=2.0, help="what a scene takes, s")
    parser.add_argument("--waves", type=int, default=6, help="scenes of each simulator")
    parser.add_argument("--cheap", type=float, default=60.0, help="length of the stage of cheap scenes, s")
    options = parser.parse_args()

    os.chdir(ROOT)  # the actors import the simulator from here
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    spec = SimulatorSpec(PATH, {"wait_s": options.wait})
    print(f"{os.cpu_count()} CPUs; every scene waits {options.wait:g} s")
    heads = f"{'start-up s':>11}{'scenes/s':>10}{'ideal':>8}{'of ideal':>10}{'driver ms/scene':>17}"
    print(f"{'actors x scenes':18}{heads}")
    rows = []
    for actors, each in POOLS:
        settings = SimulateSettings(
            actors=actors, scenes_per_actor=each, cpus_per_actor=0.01, startup_timeout_s=600
        )
        with SimulatorPool(spec, settings) as pool:
            row = throughput(pool, actors, each, options.waves, options.wait)
            rows.append(row)
            print(
                f"{f'{actors} x {each}':18}{row['start_up_s']:11.1f}{row['scenes_per_second']:10.2f}"
                f"{row['ideal']:8.1f}{row['efficiency']:10.3f}{row['driver_ms_per_scene']:17.2f}",
                flush=True,
            )
            if (actors, each) == POOLS[-1]:
                cheap = cheap_scenes(pool, options.cheap)
    print(
        f"cheap scenes, {POOLS[-1][0]} x {POOLS[-1][1]} in flight: {cheap['scenes']} scenes, "
        f"{cheap['scenes_per_second']:g}/s; driver {cheap['driver_ms_per_scene']:g} ms and Ray's daemons "
        f"{cheap['ray_daemons_ms_per_scene']:g} ms CPU a scene; driver {cheap['driver_mb']} MiB, growing by "
        f"{cheap['driver_mb_per_100k_scenes']:g} MiB in 100,000 scenes"
    )
    # A step of the pool looks at all that is in flight, twice by ray.wait; what else it does, it does for
    # each scene that has ended.
    print(f"{'in flight':>10}{'ray.wait ms':>13}{'step ms':>9}{'of 32 ms':>10}{'gathered for ms':>17}")
    looks = []
    for count in IN_FLIGHT:
        look = {
            "in_flight": count,
            "ray_wait_ms": round(one_look(count), 3),
            "step_ms": round(own_code(count, 1), 3),
            "step_of_32_ms": round(own_code(count, 32), 3),
            "gathered_for_ms": 1000 * cluster.simulation.pool.GATHER_S * count,
        }
        looks.append(look)
        print(
            f"{count:>10}{look['ray_wait_ms']:13.2f}{look['step_ms']:9.2f}{look['step_of_32_ms']:10.2f}"
            f"{look['gathered_for_ms']:17.1f}",
            flush=True,
        )
    ray.shutdown()
    print(json.dumps(vars(options) | {"cpus": os.cpu_count(), "pools": rows, "cheap": cheap, "looks": looks}))


if __name__ == "__main__":
    main()
