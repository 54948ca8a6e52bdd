"""A run of which something is asked after it has ended: its context, and the objects that fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cluster.checks.early import unusable
from cluster.config.parse import apply_override, parse
from cluster.config.schema import Config
from cluster.data.stageable import catalog
from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.stages.context import RunContext
from cluster.stages.diagnose import MINE, Judged
from cluster.stages.prepare import RealData
from cluster.stages.services import Services
from cluster.workspace.run_folder import CONFIG_FILE, SUMMARY, Workspace, read_config
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.names import MAIN, cycle_folder
from imitation.common.settings import UserError
from imitation.common.wording import did_you_mean
from imitation.data.records import Box
from imitation.detectors.checkpoint import is_checkpoint
from imitation.diagnosis.failure_modes import Modes
from imitation.diagnosis.failure_tracking import FrameFailures, Judge
from imitation.diagnosis.fates import CYCLE_FILE, read_fates
from imitation.diagnosis.feasibility import out_of_reach
from imitation.evaluation.failures import Failure
from imitation.report.run.record import read_summary
from imitation.report.words import mode_name

EXPLAINING = ("missed", "localization", "classification")
"""The kinds of failure that an object itself has."""


@dataclass(frozen=True)
class Failing:
    """An object that a detector fails on, its failure mode, and which detector that is."""

    failure: Failure
    mode: str
    detector: str

    @property
    def place(self) -> tuple[str, int]:
        """Its frame and its index there."""
        assert self.failure.object_index is not None  # an object fails
        return self.failure.frame_id, self.failure.object_index


@contextmanager
def opened_run(
    folder: str, options: Sequence[str], reporter: Reporter
) -> Iterator[tuple[Config, RunContext]]:
    """The configuration of a run, with `section.key=value` on top, and its context; what still lives at the
    end is closed. Raises UserError where no detector of it was evaluated yet, or nothing here renders."""
    workspace = Workspace(folder)
    place = workspace.path(CONFIG_FILE)
    if not storage.exists(place) or not storage.exists(_evaluated(workspace, 0)):
        raise UserError(f"{folder}: is no run whose detector has been evaluated; name one, as runs/default")
    plain = read_config(place)
    for option in options:
        apply_override(plain, option)
    config = parse(plain, place)
    for reason in unusable(config):
        raise UserError(reason)
    data = RealData.from_json(old_names.read_json(workspace.path("data", "stage-prepare.json")), workspace)
    with Services(config) as services:
        watch = Watch(reporter)
        yield config, RunContext(config.run.seed, workspace, data, services, watch, catalog(config))


def _evaluated(workspace: Workspace, cycle: int) -> str:
    return workspace.path(cycle_folder(cycle), "stage-evaluate.json")


def last_cycle(run: RunContext) -> int:
    """The last cycle that was evaluated."""
    cycle = 0
    while storage.exists(_evaluated(run.workspace, cycle + 1)):
        cycle += 1
    return cycle


def chosen_cycle(run: RunContext, asked: int | None = None) -> int:
    """The cycle that is asked for, else that of the chosen detector, else the last evaluated. Raises
    UserError for one that was not evaluated."""
    last = last_cycle(run)
    if asked is not None:
        if not 0 <= asked <= last:
            raise UserError(f"--cycle {asked}: {run.workspace.uri} has cycles 0 to {last}")
        return asked
    summary = run.workspace.path(SUMMARY)
    return read_summary(summary).best_cycle if storage.exists(summary) else last


def checkpoint_of(run: Workspace, cycle: int, name: str = MAIN) -> str:
    """The checkpoint of a cycle's detector; of the chosen one its copy serves too. Raises UserError where it
    is gone, as after `imitate runs clean`."""
    place = run.path(cycle_folder(cycle), "detector", name)
    if is_checkpoint(place):
        return place
    summary, best = run.path(SUMMARY), run.path("best")
    chosen = storage.exists(summary) and read_summary(summary).best_cycle == cycle
    if name == MAIN and chosen and is_checkpoint(best):
        return best
    raise UserError(
        f"{place}: the checkpoint of this detector is gone (`imitate runs clean` deletes those that were not "
        "chosen); ask about the chosen detector, by --split val"
    )


def chosen_split(judged: Judged, asked: str | None) -> str:
    """The split whose failures are meant: the mined frames where the cycle's folds judged them, else val.
    Raises UserError for mined ones that it did not judge, and for test, which decides nothing."""
    if asked == "test":
        raise UserError("--split test: what is reported decides nothing; ask about mine or val")
    if asked == MINE and not judged.mined:
        raise UserError(
            f"--split mine: cycle {judged.cycle} mined no frames (the last cycle of a run does not); "
            "ask about val, or about an earlier cycle"
        )
    return asked or (MINE if judged.mined else "val")


def failing_objects(run: RunContext, judged: Judged, split: str) -> list[Failing]:
    """Every object of a split on which its detector fails (missed, badly placed, wrong category), in the
    order of the evaluation. A false detection on nothing is no object, and nothing of it can be staged."""
    modes = Modes.from_json(run.committed(0, "analyse")["found_modes"])
    judge = Judge(run.categories, judged.threshold(split))
    found = []
    for row in judged.main_rows(split)():
        if row.error is None:
            failures = FrameFailures.of(row, judge).objects
            found += [Failing(failures[i], modes.of(failures[i]), row.detector) for i in sorted(failures)]
    return found


def fixed_objects(run: RunContext) -> dict[str, list[Failing]]:
    """By split (mine and val; test decides nothing), the objects that failed after an earlier cycle and that
    the last detector which judged them finds. Their `detector` says when: "fixed in cycle 2"."""
    last: dict[tuple[str, str, int], dict[str, Any]] = {}
    for cycle in range(last_cycle(run) + 1):
        uri = run.path(cycle, CYCLE_FILE)
        for row in read_fates(uri) if storage.exists(uri) else ():
            if row["split"] != "test" and row["object_index"] is not None:
                last[row["split"], row["frame_id"], row["object_index"]] = row
    found: dict[str, list[Failing]] = {}
    for (split, _, _), row in sorted(last.items()):
        if row["status"] == "fixed" and row["kind_before"] in EXPLAINING:
            why = f"fixed in cycle {row['cycle']}"
            found.setdefault(split, []).append(Failing(_of_row(row), row["mode"] or "", why))
    return found


def _of_row(row: dict[str, Any]) -> Failure:
    """The failure that a row of fates was, as far as it says."""
    box = Box(row["x1"], row["y1"], row["x2"], row["y2"])
    return Failure(
        failure_id=row["failure_before"],
        frame_id=row["frame_id"],
        split=row["split"],
        detector=MAIN,
        kind=row["kind_before"],
        category=row["category"],
        predicted=row["predicted"],
        object_index=row["object_index"],
        object_box=box,
        detection_box=None,
        score=None,
        iou=0.0,
        height_px=box.height,
        sequence=row["sequence"],
    )


def of_mode(found: Sequence[Failing], asked: str | None) -> list[Failing]:
    """Those of the failure modes whose name is, or has in it, what is asked for. Raises UserError where there
    is none, naming those that there are."""
    if asked is None:
        return list(found)
    wanted = asked.casefold()
    names = {one.mode: mode_name(one.mode) for one in found}
    exact = {mode for mode, name in names.items() if wanted in (mode.casefold(), name.casefold())}
    chosen = exact or {mode for mode, name in names.items() if wanted in f"{mode}\n{name}".casefold()}
    if not chosen:
        hint = did_you_mean(asked, names.values(), f"there are: {'; '.join(sorted(names.values()))}")
        raise UserError(f"--mode {asked!r}: no object fails in such a mode; {hint}")
    return [one for one in found if one.mode in chosen]


def within_reach(run: RunContext, found: Sequence[Failing]) -> tuple[list[Failing], dict[str, int]]:
    """Those that the simulator can stage, and how many of the others there are by why."""
    why = [out_of_reach(one.failure, run.reach) for one in found]
    lost = Counter(reason for reason in why if reason is not None)
    return [one for one, reason in zip(found, why, strict=True) if reason is None], dict(lost)


def frames_uri(run: RunContext, split: str) -> str:
    """Where the frames of a split lie; those that are mined are of train."""
    return run.data.parts["train" if split == MINE else split].uri
