"""Everything that watches a run: the console's bars, Ray's metrics, the trackers, the clock.

The stages tell it what happens, in a line each; who hears of it is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cluster.observability.console import Reporter
from cluster.observability.cycle_time import CycleClock, CycleTime, part_of, work_seconds
from cluster.observability.prometheus import Telemetry
from cluster.observability.trackers.base import Broken, Trackers
from imitation.common.names import cycle_folder

if TYPE_CHECKING:
    from cluster.simulation.pool import SimulatorPool
    from imitation.metrics.summary import Metrics
    from imitation.training.settings import TrainSettings

CURVE_OWN = ("loss", "learning_rate", "images_per_second")  # of a training event; other figures are losses


class Watch:
    """Of one run. Without telemetry, trackers and clock it draws bars alone."""

    def __init__(
        self,
        reporter: Reporter,
        telemetry: Telemetry | None = None,
        trackers: Trackers | None = None,
        clock: CycleClock | None = None,
        hide_test: bool = False,
    ) -> None:
        """`hide_test`: nobody hears of the test split before the run is over (sweeps)."""
        self.reporter = reporter
        self.telemetry = telemetry or Telemetry("")
        self.trackers = trackers or Trackers([], reporter.say)
        self.clock = clock
        self.hide_test = hide_test

    def begin(self) -> None:
        """The first cycle begins."""
        if self.clock is not None:
            self.clock.begin()

    @contextmanager
    def rendering(
        self, title: str, total: int, pool: SimulatorPool, cycle: int | None = None
    ) -> Iterator[Callable[[int], None]]:
        """Gives what to call with the number of scenes done so far, and first with what is there already."""
        stage = "data" if cycle is None else "simulate"
        if cycle is not None:
            self.telemetry.set("cycle", cycle)
        with self.reporter.stage(title, total) as bar, self.telemetry.pool(pool, stage):
            told = bar.restored

            def progress(done: int) -> None:
                nonlocal told
                told(done)
                told = bar.update

            yield progress

    @contextmanager
    def training(
        self, title: str, cycle: int, detector: str, settings: TrainSettings
    ) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Gives what to call with each of a training's events (see
        `cluster.training.train_loop.train_detector`).
        """
        before: int | None = None
        with self.reporter.stage(title, settings.steps) as bar:

            def progress(event: dict[str, Any]) -> None:
                nonlocal before
                step, rate = event["step"], event["images_per_second"]
                if before is None:  # one that continues reports up to report_every steps after its start
                    before = max(0, step - settings.report_every)
                    bar.restored(before)
                bar.update(step, f"loss {event['loss']:.2f}, {rate:.1f} images/s")
                steps, before = step - before, step
                self.telemetry.set("cycle", cycle)
                self.telemetry.add("training_steps", steps, "train", detector=detector)
                self.telemetry.add("training_images", steps * settings.batch_size, "train", detector=detector)
                self.telemetry.set("training_loss", event["loss"], "train", detector=detector)
                self.telemetry.set("training_images_per_second", rate, "train", detector=detector)
                self.trackers.point(f"{cycle_folder(cycle)}/{detector}", step, _curve(event))

            yield progress

    @contextmanager
    def evaluating(self, title: str, total: int, cycle: int | None = None) -> Iterator[Callable[[int], None]]:
        """Gives what to call with the number of rows so far: a frame has one for each detector."""
        before = 0
        if cycle is not None:
            self.telemetry.set("cycle", cycle)
        with self.reporter.stage(title, total) as bar:

            def progress(done: int) -> None:
                nonlocal before
                bar.update(done)
                self.telemetry.add("frames_evaluated", done - before, "evaluate")
                before = done

            yield progress

    def stage(self, name: str, result: Mapping[str, Any]) -> None:
        """A stage of the current cycle is committed, now or (`reused`) by an earlier driver."""
        if self.clock is not None:
            self.clock.stage(name, result)
        if not result.get("reused"):
            self.telemetry.add("stage_seconds", result["seconds"], name, part=part_of(name))
            self.telemetry.add("work_seconds", work_seconds(name, result), name, part=part_of(name))
            self.trackers.sync()

    def cycle(
        self,
        cycle: int,
        folder: str,
        metrics: Mapping[str, Metrics],
        figures: Mapping[str, float],
        score: float,
    ) -> CycleTime | None:
        """A cycle is finished: its metrics by split, other figures by name ("data/synthetic_frames"), its
        score on val. Returns where its time went."""
        took = None if self.clock is None else self.clock.cycle(folder)
        self.telemetry.set("val_score", score)
        self.telemetry.set("synthetic_frames", figures.get("data/synthetic_frames", 0))
        values: dict[str, float] = {}
        for split, told in metrics.items():
            if not (self.hide_test and split == "test"):
                values |= metric_values(split, told)
        values |= figures
        if took is not None:
            values |= {f"seconds/{part}": seconds for part, seconds in took.to_dict().items()}
        self.trackers.cycle(cycle, values)
        return took

    def finish(self, files: Mapping[str, str]) -> None:
        """The run is complete; `files` are its results."""
        self.trackers.finish({} if self.hide_test else files)

    def close(self, broken: Broken | None = None) -> None:
        """The driver ends; `broken` says how, where the run is not complete."""
        self.trackers.close(broken)


def metric_values(split: str, told: Metrics) -> dict[str, float]:
    """A split's metrics as curves over cycles; what is undefined (AP without objects) is left out."""
    values: dict[str, float | None] = {
        name: getattr(told, name)
        for name in ("map50", "map", "zero_one_loss", "f1", "precision", "recall", "threshold")
    }
    values |= {f"AP50/{category}": ap for category, ap in told.ap50.items()}
    values |= {f"failures/{kind}": float(count) for kind, count in told.failures.items()}
    return {f"{split}/{name}": float(value) for name, value in values.items() if value is not None}


def _curve(event: Mapping[str, Any]) -> dict[str, float]:
    """An event's figures under the names of curves: "train/loss", "train/losses/coverage", ..."""
    names = {name: f"train/{name}" if name in CURVE_OWN else f"train/losses/{name}" for name in event}
    return {names[name]: float(value) for name, value in event.items() if name not in ("step", "steps")}
