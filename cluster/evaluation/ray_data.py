"""Evaluation: Ray Data streams Parquet frames through a worker pool of detectors.

Pixels live only inside a worker, a batch at a time; what comes back is one compact row a frame
and detector (`imitation.evaluation.detections.DETECTIONS_SCHEMA`), which the driver writes on as Parquet
while it streams. A frame that cannot be read becomes a row with an `error`, never a lost block.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cluster.config.evaluate import EvaluateSettings
from cluster.runtime.attempts import Attempts
from cluster.runtime.openmp import wait_passively
from cluster.runtime.placement import wait_for_room, watched
from cluster.runtime.ray_errors import short_of_memory
from imitation.common.import_paths import error_line
from imitation.common.settings import DataError, UserError
from imitation.common.storage import retry
from imitation.common.storage.retry_filesystem import patient_filesystem
from imitation.data.categories import CategoryMap
from imitation.data.images import load_frame_image
from imitation.data.records import Frame, frame_from_row
from imitation.detectors.settings import Precision
from imitation.evaluation.detection_files import DetectionsWriter
from imitation.evaluation.detections import Detections, FrameDetections, detections_to_table

if TYPE_CHECKING:
    import ray.data

COLUMNS = [
    "frame_id", "sequence", "image", "image_uri", "width", "height", "camera", "conditions", "objects"
]  # fmt: skip
Progress = Callable[[int], None]
BLOCK_BYTES = 8 << 20
TOOK, BROKEN = "took", "broken"
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


class _Broken(Exception):
    """A detector failed: why, in a sentence, and a row that can carry it."""

    def __init__(self, row: FrameDetections, why: str) -> None:
        super().__init__(why)
        self.row, self.why = row, why


class DetectorWorker:
    """The callable that Ray Data builds once a worker: loads the detectors, then maps batches of
    frames (SCHEMA's columns plus `part`) to rows of DETECTIONS_SCHEMA, a column `TOOK` whose sum is
    the time that the batch took, s, and a column `BROKEN`: a detector's fault that no frame has caused,
    else null. Raised here, Ray would wrap it into pages of its own errors.

    A batch in which the process died is judged frame by frame the next time; a frame that killed it
    `max_attempts` times becomes a row with an `error`."""

    def __init__(
        self,
        checkpoints: Mapping[str, str],
        parts: Sequence[EvaluationPart],
        categories: CategoryMap,
        threads: int | None,
        precision: Precision,
        attempts: Attempts,
        max_attempts: int,
    ) -> None:
        wait_passively()
        import torch

        from imitation.data.torch_decoder import decode_with_torch
        from imitation.detectors.checkpoint import load_checkpoint

        retry.remember_folders()
        torch.set_num_threads(threads or os.cpu_count() or 1)
        device = "cuda" if torch.cuda.is_available() else "cpu"  # Ray hides GPUs that were not asked for
        self.predictors = {
            name: load_checkpoint(uri, device, precision)[0] for name, uri in checkpoints.items()
        }
        self.parts = parts
        self.categories = categories
        self.decoders = ThreadPoolExecutor(2)
        self.load = partial(load_frame_image, decode=decode_with_torch)
        self.attempts, self.max_attempts = attempts, max_attempts

    def __call__(self, batch: pa.Table) -> pa.Table:
        began = time.perf_counter()
        broken: str | None = None
        try:
            rows = self._rows(batch)
        except _Broken as error:
            broken, rows = error.why, [error.row]
        table = detections_to_table(rows)
        took = np.zeros(table.num_rows)
        took[:1] = time.perf_counter() - began
        whys = pa.array([broken] * table.num_rows, pa.string())
        return table.append_column(TOOK, pa.array(took)).append_column(BROKEN, whys)

    def _rows(self, batch: pa.Table) -> list[FrameDetections]:
        frames: list[tuple[Frame, int]] = []
        for row in batch.to_pylist():
            frame, part = frame_from_row(row), row["part"]
            if self.parts[part].judges(frame.frame_id):
                frames.append((frame, part))
        if not frames:
            return []
        key = (frames[0][1], frames[0][0].frame_id, len(frames))
        if self.attempts.begin(key):
            rows = [row for each in frames for row in self._alone(*each)]
        else:
            rows = list(self._judged(frames))
        self.attempts.finish(key)
        return rows

    def _alone(self, frame: Frame, part: int) -> Sequence[FrameDetections]:
        """The rows of one frame, judged alone: it may kill the process."""
        key = (part, frame.frame_id)
        if (deaths := self.attempts.begin(key)) >= self.max_attempts:
            why = f"frame {frame.frame_id}: the detector's process died {deaths} times when it judged it"
            split, names = self.parts[part].split, self.parts[part].judges(frame.frame_id)
            return [self._row(frame, split, name, None, why) for name in names]
        rows = list(self._judged([(frame, part)]))
        self.attempts.finish(key)
        return rows

    def _judged(self, frames: Sequence[tuple[Frame, int]]) -> Iterator[FrameDetections]:
        """Rows of all frames, decoded ahead."""
        decoding = [
            (frame, self.parts[part], self.decoders.submit(self.load, frame)) for frame, part in frames
        ]
        for start in range(0, len(decoding), FORWARD):
            yield from self._passed(decoding[start : start + FORWARD])

    def _passed(
        self, frames: Sequence[tuple[Frame, EvaluationPart, Future[np.ndarray]]]
    ) -> Iterator[FrameDetections]:
        """One forward pass of each detector, while later images are being decoded."""
        work: dict[str, list[tuple[Frame, str, np.ndarray]]] = {}
        for frame, part, decoded in frames:
            names = part.judges(frame.frame_id)
            try:
                image = decoded.result()
            except DataError as error:
                yield from (self._row(frame, part.split, name, None, str(error)) for name in names)
                continue
            for name in names:
                work.setdefault(name, []).append((frame, part.split, image))
        for name, items in work.items():
            try:
                outputs = self.predictors[name].predict([image for _, _, image in items], FORWARD)
            except Exception as error:  # a detector of somebody's own may raise anything
                frame, split, _ = items[0]
                why = (
                    str(error)
                    if isinstance(error, UserError)
                    else f"the detector failed: {error_line(error)}"
                )
                raise _Broken(self._row(frame, split, name, None, why), why) from error
            for (frame, split, _), detections in zip(items, outputs, strict=True):
                yield self._row(frame, split, name, detections, None)

    def _row(
        self, frame: Frame, split: str, name: str, detections: Detections | None, error: str | None
    ) -> FrameDetections:
        return FrameDetections.of(
            self.categories.mapped(frame),
            detections,
            source=[obj.category for obj in frame.objects],
            categories=self.categories.categories,
            split=split,
            detector=name,
            error=error,
        )


def evaluate(
    parts: Sequence[EvaluationPart],
    checkpoints: Mapping[str, str],
    categories: CategoryMap,
    out: str,
    settings: EvaluateSettings,
    on_error: str = "stop",
    progress: Progress = lambda done: None,
    placement_timeout_s: float = 600.0,
) -> dict[str, Any]:
    """One pass over all parts; writes one row a frame and detector to the Parquet file `out`.

    `checkpoints` maps detector names to checkpoints. Returns counts: rows, errors (a list of
    sentences), `busy_seconds` (what the workers took for their batches, divided by their number). Raises the
    first DataError when `on_error` is "stop", and UserError where the cluster cannot place a worker for
    `placement_timeout_s`, its storage is full, or a detector fails. A dead worker's frames are judged by
    another: each gives its row once, in the same place.
    """
    errors: list[str] = []
    count = 0
    busy = 0.0
    with DetectionsWriter(out, categories.categories) as writer:
        for table in _placed_stream(parts, checkpoints, categories, settings, placement_timeout_s):
            if why := next((why for why in table[BROKEN].to_pylist() if why is not None), None):
                raise UserError(why)
            for where, message in zip(table["frame_id"].to_pylist(), table["error"].to_pylist(), strict=True):
                if message is not None:
                    if on_error == "stop":
                        raise DataError(f"frame {where}", message)
                    errors.append(message)
            busy += pc.sum(table[TOOK]).as_py() or 0.0
            writer.write_table(table.drop_columns([TOOK, BROKEN]))
            count += table.num_rows
            progress(count)
    return {"rows": count, "errors": errors, "busy_seconds": busy / settings.actors}


def _placed_stream(
    parts: Sequence[EvaluationPart],
    checkpoints: Mapping[str, str],
    categories: CategoryMap,
    settings: EvaluateSettings,
    timeout_s: float,
) -> Generator[pa.Table]:
    import ray

    worker = {"CPU": settings.cpus_per_actor, "GPU": _gpus(settings)}
    what = "evaluation (evaluate.cpus_per_actor, evaluate.gpus_per_actor, and a CPU that reads)"
    # whoever reads needs a CPU, too; the other workers may come later
    wait_for_room([worker, {"CPU": 1.0}], what, timeout_s)
    with closing(Attempts()) as attempts:
        stream = partial(_stream, parts, checkpoints, categories, settings, attempts)
        with closing(watched(stream, [worker], what, timeout_s)) as tables:
            try:
                yield from tables
            except ray.exceptions.RayError as error:
                raise _in_a_sentence(error) from error


def _in_a_sentence(error: Exception) -> Exception:
    """A sentence if Ray's error shows what a person can mend; else the error."""
    import ray

    full = (ray.exceptions.OutOfDiskError, ray.exceptions.ObjectStoreFullError)
    if isinstance(error, full) or isinstance(getattr(error, "cause", None), full):
        why = " ".join(str(error).split())[:500]
        return UserError(
            f"evaluation: Ray's object store is full, and so is the disk that it spills to: {why}. Free some "
            "space there (Ray's --temp-dir, or its object_spilling_directory), or give the store more memory"
        )
    if memory := short_of_memory(error):
        return UserError(f"evaluation: {memory}")
    return error


def _stream(
    parts: Sequence[EvaluationPart],
    checkpoints: Mapping[str, str],
    categories: CategoryMap,
    settings: EvaluateSettings,
    attempts: Attempts,
) -> Generator[pa.Table]:
    import ray
    import ray.data

    # Ray Data's logger has a level of its own; it should be as quiet as Ray's.
    logging.getLogger("ray.data").setLevel(logging.getLogger("ray").level)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # the driver draws one bar for all stages
    context.execution_options.preserve_order = True  # the same rows in the same order, run after run
    # Small blocks: the first rows come soon, and memory holds a few of them, whatever the dataset's size.
    context.target_max_block_size = BLOCK_BYTES
    streams = [_read(part, index, readers=settings.actors) for index, part in enumerate(parts)]
    frames = streams[0].union(*streams[1:]) if len(streams) > 1 else streams[0]
    # Blocks of few rows: all workers get some, and one that dies leaves little to do again.
    rows = frames.repartition(target_num_rows_per_block=2 * settings.batch_size).map_batches(
        DetectorWorker,
        fn_constructor_kwargs={
            "checkpoints": dict(checkpoints),
            "parts": list(parts),
            "categories": categories,
            "threads": settings.threads,
            "precision": settings.precision,
            "attempts": attempts,
            "max_attempts": settings.max_attempts,
        },
        batch_size=settings.batch_size,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=settings.actors),
        num_cpus=settings.cpus_per_actor,
        num_gpus=_gpus(settings) or None,
    )
    yield from rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1)


def _gpus(settings: EvaluateSettings) -> float:
    import ray

    if settings.gpus_per_actor != "auto":
        return settings.gpus_per_actor
    return 0.5 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0


def _read(part: EvaluationPart, index: int, readers: int) -> ray.data.Dataset:
    """The part's frames, tagged; one reader feeds a detector, and each is a process that has to start."""
    import ray.data

    filesystem, path = patient_filesystem(part.uri)
    frames = ray.data.read_parquet(path, filesystem=filesystem, concurrency=readers).select_columns(COLUMNS)
    return frames.map_batches(partial(_tag, part=index), batch_format="pyarrow", concurrency=readers)


def _tag(batch: pa.Table, part: int) -> pa.Table:
    """The part that a row belongs to travels with it: a batch may span two parts."""
    return batch.append_column("part", pa.array(np.full(batch.num_rows, part, np.int32)))
