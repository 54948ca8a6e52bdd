"""`imitate suite run`: a detector of any make on a suite, from a run, a checkpoint, or its predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from cluster.config.evaluate import EvaluateSettings
from cluster.config.parse import load_defaults, parse
from cluster.config.simulator import each_apart, simulators
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.observability.console import Reporter
from cluster.probing.of_run import checkpoint_of
from cluster.probing.scenes import object_fate
from cluster.probing.suite import category_map, suite_frames
from cluster.run.summary import SUITES, rewrite_report
from cluster.runtime.ray_session import start_ray
from cluster.workspace.run_folder import CONFIG_FILE, SUMMARY, Workspace
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.detectors.checkpoint import is_checkpoint, read_info
from imitation.evaluation.detection_files import read_detections, write_detections
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.external_detections import CocoResults, EvaluatedResults, KittiResults, Results
from imitation.metrics.operating_point import Operating
from imitation.metrics.summary import summarize
from imitation.report.run.record import read_summary
from imitation.suites.record import COCO, FRAMES, RESULTS, Suite, image_hash, labels_hash, read_suite
from imitation.suites.result import SuiteResult, read_result, suite_result
from sim_actors.scene.records import Scene
from sim_actors.simulators.mixture import GuardedMixture
from sim_actors.simulators.worker import SceneJob, decode_frame

SPLIT, NAME = "suite", "detector"


def run(
    folder: str,
    what: str,
    *,
    options: Sequence[str] = (),
    threshold: float | None = None,
    name: str | None = None,
    reporter: Reporter,
) -> tuple[Suite, SuiteResult, str]:
    """A detector on the suite in a folder, its result (written to `results/NAME.json` there), and where that
    is.

    `what`: a run's folder (its chosen detector, or the last), a checkpoint, or predictions on the suite's
    pictures: COCO results (for `coco/`), a folder of KITTI result files called as the scenes are, or an
    evaluation's Parquet. Without a `threshold` detections count from the checkpoint's own; of predictions
    from that of greatest F1 on the suite. Raises UserError where there is no suite or detector, and for
    frozen frames that have changed.
    """
    suite = read_suite(folder)
    for _ in suite_frames(folder, suite):
        pass  # they are what was frozen
    checkpoint = _checkpoint(what)
    with tempfile.TemporaryDirectory(prefix="imitate-suite-") as scratch:
        uri = storage.join(scratch, "detections.parquet")
        if checkpoint is None:
            categories = _with_own_names(category_map(suite))
            _predicted(folder, suite, what, categories, uri)
            operating, chosen_on = _of_predictions(uri, categories, threshold)
        else:
            categories = _categories(checkpoint, suite)
            _detected(folder, suite, checkpoint, categories, uri, options, reporter)
            info = read_info(checkpoint)
            operating, chosen_on = _of_checkpoint(info.operating, uri, categories, threshold)
        cutoff = operating.cutoff(categories.categories)
        index = {scene.scene_id: scene.object for scene in suite.scenes}
        fates = {
            row.frame_id: object_fate(row, index[row.frame_id], cutoff)
            for row in read_detections(uri)
            if row.frame_id in index
        }
    if not fates:
        raise UserError(f"{what}: speaks of none of the {len(suite.scenes)} scenes of {folder}")
    result = suite_result(suite, name or _shown(what), operating, chosen_on, fates)
    place = storage.join(folder, RESULTS, f"{name or _plain(what)}.json")
    storage.write_json(place, result.to_dict())
    if checkpoint is not None and checkpoint != what:  # a run
        workspace = Workspace(what)
        storage.write_json(workspace.path(SUITES, f"{suite.name}.json"), result.to_dict())
        if storage.exists(workspace.path(SUMMARY)):
            reporter.say(f"in the run's report: {rewrite_report(workspace)}")
    return suite, result, place


def _checkpoint(what: str) -> str | None:
    """The checkpoint that is meant: of a run the chosen one, else the last; None for predictions. Raises
    UserError for a place that is nowhere, and a run without a detector."""
    if not storage.exists(what):
        raise UserError(f"{what}: there is nothing there; name a run, a checkpoint, or predictions")
    if not storage.is_folder(what):
        return None
    if is_checkpoint(what):
        return what
    workspace = Workspace(what)
    if not storage.exists(workspace.path(CONFIG_FILE)):
        return None
    if storage.exists(workspace.path(SUMMARY)):
        return checkpoint_of(workspace, read_summary(workspace.path(SUMMARY)).best_cycle)
    cycles = len([*workspace.cycles()])
    if not cycles:
        raise UserError(f"{what}: is a run in which no detector has been evaluated yet")
    return checkpoint_of(workspace, cycles - 1)


def _categories(checkpoint: str, suite: Suite) -> CategoryMap:
    """The detector's own classes; what it does not say of names, the suite does. Raises UserError for a
    detector that knows no category of the suite."""
    info = read_info(checkpoint)
    known = info.trained_on.get("category_map")
    own = CategoryMap.from_json(known) if known else CategoryMap.identity(info.categories)
    theirs = category_map(suite)
    mapping = {c: t for c, t in theirs.mapping.items() if t in own.categories} | dict(own.mapping)
    categories = CategoryMap(own.categories, mapping, own.ignore)
    wanted = {case.category for case in suite.cases}
    if not wanted & set(categories.categories):
        raise UserError(
            f"{checkpoint}: detects {', '.join(categories.categories)}; the suite's cases are "
            f"{', '.join(sorted(wanted))}"
        )
    return categories


def _with_own_names(categories: CategoryMap) -> CategoryMap:
    """The map, which knows the classes by their own names too: so the suite's COCO calls them."""
    own = {name: name for name in categories.categories}
    return CategoryMap(categories.categories, own | dict(categories.mapping), categories.ignore)


def _detected(
    folder: str,
    suite: Suite,
    checkpoint: str,
    categories: CategoryMap,
    uri: str,
    options: Sequence[str],
    reporter: Reporter,
) -> None:
    config = load_defaults(options)
    settings: EvaluateSettings = config.evaluate
    start_ray(config)
    wanted = {scene.scene_id: NAME for scene in suite.scenes}
    with reporter.bar("detecting", len(wanted)) as bar:
        evaluate(
            [EvaluationPart(storage.absolute(storage.join(folder, FRAMES)), SPLIT, only=wanted)],
            {NAME: storage.absolute(checkpoint)},
            categories,
            uri,
            settings,
            "stop",
            bar.update,
            config.ray.placement_timeout_s,
        )


def _predicted(folder: str, suite: Suite, what: str, categories: CategoryMap, uri: str) -> None:
    results = _results(folder, what, categories)

    def rows() -> Iterator[FrameDetections]:
        for frame in suite_frames(folder, suite):
            detections = results.of(frame)
            if detections is not None:
                yield FrameDetections.of(
                    categories.mapped(frame),
                    detections,
                    categories=categories.categories,
                    split=SPLIT,
                    detector=NAME,
                    source=[obj.category for obj in frame.objects],
                )

    write_detections(rows(), uri, categories.categories)


def _results(folder: str, what: str, categories: CategoryMap) -> Results:
    """By what lies there: a folder is KITTI's, JSON is COCO's, Parquet is an evaluation."""
    if what.endswith(".parquet"):
        return EvaluatedResults(what, categories)
    if storage.is_folder(what):
        return KittiResults(what, categories)
    coco = storage.read_json(_annotations(folder))
    files = {image["id"]: image["file_name"] for image in coco["images"]}
    ids = {image["imitation"]["frame_id"]: image["id"] for image in coco["images"]}
    names = {category["id"]: category["name"] for category in coco["categories"]}
    return CocoResults(what, ids, names, categories, set(files), files)


def _annotations(folder: str) -> str:
    """The annotations of the suite as COCO."""
    found = storage.list_files(storage.join(folder, COCO), ".json", recursive=True)
    if not found:
        raise UserError(f"{folder}: its COCO files are missing; copy the whole folder")
    return found[0]


def _of_checkpoint(
    own: Operating | None, uri: str, categories: CategoryMap, threshold: float | None
) -> tuple[Operating, str]:
    if threshold is None and own is not None:
        return own, "val"
    return _of_predictions(uri, categories, threshold)


def _of_predictions(uri: str, categories: CategoryMap, threshold: float | None) -> tuple[Operating, str]:
    if threshold is not None:
        return Operating(threshold), "given"
    rows = partial(read_detections, uri)
    return summarize(rows, categories.categories, SPLIT).operating, "the suite"


def _shown(what: str) -> str:
    """A detector's name in results: its place, without what else the path gives away."""
    parts = [part for part in what.replace("\\", "/").split("/") if part not in ("", ".")]
    return "/".join(parts[-2:])


def _plain(what: str) -> str:
    name = _shown(what).replace("/", "-")
    for suffix in (".json", ".parquet"):
        name = name.removesuffix(suffix)
    return name


def earlier(place: str, folder: str) -> SuiteResult:
    """A result by its file, or by its name in the suite's folder."""
    named = storage.join(folder, RESULTS, f"{place}.json")
    uri = place if storage.exists(place) else named
    if not storage.exists(uri):
        raise UserError(f"{place}: there is no such result, neither as a file nor as {named}")
    return read_result(uri)


def rerender(folder: str, most: int | None, reporter: Reporter) -> dict[str, str]:
    """Scenes of a suite rendered again from their lineage, on this machine, against what is frozen: all, or
    `most`, spread over the suite. Scene -> "equal", "other pixels" (another machine or driver), "other
    labels", or why there is no frame."""
    suite = read_suite(folder)
    step = 1 if most is None else max(1, len(suite.scenes) // most)
    wanted = {scene.scene_id for scene in suite.scenes[::step][:most]}
    found: dict[str, str] = {}
    with _host(suite) as host, reporter.bar("rendering again", len(wanted)) as bar:
        for frame in suite_frames(folder, suite):
            if frame.frame_id in wanted:
                found[frame.frame_id] = _again(host, frame)
                bar.update(len(found))
    return found


@contextmanager
def _host(suite: Suite) -> Iterator[GuardedMixture]:
    """The suite's own simulators, each in a process of its own."""
    plain: dict[str, Any] = {**load_defaults().plain(), **suite.settings}
    config = parse(plain, "suite.json")
    limits = {
        label: (its.simulate.scene_timeout_s, its.simulate.startup_timeout_s)
        for label, its in each_apart(config).items()
    }
    with GuardedMixture(simulators(config), limits) as host:
        if error := host.start():
            raise UserError(error)
        yield host


def _again(host: GuardedMixture, frame: Frame) -> str:
    origin = frame.origin
    assert origin is not None  # the pool gave it one
    job = SceneJob(
        Scene.from_json(origin.scene),
        origin.cycle,
        origin.parent,
        origin.failures,
        origin.policy,
        origin.seed,
    )
    answer = host.render(job)
    if answer.payload is None:
        return "; ".join(answer.unsupported) or (answer.error or "no frame").strip().splitlines()[-1]
    made = decode_frame(answer.payload)
    if labels_hash(made) != labels_hash(frame):
        return "other labels"
    return "equal" if image_hash(made) == image_hash(frame) else "other pixels"
