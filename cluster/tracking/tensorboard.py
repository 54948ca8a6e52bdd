"""TensorBoard event files in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorboardX import SummaryWriter

from cluster.tracking.base import Values
from cluster.tracking.folder import MirroredFolder

CYCLES = "cycles"


class TensorBoard:
    """Two kinds of curves: each training is a TensorBoard run of its own ("cycle-001/main", steps along),
    so that cycles lie over each other; and "cycles" has everything that a cycle ends with, cycles along.

    A writer says from which step on older events are void (`purge_step`): a training that continues from
    its checkpoint replaces what its killed predecessor wrote after that, and the loop, which passes over
    all cycles again, replaces all of them.
    """

    name = "TensorBoard"

    def __init__(self, uri: str, config: Mapping[str, Any]) -> None:
        self._folder = MirroredFolder(uri)
        self._curve: SummaryWriter | None = None
        self._place = ("", 0)  # the curve that is open, its last step
        self._cycles = self._writer(CYCLES, purge_step=0)
        lines = [f"    {key}: {value}" for key, value in config.items()]
        self._cycles.add_text("configuration", "\n".join(lines), 0)

    def point(self, curve: str, step: int, values: Values) -> None:
        name, last = self._place
        if self._curve is None or curve != name or step <= last:
            self._close_curve()
            self._curve = self._writer(curve, purge_step=step)
        self._place = (curve, step)
        _add(self._curve, step, values)

    def cycle(self, cycle: int, values: Values) -> None:
        _add(self._cycles, cycle, values)
        self._cycles.flush()

    def sync(self) -> None:
        if self._curve is not None:
            self._curve.flush()
        self._cycles.flush()
        self._folder.push()

    def finish(self, files: Mapping[str, str]) -> None:
        self.sync()

    def close(self) -> None:
        self._close_curve()
        self._cycles.close()
        self._folder.push()
        self._folder.close()

    def _close_curve(self) -> None:
        if self._curve is not None:
            self._curve.close()
            self._curve = None

    def _writer(self, name: str, purge_step: int) -> SummaryWriter:
        return SummaryWriter(str(self._folder.path / name), purge_step=purge_step, flush_secs=30)


def _add(writer: SummaryWriter, step: int, values: Values) -> None:
    for tag, value in values.items():
        writer.add_scalar(tag, value, step)
