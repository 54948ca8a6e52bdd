"""What a tracker is, and all of a run's together. A tracker that fails never ends a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from imitation.common import storage

Values = Mapping[str, float]
Broken = Literal["failed", "stopped"]
"""How a driver ended whose run is not complete: by an error, or by Ctrl-C, SIGTERM or a time limit."""
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

    def close(self, broken: Broken | None = None) -> None:
        """The driver ends; `broken` says how, where the run is not complete."""


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

    def close(self, broken: Broken | None = None) -> None:
        self._resting.clear()
        self._each(lambda tracker: tracker.close(broken))

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
