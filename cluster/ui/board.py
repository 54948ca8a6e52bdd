"""What the pages show, put together from folders: nothing here knows of HTTP."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cluster.inventory.entries import RESULTS, Entry, baselines, places, read_entry, trials
from cluster.inventory.sizes import file_sizes
from cluster.inventory.told import partial_table
from cluster.observability.progress_file import read_curves
from cluster.ui.pictures import newest_frames, some_failures
from cluster.ui.plots import Curve, plots_of
from cluster.workspace.holder import Looker
from cluster.workspace.run_folder import REPORT, SUMMARY, Workspace
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.names import cycle_folder, trained_by
from imitation.common.text_table import Table

SIZES_S = 60.0  # between two counts of a folder's bytes
FILES = {
    REPORT: ("Report", "text/html"),
    "comparison.html": ("Report", "text/html"),
    SUMMARY: ("summary.json", "application/json"),
    "comparison.json": ("comparison.json", "application/json"),
    "results.json": ("results.json", "application/json"),
    "table.csv": ("table.csv", "text/csv"),
    "results.csv": ("results.csv", "text/csv"),
    "fates.csv": ("fates.csv", "text/csv"),
    "best.yaml": ("best.yaml", "text/plain"),
    "config.yaml": ("config.yaml", "text/plain"),
}
"""What of a folder may be fetched: what to call it, and its type."""
KINDS = {"train": "training", "evaluate": "evaluation", "simulate": "rendering"}
WORDS = {"main": "training", "twin": "its twin"}


@dataclass(frozen=True)
class Segment:
    """A committed stage, or the one at work now (`done` in 0 to 1): `kind` is what it is drawn as."""

    name: str
    kind: str
    seconds: float
    done: float | None = None


@dataclass(frozen=True)
class Lane:
    """A cycle's stages in their order."""

    name: str
    segments: tuple[Segment, ...]

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.segments)


class Board:
    """The runs of a storage as pages need them. May be asked from several threads; one reads at a time, so
    that many open tabs cost no more than one."""

    def __init__(self, place: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.place = storage.absolute(storage.suffixed(place, ""))
        self._clock = clock
        self._looker = Looker()
        self._sizes: dict[str, tuple[float, int]] = {}
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._galleries: dict[tuple[Any, ...], Any] = {}
        self._reading = threading.Lock()

    # What there is.

    def find(self, name: str) -> str | None:
        """The folder of a name that the storage itself has ("default", "comparison/trials/random-0"). No path
        is made of a name: it is looked up among those that are there."""
        home, slash, _ = name.partition("/")
        found = places(self.place)
        if name in found:
            return found[name]
        if slash and home in found:
            return (trials(found[home], home) | baselines(found[home], home)).get(name)
        return None

    def entry(self, name: str) -> Entry | None:
        uri = self.find(name)
        return None if uri is None else read_entry(name, uri, self._looker.held(uri) is not False)

    def index(self) -> dict[str, Any]:
        """Everything in the storage, the last begun first."""
        with self._reading:
            found = places(self.place)
            entries = [
                replace(read_entry(name, uri, self._looker.held(uri) is not False), bytes=self._size(uri))
                for name, uri in found.items()
            ]
        newest = sorted(entries, key=lambda entry: entry.started or "", reverse=True)
        return {
            "title": storage.without_secrets(self.place),
            "running": [self._at_work(entry) for entry in newest if entry.state == "running"],
            "entries": newest,
            "states": Counter(entry.state for entry in entries),
            "bytes": sum(entry.bytes or 0 for entry in entries),
        }

    def page(self, name: str) -> dict[str, Any] | None:
        """One run, comparison or sweep; None where there is none of this name."""
        with self._reading:
            entry = self.entry(name)
            if entry is None:
                return None
            entry = replace(entry, bytes=self._size(entry.uri))
            common = {"title": name, "entry": entry, "files": self._files(entry), "works": _works(entry)}
            return common | (self._run(entry) if entry.kind == "run" else self._many(entry))

    # A run.

    def _run(self, entry: Entry) -> dict[str, Any]:
        workspace = Workspace(entry.uri)
        last = len(entry.cycles)
        curves = {_curve_name(key): _curve(points) for key, points in read_curves(entry.uri).items()}
        for work in entry.work:
            if work.get("curve"):
                curves[_curve_name(f"{cycle_folder(work['cycle'])}/{work['detector']}")] = _curve(
                    work["curve"]
                )
        best = entry.best
        return {
            "lanes": self._all_lanes(entry, workspace),
            "plots": plots_of(entry.cycles, best.cycle if best else 0, entry.planned, curves),
            "frames": self._kept(
                ("frames", entry.uri, *_new(workspace, last)), newest_frames, workspace, range(last + 1)
            ),
            "failures": self._kept(
                ("failures", entry.uri, last), some_failures, workspace, _last_mined(workspace, last)
            ),
            "result": self._table(entry),
            "first": entry.cycles[0] if entry.cycles else None,
        }

    def _at_work(self, entry: Entry) -> dict[str, Any]:
        return {"entry": entry, "works": _works(entry)}

    def _all_lanes(self, entry: Entry, workspace: Workspace) -> list[Lane]:
        lanes = []
        with suppress(UserError, KeyError):
            prepared = workspace.committed("data").get("prepare")
            if prepared is not None:
                lanes.append(Lane("data", (Segment("data", "data", prepared["seconds"]),)))
        for cycle in range(entry.planned + 1):
            lane = self._lane(workspace, cycle)
            now = tuple(
                Segment(_segment_name(w), w["stage"], _seconds_since(w["began"]), _share(w) or 0.0)
                for w in entry.work
                if w.get("cycle") == cycle and entry.state == "running"
            )
            if lane.segments or now:
                lanes.append(replace(lane, segments=(*lane.segments, *now)))
        return lanes

    def _lane(self, workspace: Workspace, cycle: int) -> Lane:
        """A cycle's committed stages; of one that is finished they are read once."""
        key = (workspace.uri, cycle)
        if key in self._lanes:
            return self._lanes[key]
        stages = workspace.committed(cycle_folder(cycle))
        order = [
            "request",
            "simulate",
            "repeat",
            *(s for s in stages if trained_by(s)),
            "evaluate",
            "analyse",
        ]
        main_first = sorted(order, key=lambda s: (trained_by(s) not in (None, "main"), 0))
        wanted = [s for s in _in_order(main_first, order) if s in stages]
        segments = tuple(_segment(name, stages[name]) for name in wanted)
        lane = Lane("baseline" if cycle == 0 else f"cycle {cycle}", segments)
        if storage.exists(workspace.path(cycle_folder(cycle), "time.json")):
            self._lanes[key] = lane
        return lane

    def _table(self, entry: Entry) -> Table:
        uri = storage.join(entry.uri, SUMMARY)
        if entry.state == "finished" and storage.exists(uri):
            from imitation.report.run.record import read_summary
            from imitation.report.run.table import build_table

            with suppress(UserError):
                return self._kept(("table", uri), lambda: build_table(read_summary(uri)))
        return partial_table(entry)

    # A comparison or a sweep.

    def _many(self, entry: Entry) -> dict[str, Any]:
        runs = [
            read_entry(name, uri, self._looker.held(uri) is not False)
            for name, uri in trials(entry.uri, entry.name).items()
        ]
        shared = [
            read_entry(name, uri, held=True)
            for name, uri in baselines(entry.uri, entry.name).items()
            if self._looker.held(uri)
        ]
        uri = storage.join(entry.uri, RESULTS[entry.kind])
        tables: list[Table] = []
        if storage.exists(uri):
            with suppress(UserError, ValueError):
                tables = self._kept(("tables", uri, entry.ended), _result_tables, entry.kind, uri)
        return {
            "runs": runs,
            "tables": tables,
            "at_work": [self._at_work(run) for run in (*shared, *runs) if run.state == "running"],
        }

    # Small things.

    def _files(self, entry: Entry) -> list[tuple[str, str]]:
        """(file, what to call it) of what there is to fetch."""
        there = {storage.name_of(uri) for uri in storage.list_files(entry.uri)}
        return [(name, title) for name, (title, _) in FILES.items() if name in there]

    def _size(self, uri: str) -> int:
        known = self._sizes.get(uri)
        if known is None or self._clock() - known[0] > SIZES_S:
            known = self._sizes[uri] = (self._clock(), sum(file_sizes(uri).values()))
        return known[1]

    def _kept(self, key: tuple[Any, ...], make: Callable[..., Any], *arguments: Any) -> Any:
        """What was made once for a key; the oldest goes where there is much of it. What cannot be read is
        nothing, and tried again."""
        if key not in self._galleries:
            try:
                made = make(*arguments)
            except (UserError, KeyError, ValueError):
                if key[0] in ("table", "tables"):
                    raise
                return []
            self._galleries[key] = made
            while len(self._galleries) > 256:
                del self._galleries[next(iter(self._galleries))]
        return self._galleries[key]


def _in_order(first: list[str], order: list[str]) -> list[str]:
    """`order`, with the training of the main detector before all other trainings."""
    trainings = [stage for stage in first if trained_by(stage)]
    rest = iter(trainings)
    return [next(rest) if trained_by(stage) else stage for stage in order]


def _segment(stage: str, result: Mapping[str, Any]) -> Segment:
    detector = trained_by(stage)
    kind = "train" if detector else stage if stage in ("simulate", "evaluate") else "other"
    return Segment(WORDS.get(detector or "", detector or stage), kind, float(result.get("seconds", 0.0)))


def _segment_name(work: Mapping[str, Any]) -> str:
    return WORDS.get(work.get("detector") or "", work.get("detector") or work["stage"])


def _works(entry: Entry) -> list[dict[str, Any]]:
    """What a driver is at, with how much of it is done and how long it takes yet."""
    shown = []
    for work in entry.work:
        share, seconds = _share(work), _seconds_since(work["began"])
        left = seconds * (1 - share) / share if share and share > 0.02 else None
        title = str(work["title"]) or work["stage"]
        shown.append(dict(work) | {"title": title, "share": share, "seconds": seconds, "left": left})
    return shown


def _share(work: Mapping[str, Any]) -> float | None:
    total = work.get("total")
    return min(1.0, float(work["done"]) / float(total)) if total else None


def _seconds_since(began: str) -> float:
    then = datetime.strptime(began, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - then).total_seconds())


def _curve_name(key: str) -> str:
    """ "cycle-001/fold-0" -> "cycle 1, fold-0"."""
    cycle, _, detector = key.partition("/")
    number = int(cycle.removeprefix("cycle-"))
    name = "baseline" if number == 0 else f"cycle {number}"
    return name if detector == "main" else f"{name}, {detector}"


def _curve(points: Any) -> Curve:
    return tuple((float(step), float(loss)) for step, loss in points)


def _new(workspace: Workspace, last: int) -> tuple[str, ...]:
    """What tells that frames were rendered: the names of the newest cycles' files."""
    files: list[str] = []
    for cycle in (last - 1, last):
        place = workspace.path(cycle_folder(max(0, cycle)), "synthetic")
        files += storage.list_files(place, ".parquet") if storage.exists(place) else []
    return tuple(files)


def _last_mined(workspace: Workspace, cycles: int) -> int:
    for cycle in reversed(range(cycles)):
        if storage.exists(workspace.path(cycle_folder(cycle), "evaluation", "failures.parquet")):
            return cycle
    return 0


def _result_tables(kind: str, uri: str) -> list[Table]:
    if kind == "comparison":
        from imitation.report.comparison.record import read_comparison
        from imitation.report.comparison.text import main_table, measure_table

        comparison = read_comparison(uri)
        return [main_table(comparison), measure_table(comparison)] if comparison.rows else []
    from imitation.report.sweep.record import SweepResults, build_table

    return [build_table(SweepResults.model_validate(storage.read_json(uri)))]
