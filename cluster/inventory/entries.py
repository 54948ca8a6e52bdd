"""The runs, comparisons and sweeps of a run storage: what each is, how it stands, how well it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import yaml

from cluster.observability.progress_file import read_progress
from cluster.workspace.driven import Driven, read_driven
from cluster.workspace.holder import Looker
from cluster.workspace.run_folder import CONFIG_FILE, REPORT, RUN_JSON, SUMMARY, TRIALS, Workspace
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.formats import old_names
from imitation.common.names import MAIN, cycle_folder, train_stage
from imitation.metrics.summary import score_of

Kind = Literal["run", "comparison", "sweep"]
State = Literal["running", "finished", "stopped", "failed", "killed", "unfinished"]
MARKS: dict[str, Kind] = {
    CONFIG_FILE: "run",
    "comparison.yaml": "comparison",
    "sweep.yaml": "sweep",
}
"""The file by which a folder is known."""
BASELINES = "baselines"
"""Where the data and baselines that runs share lie in a comparison or sweep (`cluster.run.baseline`)."""
RESULTS: dict[Kind, str] = {"run": SUMMARY, "comparison": "comparison.json", "sweep": "results.json"}
"""What a finished one has."""
REPORTS: dict[Kind, str] = {"run": REPORT, "comparison": "comparison.html", "sweep": REPORT}
STATES_MEAN: dict[str, str] = {
    "running": "a driver holds it now",
    "finished": "it came to its end",
    "stopped": "by Ctrl-C, SIGTERM or a limit; the same command continues it",
    "failed": "by an error; the same command goes on from there once that is mended",
    "killed": "its driver is gone without a word; the same command continues it",
    "unfinished": "of an earlier version, which did not say how it ended; the same command continues it",
}


@dataclass(frozen=True)
class CycleRow:
    """An evaluated cycle: `val` is the score that decides, `val_map50` and `test` mAP50, `wrong` the 0-1 loss
    on test; fractions."""

    cycle: int
    val: float
    val_map50: float | None
    test: float | None
    wrong: float | None
    real_frames: int
    synthetic_frames: int
    steps: int
    failures: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One run, comparison or sweep. `name` counts from the storage ("default", "comparison/trials/random-0").

    `cycles` are those of a run that were evaluated, out of `planned` imitation cycles and a baseline;
    `trials` of a comparison or sweep: state -> how many. `work` is what a driver is at (`progress_file`), or
    was when it was killed. `headline`: of a finished comparison or sweep, its result in words. `bytes` is
    None where nobody has counted."""

    name: str
    uri: str
    kind: Kind
    data: str
    state: State
    started: str | None
    ended: str | None = None
    reason: str | None = None
    metric: str = "map50"
    cycles: tuple[CycleRow, ...] = ()
    planned: int = 0
    trials: Mapping[str, int] = field(default_factory=dict)
    headline: str | None = None
    base: str | None = None
    work: tuple[Mapping[str, Any], ...] = ()
    has_report: bool = False
    bytes: int | None = None

    @property
    def best(self) -> CycleRow | None:
        """The evaluated cycle that does best on val so far; the earliest of equals."""
        return max(self.cycles, key=lambda row: (row.val, -row.cycle), default=None)

    @property
    def short(self) -> str:
        return storage.name_of(self.uri)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data; `best` is the number of the best cycle so far."""
        best = self.best
        return asdict(self) | {"best": None if best is None else best.cycle}


def kind_of(uri: str) -> Kind | None:
    """What a folder is; None: none of these."""
    return next((kind for mark, kind in MARKS.items() if storage.exists(storage.join(uri, mark))), None)


def places(place: str) -> dict[str, str]:
    """name -> folder of everything that lies directly in a storage; of a run's own folder that run, and of a
    comparison's or sweep's that and its trials. Raises UserError where there is no such folder."""
    uri = storage.absolute(storage.suffixed(place, ""))
    if not storage.is_folder(uri):
        raise UserError(f"{place}: no folder of runs here (run.storage, such as runs or s3://bucket/runs)")
    kind = kind_of(uri)
    if kind is None:
        return {storage.name_of(f): f for f in _folders(uri) if kind_of(f) is not None}
    name = storage.name_of(uri)
    return {name: uri} | ({} if kind == "run" else trials(uri, name))


def trials(uri: str, name: str) -> dict[str, str]:
    """name -> folder of the runs of a comparison or sweep."""
    inside = storage.join(uri, TRIALS)
    found = _folders(inside) if storage.is_folder(inside) else []
    return {f"{name}/{TRIALS}/{storage.name_of(f)}": f for f in found if kind_of(f) == "run"}


def baselines(uri: str, name: str) -> dict[str, str]:
    """name -> folder of what the runs of a comparison or sweep share."""
    inside = storage.join(uri, BASELINES)
    found = _folders(inside) if storage.is_folder(inside) else []
    return {f"{name}/{BASELINES}/{storage.name_of(f)}": f for f in found if kind_of(f) == "run"}


def _folders(uri: str) -> list[str]:
    return [folder for folder in storage.list_folders(uri) if not storage.name_of(folder).startswith(".")]


def read_entries(found: Mapping[str, str], looker: Looker, wait: bool = False) -> Iterator[Entry]:
    """What lies in these folders. With `wait`, leases on storage without locks are watched until it is known
    whether a driver lives; without, one that is not known yet counts as running."""
    uris = found.values()
    held = looker.settled(uris) if wait else {uri: looker.held(uri) is not False for uri in uris}
    for name, uri in found.items():
        yield read_entry(name, uri, held[uri])


def read_entry(name: str, uri: str, held: bool) -> Entry:
    """One of them. A file in it that cannot be read is told as `reason`, not raised: the others are to be
    seen."""
    kind = kind_of(uri) or "run"
    try:
        return _entry(name, uri, kind, held)
    except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
        what = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        why = f"its folder cannot be read: {what}"
        return Entry(name, uri, kind, "?", "running" if held else "unfinished", None, reason=why)


def _entry(name: str, uri: str, kind: Kind, held: bool) -> Entry:
    mark = next(mark for mark, marked in MARKS.items() if marked == kind)
    plain = old_names.settings(yaml.safe_load(storage.read_bytes(storage.join(uri, mark))))
    record = storage.join(uri, RUN_JSON)
    began = storage.read_json(record).get("started") if storage.exists(record) else None
    told = read_driven(uri)
    done = storage.exists(storage.join(uri, RESULTS[kind]))
    common: dict[str, Any] = {
        "name": name,
        "uri": uri,
        "kind": kind,
        "data": data_name(plain.get("data", {})),
        "state": state_of(held, told, done),
        "started": began or (told.started if told else None),
        "ended": told.ended if told and not held else None,
        "reason": told.reason if told and not held else None,
        "metric": str(plain.get("loop", {}).get("metric", "map50")),
        "planned": int(plain.get("loop", {}).get("cycles", 0)),
        "has_report": storage.exists(storage.join(uri, REPORTS[kind])),
    }
    if kind == "run":
        workspace = Workspace(uri)
        base = workspace.base
        return Entry(
            **common,
            cycles=tuple(_cycles(workspace, common["metric"])),
            work=tuple(read_progress(uri).get("work", ())) if common["state"] != "finished" else (),
            base=None if base is None else storage.name_of(base),
        )
    counts = Counter[str](_trial_state(f) for f in trials(uri, name).values())
    return Entry(**common, trials=dict(counts), headline=_headline(uri, kind) if done else None)


def state_of(held: bool, told: Driven | None, has_results: bool) -> State:
    """How a folder stands: whether a driver holds it, what the last one said, and whether there are
    results."""
    if held:
        return "running"
    if told is not None:
        return told.how or "killed"
    return "finished" if has_results else "unfinished"


def _trial_state(uri: str) -> State:
    """Of a trial in a comparison, without a look at its lock: only a running one has no end."""
    told = read_driven(uri)
    if told is not None and told.how is None:
        return "running" if Looker().held(uri) is not False else "killed"
    return state_of(False, told, storage.exists(storage.join(uri, SUMMARY)))


def data_name(data: Mapping[str, Any]) -> str:
    """The dataset in two words: "stand-in world", "kitti KITTI101"."""
    kind, root = str(data.get("kind", "world")), data.get("root")
    if kind == "world":
        return "stand-in world"
    return f"{kind} {storage.name_of(str(root))}" if root else kind


def _cycles(workspace: Workspace, metric: str) -> Iterator[CycleRow]:
    cycle = 0
    while storage.exists(place := workspace.path(cycle_folder(cycle), "stage-evaluate.json")):
        evaluated = old_names.read_json(place)["metrics"]
        trained = storage.read_json(workspace.path(cycle_folder(cycle), f"stage-{train_stage(MAIN)}.json"))
        val, test = evaluated["val"], evaluated["test"]
        yield CycleRow(
            cycle,
            score_of(val, metric),
            val["map50"],
            test["map50"],
            test["zero_one_loss"],
            trained["real_frames"],
            trained["synthetic_frames"],
            trained["steps"],
            test["failures"],
        )
        cycle += 1


def _headline(uri: str, kind: Kind) -> str | None:
    told: Any = storage.read_json(storage.join(uri, RESULTS[kind]))
    if kind == "comparison":
        return str(told["primary"]["answer"])
    best = next((trial for trial in told["trials"] if trial["id"] == told["best"]), None)
    if best is None:
        return "no trial can be chosen"
    settings = ", ".join(f"{key}={value}" for key, value in best["settings"].items())
    return f"best of {len(told['trials'])} trials: {settings}, {100 * best['best_val']:.1f} on val"
