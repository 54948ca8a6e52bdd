"""`imitate compare CONFIG`, from the plan to the report. The files beside those of every folder of runs
(`cluster.experiments.folder`; trials are named by arm, seed and fold):

    states/             how each trial ended
    synthetic-test/     the synthetic test set, and what every detector makes of it
    matches/            what the table is computed from, small (`matches.py`)
    comparison.json  table.csv  comparison.html
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import chain

import yaml

from cluster.config.schema import Config
from cluster.data.leaks import leaks
from cluster.data.stageable import outlook
from cluster.experiments.capacity import room
from cluster.experiments.compare.design import design_lines
from cluster.experiments.compare.execute import Clock, InProcess, Runner, State, execute, read_state
from cluster.experiments.compare.finished import Finished, Picked, detector_name
from cluster.experiments.compare.matches import from_matches, keep_matches
from cluster.experiments.compare.plan import Cell, Plan, make_plan
from cluster.experiments.compare.results.fixed_failures import fixed_failures
from cluster.experiments.compare.results.synthetic_test import judge, render_test_set
from cluster.experiments.compare.results.table import collect
from cluster.experiments.drivers import reason
from cluster.experiments.folder import RUN_JSON, opened, refusals
from cluster.observability.console import Reporter
from cluster.run.baseline import DONE, FOLDER, baseline_key
from cluster.runtime.ray_session import start_ray
from cluster.stages.prepare import RealData
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.settings import UserError
from imitation.report.comparison.fixed_failures import Fixed, FixedCounts
from imitation.report.comparison.html import render_comparison
from imitation.report.comparison.record import Comparison, flat_rows, read_comparison, write_comparison
from imitation.report.comparison.text import as_text

JSON, TABLE, REPORT = "comparison.json", "table.csv", "comparison.html"


def compare(config: Config, reporter: Reporter, command: str, quiet: bool = False) -> Comparison:
    """Runs, or continues, the comparison that the configuration names; prints and writes what it found.

    Raises UserError for settings that cannot work (nothing has been computed then), and where no arm could
    be finished. Whatever was finished stays, and the same command goes on from there.
    """
    plan = make_plan(config)
    said = chain(plan.lines(), design_lines(plan))
    with opened(plan.home, plan.config, plan.of_each_arm(), said, reporter):
        clock = Clock(plan.folder)
        states = _run(plan, reporter, clock)
        comparison = write_all(plan, states, command, clock, reporter)
    reporter.say("")
    if not quiet:
        print("\n".join(as_text(comparison)), flush=True)
    reporter.say(f"\nreport: {storage.join(plan.folder, REPORT)}")
    if failed := [name for name, state in states.items() if state.status == "failed"]:
        raise UserError(
            f"{len(failed)} of {len(states)} runs failed ({failed[0]}: {states[failed[0]].reason}); the "
            "table is of the rest, and the same command tries them again"
        )
    return comparison


def _run(plan: Plan, reporter: Reporter, clock: Clock) -> dict[str, State]:
    left = [t for t in plan.trials if read_state(plan, t).status != "finished"]
    with ExitStack() as held:
        runner: Runner = InProcess(reporter)
        if left and plan.config.compare.max_concurrent != 1:
            start_ray(plan.config)
            at_once = min(room(plan.config, plan.config.compare.max_concurrent), len(left))
            if at_once > 1:
                from cluster.experiments.compare.side_by_side import SideBySide

                reporter.say(f"{at_once} runs at a time")
                runner = held.enter_context(SideBySide(at_once, reporter))
        held.enter_context(clock.kept())
        return execute(plan, runner, reporter, clock)


def write_all(
    plan: Plan, states: Mapping[str, State], command: str, clock: Clock, reporter: Reporter
) -> Comparison:
    """Judges the synthetic test set, computes the table, writes its three files."""
    done = Finished(plan, states)
    synthetic = None
    if done.summaries:
        try:
            synthetic = _synthetic(plan, done, reporter)
        except Exception as error:  # hours of finished runs are not lost for it; the next call tries again
            reporter.say(f"no synthetic test set: {reason(error)}")
    reporter.say("computing the table")
    comparison = collect(
        plan,
        states,
        storage.read_json(storage.join(plan.folder, RUN_JSON)),
        synthetic,
        clock.seconds,
        command,
    )
    fixed, counts = fixed_failures(done, plan.config.report.gallery, plan.config.report.seed)
    _write(comparison, plan, plan.folder, fixed, counts)
    try:
        told = storage.read_json(storage.join(plan.folder, RUN_JSON))
        keep_matches(done, told, synthetic, comparison.seconds_total, command)
    except (UserError, OSError) as error:  # the table is there; the next call keeps them
        reporter.say(f"matches are not kept: {reason(error)}")
    return comparison


def _write(
    comparison: Comparison,
    plan: Plan,
    folder: str,
    fixed: Sequence[Fixed] = (),
    counts: FixedCounts | None = None,
) -> None:
    """The table's three files."""
    write_comparison(comparison, storage.join(folder, JSON))
    text = io.StringIO()
    head, rows = flat_rows(comparison)
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    storage.write_bytes_atomic(storage.join(folder, TABLE), text.getvalue().encode())
    page = render_comparison(comparison, fixed, counts, yaml.safe_dump(plan.config.plain(), sort_keys=False))
    storage.write_bytes_atomic(storage.join(folder, REPORT), page.encode("utf-8"))


def compare_from_matches(folders: Sequence[str], out: str | None) -> Comparison:
    """The table again, of what comparisons have kept (`matches`); its files go to `out`, if that is given.
    Raises UserError as `from_matches`."""
    again = from_matches(folders)
    plan, states = again.done.plan, again.done.states
    told = (again.run_json, again.synthetic, again.seconds, again.command)
    comparison = collect(plan, states, *told, done=again.done)
    if out is not None:
        _write(comparison, plan, out)
    return comparison


def _synthetic(plan: Plan, done: Finished, reporter: Reporter) -> dict[str, str] | None:
    if not plan.config.compare.synthetic_test:
        return None
    found = _first_base(plan)
    if found is None:
        return None
    cell, base = found
    frames = render_test_set(plan, cell, base, reporter)
    if frames is None:
        return None
    workspace = Workspace(base)
    data = RealData.from_json(old_names.read_json(workspace.path("data", "stage-prepare.json")), workspace)
    checkpoints = {}
    for trial in plan.trials:
        if trial.name in done.summaries:
            for cycle in range(len(done.summaries[trial.name].cycles)):
                picked = Picked(trial, cycle)
                checkpoints[detector_name(picked)] = done.checkpoint(picked)
    return judge(plan, frames, data, checkpoints, reporter)


def _first_base(plan: Plan) -> tuple[Cell, str] | None:
    """The first cell whose baseline is there."""
    for cell in plan.cells:
        base = storage.join(plan.folder, FOLDER, baseline_key(plan.cell_config(cell)))
        if storage.exists(storage.join(base, DONE)):
            return cell, base
    return None


def dry_run(config: Config) -> list[str]:
    """What a comparison would do and cost; nothing is started or written."""
    plan = make_plan(config)
    runs = plan.of_each_arm()
    return [*plan.lines(), *design_lines(plan), *outlook(runs), *leaks(runs), *refusals(runs)]


def read_record(folder: str) -> Comparison:
    """A comparison that has come to its end. Raises UserError where there is none."""
    uri = storage.join(folder, JSON)
    if not storage.exists(uri):
        raise UserError(f"{folder}: no comparison here ({JSON} is missing)")
    return read_comparison(uri)
