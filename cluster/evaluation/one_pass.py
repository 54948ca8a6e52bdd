"""One evaluation pass: Parquet frames through living detector workers, rows to `detections.parquet`.

What comes back from a worker is one compact row a frame and detector
(`imitation.evaluation.detections.DETECTIONS_SCHEMA`), which the driver writes on as Parquet while it streams.
A frame that cannot be read becomes a row with an `error`, never a lost batch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation.worker import Batch, EvaluationPart, Judged, Task
from cluster.runtime.placement import wait_for_room, watched
from cluster.runtime.ray_errors import short_of_memory
from imitation.common.settings import DataError, UserError
from imitation.data.categories import CategoryMap
from imitation.datasets.parquet.columns import open_parquet
from imitation.datasets.parquet.files import part_files
from imitation.evaluation.detection_files import DetectionsWriter

if TYPE_CHECKING:
    from cluster.evaluation.workers import DetectorWorkers

Progress = Callable[[int], None]


def evaluate(
    parts: Sequence[EvaluationPart],
    checkpoints: Mapping[str, str],
    categories: CategoryMap,
    out: str,
    settings: EvaluateSettings,
    on_error: str = "stop",
    progress: Progress = lambda done: None,
    placement_timeout_s: float = 600.0,
    workers: DetectorWorkers | None = None,
) -> dict[str, Any]:
    """One pass over all parts; writes one row a frame and detector to the Parquet file `out`.

    `checkpoints` maps detector names to checkpoints. `workers` judge, and stay; without them some are started
    for this pass. Where the pass fails or is left, they are ended. Returns counts: rows, errors (a list of
    sentences), `busy_seconds` (what the workers took for their batches, divided by their number). Raises the
    first DataError when `on_error` is "stop", and UserError where the cluster cannot place a worker for
    `placement_timeout_s`, its storage is full, or a detector fails. A dead worker's frames are judged by
    another: each gives its row once, in the same place.
    """
    from cluster.evaluation.workers import DetectorWorkers

    errors: list[str] = []
    count = 0
    busy = 0.0
    crew = workers or DetectorWorkers(settings)
    task = Task(dict(checkpoints), tuple(parts), categories, settings.threads, settings.precision)
    try:
        with DetectionsWriter(out, categories.categories) as writer:
            for judged in _placed(crew, task, placement_timeout_s):
                if judged.broken is not None:
                    raise UserError(judged.broken)
                rows = judged.rows
                for where, message in zip(
                    rows["frame_id"].to_pylist(), rows["error"].to_pylist(), strict=True
                ):
                    if message is not None:
                        if on_error == "stop":
                            raise DataError(f"frame {where}", message)
                        errors.append(message)
                busy += judged.seconds
                writer.write_table(rows)
                count += rows.num_rows
                progress(count)
    except BaseException:
        crew.close()
        raise
    if workers is None:
        crew.close()
    return {"rows": count, "errors": errors, "busy_seconds": busy / settings.actors}


def _placed(crew: DetectorWorkers, task: Task, timeout_s: float) -> Generator[Judged]:
    import ray

    from cluster.evaluation.workers import gpus

    settings = crew.settings
    asked = {"CPU": settings.cpus_per_actor, "GPU": gpus(settings)}
    what = "evaluation (evaluate.cpus_per_actor, evaluate.gpus_per_actor)"
    if not crew.alive:
        wait_for_room([asked], what, timeout_s)  # the other workers may come later

    def stream() -> Generator[Judged]:
        return crew.judge(task, batches(task.parts, settings.batch_size))

    with closing(watched(stream, [asked], what, timeout_s)) as judged:
        try:
            yield from judged
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


def batches(parts: Sequence[EvaluationPart], rows: int) -> Iterator[Batch]:
    """The rows of all parts, in order, about `rows` at a time: whole row groups, or slices of large ones."""
    for number, part in enumerate(parts):
        for uri in part_files(part.uri):
            with open_parquet(uri) as file:
                sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            for groups, start, stop in cut(sizes, rows):
                yield Batch(number, uri, groups, start, stop)


def cut(sizes: Sequence[int], rows: int) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Row groups of these sizes as batches: the groups, and which of their rows (`start`, `stop`). Small
    groups are put together up to `rows`; one that is larger is cut into slices of `rows`."""
    groups: list[int] = []
    held = 0
    for group, size in enumerate(sizes):
        if groups and held + size > rows:
            yield tuple(groups), 0, held
            groups, held = [], 0
        if size > rows:
            for start in range(0, size, rows):
                yield (group,), start, min(start + rows, size)
        elif size:
            groups.append(group)
            held += size
    if groups:
        yield tuple(groups), 0, held
