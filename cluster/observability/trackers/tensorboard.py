"""TensorBoard event files in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from cluster.observability.callbacks import Broken
from cluster.observability.trackers.base import Tracked, Tracker, Values
from cluster.observability.trackers.mirrored_folder import MirroredFolder
from imitation.common import storage

CYCLES = "cycles"


class TensorBoard(Tracker):
    """Two kinds of curves: each training is a TensorBoard run of its own ("cycle-001/main", steps along),
    so that cycles lie over each other; and "cycles" has everything that a cycle ends with, cycles along.

    A writer says from which step on older events are void (`purge_step`): a training that continues from
    its checkpoint replaces what its killed predecessor wrote after that, and the loop, which passes over
    all cycles again, replaces all of them.
    """

    name = "TensorBoard"
    package, extra = "tensorboardX", None

    def __init__(self, setting: bool, run: Tracked) -> None:
        self._folder = MirroredFolder(storage.join(run.folder, "tensorboard"))
        self._curve: _Curve | None = None
        self._place = ("", 0)  # the curve that is open, its last step
        self._cycles = self._opened(CYCLES, purge_step=0)
        lines = [f"    {key}: {value}" for key, value in run.config.items()]
        self._cycles.write(0, summary.text("configuration", "\n".join(lines)))

    def point(self, curve: str, step: int, values: Values) -> None:
        name, last = self._place
        if self._curve is None or curve != name or step <= last:
            self._close_curve()
            self._curve = self._opened(curve, purge_step=step)
        self._place = (curve, step)
        self._curve.add(step, values)

    def cycle(self, cycle: int, values: Values) -> None:
        self._cycles.add(cycle, values)

    def sync(self) -> None:
        self._folder.push()

    def finish(self, files: Mapping[str, str]) -> None:
        self.sync()

    def close(self, broken: Broken | None = None) -> None:
        self._close_curve()
        self._cycles.close()
        self._folder.push()
        self._folder.close()

    def _close_curve(self) -> None:
        if self._curve is not None:
            self._curve.close()
            self._curve = None

    def _opened(self, name: str, purge_step: int) -> _Curve:
        return _Curve(self._folder.path / name, purge_step)


class _Curve:
    """One event file, written through at once. (tensorboardX's SummaryWriter hands events to another
    thread, and its `flush` does not wait for that.)"""

    def __init__(self, folder: Path, purge_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads a curve's files by name, and the names' own clock counts whole seconds
        self._file = EventsWriter(str(folder / "events"), f".{time.time_ns():020d}")
        start = SessionLog(status=SessionLog.START)
        self._file.write_event(Event(step=purge_step, wall_time=time.time(), session_log=start))
        self._file.flush()

    def add(self, step: int, values: Values) -> None:
        found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self.write(step, Summary(value=found))

    def write(self, step: int, content: Summary) -> None:
        self._file.write_event(Event(step=step, wall_time=time.time(), summary=content))
        self._file.flush()

    def close(self) -> None:
        self._file.close()
