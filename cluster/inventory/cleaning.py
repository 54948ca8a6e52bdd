"""What of a run storage may go, and how it goes.

Only what neither a run, nor its continuation, nor a record needs:

- writes that a killed driver left half done;
- the training state of a training that is committed (its checkpoint is beside it);
- of finished runs, the checkpoints of cycles that were not chosen: their evaluations, failures and frames
  stay, and `best/` is a copy;
- folders in which a run was begun and nothing was committed;
- with `unfinished`, whole runs that failed or were stopped or killed: they could be continued, so they are
  named only where somebody asks.

Nothing of a folder that a driver holds; nothing of `data/` and `cycle-000/` of a run whose beginning others
share; of comparisons and sweeps only what is in their finished trials, once they have come to their own end.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Literal

from cluster.inventory.entries import Entry, kind_of, read_entry, trials
from cluster.inventory.sizes import file_sizes
from cluster.workspace.lock import LEASE, LOCK, RunLock
from cluster.workspace.run_folder import CONFIG_FILE, RUN_JSON, TRIALS, Workspace
from imitation.common import storage
from imitation.common.names import cycle_of, train_stage
from imitation.common.storage.files import UNFINISHED
from imitation.common.storage.run_folder import BASE_FILE, SHARED, base_of

Why = Literal[
    "half-written", "training state", "checkpoint not chosen", "nothing committed", "unfinished run"
]
WHYS: dict[Why, str] = {
    "half-written": "what a killed driver was writing",
    "training state": "of a training that is done",
    "checkpoint not chosen": "of a finished run: its evaluation stays",
    "nothing committed": "a run that was begun, and committed nothing",
    "unfinished run": "failed, stopped or killed; it could still be continued",
}
DETECTOR, PARTIAL, BEST = "detector", ".partial", "best"
HALF = "unfinished writes"
KEPT_LAST = (CONFIG_FILE, BASE_FILE, RUN_JSON)
"""In this order: with its configuration a folder is a whole run; without, nothing else may be left in it that
could be taken for another's."""


@dataclass(frozen=True)
class Removable:
    """Files of one run that may go together: `what` counts from the run's folder ("" is all of it), `files`
    are the paths of its files, from the same, in the order in which they go."""

    run: str
    uri: str
    what: str
    why: Why
    files: tuple[str, ...]
    bytes: int

    def to_json(self) -> dict[str, str | int]:
        return {"run": self.run, "what": self.what or ".", "why": self.why, "bytes": self.bytes}


def removable(
    entries: Iterable[Entry], shared: frozenset[str], unfinished: bool = False
) -> Iterator[Removable]:
    """What may go of these runs, comparisons and sweeps. `shared`: folders whose beginning other runs take
    (`bases`)."""
    for entry in entries:
        if entry.kind != "run" and entry.state == "finished":
            inside = (read_entry(name, uri, False) for name, uri in trials(entry.uri, entry.name).items())
            yield from removable(inside, shared, unfinished=False)
        elif entry.kind == "run" and entry.state != "running" and entry.data != "?":
            yield from _of_run(entry, shared, unfinished)


def bases(found: Mapping[str, str]) -> frozenset[str]:
    """The folders whose data and baseline other runs of these, or trials in them, take as theirs."""
    every = [*found.values(), *(uri for name, home in found.items() for uri in trials(home, name).values())]
    return frozenset(storage.absolute(base) for uri in every if (base := base_of(uri)) is not None)


def _of_run(entry: Entry, shared: frozenset[str], unfinished: bool) -> Iterator[Removable]:
    sizes = file_sizes(entry.uri)
    workspace = Workspace(entry.uri)
    is_base = storage.absolute(entry.uri) in shared
    committed = any(posixpath.basename(path).startswith("stage-") for path in sizes)

    def some(what: str, why: Why, files: Sequence[str]) -> Removable:
        return Removable(entry.name, entry.uri, what, why, tuple(files), sum(sizes[file] for file in files))

    whole: Why | None = None
    if not committed and entry.state != "finished" and not is_base:
        whole = "nothing committed"
    elif unfinished and entry.state in ("failed", "stopped", "killed", "unfinished") and not is_base:
        whole = "unfinished run"
    if whole is not None:
        yield some("", whole, in_order(sizes))
        return
    half = sorted(path for path in sizes if UNFINISHED.fullmatch(posixpath.basename(path)))
    if half and storage.is_local(entry.uri):
        yield some(HALF, "half-written", half)
    for folder, files in _checkpoints(sizes, half).items():
        cycle, _, detector = folder.split("/")
        if is_base and cycle in SHARED:
            continue
        name = detector.removesuffix(PARTIAL)
        if detector.endswith(PARTIAL):
            if storage.exists(workspace.path(cycle, f"stage-{train_stage(name)}.json")):
                yield some(folder, "training state", files)
        elif _superseded(entry, sizes, cycle):
            yield some(folder, "checkpoint not chosen", files)


def _superseded(entry: Entry, sizes: Mapping[str, int], cycle: str) -> bool:
    """Whether nothing needs a checkpoint any more: of a finished run whose chosen one is copied, and not
    it."""
    best = entry.best
    if entry.state != "finished" or best is None or not any(p.startswith(f"{BEST}/") for p in sizes):
        return False
    return cycle_of(cycle) != best.cycle  # those that mined in the chosen one are what `imitate probe` asks


def _checkpoints(sizes: Mapping[str, int], without: Sequence[str]) -> dict[str, list[str]]:
    """ "cycle-001/detector/main" -> its files."""
    found: dict[str, list[str]] = {}
    for path in sorted(set(sizes) - set(without)):
        parts = path.split("/")
        if len(parts) > 3 and cycle_of(parts[0]) is not None and parts[1] == DETECTOR:
            found.setdefault("/".join(parts[:3]), []).append(path)
    return found


def in_order(files: Iterable[str]) -> list[str]:
    """The files of a whole run in the order in which they may go: a kill between two leaves a run that the
    same command continues, or none. What says that a stage is committed goes before what it has made, the
    later cycles' first; the configuration last."""

    def order(path: str) -> tuple[int, int, str]:
        name, cycle = posixpath.basename(path), cycle_of(path.partition("/")[0])
        if path in KEPT_LAST:
            return (3, KEPT_LAST.index(path), path)
        if path in (LOCK, LEASE):
            return (4, 0, path)
        return (0 if name.startswith("stage-") else 1, -1 if cycle is None else -cycle - 2, path)

    return sorted(files, key=order)


def remove(
    items: Sequence[Removable], shared: frozenset[str], unfinished: bool = False
) -> Iterator[Removable]:
    """Deletes, run by run, each under its lock (a trial under its comparison's too), what may still go then;
    gives each thing that is gone. `shared` and `unfinished` as they were for `removable`.

    Raises UserError for a run that a driver has taken meanwhile; what was deleted before it is gone.
    """
    for uri in dict.fromkeys(item.uri for item in items):
        asked = {item.what: item for item in items if item.uri == uri}
        name = next(iter(asked.values())).run
        with ExitStack() as locks:
            if (home := _home(uri)) is not None:
                locks.enter_context(RunLock(home))
                if read_entry(home, home, held=False).state != "finished":  # it was begun again meanwhile
                    continue
            held = locks.enter_context(RunLock(uri))
            now = read_entry(name, uri, held=False)  # we hold it ourselves
            for item in removable([now], shared, unfinished):
                if item.what in asked:
                    for file in item.files:
                        if file not in (LOCK, LEASE):
                            held.check()
                            storage.delete(storage.join(uri, file))
                    _drop_empty(item)
                    yield item
        if "" in asked and storage.is_local(uri):  # on storage without locks the lease was there until now
            with suppress(OSError):
                os.rmdir(storage.resolve(uri)[1])


def _home(uri: str) -> str | None:
    """The comparison or sweep that a run is a trial of."""
    inside = storage.parent(uri)
    return (
        storage.parent(inside)
        if storage.name_of(inside) == TRIALS and kind_of(storage.parent(inside))
        else None
    )


def _drop_empty(item: Removable) -> None:
    """The folders that have become empty; on an object store there are none. No file goes with them."""
    if not storage.is_local(item.uri) or item.what == HALF:
        return
    top = os.path.join(storage.resolve(item.uri)[1], item.what)
    if not item.what:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(top, LOCK))
    for folder, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):  # not empty
            os.rmdir(folder)
