"""How a detector does on a suite: by scene, by place of the grid, and against an earlier result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from imitation.common import storage
from imitation.common.formats.record import Count, Record
from imitation.common.settings import UserError
from imitation.metrics.operating_point import Operating
from imitation.metrics.statistics.bootstrap import Interval, Resampling
from imitation.suites.record import Suite, SuiteScene

VERSION = 1
RESAMPLES = 2000
FOUND = "found"

Plane = Literal["distance and occlusion", "hour and weather"]
PLANES: dict[Plane, tuple[str, str]] = {
    "distance and occlusion": ("distance", "occlusion"),
    "hour and weather": ("hour", "weather"),
}


class Place(Record):
    """A cell of a heat map."""

    x: float | str = Field(description="of the first axis")
    y: float | str = Field(description="of the second")
    passed: Count = Field(description="scenes in which the object is found")
    scenes: Count = Field(description="scenes there")


class SuiteResult(Record):
    """How a detector did on a suite."""

    documented: ClassVar[str] = "; is it a result of `imitate suite run`?"

    version: int = Field(description="of this layout")
    suite: str = Field(description="the suite's name")
    digest: str = Field(description="of its pictures and labels")
    detector: str = Field(description="what was tried")
    threshold: float = Field(description="score from which detections count")
    thresholds: dict[str, float] = Field(description="by category, where they differ")
    threshold_chosen_on: str = Field(description='"val", "given", or "the suite": greatest F1 on its scenes')
    passed: Count = Field(description="scenes in which the object is found")
    scenes: Count = Field(description="scenes that were judged")
    cases_passed: Count = Field(description="cases whose scenes all pass")
    cases: Count = Field(description="cases with a scene that was judged")
    left_out: Count = Field(description="scenes of which the predictions do not speak")
    maps: dict[str, list[Place]] = Field(description="passes by distance and occlusion, by hour and weather")
    fates: dict[str, str] = Field(description="scene -> found, missed, localization, classification")
    pictures: dict[str, str] = Field(description="scene -> hash of its picture and labels")


class SuiteChange(Record):
    """A result against an earlier one, on the scenes that both judged."""

    before: str = Field(description="the earlier detector")
    scenes: Count = Field(description="scenes that both judged, and that are the same")
    regressed: list[str] = Field(description="scenes that passed before and fail now")
    fixed: list[str] = Field(description="scenes that failed before and pass now")
    cases_regressed: dict[str, Count] = Field(description="case -> its regressed scenes")
    difference: float | None = Field(description="passes now minus before, as a share of the scenes")
    low: float | None = Field(description="lower end of its 95 % interval, over cases; null without one")
    high: float | None = Field(description="upper end")


def read_result(uri: str) -> SuiteResult:
    """A result that `imitate suite run` wrote. Raises UserError for any other file."""
    plain = storage.read_json(uri)
    if isinstance(plain, dict) and plain.get("version") != VERSION:
        raise UserError(
            f"{uri}: is no result of this version ({plain.get('version')}; this one is {VERSION})"
        )
    return SuiteResult.from_dict(plain, uri)


def suite_result(
    suite: Suite, detector: str, operating: Operating, chosen_on: str, fates: Mapping[str, str]
) -> SuiteResult:
    """The record of a detector's fates by scene, at its operating threshold; scenes that are not among them
    were not judged."""
    judged = [scene for scene in suite.scenes if scene.scene_id in fates]
    by_case: dict[str, list[bool]] = {}
    for scene in judged:
        by_case.setdefault(scene.case, []).append(fates[scene.scene_id] == FOUND)
    return SuiteResult(
        version=VERSION,
        suite=suite.name,
        digest=suite.digest,
        detector=detector,
        threshold=operating.threshold,
        thresholds=dict(operating.by_category),
        threshold_chosen_on=chosen_on,
        passed=sum(map(sum, by_case.values())),
        scenes=len(judged),
        cases_passed=sum(map(all, by_case.values())),
        cases=len(by_case),
        left_out=len(suite.scenes) - len(judged),
        maps={plane: _places(judged, fates, axes) for plane, axes in PLANES.items()},
        fates={scene.scene_id: fates[scene.scene_id] for scene in judged},
        pictures={scene.scene_id: scene.hash for scene in judged},
    )


def _places(scenes: Sequence[SuiteScene], fates: Mapping[str, str], axes: tuple[str, str]) -> list[Place]:
    """Scenes that name both axes, whatever else they name, in the order of the axes."""
    found: dict[tuple[Any, Any], list[bool]] = {}
    for scene in scenes:
        x, y = (getattr(scene, axis) for axis in axes)
        if x is not None and y is not None:
            found.setdefault((x, y), []).append(fates[scene.scene_id] == FOUND)
    return [Place(x=x, y=y, passed=sum(hits), scenes=len(hits)) for (x, y), hits in sorted(found.items())]


def compare(suite: Suite, now: SuiteResult, before: SuiteResult, rng: np.random.Generator) -> SuiteChange:
    """What changed since an earlier result, on the pictures that both judged: what was added since, or is
    another picture under the same name, is left aside. Raises UserError where there is none."""
    shared = [
        scene
        for scene in suite.scenes
        if scene.scene_id in now.fates and before.pictures.get(scene.scene_id) == scene.hash
    ]
    if not shared:
        raise UserError(f"the earlier result, of suite {before.suite!r}, has no picture that this one has")
    was = np.array([before.fates[scene.scene_id] == FOUND for scene in shared])
    is_now = np.array([now.fates[scene.scene_id] == FOUND for scene in shared])
    regressed = [scene for scene, a, b in zip(shared, was, is_now, strict=True) if a and not b]
    by_case: dict[str, int] = {}
    for scene in regressed:
        by_case[scene.case] = by_case.get(scene.case, 0) + 1
    interval = _difference(is_now.astype(float) - was, [scene.case for scene in shared], rng)
    return SuiteChange(
        before=before.detector,
        scenes=len(shared),
        regressed=[scene.scene_id for scene in regressed],
        fixed=[s.scene_id for s, a, b in zip(shared, was, is_now, strict=True) if b and not a],
        cases_regressed=by_case,
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
    )


def _difference(values: np.ndarray, cases: Sequence[str], rng: np.random.Generator) -> Interval:
    """The mean over scenes, with an interval over cases: the scenes of one are not independent."""
    drawn = Resampling.of_frames(cases, RESAMPLES, rng)
    samples = np.concatenate([(w @ values) / w.sum(axis=1) for w in drawn.weights(512)])
    return drawn.interval(float(values.mean()), samples, drawn.clusters)


def by_case(suite: Suite, result: SuiteResult) -> Iterator[tuple[str, int, int]]:
    """(case, scenes that pass, scenes) in the suite's order; cases without a judged scene are left out."""
    for case in suite.cases:
        ids = (scene.scene_id for scene in suite.scenes if scene.case == case.case)
        fates = [result.fates[scene] for scene in ids if scene in result.fates]
        if fates:
            yield case.case, sum(fate == FOUND for fate in fates), len(fates)
