"""From failing objects to scenes, and from scenes to what became of the object that each is about."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.config.evaluate import EvaluateSettings
from cluster.config.schema import Config
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.probing.of_run import Failing
from cluster.simulation.scene_jobs import staging_settings
from cluster.simulation.stream import part_files, simulate
from cluster.stages.context import RunContext
from cluster.stages.prepare import LABELS_ONLY
from cluster.stages.synthetic.simulate import Rendering
from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.records import Frame
from imitation.datasets.parquet.files import read_frames
from imitation.diagnosis.counterfactuals import NOT_JUDGED, NOT_RENDERED, REFUSED
from imitation.evaluation.detection_files import read_detections
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.matching import match
from imitation.requests import Request
from sim_actors.changes.factor import subject_label
from sim_actors.scene.records import Scene
from sim_actors.simulators.worker import SceneJob
from sim_actors.staging.stage import Target, stage

LABELS = (*LABELS_ONLY, "origin")
Render = Callable[[Sequence[SceneJob], str], dict[str, str]]
"""Renders jobs to a place; scene id -> why there is no frame, of those without one."""


@dataclass(frozen=True)
class Staged:
    """A failing object in the scene of its frame, which is as it was: strength 0. `seed` is that of every
    draw about it."""

    failing: Failing
    scene: Scene
    seed: int

    def job(self, name: str, scene: Scene, policy: str) -> SceneJob:
        """A scene about it, to be rendered under this name."""
        failure = self.failing.failure
        named = replace(scene, scene_id=f"{self.scene.scene_id}-{name}")
        return SceneJob(named, 0, failure.frame_id, (failure.failure_id,), policy, self.seed)


def staged(
    found: Sequence[Failing], uri: str, target: Target, config: Config, what: str
) -> Iterator[Staged | tuple[Failing, str]]:
    """Each failing object in a scene, or with the reason why there is none. Frames of `uri` with the same
    configuration give the same scenes. Photos as backdrops are left aside: the whole scene is staged."""
    settings = staging_settings(config)
    settings = settings.model_copy(update={"restage": settings.restage.model_copy(update={"backdrops": 0.0})})
    wanted = {one.failure.frame_id for one in found}
    frames = {frame.frame_id: frame for frame in read_frames(uri, LABELS_ONLY, keep=wanted)}
    for one in found:
        frame_id, index = one.place
        name = f"{what}-{frame_id}-o{index}"
        seed = zlib.crc32(f"{config.run.seed}/{name}".encode())
        # of all objects of a frame the same scene, so that they share what is around them
        shared = zlib.crc32(f"{config.run.seed}/{what}-{frame_id}".encode())
        request = Request(name, frame_id, (), (index,), (), 1, shared, what, strength=0.0)
        try:
            scene = stage(request, 0, frames[frame_id], target=target, settings=settings)
        except DataError as error:
            yield one, str(error)
            continue
        if not scene.focus:
            yield one, "its label cannot be staged"
            continue
        yield Staged(one, replace(scene, scene_id=name), seed)


def target_of(config: Config, run: RunContext) -> Target:
    """What the scenes must match: what the run's own do."""
    return Rendering.of(config, run).target()


def rendering(run: RunContext, folder: str) -> Render:
    """Renders with the run's own simulators, through the pool, into parts of a folder. Scenes that an earlier
    call has rendered there are not rendered again; other scenes take the place of what was there."""

    def render(jobs: Sequence[SceneJob], place: str) -> dict[str, str]:
        uri = storage.join(folder, place)
        mark = storage.join(folder, f"{place}.json")
        asked = hashlib.sha256("\n".join(job.scene.to_json() for job in jobs).encode()).hexdigest()
        if not storage.exists(mark) or storage.read_json(mark).get("scenes") != asked:
            storage.delete(uri)
            storage.write_json(mark, {"scenes": asked})
        with (
            run.services.pool() as pool,
            run.watch.rendering(f"rendering {place}", len(jobs), pool) as progress,
        ):
            report = simulate(jobs, uri, pool, progress=progress)
        for item in report.set_aside[:10]:
            run.watch.reporter.say(f"set aside: scene {item.scene_id}: {item.kind}: {item.reason}")
        return {
            item.scene_id: REFUSED if item.kind == "unsupported" else NOT_RENDERED
            for item in report.set_aside
        }

    return render


def detected(
    run: RunContext,
    uri: str,
    out: str,
    checkpoints: Mapping[str, str],
    judges: Mapping[str, str],
    settings: EvaluateSettings,
    placement_timeout_s: float,
) -> Iterator[FrameDetections]:
    """The frames at `uri`, each judged by one detector (`judges`: frame id -> name)."""
    if not part_files(uri):
        return
    run.services.make_room_for_evaluation()
    with run.watch.evaluating("detecting", len(judges), None) as progress:
        evaluate(
            [EvaluationPart(uri, "probe", only=judges)],
            checkpoints,
            run.data.categories,
            out,
            settings,
            "skip",
            progress,
            placement_timeout_s,
        )
    yield from read_detections(out)


def fates(
    rows: Iterable[FrameDetections], frames: Iterable[Frame], cutoffs: Mapping[str, Cutoff]
) -> dict[str, str]:
    """Frame id -> what became of the object that its scene is about: a fate of an object ("found",
    "missed", ...), or `NOT_JUDGED` where it is ignored or not to be seen. `cutoffs`: detector ->
    operating threshold."""
    labels = {}
    for frame in frames:
        assert frame.origin is not None  # the pool gave it one
        index = subject_label(frame, Scene.from_json(frame.origin.scene))
        labels[frame.frame_id] = index if index is None or not frame.objects[index].ignore else None
    return {row.frame_id: object_fate(row, labels[row.frame_id], cutoffs[row.detector]) for row in rows}


def object_fate(row: FrameDetections, index: int | None, cutoff: Cutoff) -> str:
    """What became of one of a frame's objects (None: it is not to be judged)."""
    place = [] if index is None else (row.objects.index == index).nonzero()[0].tolist()
    if row.error is not None or not place:
        return NOT_JUDGED
    fate = str(match(row.detections.above(cutoff), row.objects).object_fates[place[0]])
    return NOT_JUDGED if fate == "ignored" else fate
