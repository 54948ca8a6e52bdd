"""What a run does, told to whoever watches it.

The stages tell one `Watch`, in a line each; what is made of it is a `Callback`'s business: bars, Ray's
metrics, trackers, the clock, memory. `cluster.run.main_job` puts them together; one more needs a line there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cluster.observability.console import Bar, Reporter

if TYPE_CHECKING:
    from cluster.observability.cycle_time import CycleTime
    from cluster.simulation.pool import SimulatorPool
    from imitation.metrics.summary import Metrics
    from imitation.training.settings import TrainSettings

Broken = Literal["failed", "stopped"]
"""How a driver ended whose run is not complete: by an error, or by Ctrl-C, SIGTERM or a time limit."""


@dataclass(eq=False)
class Work:
    """Work that takes its time, of which so much is `done` out of `total` (None: unknown).

    `stage` is "data", "simulate", "train" or "evaluate"; `unit_size` is how many images are in one unit of
    training, a step; `pool` is what renders.
    """

    stage: str
    title: str
    total: float | None
    cycle: int | None = None
    detector: str = ""
    unit_size: int = 1
    pool: SimulatorPool | None = None
    done: float = 0.0


@dataclass
class FinishedCycle:
    """A cycle that is finished, in the run's `folder` of that name: its metrics by split, other figures by
    name ("data/synthetic_frames"), its score on val, and where its time went, if a clock was running."""

    cycle: int
    folder: str
    metrics: Mapping[str, Metrics]
    figures: Mapping[str, float]
    score: float
    took: CycleTime | None = None


class Callback:
    """Hears what a run does; here it makes nothing of it."""

    def run_begins(self) -> None:
        """The driver begins, or continues, the run."""

    def cycles_begin(self) -> None:
        """The data is prepared; the first cycle begins."""

    def during(self, work: Work) -> AbstractContextManager[object]:
        """What is entered when work begins and left when it ends, well or by an error."""
        return nullcontext()

    def resumed(self, work: Work, done: float) -> None:
        """So much of the work was done by an earlier driver."""

    def progress(self, work: Work, done: float, event: Mapping[str, Any]) -> None:
        """So much is done now; `work.done` was before. Of a training `event` has its figures."""

    def committed(self, stage: str, result: Mapping[str, Any]) -> None:
        """A stage of the current cycle is committed, now or (`reused`) by an earlier driver."""

    def cycle_ends(self, cycle: FinishedCycle) -> None:
        """A cycle is finished."""

    def completed(self, files: Mapping[str, str]) -> None:
        """The run is complete; `files` (name -> URI) are its results."""

    def run_ends(self, broken: Broken | None) -> None:
        """The driver ends; `broken` says how, where the run is not complete."""


class Bars(Callback):
    """A bar for each work, or lines where there is no terminal."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._bars: dict[Work, Bar] = {}

    @contextmanager
    def during(self, work: Work) -> Iterator[None]:
        with self._reporter.bar(work.title, work.total) as self._bars[work]:
            yield
        del self._bars[work]

    def resumed(self, work: Work, done: float) -> None:
        self._bars[work].restored(done)

    def progress(self, work: Work, done: float, event: Mapping[str, Any]) -> None:
        note = f"loss {event['loss']:.2f}, {event['images_per_second']:.1f} images/s" if event else ""
        self._bars[work].update(done, note)


class Watch:
    """Tells the callbacks of one run, in their order, what happens. Without any it draws bars alone."""

    def __init__(self, reporter: Reporter, callbacks: Sequence[Callback] = ()) -> None:
        self.reporter = reporter
        self.callbacks = (*callbacks, Bars(reporter))

    def open(self) -> None:
        """The driver begins, or continues, the run."""
        for callback in self.callbacks:
            callback.run_begins()

    def begin(self) -> None:
        """The first cycle begins."""
        for callback in self.callbacks:
            callback.cycles_begin()

    @contextmanager
    def rendering(
        self, title: str, total: int, pool: SimulatorPool, cycle: int | None = None
    ) -> Iterator[Callable[[int], None]]:
        """Gives what to call with the number of scenes done so far, and first with what is there already."""
        notify = self._resumed
        with self._during(
            Work("data" if cycle is None else "simulate", title, total, cycle, pool=pool)
        ) as work:

            def progress(done: int) -> None:
                nonlocal notify
                notify(work, done)
                notify = self._progress

            yield progress

    @contextmanager
    def training(
        self, title: str, cycle: int, detector: str, settings: TrainSettings
    ) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Gives what to call with each of a training's events (see
        `cluster.training.train_loop.train_detector`).
        """
        began = False
        with self._during(Work("train", title, settings.steps, cycle, detector, settings.batch_size)) as work:

            def progress(event: dict[str, Any]) -> None:
                nonlocal began
                if not began:  # one that continues reports up to report_every steps after its start
                    began = True
                    self._resumed(work, max(0, event["step"] - settings.report_every))
                self._progress(work, event["step"], event)

            yield progress

    @contextmanager
    def evaluating(self, title: str, total: int, cycle: int | None = None) -> Iterator[Callable[[int], None]]:
        """Gives what to call with the number of rows so far: a frame has one for each detector."""
        with self._during(Work("evaluate", title, total, cycle)) as work:
            yield lambda done: self._progress(work, done)

    def stage(self, name: str, result: Mapping[str, Any]) -> None:
        """A stage of the current cycle is committed, now or (`reused`) by an earlier driver."""
        for callback in self.callbacks:
            callback.committed(name, result)

    def cycle(self, cycle: FinishedCycle) -> None:
        """A cycle is finished."""
        for callback in self.callbacks:
            callback.cycle_ends(cycle)

    def finish(self, files: Mapping[str, str]) -> None:
        """The run is complete; `files` are its results."""
        for callback in self.callbacks:
            callback.completed(files)

    def close(self, broken: Broken | None = None) -> None:
        """The driver ends; `broken` says how, where the run is not complete."""
        for callback in self.callbacks:
            callback.run_ends(broken)

    @contextmanager
    def _during(self, work: Work) -> Iterator[Work]:
        with ExitStack() as entered:
            for callback in self.callbacks:
                entered.enter_context(callback.during(work))
            yield work

    def _resumed(self, work: Work, done: float) -> None:
        for callback in self.callbacks:
            callback.resumed(work, done)
        work.done = done

    def _progress(self, work: Work, done: float, event: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.progress(work, done, event or {})
        work.done = done
