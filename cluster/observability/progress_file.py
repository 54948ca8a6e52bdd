"""What a run is at, in its own folder, for who looks at it from outside (`imitate runs`, `imitate ui`).

progress.json   the work now: how much is done out of how much, since when; of a training its loss so far.
                It stays behind where the driver was killed, and is gone where it ended by itself
curves.json     the loss of every training, thinned
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from cluster.observability.callbacks import Broken, Callback, Work
from imitation.common import storage
from imitation.common.names import cycle_folder
from imitation.common.settings import UserError
from imitation.common.storage import retry

PROGRESS, CURVES = "progress.json", "curves.json"
EVERY_S, EVERY_S_ELSEWHERE = 3.0, 15.0  # between two writes: on this machine's disks, on other storage
PATIENCE_S = 1.0  # with storage that is away: a look at the run is not worth more
MOST_POINTS = 120  # of a curve

Curve = list[tuple[int, float]]


class ProgressFile(Callback):
    """Writes both files. A write that fails is passed over: it never costs the run anything."""

    def __init__(self, uri: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._uri, self._clock = uri, clock
        self._every_s = EVERY_S if storage.is_local(uri) else EVERY_S_ELSEWHERE
        self._due = 0.0
        self._began: dict[Work, str] = {}
        self._figures: dict[Work, dict[str, float]] = {}
        self._curves: dict[str, Curve] = {}

    def run_begins(self) -> None:
        with suppress(UserError, OSError, TypeError, ValueError):
            self._curves = {
                name: [(int(step), float(loss)) for step, loss in curve]
                for name, curve in read_curves(self._uri).items()
            }
        self._write(PROGRESS, {"at": _now(), "work": []})

    @contextmanager
    def during(self, work: Work) -> Iterator[None]:
        self._began[work] = _now()
        self._tell()
        try:
            yield
        finally:
            del self._began[work]
            self._figures.pop(work, None)
            if work.stage == "train" and _curve_name(work) in self._curves:
                self._write(CURVES, self._curves)
        self._tell()

    def resumed(self, work: Work, done: float) -> None:
        if work.stage == "train":  # what an earlier driver had trained beyond its last state is done again
            name = _curve_name(work)
            self._curves[name] = [point for point in self._curves.get(name, []) if point[0] <= done]

    def progress(self, work: Work, done: float, event: Mapping[str, Any]) -> None:
        if event:
            self._figures[work] = {
                name: round(float(event[name]), 4) for name in ("loss", "images_per_second") if name in event
            }
            curve = self._curves.setdefault(_curve_name(work), [])
            curve.append((int(event["step"]), round(float(event["loss"]), 4)))
            if len(curve) > MOST_POINTS:
                del curve[1:-1:2]
        if self._clock() >= self._due:
            self._tell({work: done})

    def run_ends(self, broken: Broken | None) -> None:
        with suppress(UserError, OSError), retry.at_most(PATIENCE_S):
            storage.delete(storage.join(self._uri, PROGRESS))

    def _tell(self, done: Mapping[Work, float] | None = None) -> None:
        """`done`: what `work.done` will say once all have heard."""
        works = [
            {
                "stage": work.stage,
                "title": work.title,
                "cycle": work.cycle,
                "detector": work.detector or None,
                "done": (done or {}).get(work, work.done),
                "total": work.total,
                "began": began,
                "figures": self._figures.get(work, {}),
                "curve": self._curves.get(_curve_name(work), []) if work.stage == "train" else [],
            }
            for work, began in self._began.items()
        ]
        self._write(PROGRESS, {"at": _now(), "work": works})
        self._due = self._clock() + self._every_s

    def _write(self, name: str, value: Any) -> None:
        with suppress(UserError, OSError, ValueError), retry.at_most(PATIENCE_S):
            storage.write_json(storage.join(self._uri, name), value)


def read_progress(uri: str) -> dict[str, Any]:
    """`progress.json` of a run; empty where there is none."""
    place = storage.join(uri, PROGRESS)
    return dict(storage.read_json(place)) if storage.exists(place) else {}


def read_curves(uri: str) -> dict[str, Any]:
    """`curves.json` of a run: "cycle-000/main" -> [step, loss] pairs; empty where there is none."""
    place = storage.join(uri, CURVES)
    return dict(storage.read_json(place)) if storage.exists(place) else {}


def _curve_name(work: Work) -> str:
    return f"{cycle_folder(work.cycle or 0)}/{work.detector}"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
