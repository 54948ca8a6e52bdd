"""What a tracker is, and all of a run's together. A tracker that fails never ends a run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cluster.tracking.settings import TrackingSettings
from imitation import storage
from imitation.settings import UserError

Values = Mapping[str, float]
MEMORY = "tracking.json"  # in the run's folder: which run of a tracker continues this one


class Tracker(Protocol):
    """Takes a run's figures. Every method may raise whatever its library does: see `Trackers`.

    A run that was killed and continues reports some figures again: what a tracker has it keeps, or
    replaces, so that no curve doubles or jumps back.
    """

    name: str

    def point(self, curve: str, step: int, values: Values) -> None:
        """A training's figures at a step; `curve` names the training, such as "cycle-001/main"."""

    def cycle(self, cycle: int, values: Values) -> None:
        """A finished cycle's figures."""

    def sync(self) -> None:
        """A stage was committed: what was told so far should be safe."""

    def finish(self, files: Mapping[str, str]) -> None:
        """The run is complete; `files` (name -> URI) are its results."""

    def close(self) -> None:
        """The driver ends, with the run complete or not."""


class Trackers:
    """All of a run's trackers. One that fails is said to, once, and left alone until the next stage."""

    def __init__(self, trackers: list[Tracker], warn: Callable[[str], None]) -> None:
        self._trackers = trackers
        self._warn = warn
        self._warned: set[str] = set()
        self._resting: set[str] = set()
        self._cycles: dict[str, list[tuple[int, Values]]] = {}  # those that a tracker does not have yet

    def point(self, curve: str, step: int, values: Values) -> None:
        self._each(lambda tracker: tracker.point(curve, step, values))

    def cycle(self, cycle: int, values: Values) -> None:
        for tracker in self._trackers:
            self._cycles.setdefault(tracker.name, []).append((cycle, values))
        self._each(self._deliver)

    def sync(self) -> None:
        self._resting.clear()
        self._each(self._deliver)
        self._each(lambda tracker: tracker.sync())

    def finish(self, files: Mapping[str, str]) -> None:
        self._resting.clear()
        self._each(self._deliver)
        self._each(lambda tracker: tracker.finish(files))

    def close(self) -> None:
        self._resting.clear()
        self._each(lambda tracker: tracker.close())

    def _deliver(self, tracker: Tracker) -> None:
        waiting = self._cycles.get(tracker.name, [])
        while waiting:
            tracker.cycle(*waiting[0])
            waiting.pop(0)

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for tracker in self._trackers:
            if tracker.name in self._resting:
                continue
            try:
                call(tracker)
            except Exception as error:
                self._resting.add(tracker.name)
                if tracker.name not in self._warned:
                    self._warned.add(tracker.name)
                    self._warn(failed(tracker.name, error))


def failed(name: str, error: Exception) -> str:
    """The one line that a tracker's failure is worth."""
    reason = storage.without_secrets(" ".join(str(error).split()))[:300] or type(error).__name__
    return f"warning: {name} cannot be reached, the run goes on without it: {reason}"


def check_tracking(settings: TrackingSettings) -> None:
    """Raises UserError, before anything starts, where a tracker's package is missing."""
    for key, package, extra in (("mlflow", "mlflow", "mlflow"), ("wandb", "wandb", "wandb")):
        if getattr(settings, key) is not None and importlib.util.find_spec(package) is None:
            raise UserError(
                f"tracking.{key} is set, but the package {package!r} is not installed; install the extra: "
                f"pip install 'imitation-training[{extra}]', or set tracking.{key}=null"
            )


def make_trackers(
    settings: TrackingSettings,
    folder: str,
    name: str,
    config: Mapping[str, Any],
    warn: Callable[[str], None],
) -> Trackers:
    """The trackers of the run `name` in `folder`; `config` is its flat configuration.

    One that does not start is said to, and left out.
    """
    makers: list[tuple[str, Callable[[], Tracker]]] = []
    if settings.tensorboard:

        def tensorboard() -> Tracker:
            from cluster.tracking.tensorboard import TensorBoard

            return TensorBoard(storage.join(folder, "tensorboard"), config)

        makers.append(("TensorBoard", tensorboard))
    if settings.mlflow is not None:
        uri = settings.mlflow

        def mlflow() -> Tracker:
            from cluster.tracking.mlflow_tracker import MlflowTracker

            return MlflowTracker(uri, settings.experiment, name, config, folder)

        makers.append(("MLflow", mlflow))
    if settings.wandb is not None:
        project = settings.wandb

        def wandb() -> Tracker:
            from cluster.tracking.wandb_tracker import WandbTracker

            return WandbTracker(project, settings.experiment, name, config, folder)

        makers.append(("Weights & Biases", wandb))
    trackers: list[Tracker] = []
    for title, make in makers:
        try:
            trackers.append(make())
        except Exception as error:
            warn(failed(title, error))
    return Trackers(trackers, warn)


def remembered(folder: str, name: str) -> dict[str, Any] | None:
    """What `remember` kept for a tracker of the run in `folder`."""
    uri = storage.join(folder, MEMORY)
    known = storage.read_json(uri).get(name) if storage.exists(uri) else None
    return known if isinstance(known, dict) else None


def remember(folder: str, name: str, value: dict[str, Any]) -> None:
    """Keeps plain data for a tracker with the run, for the next driver of it."""
    uri = storage.join(folder, MEMORY)
    known = storage.read_json(uri) if storage.exists(uri) else {}
    storage.write_json(uri, known | {name: value})
