"""TensorBoard event files in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cluster.observability.callbacks import Broken
from cluster.observability.trackers.base import Tracked, Tracker, Values
from cluster.observability.trackers.mirrored_folder import MirroredFolder
from imitation.common import storage
from imitation.common.settings import Settings

if TYPE_CHECKING:
    from cluster.observability.trackers.event_file import EventFile

CYCLES = "cycles"


class TensorBoard(Tracker):
    """Two kinds of curves: each training is a TensorBoard run of its own ("cycle-001/main", steps along),
    so that cycles lie over each other; and "cycles" has everything that a cycle ends with, cycles along.

    A writer says from which step on older events are void (`purge_step`): a training that continues from
    its checkpoint replaces what its killed predecessor wrote after that, and the loop, which passes over
    all cycles again, replaces all of them.
    """

    name = "TensorBoard"
    settings_class = Settings  # nothing to set

    def __init__(self, settings: Settings, run: Tracked) -> None:
        self._folder = MirroredFolder(storage.join(run.folder, "tensorboard"))
        self._curve: EventFile | None = None
        self._place = ("", 0)  # the curve that is open, its last step
        self._cycles = self._opened(CYCLES, purge_step=0)
        lines = [f"    {key}: {value}" for key, value in run.config.items()]
        self._cycles.text("configuration", "\n".join(lines))

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

    def _opened(self, name: str, purge_step: int) -> EventFile:
        from cluster.observability.trackers.event_file import EventFile  # tensorboardX imports torch

        return EventFile(self._folder.path / name, purge_step)
