"""Scenes with one thing changed, and what a detector finds in them: the experiment behind `imitate probe`.

In two rounds. First the unchanged scenes, each twice: as it is (the control) and with other noise and
textures ("again"). Then, for failures that survive re-staging alone, a scene for each factor, made with the
control's labels and pixels in hand: they say how much hides the object, and what it stands before.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cluster.probing.scenes import LABELS, Render, Staged, fates
from imitation.common.settings import UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Frame, Object
from imitation.diagnosis.counterfactuals import MORE_CHANGED, NOT_APPLICABLE, NOT_RENDERED, Case, judged
from imitation.evaluation.detections import Cutoff, FrameDetections
from sim_actors.changes.factor import Factor, Subject, subject_label
from sim_actors.scene.records import Scene
from sim_actors.simulators.worker import SceneJob

CONTROL, AGAIN = "control", "again"
UNCHANGED, CHANGED = "unchanged", "changed"
SAME_VIEW = 0.15
"""By how much occlusion and truncation of an object may differ from the control's."""

Detect = Callable[[str, Mapping[str, str]], Iterable[FrameDetections]]
"""Judges the frames of a place, each by the detector named: frame id -> detector."""
Frames = Callable[[str, Collection[str], Collection[str]], Iterator[Frame]]
"""The frames of a place with these fields and these ids."""


@dataclass
class _Round:
    """What came out of one: by scene, the fate of the object that it is about, and its label."""

    fates: dict[str, str] = field(default_factory=dict)
    labels: dict[str, Object] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """Carries it out with whatever renders, detects and keeps the frames. `cutoffs`: detector -> operating
    threshold."""

    factors: Mapping[str, Factor]
    render: Render
    detect: Detect
    frames: Frames
    cutoffs: Mapping[str, Cutoff]

    def cases(self, things: Sequence[Staged]) -> list[Case]:
        """What became of each failing object, in the unchanged scenes and under each factor."""
        unchanged = self._round(UNCHANGED, [job for thing in things for job in _unchanged(thing)], things)
        results = {
            id(thing): replace(
                _case(thing),
                control=unchanged.fates[scene_id(thing, CONTROL)],
                again=unchanged.fates[scene_id(thing, AGAIN)],
            )
            for thing in things
        }
        alive = [thing for thing in things if results[id(thing)].survives]
        jobs, changed = self._changes(alive)
        after = self._round(CHANGED, jobs, alive)
        for thing in alive:
            before = unchanged.labels[scene_id(thing, CONTROL)]
            found = changed[id(thing)]
            for name, factor in self.factors.items():
                if name in found:
                    continue
                scene = scene_id(thing, name)
                fate = after.fates[scene]
                if judged(fate) and not factor.shows and not _alike(before, after.labels[scene]):
                    fate = MORE_CHANGED
                found[name] = fate
            results[id(thing)] = replace(
                results[id(thing)], changed={name: found[name] for name in self.factors}
            )
        return [results[id(thing)] for thing in things]

    def _round(self, place: str, jobs: Sequence[SceneJob], things: Sequence[Staged]) -> _Round:
        if not jobs:
            return _Round()
        lost = self.render(jobs, place)
        detector = {thing.failing.failure.failure_id: thing.failing.detector for thing in things}
        judges = {
            job.scene.scene_id: detector[job.failures[0]] for job in jobs if job.scene.scene_id not in lost
        }
        done = _Round({job.scene.scene_id: lost.get(job.scene.scene_id, NOT_RENDERED) for job in jobs})
        labelled = []
        for frame in self.frames(place, LABELS, judges):
            assert frame.origin is not None  # the pool gave it one
            index = subject_label(frame, Scene.from_json(frame.origin.scene))
            if index is not None:
                done.labels[frame.frame_id] = frame.objects[index]
            labelled.append(frame)
        done.fates |= fates(self.detect(place, judges), labelled, self.cutoffs)
        return done

    def _changes(self, alive: Sequence[Staged]) -> tuple[list[SceneJob], dict[int, dict[str, str]]]:
        """The changed scenes of all that survive, and by thing the factors that do not apply to it."""
        by_scene = {scene_id(thing, CONTROL): thing for thing in alive}
        jobs: list[SceneJob] = []
        left: dict[int, dict[str, str]] = {id(thing): {} for thing in alive}
        columns = (*LABELS, "image", "image_uri")
        for frame in self.frames(UNCHANGED, columns, by_scene) if alive else ():
            thing = by_scene[frame.frame_id]
            subject = _subject(frame, thing.scene)
            for name, factor in self.factors.items():
                rng = np.random.default_rng([thing.seed, zlib.crc32(name.encode())])
                scene = changed_scene(name, factor, thing.scene, subject, rng)
                if scene is None:
                    left[id(thing)][name] = NOT_APPLICABLE
                else:
                    jobs.append(thing.job(plain_name(name), scene, "probe"))
        return sorted(jobs, key=lambda job: job.scene.scene_id), left


def _unchanged(thing: Staged) -> Iterator[SceneJob]:
    yield thing.job(CONTROL, thing.scene, "probe")
    other = np.random.default_rng([thing.seed, zlib.crc32(AGAIN.encode())])
    yield thing.job(AGAIN, replace(thing.scene, seed=int(other.integers(2**31))), "probe")


def _case(thing: Staged) -> Case:
    failure = thing.failing.failure
    return Case(
        failure_id=failure.failure_id,
        frame_id=failure.frame_id,
        sequence=failure.sequence,
        mode=thing.failing.mode,
        category=failure.category or "",
        control=NOT_RENDERED,
    )


def _subject(frame: Frame, scene: Scene) -> Subject:
    index = subject_label(frame, scene)
    assert index is not None  # its control was judged
    return Subject(scene.focus[0], frame.objects[index], load_frame_image(frame))


def _alike(before: Object, after: Object) -> bool:
    """Whether as much of an object is to be seen as in the control."""
    return all(
        one is None or other is None or abs(one - other) <= SAME_VIEW
        for one, other in ((before.occlusion, after.occlusion), (before.truncation, after.truncation))
    )


def changed_scene(
    name: str, factor: Factor, scene: Scene, subject: Subject, rng: np.random.Generator
) -> Scene | None:
    """What a factor makes of a scene; None where it does not apply. Raises UserError for a factor of
    somebody's own that fails, gives no scene, or does not say where the subject is once actors are gone."""
    try:
        changed = factor(scene, subject, rng)
    except Exception as error:  # a factor of somebody's own may raise anything
        raise UserError(f"factor {name}: {type(error).__name__}: {error} (scene {scene.scene_id})") from error
    if changed is None:
        return None
    if not isinstance(changed, Scene):
        raise UserError(f"factor {name}: gave {type(changed).__name__}, not a Scene or None")
    if len(changed.focus) == 1 and changed.focus[0] < len(changed.actors):
        return changed
    if len(changed.actors) != len(scene.actors):
        raise UserError(
            f"factor {name}: of {len(scene.actors)} actors {len(changed.actors)} are left; say which is the "
            "subject by Scene.focus (sim_actors.changes.factor.without does)"
        )
    return replace(changed, focus=(subject.actor,))


def scene_id(thing: Staged, name: str) -> str:
    """The id of a scene about a thing: "probe-000042-o3-nearer"."""
    return f"{thing.scene.scene_id}-{plain_name(name)}"


def plain_name(name: str) -> str:
    """A factor's name without what a file's name should not have."""
    return re.sub(r"[^\w-]+", "-", name)
