"""`imitate probe`: on what do the failures of a run hang?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from cluster.config.schema import Config
from cluster.observability.console import Reporter
from cluster.probing.experiment import AGAIN, CHANGED, CONTROL, UNCHANGED, Experiment, scene_id
from cluster.probing.of_run import (
    Failing,
    checkpoint_of,
    chosen_cycle,
    chosen_split,
    failing_objects,
    frames_uri,
    of_mode,
    opened_run,
    within_reach,
)
from cluster.probing.scenes import LABELS, Staged, detected, rendering, staged, target_of
from cluster.run.summary import PROBE, rewrite_report
from cluster.simulation.stream import part_files
from cluster.stages.context import RunContext
from cluster.stages.diagnose import Judged
from cluster.stages.prepare import LABELS_ONLY
from cluster.workspace.run_folder import SUMMARY
from imitation.common import storage
from imitation.common.names import MAIN
from imitation.common.settings import UserError
from imitation.data.records import Frame
from imitation.datasets.parquet.files import read_frames
from imitation.diagnosis.counterfactuals import (
    FOUND,
    NOT_RENDERED,
    RESAMPLES,
    VERSION,
    Case,
    Probe,
    case_records,
    probed,
)
from imitation.evaluation.detections import FrameDetections
from imitation.report.probe.plot import probe_png
from imitation.report.probe.sheet import Line, Shown, probe_sheet
from sim_actors.changes.factor import Factor, subject_label
from sim_actors.changes.registry import factors
from sim_actors.scene.records import Scene

FILE, SHEET, PLOT = "probe.json", "sheet.png", "factors.png"
SHOWN = 8  # failures on the sheet


def probe(
    folder: str,
    *,
    options: Sequence[str] = (),
    most: int = 60,
    mode: str | None = None,
    cycle: int | None = None,
    split: str | None = None,
    names: Sequence[str] = (),
    out: str | None = None,
    reporter: Reporter,
) -> Probe:
    """Stages up to `most` failing objects of a run again with one thing changed, and writes what was found
    (probe.json, sheet.png, factors.png, the frames) to `out`, else to the run's folder `probe/`, from where
    its report shows it.

    Raises UserError for a run, a cycle, a mode or a factor that is not there, and where no object fails.
    """
    asked = factors(names)
    with opened_run(folder, options, reporter) as (config, run):
        place = storage.absolute(out) if out else run.workspace.path(PROBE)
        storage.check_writable(place)
        judged = Judged.of(run, chosen_cycle(run, cycle))
        which = chosen_split(judged, split)
        there = of_mode(failing_objects(run, judged, which), mode)
        reached, lost = within_reach(run, there)
        for name in sorted({one.detector for one in reached}):
            checkpoint_of(run.workspace, judged.cycle, name)  # before anything is rendered
        chosen = _drawn(reached, most, run.rng("probe", judged.cycle))
        things, left = _staged(chosen, run, config, which)
        if not things:
            why = "; ".join(f"{n} × {reason}" for reason, n in (Counter(lost) + left).items())
            raise UserError(
                f"{folder}: nothing to probe in {which} of cycle {judged.cycle} ({why or 'no object fails'})"
            )
        reporter.say(
            f"cycle {judged.cycle}, {which}: {len(things)} of {len(there)} failing objects, "
            f"{len(asked)} factors"
        )
        cases = _experiment(config, run, judged, which, place, asked).cases(things)
        groups, unit = probed(
            cases,
            {name: factor.said for name, factor in asked.items()},
            run.rng("probe-bootstrap", 0),
            RESAMPLES,
        )
        result = Probe(
            version=VERSION,
            run=config.run.name,
            cycle=judged.cycle,
            split=which,
            simulator=config.simulate.title,
            there=len(there),
            out_of_reach=dict(Counter(lost) + left),
            seed=run.seed,
            unit=unit,
            groups=groups,
            cases=case_records(cases),
        )
        _write(result, things, cases, tuple(asked), run, which, place)
        if out is None and storage.exists(run.workspace.path(SUMMARY)):
            reporter.say(f"in the run's report: {rewrite_report(run.workspace)}")
    return result


def _drawn(found: Sequence[Failing], most: int, rng: np.random.Generator) -> list[Failing]:
    """So many of them at random, in their order: their shares are those of all."""
    chosen = sorted(rng.permutation(len(found))[:most].tolist())
    return [found[i] for i in chosen]


def _staged(
    chosen: Sequence[Failing], run: RunContext, config: Config, split: str
) -> tuple[list[Staged], Counter[str]]:
    things: list[Staged] = []
    left: Counter[str] = Counter()
    for item in staged(chosen, frames_uri(run, split), target_of(config, run), config, PROBE):
        if isinstance(item, Staged):
            things.append(item)
        else:
            left[item[1]] += 1
    return things, left


def _experiment(
    config: Config, run: RunContext, judged: Judged, split: str, place: str, asked: dict[str, Factor]
) -> Experiment:
    """The experiment on the run's own simulators and detectors."""
    threshold = judged.threshold(split)
    cutoffs = dict(threshold) if isinstance(threshold, Mapping) else {MAIN: threshold}

    def detect(where: str, judges: Mapping[str, str]) -> Iterator[FrameDetections]:
        names = sorted(set(judges.values()))
        return detected(
            run,
            storage.join(place, where),
            storage.join(place, f"{where}-detections.parquet"),
            {name: checkpoint_of(run.workspace, judged.cycle, name) for name in names},
            judges,
            config.evaluate,
            config.ray.placement_timeout_s,
        )

    return Experiment(asked, rendering(run, place), detect, partial(_frames, place), cutoffs)


def _frames(folder: str, place: str, columns: Collection[str], keep: Collection[str]) -> Iterator[Frame]:
    uri = storage.join(folder, place)
    if part_files(uri):
        yield from read_frames(uri, columns, keep=set(keep))


def _write(
    result: Probe,
    things: Sequence[Staged],
    cases: Sequence[Case],
    names: Sequence[str],
    run: RunContext,
    split: str,
    place: str,
) -> None:
    """The record, the plot and the contact sheet."""
    storage.write_json(storage.join(place, FILE), result.to_dict())
    if (plot := probe_png(result)) is not None:
        storage.write_bytes_atomic(storage.join(place, PLOT), plot)
    lines = _lines(things, cases, names, frames_uri(run, split), place)
    if lines:
        sheet = probe_sheet(lines, [CONTROL, AGAIN, *names])
        storage.write_bytes_atomic(storage.join(place, SHEET), sheet)


def _lines(
    things: Sequence[Staged], cases: Sequence[Case], names: Sequence[str], uri: str, place: str
) -> list[Line]:
    """The failures that the sheet shows: survivors of as many modes as there are, those first that something
    mends; where none survives, whatever was staged."""
    pairs = [pair for pair in zip(things, cases, strict=True) if pair[1].survives]
    pairs = pairs or list(zip(things, cases, strict=True))
    turn: Counter[str] = Counter()
    ranked: list[tuple[int, int, Staged, Case]] = []
    for thing, case in sorted(pairs, key=lambda pair: FOUND not in pair[1].changed.values()):
        ranked.append((turn[case.mode], len(ranked), thing, case))
        turn[case.mode] += 1
    chosen = [(thing, case) for _, _, thing, case in sorted(ranked, key=lambda item: item[:2])[:SHOWN]]
    wanted = {thing.failing.failure.frame_id for thing, _ in chosen}
    real = {f.frame_id: f for f in read_frames(uri, (*LABELS_ONLY, "image", "image_uri"), keep=wanted)}
    ids = {scene_id(thing, name) for thing, _ in chosen for name in (CONTROL, AGAIN, *names)}
    columns = (*LABELS, "image", "image_uri")
    made = {f.frame_id: f for where in (UNCHANGED, CHANGED) for f in _frames(place, where, columns, ids)}
    return [_line(thing, case, names, real[thing.failing.failure.frame_id], made) for thing, case in chosen]


def _line(thing: Staged, case: Case, names: Sequence[str], real: Frame, made: Mapping[str, Frame]) -> Line:
    failure = thing.failing.failure
    assert failure.object_index is not None  # it is an object's
    box = real.objects[failure.object_index].box
    cells: dict[str, Shown | str] = {}
    for name in (CONTROL, AGAIN, *names):
        fate = case.changed.get(name, NOT_RENDERED)
        fate = case.control if name == CONTROL else case.again if name == AGAIN else fate
        frame = made.get(scene_id(thing, name))
        if frame is None:
            cells[name] = fate
            continue
        assert frame.origin is not None  # the pool gave it one
        index = subject_label(frame, Scene.from_json(frame.origin.scene))
        cells[name] = Shown(frame, None if index is None else frame.objects[index].box, fate)
    return Line(case.mode, Shown(real, box, failure.kind), cells)
