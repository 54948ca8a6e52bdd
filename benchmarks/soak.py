"""A soak: rounds of rendering and evaluation while processes are killed at random, every few seconds.

    python -m benchmarks.soak --minutes 30 [--seed 0 --scenes 240]

A driver, in a process of its own, renders a round's scenes with the embedded simulator into Parquet and
evaluates them with a small network, round after round. Meanwhile SIGKILL hits simulator actors and evaluation
actors at work, every `--pause` seconds, and the driver itself now and then (but not in the middle third of
the time, so that its memory can be watched). A driver that was killed is started again and continues.

Every finished round is compared with one that nobody disturbed: the same frame ids, each once, the same
pixels and labels, one row of detections a frame, the same detections. Ends with exit status 1 if anything is
lost, doubled or different, or if a driver's memory climbs. Prints a table, then one JSON object as the last
line. Ray runs below this process; kills hit nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from cluster.observability.memory import descendants
from imitation.common import storage
from imitation.data.categories import CategoryMap
from imitation.data.records import Camera
from imitation.detectors.settings import DetectorSettings
from sim_actors.randomization.free_scene import free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.simulators.worker import SceneJob

WIDTH, HEIGHT = 160, 64
CATEGORIES = CategoryMap.identity(("car", "truck", "pedestrian", "cyclist"))
DETECTOR = "benchmarks.soak:one_by_one"
VICTIMS = {"simulator": ("SimulatorHost", ".render"), "evaluation": ("DetectorWorker", ".judge")}
"""What the titles of processes at work hold, by kind."""
WEIGHTS = {"simulator": 3, "evaluation": 2}
AT_WORK_S = 1.0
SEEN = 3  # times the frames' size: the detector's input, large enough that evaluation is there to be hit
TRIES = 100  # the same scene or frames may be hit again and again
THOROUGH_MIN = 5.0  # minutes from which each kind of process must have been hit
CLIMB = 0.15  # of a driver's memory, in its longest life, that is called a climb


def one_by_one(settings: DetectorSettings, num_categories: int) -> Any:
    """A small network that sees each image alone: what it says does not depend on the others of a batch."""
    import torch
    from torch import Tensor, nn

    from imitation.detectors.registry import build_detector

    class OneByOne(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.inner = build_detector(settings.model_copy(update={"name": "grid"}), num_categories)

        def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
            return [self.inner([image])[0] for image in images]

    return OneByOne()


# --- the driver


def drive(folder: Path, options: argparse.Namespace) -> None:
    """Rounds, from the first that is not finished, until there is a file `stop`."""
    import ray

    from cluster.config.evaluate import EvaluateSettings
    from cluster.config.simulate import SimulateSettings
    from cluster.evaluation.ray_data import EvaluationPart, evaluate
    from cluster.simulation.pool import SimulatorPool
    from cluster.simulation.stream import simulate
    from sim_actors.simulators.registry import SimulatorSpec

    ray.init(address=options.address, logging_level="ERROR", log_to_driver=False)
    rendering = SimulateSettings(actors=2, cpus_per_actor=1, frames_per_file=32, max_attempts=TRIES)
    judging = EvaluateSettings(actors=1, batch_size=8, threads=1, max_attempts=TRIES, gpus_per_actor=0)
    first = 1 + sum((place / "done.json").exists() for place in folder.glob("round-*"))
    with SimulatorPool(SimulatorSpec("opengl"), rendering) as pool:
        for number in range(first, first + (1 if options.once else 10**6)):
            place = folder / f"round-{number:05d}"
            frames, detections = str(place / "frames"), str(place / "detections.parquet")
            report = simulate(jobs(options.scenes), frames, pool)
            part = EvaluationPart(frames, "test", ("main",))
            done = evaluate(
                [part], {"main": str(folder.parent / "checkpoint")}, CATEGORIES, detections, judging
            )
            told = {
                "frames": report.frames,
                "set_aside": [item.scene_id for item in report.set_aside],
                "rows": done["rows"],
                "pid": os.getpid(),
                "anonymous_mb": anonymous_mb(),
            }
            storage.write_json(str(place / "done.json"), told)
            if (folder / "stop").exists():
                return


def jobs(count: int) -> list[SceneJob]:
    camera = Camera(0.58 * WIDTH, 0.58 * WIDTH, WIDTH / 2, 0.46 * HEIGHT, height=1.65, pitch=0.0)
    return [
        SceneJob(
            free_scene(
                RandomizeSettings(),
                scene_id=f"soak-{seed:05d}",
                seed=seed,
                camera=camera,
                width=WIDTH,
                height=HEIGHT,
                categories=CATEGORIES.categories,
                convention="amodal_clipped",
            ),
            seed=seed,
        )
        for seed in range(count)
    ]


def anonymous_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")


# --- the supervisor


class Soak:
    """Starts drivers, kills, and looks at what was finished."""

    def __init__(self, folder: Path, address: str, options: argparse.Namespace) -> None:
        self.folder, self.address, self.options = folder, address, options
        self.rng = random.Random(options.seed)
        self.kills: Counter[str] = Counter()
        self.faults: list[str] = []
        self.lives: dict[int, list[float]] = {}
        self.at_work: dict[int, float] = {}
        self.rounds = self.frames = 0
        self.reference: tuple[dict[str, str], dict[str, Any]] | None = None

    def start(self, place: Path, once: bool = False) -> subprocess.Popen[bytes]:
        place.mkdir(exist_ok=True)
        words = [sys.executable, "-m", "benchmarks.soak", "--driver", str(place), "--address", self.address]
        words += ["--scenes", str(self.options.scenes), *(["--once"] if once else [])]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=(place / "log").open("ab"))

    def run(self) -> float:
        """Returns the seconds of the soak."""
        undisturbed = self.folder / "undisturbed"
        driver = self.start(undisturbed, once=True)
        if driver.wait():
            raise SystemExit(f"the undisturbed round failed: {(undisturbed / 'log').read_text()[-2000:]}")
        self.reference = contents(undisturbed / "round-00001")
        if len(self.reference[0]) != self.options.scenes:
            raise SystemExit("the undisturbed round is not whole")
        self.say(f"undisturbed: {len(self.reference[0])} frames, {len(self.reference[1])} rows")
        place, began = self.folder / "disturbed", time.monotonic()
        length = 60 * self.options.minutes
        driver, started, life = self.start(place), time.monotonic(), self._life(length)
        files, next_kill = self.files(place), began
        while (now := time.monotonic()) - began < length:
            time.sleep(0.5)
            self.look(place)
            victims = self.victims()
            if driver.poll() is not None:
                self.faults.append(f"a driver ended by itself: {(place / 'log').read_text()[-1500:]}")
                break
            if now < next_kill:
                continue
            next_kill = now + self.rng.uniform(*self.options.pause)
            outer = not length / 3 < now - began < 2 * length / 3
            # a driver that has done nothing yet is left alone: on a busy machine nothing would ever end
            if outer and now - started > life and self.files(place) > files:
                driver.kill()
                driver.wait()
                self.kills["driver"] += 1
                driver, started, life = self.start(place), time.monotonic(), self._life(length)
                files = self.files(place)
            elif victims:
                kind = self.rng.choices(list(victims), [WEIGHTS[kind] for kind in victims])[0]
                os.kill(self.rng.choice(victims[kind]), signal.SIGKILL)
                self.kills[kind] += 1
        seconds = time.monotonic() - began
        (place / "stop").touch()
        try:
            driver.wait(timeout=600)
        except subprocess.TimeoutExpired:
            driver.kill()
            self.faults.append("the last driver did not end")
        self.look(place)
        return seconds

    def _life(self, length: float) -> float:
        """Seconds that a driver may live in the outer thirds."""
        return self.rng.uniform(0.7, 1.4) * min(90.0, max(15.0, length / 6))

    def victims(self) -> dict[str, list[int]]:
        """Process ids by kind, of those that have been at work for `AT_WORK_S`."""
        found: dict[str, list[int]] = {}
        now = time.monotonic()
        for pid, title in sorted(descendants(os.getpid()).items()):
            for kind, parts in VICTIMS.items():
                known = title.startswith("ray::") and all(part in title for part in parts)
                if known and now - self.at_work.setdefault(pid, now) >= AT_WORK_S:
                    found.setdefault(kind, []).append(pid)
        return found

    def files(self, place: Path) -> int:
        """How much a driver has finished: rounds, and files of the one that is going on."""
        now = place / f"round-{self.rounds + 1:05d}"
        return 1000 * self.rounds + len(list(now.glob("frames/part-*"))) + len(list(now.glob("*.*")))

    def look(self, place: Path) -> None:
        """Compares the rounds that were finished since the last look."""
        assert self.reference is not None
        while (folder := place / f"round-{self.rounds + 1:05d}").joinpath("done.json").exists():
            self.rounds += 1
            told = storage.read_json(str(folder / "done.json"))
            self.lives.setdefault(told["pid"], []).append(told["anonymous_mb"])
            self.frames += told["frames"]
            if told["set_aside"]:
                self.faults.append(f"{folder.name}: set aside {told['set_aside']}")
            try:
                self._compare(folder.name, *contents(folder), *self.reference)
            except Twice as error:
                self.faults.append(f"{folder.name}: {error}")
            storage.delete(str(folder / "frames"))
            self.say(f"{folder.name}: {told['frames']} frames, kills so far {dict(self.kills)}")

    def _compare(
        self,
        name: str,
        frames: dict[str, str],
        rows: dict[str, Any],
        known_frames: dict[str, str],
        known_rows: dict[str, Any],
    ) -> None:
        for what, found, known in (("frames", frames, known_frames), ("rows", rows, known_rows)):
            if lost := known.keys() - found.keys():
                self.faults.append(f"{name}: {len(lost)} {what} lost, {sorted(lost)[:3]}")
            if more := found.keys() - known.keys():
                self.faults.append(f"{name}: {len(more)} {what} that nobody asked for")
        changed = [i for i in frames.keys() & known_frames.keys() if frames[i] != known_frames[i]]
        if changed:
            self.faults.append(
                f"{name}: {len(changed)} frames differ in pixels or labels, {sorted(changed)[:3]}"
            )
        other = [i for i in rows.keys() & known_rows.keys() if not same(rows[i], known_rows[i])]
        if other:
            self.faults.append(f"{name}: detections of {len(other)} frames differ, {sorted(other)[:3]}")

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def memory(self) -> dict[str, float | int | None]:
        """Of the driver's longest life, in rounds: the first (its start-up) is left out."""
        life = max(self.lives.values(), key=len, default=[])[1:]
        if len(life) < 4:
            peak = max((max(values) for values in self.lives.values()), default=float("nan"))
            return {"rounds": len(life), "most_mb": round(peak, 1), "mb_per_round": None, "climb": None}
        slope = float(np.polyfit(np.arange(len(life)), life, 1)[0])
        third = len(life) // 3
        climb = float(np.median(life[-third:]) / np.median(life[:third]) - 1)
        return {
            "rounds": len(life),
            "most_mb": round(max(life), 1),
            "mb_per_round": round(slope, 3),
            "climb": round(climb, 4),
        }


class Twice(Exception):
    """An id that stands twice."""


def contents(folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """A round: frame id -> checksum of pixels and labels, frame id -> its detections."""
    frames: dict[str, str] = {}
    for file in sorted((folder / "frames").glob("part-*.parquet")):
        for row in pq.read_table(file, columns=["frame_id", "image", "objects"]).to_pylist():
            if row["frame_id"] in frames:
                raise Twice(f"frame {row['frame_id']} was rendered twice")
            text = row["image"] + repr(row["objects"]).encode()
            frames[row["frame_id"]] = hashlib.sha256(text).hexdigest()
    rows: dict[str, Any] = {}
    table = pq.read_table(folder / "detections.parquet", columns=["frame_id", "detections"])
    for row in table.to_pylist():
        if row["frame_id"] in rows:
            raise Twice(f"frame {row['frame_id']} was evaluated twice")
        rows[row["frame_id"]] = row["detections"]
    return frames, rows


def same(found: list[dict[str, float]], known: list[dict[str, float]]) -> bool:
    """Whether detections agree, but for rounding."""
    if len(found) != len(known):
        return False
    values = [[list(item.values()) for item in items] for items in (found, known)]
    return bool(np.allclose(*values, rtol=1e-4, atol=1e-3, equal_nan=True)) if found else True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=240, help="of a round")
    parser.add_argument("--pause", type=float, nargs=2, default=(2.0, 6.0), help="seconds between kills")
    parser.add_argument("--driver", help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_PARQUET_FOOTER_NUM_ACTORS": "1"}
    if options.driver:
        drive(Path(options.driver), options)
        return 0
    os.environ.pop("RAY_ADDRESS", None)
    import ray
    import torch

    from imitation.detectors.checkpoint import save_checkpoint
    from imitation.detectors.registry import build_detector

    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        detector = DetectorSettings(
            name=DETECTOR,
            backbone="resnet10",
            weights=None,
            features=16,
            width=SEEN * WIDTH,
            height=SEEN * HEIGHT,
        )
        torch.manual_seed(0)
        model = build_detector(detector, len(CATEGORIES.categories))
        save_checkpoint(f"{name}/checkpoint", model.state_dict(), detector, CATEGORIES.categories, {})
        ray.init(
            address="local", num_cpus=6, include_dashboard=False, logging_level="ERROR", log_to_driver=False
        )
        soak = Soak(Path(name), ray.get_runtime_context().gcs_address, options)
        seconds = soak.run()
        ray.shutdown()
    memory = soak.memory()
    if memory["climb"] is not None and memory["climb"] > CLIMB:
        soak.faults.append(f"the driver's memory climbs: {memory}")
    if options.minutes >= THOROUGH_MIN:
        soak.faults += [
            f"no {kind} was killed: nothing is shown of it" for kind in WEIGHTS if not soak.kills[kind]
        ]
    if not soak.rounds:
        soak.faults.append("no round was finished")
    print(f"{'minutes':24}{seconds / 60:10.1f}")
    print(f"{'rounds':24}{soak.rounds:10}")
    print(f"{'frames':24}{soak.frames:10}")
    for kind in ("simulator", "evaluation", "driver"):
        print(f"{'kills: ' + kind:24}{soak.kills[kind]:10}")
    print(f"{'driver, MiB at most':24}{memory['most_mb']:10}")
    print(f"{'driver, MiB a round':24}{memory['mb_per_round'] if memory['rounds'] else 'unknown'!s:>10}")
    print(f"{'faults':24}{len(soak.faults):10}")
    for fault in soak.faults:
        print(f"  {fault}")
    result = {
        "benchmark": "soak",
        "settings": {k: v for k, v in vars(options).items() if k not in ("driver", "address", "once")},
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "minutes": round(seconds / 60, 2),
        "rounds": soak.rounds,
        "frames": soak.frames,
        "kills": dict(soak.kills),
        "driver_memory": memory,
        "faults": soak.faults,
    }
    print(json.dumps(result))
    return int(bool(soak.faults))


if __name__ == "__main__":
    sys.exit(main())
