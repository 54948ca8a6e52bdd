"""The simulate stage: jobs through the pool into Parquet files, kill-proof.

The folder holds `part-00000.parquet`, ... (each committed atomically), `_set_aside.json` and, once
the stage is complete, `_DONE.json`. A driver that was killed anywhere reads back which scenes are
committed and renders the rest. Frames lie in order of completion: read them ordered by `frame_id`
where the order matters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from cluster.simulation.mixing.tally import Share, Tally
from cluster.simulation.work_queue import PoolCounts, Rendered, SetAside
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.records import Frame, Origin
from imitation.datasets.parquet.files import read_frames
from sim_actors.simulators.worker import SceneJob, decode_table

if TYPE_CHECKING:
    from cluster.simulation.pool import SimulatorPool

DONE = "_DONE.json"
SET_ASIDE = "_set_aside.json"
REJECTED: Final = "rejected"
ROW_GROUP = 32  # frames: what a reader must load to see one of them

Progress = Callable[[int], None]
Accept = Callable[[Frame], str | None]
"""Why a rendered frame is rejected; None if it is accepted."""
Again = Callable[[Collection[str]], Iterable[SceneJob | SetAside]]
"""Jobs, with ids of their own, in place of the rejected scenes of these ids; fewer where it gives up."""
Refuse = Callable[["SimulationReport"], None]
"""Raises UserError for a stage that is not to be completed as it is."""


@dataclass(frozen=True)
class SimulationReport:
    """What one `simulate` did. `frames` lie in the folder: `reused` were committed before, `rendered`
    now; `set_aside` lists every scene given up, those of earlier runs too, `rejected` ones among them. The
    other counts, wall `seconds` and simulator `cpu_seconds` are of this run alone, as are `render_seconds`:
    what the finished scenes took in their simulators, added up. `by_simulator`: label -> the same of each,
    where there are several."""

    frames: int
    rendered: int
    reused: int
    set_aside: tuple[SetAside, ...] = ()
    retries: int = 0
    crashes: int = 0
    hangs: int = 0
    errors: int = 0
    lost: int = 0
    recycled: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    render_seconds: float = 0.0
    by_simulator: Mapping[str, Share] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Frames that were rendered and not accepted."""
        return sum(item.kind == REJECTED for item in self.set_aside)

    @property
    def frames_per_second(self) -> float:
        """Frames rendered in this run per second of wall time, start-up of workers included."""
        return self.rendered / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain data; the rate included. What only several simulators have is left out where there is one."""
        plain = asdict(self) | {"frames_per_second": round(self.frames_per_second, 3)}
        plain["set_aside"] = [item.to_json() for item in self.set_aside]
        if not self.by_simulator:
            del plain["by_simulator"]
        return plain


def simulate(
    jobs: Iterable[SceneJob | SetAside],
    folder_uri: str,
    pool: SimulatorPool,
    progress: Progress | None = None,
    accept: Accept | None = None,
    again: Again | None = None,
    refuse: Refuse | None = None,
) -> SimulationReport:
    """Renders the jobs into the folder and completes the stage; continues where an earlier run was cut.

    A job may be a scene that is set aside already, because its labels cannot be staged. Jobs whose frames
    are committed, or that were set aside before, are not rendered again; in a complete folder nothing is
    even pulled from `jobs`. A frame that `accept` has something against is set aside, finally, as "rejected";
    `again` may give other jobs in its place, and so on until it gives none. `progress` is called with the
    number of scenes done so far, earlier ones included, without those that others took the place of; first of
    all with that of earlier runs.
    What `refuse` raises leaves the stage open, and no scene set aside: another call tries them all again.
    At most `frames_per_file` frames are held in memory. On Ctrl-C the workers are killed and what
    is finished is committed before KeyboardInterrupt goes on.
    Raises UserError as `SimulatorPool.render` does, and when the folder cannot be written.
    """
    start = time.monotonic()
    folder = _Folder(folder_uri, pool.settings.frames_per_file, Tally(pool.mixture))
    report = folder.finished()
    if report is not None:
        if progress is not None:
            progress(report.frames + len(report.set_aside) - report.rejected)
        return report
    folder.open()
    reused, counts, replaced = len(folder.committed), PoolCounts(), set[str]()
    rendering = 0.0
    if progress is not None:
        progress(folder.scenes)
    try:
        while True:
            with closing(pool.render(folder.missing(jobs))) as outcomes:
                for outcome in outcomes:
                    folder.add(_judged(outcome, accept))
                    if isinstance(outcome, Rendered):
                        rendering += outcome.seconds
                        folder.tally.rendered(outcome)
                    if progress is not None:
                        progress(folder.scenes - len(replaced))
            counts = counts.plus(pool.counts)
            rejected = folder.rejected() - replaced
            if again is None or not rejected:
                break
            replaced |= rejected
            jobs = again(sorted(rejected))
    except BaseException as error:
        if not isinstance(error, Exception):
            pool.kill()
        if not isinstance(error, storage.StorageError):
            folder.commit()
        raise
    folder.commit()
    report = _report(folder, reused, counts, time.monotonic() - start)
    report = replace(report, render_seconds=round(rendering, 3))
    if refuse is not None:
        try:
            refuse(report)
        except UserError:
            folder.forget_set_aside()
            raise
    folder.close(report)
    return report


def part_files(folder_uri: str) -> list[str]:
    """The committed Parquet files of a stage's folder, in order of their numbers."""
    return storage.list_files(folder_uri, ".parquet") if storage.exists(folder_uri) else []


def committed_ids(folder_uri: str) -> set[str]:
    """The ids of all committed frames; reads their column alone."""
    ids: set[str] = set()
    for uri in part_files(folder_uri):
        with storage.open_input(uri) as source:
            ids.update(pq.read_table(source, columns=["frame_id"]).column("frame_id").to_pylist())
    return ids


def _lineages(folder_uri: str) -> Iterator[Origin]:
    """Where each frame that is committed comes from."""
    frames = read_frames(folder_uri, ("frame_id", "origin")) if part_files(folder_uri) else ()
    return (frame.origin for frame in frames if frame.origin is not None)


def _judged(outcome: Rendered | SetAside, accept: Accept | None) -> Rendered | SetAside:
    if accept is None or isinstance(outcome, SetAside):
        return outcome
    reason = accept(outcome.frame)
    if reason is None:
        return outcome
    return SetAside(
        outcome.scene_id, REJECTED, reason, outcome.attempts, outcome.simulator, outcome.refused_by
    )


def _report(folder: _Folder, reused: int, counts: PoolCounts, seconds: float) -> SimulationReport:
    return SimulationReport(
        frames=len(folder.committed),
        rendered=len(folder.committed) - reused,
        reused=reused,
        set_aside=tuple(folder.set_aside.values()),
        retries=counts.retries,
        crashes=counts.crashes,
        hangs=counts.hangs,
        errors=counts.errors,
        lost=counts.lost,
        recycled=counts.recycled,
        seconds=seconds,
        cpu_seconds=counts.cpu_seconds,
        by_simulator=folder.tally.shares(),
    )


@dataclass
class _Folder:
    """The files of one stage and what is known of them."""

    uri: str
    frames_per_file: int
    tally: Tally
    committed: set[str] = field(default_factory=set)
    set_aside: dict[str, SetAside] = field(default_factory=dict)
    buffer: list[Rendered] = field(default_factory=list)
    parts: int = 0
    unsaved: bool = False

    @property
    def scenes(self) -> int:
        """Scenes that need no further work."""
        return len(self.committed) + len(self.buffer) + len(self.set_aside)

    def rejected(self) -> set[str]:
        """Ids of the scenes whose frames were rejected."""
        return {item.scene_id for item in self.set_aside.values() if item.kind == REJECTED}

    def finished(self) -> SimulationReport | None:
        """The report of a complete stage, all reused; None while it is not complete."""
        if not storage.exists(storage.join(self.uri, DONE)):
            return None
        done = storage.read_json(storage.join(self.uri, DONE))
        self._read_set_aside()
        frames = int(done["frames"])
        shares = {label: Share(**share) for label, share in done.get("by_simulator", {}).items()}
        aside = tuple(self.set_aside.values())
        return SimulationReport(frames, 0, frames, aside, by_simulator=shares)

    def open(self) -> None:
        """Reads what an earlier run left; clears away the file that it was writing when it was killed."""
        storage.make_folder(self.uri)
        _remove_leftovers(self.uri)
        files = part_files(self.uri)
        self.parts = 1 + max((_part_number(uri) for uri in files), default=-1)
        self.committed = committed_ids(self.uri)
        self._read_set_aside()
        if self.tally.needed:
            self.tally.begin(_lineages(self.uri), self.set_aside.values())

    def missing(self, jobs: Iterable[SceneJob | SetAside]) -> Iterator[SceneJob]:
        known = self.committed | self.set_aside.keys()
        for job in jobs:
            if isinstance(job, SetAside):
                if job.scene_id not in known:
                    self.add(job)
            elif job.scene.scene_id not in known:
                yield job

    def add(self, outcome: Rendered | SetAside) -> None:
        if isinstance(outcome, SetAside):
            self.set_aside[outcome.scene_id] = outcome
            self.tally.given_up(outcome)
            self.unsaved = True
        else:
            self.buffer.append(outcome)
        if len(self.buffer) >= self.frames_per_file:
            self.commit()

    def commit(self) -> None:
        """Writes the buffered frames as the next part, and the scenes set aside so far."""
        if self.buffer:
            table = pa.concat_tables(decode_table(item.payload) for item in self.buffer)
            uri = storage.join(self.uri, f"part-{self.parts:05d}.parquet")
            with storage.open_atomic(uri) as sink:
                # Images are compressed already: a dictionary or statistics of them only cost.
                pq.write_table(
                    table, sink, row_group_size=ROW_GROUP, compression="zstd",
                    use_dictionary=["sequence"], write_statistics=["frame_id"],
                )  # fmt: skip
            self.committed.update(item.scene_id for item in self.buffer)
            self.tally.kept(self.buffer)
            self.buffer = []
            self.parts += 1
        # Not before a frame is finished: where nothing works at all, no scene is to blame.
        if self.unsaved and self.committed:
            self._write_set_aside()

    def close(self, report: SimulationReport) -> None:
        """Completes the stage: from here on it is never rendered again."""
        if self.unsaved:
            self._write_set_aside()
        storage.write_json(storage.join(self.uri, DONE), replace(report, set_aside=()).to_json())

    def forget_set_aside(self) -> None:
        """Every scene may be tried again."""
        self.set_aside, self.unsaved = {}, False
        if storage.exists(storage.join(self.uri, SET_ASIDE)):
            self._write_set_aside()

    def _write_set_aside(self) -> None:
        rows = [item.to_json() for item in self.set_aside.values()]
        storage.write_json(storage.join(self.uri, SET_ASIDE), rows)
        self.unsaved = False

    def _read_set_aside(self) -> None:
        uri = storage.join(self.uri, SET_ASIDE)
        rows = storage.read_json(uri) if storage.exists(uri) else []
        self.set_aside = {row["scene_id"]: SetAside.from_json(row) for row in rows}


def _part_number(uri: str) -> int:
    return int(storage.name_of(uri).removeprefix("part-").removesuffix(".parquet"))


def _remove_leftovers(uri: str) -> None:
    """Deletes unfinished writes (".part-....tmp"), which `storage.list_files` hides."""
    fs, path = storage.resolve(uri)
    for info in fs.get_file_info(pafs.FileSelector(path, allow_not_found=True)):
        if info.base_name.startswith(".") and info.base_name.endswith(".tmp"):
            fs.delete_file(info.path)
