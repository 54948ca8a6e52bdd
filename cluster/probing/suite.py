"""`imitate suite add`: failures become grids of rendered scenes, frozen with seeds, lineage and hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from cluster.config.schema import Config
from cluster.observability.console import Reporter
from cluster.probing.of_run import (
    Failing,
    chosen_cycle,
    chosen_split,
    failing_objects,
    fixed_objects,
    frames_uri,
    of_mode,
    opened_run,
    within_reach,
)
from cluster.probing.scenes import LABELS, Staged, rendering, staged, target_of
from cluster.simulation.stream import part_files
from cluster.stages.context import RunContext
from cluster.stages.diagnose import Judged
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.datasets.export import export, survey_frames
from imitation.datasets.export_sources import Source
from imitation.datasets.numbering import Classes
from imitation.datasets.parquet.files import read_frames, read_ids, write_frames
from imitation.diagnosis.counterfactuals import NOT_JUDGED
from imitation.suites.record import (
    COCO,
    FILE,
    FRAMES,
    VERSION,
    Suite,
    SuiteCase,
    SuiteScene,
    image_hash,
    labels_hash,
    read_suite,
)
from sim_actors.changes.factor import subject_label
from sim_actors.changes.grid import Axes, Cell, cells, in_cell
from sim_actors.scene.records import Scene
from sim_actors.simulators.worker import SceneJob

BUILDING = ".building"
NO_ROOM = "no room for it"
ALL_COLUMNS = (*LABELS, "image", "image_uri")


@dataclass
class Around:
    """A case and the scenes around it: scene id -> its place in the grid."""

    case: SuiteCase
    jobs: list[SceneJob] = field(default_factory=list)
    places: dict[str, Cell] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)


def add(
    folder: str,
    run_folder: str,
    *,
    options: Sequence[str] = (),
    failing: int | None = None,
    most: int = 12,
    mode: str | None = None,
    cycle: int | None = None,
    axes: Axes,
    full: bool = False,
    reporter: Reporter,
) -> Suite:
    """Adds failures of a run to the suite in a folder, which is made if need be; returns the suite.

    Taken are objects that failed in an earlier cycle and are found in the last, up to `most`; or, with
    `failing`, so many of those that fail in `cycle` (None: the chosen detector's). Each becomes scenes at the
    places of `axes` (`sim_actors.changes.grid`). What is in the suite already stays as it is. Raises
    UserError where there is nothing to add, or the suite is of other categories.
    """
    with opened_run(run_folder, options, reporter) as (config, run):
        storage.check_writable(folder)
        suite = (
            read_suite(folder) if storage.exists(storage.join(folder, FILE)) else _empty(folder, config, run)
        )
        if suite.categories != run.data.categories.to_json():
            raise UserError(
                f"{folder}: its categories are {', '.join(suite.categories['categories'])}, those of "
                f"{run_folder} {', '.join(run.categories)}; make another suite"
            )
        chosen, why = _chosen(run, failing, most, mode, cycle)
        known = {case.case for case in suite.cases}
        grid = [*cells(axes, full)]
        around: list[Around] = []
        for split, members in chosen.items():
            for item in staged(
                members, frames_uri(run, split), target_of(config, run), config, config.run.name
            ):
                if not isinstance(item, Staged):
                    reporter.say(f"left out: {item[0].failure.failure_id}: {item[1]}")
                elif item.scene.scene_id in known:
                    reporter.say(f"in the suite already: {item.scene.scene_id}")
                else:
                    around.append(_around(item, grid, config.run.name, why))
        if not around:
            raise UserError(
                f"{run_folder}: no new case for {folder}; choose others (--failures, --mode, --cycle)"
            )
        building = storage.join(folder, BUILDING)
        lost = rendering(run, building)([job for one in around for job in one.jobs], FRAMES)
        return _frozen(folder, suite, around, lost, building, reporter)


def _chosen(
    run: RunContext, failing: int | None, most: int, mode: str | None, cycle: int | None
) -> tuple[dict[str, list[Failing]], str]:
    """The objects that become cases, by split, and why they do."""
    if failing is None:
        by_split = fixed_objects(run)
        why = "fixed"
        if not any(by_split.values()):
            raise UserError(
                f"{run.workspace.uri}: no object that failed in an earlier cycle is found in the last; "
                "--failures N takes objects that fail now"
            )
        total = most
    else:
        judged = Judged.of(run, chosen_cycle(run, cycle))
        split = chosen_split(judged, None)
        by_split, why, total = (
            {split: failing_objects(run, judged, split)},
            f"fails in cycle {judged.cycle}",
            failing,
        )
    everything = [(split, one) for split, found in by_split.items() for one in found]
    wanted = of_mode([one for _, one in everything], mode)
    reached = {one.place for one in within_reach(run, wanted)[0]}
    left = [(split, one) for split, one in everything if one in wanted and one.place in reached]
    order = run.rng("suite", 0).permutation(len(left))[:total]
    chosen: dict[str, list[Failing]] = {}
    for i in sorted(order.tolist()):
        chosen.setdefault(left[i][0], []).append(left[i][1])
    return chosen, why


def _around(thing: Staged, grid: Sequence[Cell], run: str, why: str) -> Around:
    failure = thing.failing.failure
    case = SuiteCase(
        case=thing.scene.scene_id,
        run=run,
        why=thing.failing.detector if why == "fixed" else why,
        failure_id=failure.failure_id,
        frame_id=failure.frame_id,
        mode=thing.failing.mode,
        category=failure.category or "",
        left_out={},
    )
    found = Around(case)
    for cell in grid:
        scene = in_cell(thing.scene, cell)
        if scene is None:
            found.left[NO_ROOM] += 1
            continue
        job = thing.job(cell.name, scene, "suite")
        found.jobs.append(replace(job, twice=not found.jobs))  # one of each case twice: it can be frozen
        found.places[job.scene.scene_id] = cell
    return found


def _empty(folder: str, config: Config, run: RunContext) -> Suite:
    plain = config.plain()
    return Suite(
        version=VERSION,
        name=storage.name_of(storage.absolute(storage.suffixed(folder, "")).rstrip("/")),
        simulator=config.simulate.title,
        settings={section: plain[section] for section in ("simulate", "renderer")},
        categories=run.data.categories.to_json(),
        cases=[],
        scenes=[],
    )


def _frozen(
    folder: str,
    suite: Suite,
    around: Sequence[Around],
    lost: dict[str, str],
    building: str,
    reporter: Reporter,
) -> Suite:
    """Writes what was rendered as the next part, all of it as COCO, and last of all suite.json."""
    uri = storage.join(building, FRAMES)
    by_scene = {scene: one for one in around for scene in one.places}
    kept: list[SuiteScene] = []
    for frame in read_frames(uri, ALL_COLUMNS) if part_files(uri) else ():
        one = by_scene[frame.frame_id]
        scene = _scene(frame, one)
        if scene is None:
            one.left[NOT_JUDGED] += 1
        else:
            kept.append(scene)
    for scene_id, why in lost.items():
        by_scene[scene_id].left[why] += 1
    alive = {scene.case for scene in kept}
    for one in around:
        if one.case.case not in alive:
            reporter.say(f"left out: {one.case.case}: no scene of it shows the object ({dict(one.left)})")
    if not kept:
        raise UserError(f"{folder}: nothing was added: no scene shows what it is about")
    cases = [
        one.case.model_copy(update={"left_out": dict(one.left)}) for one in around if one.case.case in alive
    ]
    names = {scene.scene_id for scene in kept}
    part = _next_part(folder, suite)
    ordered = sorted(read_frames(uri, None, keep=names), key=lambda frame: frame.frame_id)
    write_frames(iter(ordered), part)
    simulator = suite.simulator
    if ordered[0].origin is not None:
        simulator = f"{ordered[0].origin.simulator} {ordered[0].origin.simulator_version}"
    grown = suite.model_copy(
        update={
            "simulator": simulator,
            "cases": [*suite.cases, *cases],
            "scenes": [*suite.scenes, *sorted(kept, key=lambda scene: scene.scene_id)],
        }
    )
    _export(folder, grown)
    storage.write_json(storage.join(folder, FILE), grown.to_dict())
    storage.delete(building)
    return grown


def _next_part(folder: str, suite: Suite) -> str:
    """Where the next frames go. A part of which suite.json knows nothing is of an addition that was cut
    short, and is deleted."""
    place, known = storage.join(folder, FRAMES), {scene.scene_id for scene in suite.scenes}
    for uri in part_files(place):
        if known.isdisjoint(read_ids(uri)):
            storage.delete(uri)
    return storage.join(place, f"{len(part_files(place)):03d}.parquet")


def _scene(frame: Frame, one: Around) -> SuiteScene | None:
    """A rendered scene as it is frozen; None where its object cannot be judged."""
    assert frame.origin is not None  # the pool gave it one
    scene = Scene.from_json(frame.origin.scene)
    index = subject_label(frame, scene)
    if index is None or frame.objects[index].ignore:
        return None
    cell = one.places[frame.frame_id]
    return SuiteScene(
        scene_id=frame.frame_id,
        case=one.case.case,
        distance=cell.distance,
        occlusion=cell.occlusion,
        hour=cell.hour,
        weather=cell.weather,
        seed=scene.seed,
        object=index,
        image=image_hash(frame),
        labels=labels_hash(frame),
    )


def suite_frames(folder: str, suite: Suite) -> Iterator[Frame]:
    """The frozen frames. Raises UserError for one whose picture or labels are no longer what they were."""
    known = {scene.scene_id: scene for scene in suite.scenes}
    seen = set()
    for frame in read_frames(storage.join(folder, FRAMES)):
        scene = known.get(frame.frame_id)
        if scene is None:
            continue  # of an addition that was cut short
        if (image_hash(frame), labels_hash(frame)) != (scene.image, scene.labels):
            raise UserError(f"{folder}: scene {frame.frame_id} is not what was frozen: its file was changed")
        seen.add(frame.frame_id)
        yield frame
    if missing := sorted(known.keys() - seen):
        raise UserError(f"{folder}: scene {missing[0]} is missing ({len(missing)} of {len(known)} are)")


def _export(folder: str, suite: Suite) -> None:
    """All of it as COCO, anew."""
    out = storage.join(folder, COCO)
    storage.delete(out)
    named = Classes(named=suite.categories["categories"], renamed=suite.categories["mapping"])
    names = [scene.scene_id for scene in suite.scenes]
    source = Source("", storage.join(folder, FRAMES), synthetic=False, names=names)
    export(survey_frames([source], classes=named), "coco", out)


def category_map(suite: Suite) -> CategoryMap:
    """The classes, and which category of the frames means which."""
    return CategoryMap.from_json(suite.categories)
