"""The process that judges frames: it holds detectors, reads batches of frames by itself, and gives back rows.

Pixels live only here, a batch at a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from cluster.runtime.openmp import wait_passively
from imitation.common import storage
from imitation.common.formats.arrow import keep_pandas_out
from imitation.common.import_paths import error_line
from imitation.common.settings import DataError, UserError
from imitation.common.storage import retry
from imitation.data.categories import CategoryMap
from imitation.data.images import load_frame_image
from imitation.data.records import Frame
from imitation.datasets.parquet.columns import open_parquet, rows_of
from imitation.datasets.parquet.files import frame_of, read_group
from imitation.detectors.settings import Precision
from imitation.evaluation.detections import Detections, FrameDetections, detections_to_table

if TYPE_CHECKING:
    import numpy as np

    from imitation.detectors.predictor import Predictor

COLUMNS = (
    *("frame_id", "sequence", "image", "image_uri", "width", "height", "camera", "conditions", "objects"),
)
FORWARD = 8
"""Frames a forward pass; those behind it in the batch are decoded meanwhile."""


@dataclass(frozen=True)
class EvaluationPart:
    """Frames to evaluate: those at `uri`, as `split`, by each of the named detectors. `only` maps
    frame ids to the one detector that judges them (out of fold); others are left out."""

    uri: str
    split: str
    detectors: tuple[str, ...] = ()
    only: Mapping[str, str] | None = None

    def judges(self, frame_id: str) -> tuple[str, ...]:
        """The detectors that judge this frame."""
        if self.only is None:
            return self.detectors
        name = self.only.get(frame_id)
        return () if name is None else (name,)


@dataclass(frozen=True)
class Task:
    """What one pass asks of each worker. `checkpoints` maps detector names to checkpoints."""

    checkpoints: Mapping[str, str]
    parts: tuple[EvaluationPart, ...]
    categories: CategoryMap
    threads: int | None
    precision: Precision


@dataclass(frozen=True)
class Batch:
    """Rows `start` to `stop` (exclusive) of these row groups of a Parquet file, counted through all of them;
    they belong to the task's part `part`. `given_up` says why they are not to be judged, but become rows with
    this error."""

    part: int
    uri: str
    groups: tuple[int, ...]
    start: int
    stop: int
    given_up: str | None = None

    def __len__(self) -> int:
        return self.stop - self.start


class Judged(NamedTuple):
    """A batch's rows (DETECTIONS_SCHEMA), the seconds they took, and a detector's fault that no frame has
    caused, else None. Raised in the worker, Ray would wrap it into pages of its own errors."""

    rows: pa.Table
    seconds: float
    broken: str | None


class _Broken(Exception):
    """A detector failed: why, in a sentence, and a row that can carry it."""

    def __init__(self, row: FrameDetections, why: str) -> None:
        super().__init__(why)
        self.row, self.why = row, why


class DetectorWorker:
    """Loads the detectors of a task, then judges its batches; then those of the next task."""

    def __init__(self) -> None:
        wait_passively()
        keep_pandas_out()
        retry.remember_folders()
        self._decoders = ThreadPoolExecutor(2)
        self._read: tuple[tuple[str, tuple[int, ...]], pa.Table] | None = None
        self._predictors: dict[str, Predictor] = {}

    def warm_up(self) -> None:
        """Imports what takes long, while others still work."""
        import torch
        import torchvision  # noqa: F401

        import imitation.data.torch_decoder
        import imitation.detectors.checkpoint
        import imitation.detectors.registry  # noqa: F401

        torch.zeros(1)

    def load(self, task: Task) -> str | None:
        """Loads the task's detectors in place of those of the one before; why they cannot be used, if so."""
        import torch

        from imitation.data.torch_decoder import decode_with_torch
        from imitation.detectors.checkpoint import load_checkpoint

        self._decode = partial(load_frame_image, decode=decode_with_torch)
        self.release()
        torch.set_num_threads(task.threads or os.cpu_count() or 1)
        device = "cuda" if torch.cuda.is_available() else "cpu"  # Ray hides GPUs that were not asked for
        try:
            self._predictors = {
                name: load_checkpoint(uri, device, task.precision)[0]
                for name, uri in task.checkpoints.items()
            }
        except UserError as error:
            return str(error)
        self._task = task
        return None

    def release(self) -> None:
        """Lets go of detectors and frames: the process idles until the next task."""
        self._predictors, self._read = {}, None
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def judge(self, batch: Batch) -> Judged:
        """The rows of a batch: one for each frame and detector that judges it."""
        frames = self._frames(batch)
        began = time.perf_counter()
        broken: str | None = None
        try:
            rows = list(self._judged(frames, self._task.parts[batch.part], batch.given_up))
        except _Broken as error:
            broken, rows = error.why, [error.row]
        return Judged(detections_to_table(rows), time.perf_counter() - began, broken)

    def _frames(self, batch: Batch) -> list[Frame]:
        """Those of a batch that somebody judges."""
        key = (batch.uri, batch.groups)
        if self._read is None or self._read[0] != key:
            with open_parquet(batch.uri) as file:
                groups = [read_group(file, group, COLUMNS, batch.uri) for group in batch.groups]
            self._read = key, pa.concat_tables(groups)
        # a copy, since a slice of lists is validated with what lies beside it
        table = self._read[1].take(pa.array(range(batch.start, batch.stop)))
        numbers = range(batch.start, batch.stop)
        folder = storage.parent(storage.absolute(batch.uri))
        where = f"{batch.uri}: row group {batch.groups[0]}, row"
        part = self._task.parts[batch.part]
        found = (
            frame_of(row, folder, f"{where} {number}")
            for number, row in zip(numbers, rows_of(table, COLUMNS, batch.uri, numbers), strict=True)
        )
        return [frame for frame in found if part.judges(frame.frame_id)]

    def _judged(
        self, frames: Sequence[Frame], part: EvaluationPart, given_up: str | None
    ) -> Iterator[FrameDetections]:
        """Rows of all frames, decoded ahead."""
        if given_up is not None:
            for frame in frames:
                why = f"frame {frame.frame_id}: {given_up}"
                yield from (self._row(frame, part, name, None, why) for name in part.judges(frame.frame_id))
            return
        decoding = [(frame, self._decoders.submit(self._decode, frame)) for frame in frames]
        for start in range(0, len(decoding), FORWARD):
            yield from self._passed(decoding[start : start + FORWARD], part)

    def _passed(
        self, frames: Sequence[tuple[Frame, Future[np.ndarray]]], part: EvaluationPart
    ) -> Iterator[FrameDetections]:
        """One forward pass of each detector, while later images are being decoded."""
        work: dict[str, list[tuple[Frame, np.ndarray]]] = {}
        for frame, decoded in frames:
            names = part.judges(frame.frame_id)
            try:
                image = decoded.result()
            except DataError as error:
                yield from (self._row(frame, part, name, None, str(error)) for name in names)
                continue
            for name in names:
                work.setdefault(name, []).append((frame, image))
        for name, items in work.items():
            try:
                outputs = self._predictors[name].predict([image for _, image in items], FORWARD)
            except Exception as error:  # a detector of somebody's own may raise anything
                frame, _ = items[0]
                why = (
                    str(error)
                    if isinstance(error, UserError)
                    else f"the detector failed: {error_line(error)}"
                )
                raise _Broken(self._row(frame, part, name, None, why), why) from error
            for (frame, _), detections in zip(items, outputs, strict=True):
                yield self._row(frame, part, name, detections, None)

    def _row(
        self, frame: Frame, part: EvaluationPart, name: str, detections: Detections | None, error: str | None
    ) -> FrameDetections:
        categories = self._task.categories
        return FrameDetections.of(
            categories.mapped(frame),
            detections,
            source=[obj.category for obj in frame.objects],
            categories=categories.categories,
            split=part.split,
            detector=name,
            error=error,
        )
