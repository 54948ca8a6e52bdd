"""What a run does, as metrics on Ray's Prometheus endpoint.

The driver sees everything that counts (the pool's outcomes, training events, evaluated rows), so it
alone reports; Ray carries the figures to the metrics port of the driver's node, with "ray_" before
each name (and "_total" after a counter's). Without a running Ray nothing happens.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cluster.observability.callbacks import Callback, FinishedCycle, Work
from cluster.observability.cycle_time import part_of, work_seconds
from cluster.runtime.periodic import meanwhile

if TYPE_CHECKING:
    from cluster.simulation.pool import SimulatorPool
    from cluster.simulation.work_queue import PoolCounts

PREFIX = "imitation_"
TAGS = ("run", "stage")
SAMPLE_S = 2.0  # between looks at the pool
REFRESH_S = 1.0  # between repetitions of gauges: Ray forgets one that is not set again before each export

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "frames_rendered": ("Frames that simulators finished", ()),
    "scenes_retried": ("Attempts at a scene after a failed one", ()),
    "scenes_set_aside": ("Scenes given up", ()),
    "scene_failures": (
        "Failed attempts at a scene by kind: crashed, hung, raised, unsupported, lost (its node went away)",
        ("kind",),
    ),
    "simulators_started": ("Simulator workers that came up", ()),
    "simulators_recycled": ("Simulator workers replaced for their age or memory", ()),
    "frames_evaluated": ("Frames through a detector; a frame counts once for each detector", ()),
    "training_steps": ("Optimizer steps", ("detector",)),
    "training_images": ("Images in those steps' batches", ("detector",)),
    "stage_seconds": ("Wall time of finished stages", ("part",)),
    "work_seconds": ("Of that, time in which the stage's own work was done", ("part",)),
}
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "simulators": ("Simulator workers that run a simulator now", ()),
    "training_loss": ("The loss at the last report of a training", ("detector",)),
    "training_images_per_second": ("Images a second at the last report of a training", ("detector",)),
    "cycle": ("The cycle that the run is in; the baseline is 0", ()),
    "val_score": ("The score on the val split, 0 to 1, of the last finished cycle", ()),
    "synthetic_frames": ("Synthetic frames that the last finished cycle was trained on", ()),
}


class Telemetry(Callback):
    """The metrics of one run."""

    def __init__(self, run: str) -> None:
        self.run = run
        self._metrics: dict[str, Any] = {}
        self._gauges: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._refresher: threading.Thread | None = None

    def add(self, name: str, value: float = 1, stage: str = "", **tags: str) -> None:
        """Counts; a value of 0 does nothing."""
        if value > 0 and (metric := self._metric(name)) is not None:
            metric.inc(value, tags={"run": self.run, "stage": stage, **tags})

    def set(self, name: str, value: float, stage: str = "", **tags: str) -> None:
        """Sets a gauge, which keeps its value for as long as this object lives."""
        if (metric := self._metric(name)) is None:
            return
        labels = {"run": self.run, "stage": stage, **tags}
        metric.set(value, tags=labels)
        self._gauges[(name, tuple(labels.items()))] = value
        if self._refresher is None:
            self._refresher = threading.Thread(
                target=_refresh, args=(weakref.ref(self),), name="telemetry", daemon=True
            )
            self._refresher.start()

    def refresh(self) -> None:
        """Sets every gauge to its value again."""
        for (name, labels), value in list(self._gauges.items()):
            if (metric := self._metric(name)) is not None:
                metric.set(value, tags=dict(labels))

    def _metric(self, name: str) -> Any:
        ray = sys.modules.get("ray")
        if ray is None or not ray.is_initialized():
            return None
        if name not in self._metrics:
            from ray.util.metrics import Counter, Gauge

            kind = Counter if name in COUNTERS else Gauge
            description, tags = (COUNTERS | GAUGES)[name]
            self._metrics[name] = kind(PREFIX + name, description, tag_keys=TAGS + tags)
        return self._metrics[name]

    @contextmanager
    def during(self, work: Work) -> Iterator[None]:
        """Counts what a pool does meanwhile, from a look at its counts every two seconds: a scene that
        hangs shows before its stage ends, and the pool knows nothing of it."""
        if work.cycle is not None:
            self.set("cycle", work.cycle)
        if work.pool is None:
            yield
            return
        watcher = _PoolWatcher(self, work.pool, work.stage)
        try:
            with meanwhile(watcher.look, SAMPLE_S, "pool-telemetry"):
                yield
        finally:
            self.set("simulators", 0, work.stage)

    def progress(self, work: Work, done: float, event: Mapping[str, Any]) -> None:
        new = done - work.done
        if work.stage == "evaluate":
            self.add("frames_evaluated", new, "evaluate")
        elif work.stage == "train":
            of = {"stage": "train", "detector": work.detector}
            self.add("training_steps", new, **of)
            self.add("training_images", new * work.unit_size, **of)
            self.set("training_loss", event["loss"], **of)
            self.set("training_images_per_second", event["images_per_second"], **of)

    def committed(self, stage: str, result: Mapping[str, Any]) -> None:
        if not result.get("reused"):
            self.add("stage_seconds", result["seconds"], stage, part=part_of(stage))
            self.add("work_seconds", work_seconds(stage, result), stage, part=part_of(stage))

    def cycle_ends(self, cycle: FinishedCycle) -> None:
        self.set("val_score", cycle.score)
        self.set("synthetic_frames", cycle.figures.get("data/synthetic_frames", 0))


def _refresh(telemetry: weakref.ref[Telemetry]) -> None:
    ended = threading.Event()
    while not ended.wait(REFRESH_S):
        alive = telemetry()
        if alive is None:
            return
        alive.refresh()
        del alive


class _PoolWatcher:
    """Hands on by how much the counts of a pool have grown."""

    def __init__(self, telemetry: Telemetry, pool: SimulatorPool, stage: str) -> None:
        self.telemetry, self.pool, self.stage = telemetry, pool, stage
        self.known = pool_figures(pool.totals)

    def look(self) -> None:
        for (name, kind), value in pool_figures(self.pool.totals).items():
            grown = value - self.known[(name, kind)]
            if grown > 0:
                self.known[(name, kind)] = value
                self.telemetry.add(name, grown, self.stage, **({"kind": kind} if kind else {}))
        self.telemetry.set("simulators", len(self.pool.pids()), self.stage)


def pool_figures(counts: PoolCounts) -> dict[tuple[str, str], int]:
    """(metric, kind) -> how often, from a pool's counts."""
    return {
        ("frames_rendered", ""): counts.rendered,
        ("scenes_retried", ""): counts.retries,
        ("scenes_set_aside", ""): counts.set_aside,
        ("scene_failures", "crashed"): counts.crashes,
        ("scene_failures", "hung"): counts.hangs,
        ("scene_failures", "raised"): counts.errors,
        ("scene_failures", "unsupported"): counts.unsupported,
        ("scene_failures", "lost"): counts.lost,
        ("simulators_started", ""): counts.actors_started,
        ("simulators_recycled", ""): counts.recycled,
    }
