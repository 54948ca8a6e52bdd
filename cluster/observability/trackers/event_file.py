"""TensorBoard's event files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary


class EventFile:
    """One event file, written through at once. (tensorboardX's SummaryWriter hands events to another
    thread, and its `flush` does not wait for that.)"""

    def __init__(self, folder: Path, purge_step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads a curve's files by name, and the names' own clock counts whole seconds
        self._file = EventsWriter(str(folder / "events"), f".{time.time_ns():020d}")
        start = SessionLog(status=SessionLog.START)
        self._file.write_event(Event(step=purge_step, wall_time=time.time(), session_log=start))
        self._file.flush()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(step, Summary(value=found))

    def text(self, tag: str, text: str) -> None:
        self._write(0, summary.text(tag, text))

    def _write(self, step: int, content: Summary) -> None:
        self._file.write_event(Event(step=step, wall_time=time.time(), summary=content))
        self._file.flush()

    def close(self) -> None:
        self._file.close()
